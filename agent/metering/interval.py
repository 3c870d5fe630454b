"""Intervals of account: booked deltas cut at wall-clock boundaries, closed, and revised when data come late.

Invariants:

- Conservation: the latest revisions of all intervals and `pending_quanta` add up to all deltas added, exactly.
- Deltas of an account arrive in order, so an interval that lies wholly before the newest booked reading (the
  frontier) is final. Only the interval around the frontier has contents to keep; all later ones are empty. That is
  why any outage can be revised with a state of a few hundred bytes.
- What is due is shown and kept until the caller says that it is recorded: nothing is lost between the two.
- An outage costs its state and memory once, not once per interval: see `Stretch`.
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

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

from agent.metering.amount import NOTHING_KNOWN, NS_PER_S, Delta, Reading, Rule, elapsed_ns
from agent.metering.boundary import Boundaries
from agent.metering.jump import AHEAD_NS, CORRECTED, Jump, remembered
from agent.metering.revisions import Revisions
from agent.metering.slot import ClosedInterval, Decision, Slot, restored, state_of
from agent.metering.stretch import Stretch, cut

__all__ = ["MOST_INTERVALS", "ClosedInterval", "Decision", "IntervalBook"]

MOST_INTERVALS = 2976
"""Intervals that one delta, or an outage, may concern: 31 days of 15 minutes."""

_WITH_HOLES = (Rule.INTEGRAL, Rule.MANUAL)
_NORMAL, _NORMAL_NAME = Rule.NORMAL, Rule.NORMAL.value
"""Of nearly every delta: to ask a rule for its name takes as long as a fifth of all that is done with one."""


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
        self._ready: list[Slot | Stretch] = []  # touched and not yet emitted
        self._slot: Slot | None = None  # the one around the frontier
        self._closed_to_ns = 0  # every interval that ends at or before was emitted
        self._waiting = 0
        self._waiting_rules: list[str] = []
        self._waited_ns = 0
        self._newest: Reading | None = None  # of those that wait
        self._booked = 0  # all that is in intervals
        self.origin: Reading | None = None  # the first of the account
        self._jumps: list[Jump] = []
        self._revisions = Revisions()

    @property
    def pending_quanta(self) -> int:
        """What was added and is in no emitted interval yet."""
        own = self._slot.pending_quanta if self._slot else 0
        return self._waiting + own + sum(each.pending_quanta for each in self._ready)

    def add(self, delta: Delta) -> None:
        """Book a delta into the intervals it spans."""
        if self._frontier is None or self._slot is None:
            slot = Slot(*self._boundaries.around(delta.since_ns))
            slot.see(delta.start)
            self._slot = slot
            self._closed_to_ns = slot.start_ns
            self._frontier = self.origin = delta.start
            if delta.rule is Rule.FIRST:
                slot.rules.add(str(delta.rule))
                return
        if delta.end.time_ns > self._frontier.time_ns:
            self._spread(self._frontier, self._slot, self._joined(self._frontier, delta))
            self._frontier = delta.end
        elif delta.rule is not Rule.FIRST:
            self._waiting += delta.quanta
            self._waiting_rules = sorted({*self._waiting_rules, str(delta.rule)})
            self._waited_ns += max(0, elapsed_ns(delta.start, delta.end))
            self._newest = delta.end

    @property
    def stuck(self) -> bool:
        """Whether readings have waited for long, and will for as long again, because a clock was far ahead before."""
        if self._newest is None or self._frontier is None:
            return False
        return self._waited_ns >= AHEAD_NS and self._frontier.time_ns - self._newest.time_ns > AHEAD_NS

    def turn_back(self) -> int | None:
        """Go on at the time of the newest reading, which is known to be right although the book is further.

        What was booked at times that have not come yet is withdrawn and booked, as estimated, into the interval of
        that reading, together with what waits. Return how much that is [quanta], None when it cannot be told apart:
        then the readings go on waiting.
        """
        reading, origin = self._newest, self.origin
        if reading is None or origin is None:
            return None
        # Rather one that ends with it: a reading at the start of an interval proves what was before.
        start_ns, end_ns = self._boundaries.around(reading.time_ns - 1)
        jump = next((each for each in self._jumps if each.frontier.time_ns <= reading.time_ns < each.end_ns), None)
        if jump is None and reading.time_ns >= origin.time_ns:
            return None
        slot, frontier, before = None, replace(origin, time_ns=start_ns), 0
        from_ns, closed_to_ns = max(start_ns, origin.time_ns), start_ns
        if jump:
            former = Slot.restored(jump.slot)
            slot = former if former.start_ns == start_ns else None
            frontier, before, from_ns = jump.frontier, jump.before(slot, start_ns), max(start_ns, jump.from_ns)
            if from_ns > start_ns:
                closed_to_ns = min(former.end_ns, start_ns)  # the outage was too long to be told in full
        moved = self._booked + self._waiting - before - (slot.quanta if slot else 0)
        self._withdraw(from_ns)
        self._ready = cut(self._ready, start_ns)
        self._closed_to_ns = min(self._closed_to_ns, closed_to_ns)
        again = self._revisions.highest + 1 if slot else 0
        self._slot = self._corrected(slot or Slot(start_ns, end_ns), frontier, reading, moved)
        self._slot.revision = max(self._slot.revision, again)
        self._booked += self._waiting
        self._frontier, self._newest, self._waiting, self._waiting_rules, self._waited_ns = reading, None, 0, [], 0
        self.origin, self._jumps = min(origin, reading, key=lambda each: each.time_ns), []
        return moved

    def _withdraw(self, from_ns: int) -> None:
        """Begin to revise every interval closed from a time on to nothing."""
        from_ns = self._boundaries.around(from_ns)[0]
        if self._closed_to_ns > from_ns:
            self._revisions.withdraw(from_ns, self._closed_to_ns)

    def _corrected(self, slot: Slot, frontier: Reading, reading: Reading, moved: int) -> Slot:
        """Return the interval of a reading with all that is moved there."""
        slot.see(frontier)
        slot.see(reading)
        slot.quanta += moved
        slot.estimated += moved
        slot.rules.update({str(Rule.CLOCK), *self._waiting_rules})
        slot.decisions.append(Decision(frontier, reading, moved, slot.start_ns, Rule.CLOCK))
        slot.revision, slot.reason = self._revisions.first(slot.start_ns)[0], CORRECTED
        slot.emitted, slot.changed = 0, True
        return slot

    def due(self, now_ns: int) -> ClosedInterval | None:
        """Return the interval to be closed or revised next by now (wall clock, ns), the oldest first, None for none.

        It stays the next one until `close` is called with it.
        """
        if self._slot is None:
            return None
        if withdrawing := self._revisions.withdrawing:
            from_ns, revision = withdrawing
            start_ns, end_ns = self._boundaries.around(from_ns)
            rules = (str(Rule.CLOCK),)
            return ClosedInterval(start_ns, end_ns, 0, 0, 0.0, None, None, None, None, rules, (), revision, CORRECTED)
        while self._ready and isinstance(first := self._ready[0], Slot) and not first.changed:
            del self._ready[0]
        head = self._ready[0] if self._ready else self._slot
        if head.start_ns > self._closed_to_ns and (empty := self._empty(head.start_ns, head.open)):
            return empty
        if isinstance(head, Stretch):
            interval = self._boundaries.around(head.start_ns)
            return head.slot(interval, *self._revisions.first(interval[0])).closed()
        due_ns = now_ns - self._grace_ns
        if self._ready or (head.changed and head.end_ns <= due_ns):
            return head.closed()
        return self._empty(due_ns, self._frontier) if head.end_ns <= due_ns else None

    def close(self, interval: ClosedInterval) -> None:
        """Give up the interval that `due` returned, which is recorded now."""
        self._revisions.note(interval.revision)
        if self._revisions.withdrawing:
            self._revisions.withdrew(interval)
            return
        self._closed_to_ns = max(self._closed_to_ns, interval.end_ns)
        head = self._ready[0] if self._ready else self._slot
        if head is None or interval.start_ns != head.start_ns:
            return
        if isinstance(head, Stretch):
            head.start_ns = interval.end_ns
        else:
            head.settle()
        if self._ready and (isinstance(head, Slot) or head.start_ns >= head.end_ns):
            del self._ready[0]

    def close_due(self, now_ns: int) -> list[ClosedInterval]:
        """Close and return everything that is due by now (wall clock, ns)."""
        closed = []
        while interval := self.due(now_ns):
            self.close(interval)
            closed.append(interval)
        return closed

    @property
    def settled_ns(self) -> int:
        """Up to when all intervals are closed and none is to be revised by what is booked [Unix ns]."""
        withdrawing = self._revisions.withdrawing
        head = self._ready[0] if self._ready else self._slot
        if head is None:
            return 0
        return min(head.start_ns, self._closed_to_ns, withdrawing[0] if withdrawing else head.start_ns)

    def corrected(self, start_ns: int, revision: int, quanta: int) -> None:
        """Take note that a settled interval was revised by others, and of what was added to it."""
        self._revisions.note(revision)
        self._booked += quanta
        self._jumps = [each.later(quanta) if each.frontier.time_ns > start_ns else each for each in self._jumps]

    def state(self) -> dict[str, Any]:
        """Return everything that must survive a restart as JSON values."""
        return {
            "frontier": state_of(self._frontier),
            "closed_to_ns": self._closed_to_ns,
            "waiting": self._waiting,
            "waiting_rules": self._waiting_rules,
            "waited_ns": self._waited_ns,
            "newest": state_of(self._newest),
            "booked": self._booked,
            "origin": state_of(self.origin),
            "jumps": [jump.state() for jump in self._jumps],
            "revisions": self._revisions.state(),
            "ready": [[isinstance(each, Stretch), each.state()] for each in self._ready],
            "slot": self._slot.state() if self._slot else None,
            "cut": self._boundaries.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned earlier."""
        self._frontier = restored(state["frontier"])
        self._closed_to_ns = state["closed_to_ns"]
        self._waiting = state["waiting"]
        self._waiting_rules = list(state["waiting_rules"])
        self._waited_ns, self._newest = state["waited_ns"], restored(state["newest"])
        self._booked, self.origin = state["booked"], restored(state["origin"])
        self._jumps = [Jump.restored(jump) for jump in state["jumps"]]
        self._revisions.restore(state["revisions"])
        self._ready = [(Stretch if long else Slot).restored(each) for long, each in state["ready"]]
        self._slot = Slot.restored(state["slot"]) if state["slot"] else None
        if self._slot and "cut" in state:
            told_ns = max(self._slot.end_ns, self._closed_to_ns, self._revisions.known_to_ns)
            self._boundaries.go_on(state["cut"], told_ns)

    def _joined(self, frontier: Reading, delta: Delta) -> Delta:
        """Return a delta together with what waited, or with a hole before it: then from the frontier on, estimated.

        Only the deltas of integrals, and what people enter, may leave holes: nothing is booked there.
        """
        joins = delta.start is frontier or delta.start == frontier or delta.rule in _WITH_HOLES
        if joins and not self._waiting_rules:
            return delta
        return Delta(frontier, delta.end, self._waiting + delta.quanta, False, delta.rule, delta.declared)

    def _spread(self, frontier: Reading, slot: Slot, delta: Delta) -> None:
        """Book a delta into the interval around the frontier and all further ones up to its end."""
        rule = _NORMAL_NAME if delta.rule is _NORMAL else delta.rule.value
        rules = [*self._waiting_rules, rule]
        if not delta.measured and not delta.doubts and (delta.declared or delta.rule not in NOTHING_KNOWN):
            rules.append(Rule.GAP.value)
        self._waiting, self._waiting_rules, self._waited_ns, self._newest = 0, [], 0, None
        since_ns, end_ns, from_ns = delta.since_ns, delta.end.time_ns, delta.start.time_ns
        if end_ns - from_ns > MOST_INTERVALS * self._boundaries.length_ns:
            from_ns = self._boundaries.back(end_ns, MOST_INTERVALS - 1)
            since_ns = max(since_ns, from_ns)
            self._closed_to_ns = max(self._closed_to_ns, from_ns)
        if end_ns - frontier.time_ns > AHEAD_NS:
            jump = Jump(frontier, slot.state(), self._booked, delta, since_ns, from_ns)
            self._jumps = remembered(self._jumps, jump)
        self._booked += delta.quanta
        if delta.start.time_ns < slot.end_ns:
            slot.book(delta, rules, since_ns)
        if end_ns < slot.end_ns:
            return
        self._ready.append(slot)
        start_ns, last = self._boundaries.around(max(slot.end_ns, from_ns))[0], self._boundaries.around(end_ns)
        inside = Stretch(frontier, delta, tuple(sorted({*rules})), since_ns, start_ns, last[0], self._closed_to_ns)
        if start_ns < last[0]:
            self._ready.append(inside)
        self._slot = inside.slot(last, *self._revisions.first(last[0]))

    def _empty(self, until_ns: int, reading: Reading | None) -> ClosedInterval | None:
        """Return the first interval up to a time in which nothing was booked, from the last emitted one on."""
        since_ns = self._closed_to_ns
        if until_ns - since_ns > MOST_INTERVALS * self._boundaries.length_ns:
            since_ns = self._boundaries.back(until_ns, MOST_INTERVALS)
        start_ns, end_ns = self._boundaries.around(since_ns)
        if end_ns > until_ns:
            return None
        revision, reason = self._revisions.first(start_ns)
        reason = reason if revision else ""
        return ClosedInterval(start_ns, end_ns, 0, 0, 0.0, reading, None, reading, None, (), (), revision, reason)
