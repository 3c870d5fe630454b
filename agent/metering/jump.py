"""A step far ahead on the wall clock: an outage, or a clock that was wrong. Only a clock set right later can tell."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from agent.metering.amount import NS_PER_S, Delta, Reading
from agent.metering.slot import Slot, course
from drivers.value import frozen

AHEAD_NS = 900 * NS_PER_S
"""A book further ahead of the clock than this, and for as long, does not wait until the clock catches up [ns]."""

CORRECTED = "clock_corrected"
"""The reason of a revision of an interval whose time had not come when it was closed first."""

_MOST_JUMPS = 4


@frozen
class Jump:
    """A delta that led far ahead, and the book as it was before it.

    `slot` is the state of the interval around `frontier`, `booked` all that was in the book [quanta]; the delta was
    spread evenly from `since_ns` on, into intervals from `from_ns` on.
    """

    frontier: Reading
    slot: Mapping[str, Any]
    booked: int
    delta: Delta
    since_ns: int
    from_ns: int

    @property
    def end_ns(self) -> int:
        """Where it led."""
        return self.delta.end.time_ns

    def before(self, slot: Slot | None, start_ns: int) -> int:
        """Return what of all was booked before an interval, which is `slot` if it is the one of the frontier."""
        return self.booked - slot.quanta if slot else self.booked + course(self.delta, self.since_ns, start_ns)

    def later(self, quanta: int) -> "Jump":
        """Return the jump with more booked before it."""
        return replace(self, booked=self.booked + quanta)

    def state(self) -> list[Any]:
        """Return the jump as JSON values."""
        return [self.frontier.state(), self.slot, self.booked, self.delta.state(), self.since_ns, self.from_ns]

    @staticmethod
    def restored(state: list[Any]) -> "Jump":
        """Return the jump that `state` came from."""
        frontier, slot, booked, delta, since_ns, from_ns = state
        return Jump(Reading.restored(frontier), slot, booked, Delta.restored(delta), since_ns, from_ns)


def remembered(jumps: list[Jump], jump: Jump) -> list[Jump]:
    """Return the jumps with a further one, without the shortest beyond a bound."""
    found = [*jumps, jump]
    if len(found) > _MOST_JUMPS:
        found.remove(min(found, key=lambda each: each.end_ns - each.frontier.time_ns))
    return found
