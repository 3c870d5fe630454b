"""Successive intervals that lie wholly inside one delta: an outage of weeks in a few hundred bytes."""

from collections.abc import Iterable, Mapping
from typing import Any

from agent.metering.amount import Delta, Reading
from agent.metering.slot import Slot, course
from drivers.value import mutable


@mutable
class Stretch:
    """The intervals of [start_ns, end_ns) in which nothing but one delta is booked, spread evenly from `since_ns` on.

    Those that end at or before `emitted_to_ns` had been closed before the delta came, and are revised.
    """

    frontier: Reading
    delta: Delta
    rules: tuple[str, ...]
    since_ns: int
    start_ns: int
    end_ns: int
    emitted_to_ns: int

    @property
    def open(self) -> Reading:
        """The last reading before it."""
        return self.frontier

    @property
    def pending_quanta(self) -> int:
        """What is booked in its intervals."""
        begin, end = (course(self.delta, self.since_ns, time_ns) for time_ns in (self.start_ns, self.end_ns))
        return end - begin

    def slot(self, interval: tuple[int, int], revision: int, reason: str) -> Slot:
        """Return one of its intervals (start and end, ns), or the one around the delta's end.

        `revision` is that of its first record.
        """
        emitted = interval[1] <= self.emitted_to_ns
        slot = Slot(*interval, revision=revision + emitted, changed=not emitted, reason=reason)
        slot.see(self.frontier)
        slot.book(self.delta, self.rules, self.since_ns)
        return slot

    def state(self) -> dict[str, Any]:
        """Return the stretch as JSON values."""
        return {
            "frontier": self.frontier.state(),
            "delta": self.delta.state(),
            "rules": self.rules,
            "times": [self.since_ns, self.start_ns, self.end_ns, self.emitted_to_ns],
        }

    @staticmethod
    def restored(state: Mapping[str, Any]) -> "Stretch":
        """Return the stretch that `state` came from."""
        frontier, delta = Reading.restored(state["frontier"]), Delta.restored(state["delta"])
        since_ns, start_ns, end_ns, emitted_to_ns = state["times"]
        return Stretch(frontier, delta, tuple(state["rules"]), since_ns, start_ns, end_ns, emitted_to_ns)


def cut(ready: Iterable[Slot | Stretch], start_ns: int) -> list[Slot | Stretch]:
    """Return what lies before a time."""
    kept: list[Slot | Stretch] = []
    for each in ready:
        if each.start_ns < start_ns:
            if isinstance(each, Stretch):
                each.end_ns = min(each.end_ns, start_ns)
            kept.append(each)
    return kept
