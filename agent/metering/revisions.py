"""Which revision an interval is, where what was closed is withdrawn because a clock was ahead.

What is withdrawn is first revised to nothing, interval by interval; whatever is booked there later begins with the
revision after that.
"""

from collections.abc import Sequence
from typing import Any

from agent.metering.jump import CORRECTED
from agent.metering.slot import LATE_DATA, ClosedInterval


class Revisions:
    """The revisions of the intervals of one account; `highest` is that of any of them."""

    __slots__ = ("_again", "_withdrawn", "highest")

    def __init__(self) -> None:
        self.highest = 0
        self._withdrawn: tuple[int, int, int] = (0, 0, 0)  # from, to [ns] and revision, while it is under way
        self._again: tuple[int, int, int] = (0, 0, 0)  # from, to [ns] and first revision of what was withdrawn

    def withdraw(self, from_ns: int, to_ns: int) -> None:
        """Begin to revise every interval between two times (wall clock, ns) to nothing."""
        revision = self.highest + 1
        self._withdrawn = (from_ns, to_ns, revision)
        since_ns, until_ns, _ = self._again
        earlier_ns = min(since_ns, from_ns) if until_ns else from_ns
        self._again = (earlier_ns, max(until_ns, to_ns), revision + 1)

    @property
    def withdrawing(self) -> tuple[int, int] | None:
        """Where the next interval to be revised to nothing begins [Unix ns], and its revision; None for none."""
        from_ns, to_ns, revision = self._withdrawn
        return (from_ns, revision) if from_ns < to_ns else None

    @property
    def known_to_ns(self) -> int:
        """Up to when intervals were withdrawn, now or earlier [Unix ns]."""
        return max(self._withdrawn[1], self._again[1])

    def first(self, start_ns: int) -> tuple[int, str]:
        """Return the first revision of an interval, and the reason if it is one."""
        since_ns, until_ns, revision = self._again
        return (revision, CORRECTED) if since_ns <= start_ns < until_ns else (0, LATE_DATA)

    def note(self, revision: int) -> None:
        """Take note of a revision that is recorded."""
        self.highest = max(self.highest, revision)

    def withdrew(self, interval: ClosedInterval) -> None:
        """Go on behind an interval whose revision to nothing is recorded."""
        self._withdrawn = (interval.end_ns, *self._withdrawn[1:])

    def state(self) -> list[Any]:
        """Return everything that must survive a restart as JSON values."""
        return [self.highest, self._withdrawn, self._again]

    def restore(self, state: Sequence[Any]) -> None:
        """Go on from what `state` returned earlier."""
        self.highest, withdrawn, again = state
        self._withdrawn, self._again = tuple(withdrawn), tuple(again)
