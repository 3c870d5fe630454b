"""Which records a receiver needs no more.

Invariants:
- Settled is every number up to `cursor` and every number of `ranges`. Ranges (after, through] are ascending, and
  neither overlap nor touch each other or the cursor: what fills the last hole moves the cursor over all of it.
- There are at most `MOST_RANGES`. One too many, and the shortest is forgotten, never the one just added: its records
  are delivered once more, none is ever taken for settled that was not.
"""

from collections.abc import Iterable, Iterator
from enum import StrEnum

MOST_RANGES = 256

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
        apart = []
        for low, high in self.ranges:
            if high < after or low > through:
                apart.append((low, high))
            else:
                after, through = min(low, after), max(high, through)
        if after == self.cursor:
            self.cursor = through
        else:
            if len(apart) == MOST_RANGES:
                apart.remove(min(apart, key=lambda one: one[1] - one[0]))
            apart = sorted([*apart, (after, through)])
        self.ranges = apart

    def hole(self, after: int) -> tuple[int, int | None]:
        """Return the first unsettled (low, high] at or behind `after`; `high` is None when it has no end yet."""
        low = max(after, self.cursor)
        for start, end in self.ranges:
            if low < start:
                return low, start
            low = max(low, end)
        return low, None

    def missing(self, through: int) -> int:
        """Return how many numbers up to `through` are not settled."""
        return through - self.within(0, through)

    def within(self, low: int, high: int) -> int:
        """Return how many numbers of (low, high] are settled."""
        return sum(max(0, min(high, through) - max(low, after)) for after, through in self.spans())

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
        if found is not None:
            spans = [(max(a, c), min(b, d)) for a, b in found for c, d in spans if max(a, c) < min(b, d)]
        found = spans
    return found or []
