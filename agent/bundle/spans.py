"""Stretches of time that something is there for, and those that nothing is."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator


class Spans:
    """Stretches [start, end) (Unix, ns) put together; most come one behind the other."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    def add(self, start: int, end: int) -> None:
        """Take one; what overlaps or touches becomes one."""
        first, last = bisect_left(self._ends, start), bisect_right(self._starts, end)
        if first < last:
            start, end = min(start, self._starts[first]), max(end, self._ends[last - 1])
        self._starts[first:last], self._ends[first:last] = [start], [end]

    def holes(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield the stretches of [start, end) that nothing is there for."""
        for begun, ended in zip(self._starts, self._ends, strict=True):
            if begun > start and start < end:
                yield start, min(begun, end)
            start = max(start, ended)
        if start < end:
            yield start, end
