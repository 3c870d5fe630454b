"""Intervals of account: booked deltas cut at wall-clock boundaries, closed, and revised when data come late.

Invariants:

- Conservation: the latest revisions of all intervals and `pending_quanta` add up to all deltas added, exactly.
- Deltas of an account arrive in order, so an interval that lies wholly before the newest booked reading (the
  frontier) is final. Only the interval around the frontier has contents to keep; all later ones are empty. That is
  why any outage can be revised with a state of a few hundred bytes.
- Work is bounded: an amount is spread over at most the last `MOST_INTERVALS` intervals before its end, however long
  the gap was; intervals further back keep their last revision, or are skipped if never emitted.

How an amount follows from its evidence, in whole quanta with floor division; q(x) is x in quanta. Let C(t) be the
counter at time t, for a step from reading a to reading b (q(b) - q(a) quanta, from since = a.time on):

    C(t) = q(a) + (q(b) - q(a)) * (t - since) // (b.time - since)       for since <= t <= b.time, C(t) = q(a) before

`amount = C(end) - C(start)`, with `open -> open_next` as the step around the start and `close -> close_next` as the
step around the end. A missing `open` means that the account began at `open_next`: C(start) = q(open_next). A missing
`close_next` means that nothing was read later: C(end) = q(close). Every step that does not follow this plain line
(roll-over, reset, replacement, a gap that was cut short, a step of the clock) is listed in `decisions` with its own
`quanta` and `since_ns`, which replace q(b) - q(a) and a.time; each that lies between `open` and `close` adds
`quanta - (q(b) - q(a))` to C(close) - C(open). Integrals of a power need all samples, so their evidence shows where
the interval was cut and what was read there, and the amount follows from the capture.
"""

from collections import deque
from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from agent.metering.amount import NS_PER_S, Delta, Reading, Rule
from agent.metering.boundary import Boundaries
from agent.metering.slot import ClosedInterval, Decision, Slot, restored, state_of

__all__ = ["MOST_INTERVALS", "ClosedInterval", "Decision", "IntervalBook"]

MOST_INTERVALS = 2976
"""Intervals that one delta, or an outage, may concern: 31 days of 15 minutes."""

_UNKNOWN = {Rule.FIRST, Rule.RESET, Rule.REPLACEMENT}
"""Rules that book nothing because nothing is known: no estimate, hence no gap."""


class IntervalBook:
    """The intervals of one account, cut every `length_s` on the wall clock of `zone` from local midnight.

    An interval closes as soon as a reading at or after its end was booked, else `grace_s` after its end with what is
    there. A delta that comes later revises every interval it touches that was closed before. Intervals before the
    account's first reading do not exist; those of an outage do, with coverage 0. A delta that ends no later than the
    frontier (the wall clock was set back) waits and is booked, as estimated, with the next one that goes beyond.
    Raises ValueError for a length that does not divide a day.
    """

    def __init__(self, *, length_s: float, zone: ZoneInfo, grace_s: float) -> None:
        self._boundaries = Boundaries(length_s, zone)
        self._grace_ns = round(grace_s * NS_PER_S)
        self._frontier: Reading | None = None
        self._slots: deque[Slot] = deque()  # touched and not yet emitted, then the one around the frontier
        self._closed_to_ns = 0  # every interval that ends at or before was emitted
        self._waiting = 0
        self._waiting_rules: list[str] = []

    @property
    def pending_quanta(self) -> int:
        """What was added and is in no emitted interval yet."""
        return self._waiting + sum(slot.quanta - slot.emitted for slot in self._slots)

    def add(self, delta: Delta) -> None:
        """Book a delta into the intervals it spans."""
        if self._frontier is None:
            slot = Slot(*self._boundaries.around(delta.since_ns))
            slot.see(delta.start)
            self._slots.append(slot)
            self._closed_to_ns = slot.start_ns
            self._frontier = delta.start
            if delta.rule is Rule.FIRST:
                slot.rules.add(str(delta.rule))
                return
        if delta.end.time_ns > self._frontier.time_ns:
            self._spread(self._frontier, self._joined(self._frontier, delta))
            self._frontier = delta.end
        elif delta.rule is not Rule.FIRST:
            self._waiting += delta.quanta
            self._waiting_rules = sorted({*self._waiting_rules, str(delta.rule)})

    def close_due(self, now_ns: int) -> list[ClosedInterval]:
        """Return the intervals that are closed or revised by now (wall clock, ns), each once, oldest first."""
        closed: list[ClosedInterval] = []
        if self._frontier is None:
            return closed
        while len(self._slots) > 1:
            slot = self._slots.popleft()
            self._close_empty(closed, slot.start_ns, slot.open)
            closed.append(slot.emit())
            self._closed_to_ns = max(self._closed_to_ns, slot.end_ns)
        slot = self._slots[0]
        self._close_empty(closed, slot.start_ns, slot.open)
        due_ns = now_ns - self._grace_ns
        if slot.end_ns <= due_ns:
            if slot.changed:
                closed.append(slot.emit())
            self._closed_to_ns = max(self._closed_to_ns, slot.end_ns)
            self._close_empty(closed, due_ns, self._frontier)
        return closed

    def close_all(self) -> list[ClosedInterval]:
        """Return what was booked and is in no emitted interval yet, as it stands: here the book ends."""
        return self.close_due(self._slots[-1].end_ns + self._grace_ns) if self._slots else []

    def state(self) -> dict[str, Any]:
        """Return everything that must survive a restart as JSON values."""
        return {
            "frontier": state_of(self._frontier),
            "closed_to_ns": self._closed_to_ns,
            "waiting": self._waiting,
            "waiting_rules": self._waiting_rules,
            "slots": [slot.state() for slot in self._slots],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned earlier."""
        self._frontier = restored(state["frontier"])
        self._closed_to_ns = state["closed_to_ns"]
        self._waiting = state["waiting"]
        self._waiting_rules = list(state["waiting_rules"])
        self._slots = deque(Slot.restored(slot) for slot in state["slots"])

    def _joined(self, frontier: Reading, delta: Delta) -> Delta:
        """Return a delta together with what waited, or with a hole before it: then from the frontier on, estimated.

        Only the deltas of integrals may leave holes: nothing is booked there.
        """
        if not self._waiting_rules and (delta.start == frontier or delta.rule is Rule.INTEGRAL):
            return delta
        return Delta(frontier, delta.end, self._waiting + delta.quanta, False, delta.rule)

    def _spread(self, frontier: Reading, delta: Delta) -> None:
        """Book a delta into the interval around the frontier and all further ones up to its end."""
        rules = {*self._waiting_rules, str(delta.rule)}
        if not delta.measured and delta.rule not in _UNKNOWN:
            rules.add(str(Rule.GAP))
        self._waiting, self._waiting_rules = 0, []
        slot, since_ns, end_ns = self._slots[-1], delta.since_ns, delta.end.time_ns
        from_ns = delta.start.time_ns
        if end_ns - from_ns > MOST_INTERVALS * self._boundaries.length_ns:
            from_ns = self._boundaries.back(end_ns, MOST_INTERVALS - 1)
            since_ns = max(since_ns, from_ns)
            self._closed_to_ns = max(self._closed_to_ns, from_ns)
        if delta.start.time_ns < slot.end_ns:
            slot.book(delta, rules, since_ns)
        while slot.end_ns <= end_ns:
            interval = self._boundaries.around(max(slot.end_ns, from_ns))
            emitted = interval[1] <= self._closed_to_ns
            slot = Slot(*interval, revision=int(emitted), changed=not emitted)
            slot.see(frontier)
            slot.book(delta, rules, since_ns)
            self._slots.append(slot)

    def _close_empty(self, closed: list[ClosedInterval], until_ns: int, reading: Reading | None) -> None:
        """Emit the intervals up to a time in which nothing was booked, from the last emitted one on."""
        if until_ns <= self._closed_to_ns:
            return
        if until_ns - self._closed_to_ns > MOST_INTERVALS * self._boundaries.length_ns:
            self._closed_to_ns = self._boundaries.back(until_ns, MOST_INTERVALS)
        while True:
            start_ns, end_ns = self._boundaries.around(self._closed_to_ns)
            if end_ns > until_ns:
                return
            closed.append(ClosedInterval(start_ns, end_ns, 0, 0, 0.0, reading, None, reading, None, (), (), 0, ""))
            self._closed_to_ns = end_ns
