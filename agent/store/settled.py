"""Which records a receiver needs no more.

Invariants:
- Settled is every number up to `cursor` and every number of `ranges`. Ranges (after, through] are ascending, and
  neither overlap nor touch each other or the cursor: what fills the last hole moves the cursor over all of it.
- There are at most `MOST_RANGES`, and `MOST_KEPT` in the file. One too many, and the shortest is forgotten, never the
  one just added: its records are delivered once more, none is ever taken for settled that was not.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum

MOST_RANGES = 4096
"""As many as there may be values ahead of their commit with other records between them, and some."""
MOST_KEPT = 256

Range = tuple[int, int]


class Lane(StrEnum):
    """What is delivered one behind the other; nothing in one lane waits for the other."""

    URGENT = "alarms"
    """Alarms."""
    NORMAL = "normal"
    """All other records."""


class Settled:
    """A set of sequence numbers made of a cursor and a few ranges beyond it."""

    __slots__ = ("cursor", "ranges")

    def __init__(self, cursor: int = 0, ranges: Iterable[Range] = ()) -> None:
        self.cursor = cursor
        self.ranges: list[Range] = []
        for after, through in ranges:
            self.add(after, through)

    def __contains__(self, seq: int) -> bool:
        return any(after < seq <= through for after, through in self.spans())

    def add(self, after: int, through: int) -> None:
        """Settle (after, through]."""
        after = max(after, self.cursor)
        if through <= after:
            return
        first = bisect_left(self.ranges, after, key=_end)
        behind = bisect_right(self.ranges, through, key=_start)
        if first < behind:
            after, through = min(self.ranges[first][0], after), max(self.ranges[behind - 1][1], through)
        before, beyond = self.ranges[:first], self.ranges[behind:]
        if after == self.cursor:
            self.cursor, self.ranges = through, beyond
            return
        if len(before) + len(beyond) == MOST_RANGES:
            shortest = min(before + beyond, key=_length)
            (before if shortest in before else beyond).remove(shortest)
        self.ranges = [*before, (after, through), *beyond]

    def hole(self, after: int) -> tuple[int, int | None]:
        """Return the first unsettled (low, high] at or behind `after`; `high` is None when it has no end yet."""
        low = max(after, self.cursor)
        next_one = bisect_right(self.ranges, low, key=_end)
        if next_one < len(self.ranges) and self.ranges[next_one][0] <= low:
            low = self.ranges[next_one][1]
            next_one += 1
        return low, self.ranges[next_one][0] if next_one < len(self.ranges) else None

    @property
    def kept(self) -> list[Range]:
        """The ranges that are written to the file: the longest."""
        return sorted(sorted(self.ranges, key=_length)[-MOST_KEPT:])

    def missing(self, through: int) -> int:
        """Return how many numbers up to `through` are not settled."""
        return through - self.within(0, through)

    def within(self, low: int, high: int) -> int:
        """Return how many numbers of (low, high] are settled."""
        if high <= low:
            return 0
        count = max(0, min(high, self.cursor) - low)
        # Only what lies there is looked at: commits ask this of each of thousands of ranges.
        first, behind = bisect_right(self.ranges, low, key=_end), bisect_left(self.ranges, high, key=_start)
        return count + sum(min(high, through) - max(low, after) for after, through in self.ranges[first:behind])

    def spans(self) -> Iterator[Range]:
        """Yield everything settled as ranges."""
        if self.cursor:
            yield 0, self.cursor
        yield from self.ranges


Lanes = dict[Lane, Settled]
"""What a sink needs no more in each lane."""


def common(many: Iterable[Settled]) -> list[Range]:
    """Return the ranges settled in every set; empty without any."""
    found: list[Range] | None = None
    for settled in many:
        spans = list(settled.spans())
        found = spans if found is None else _in_both(found, spans)
    return found or []


def _in_both(ours: Sequence[Range], others: Sequence[Range]) -> list[Range]:
    """Return where ascending ranges overlap."""
    found, at, other = [], 0, 0
    while at < len(ours) and other < len(others):
        low, high = max(ours[at][0], others[other][0]), min(ours[at][1], others[other][1])
        if low < high:
            found.append((low, high))
        if ours[at][1] == high:
            at += 1
        else:
            other += 1
    return found


def _start(one: Range) -> int:
    return one[0]


def _end(one: Range) -> int:
    return one[1]


def _length(one: Range) -> int:
    return one[1] - one[0]
