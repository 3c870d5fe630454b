"""One interval while it is being filled, and what it becomes when it is closed."""

from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Any

from agent.metering.amount import NS_PER_S, Declaration, Delta, Reading, Rule, quanta
from drivers.value import frozen, mutable

LATE_DATA = "late_data"
"""The reason of a revision that a later delta caused."""
_INTEGRAL = Rule.INTEGRAL


@frozen
class Decision:
    """A booked step whose amount or course is not the plain line between its two readings."""

    start: Reading
    end: Reading
    quanta: int
    since_ns: int
    rule: Rule
    declared: Declaration | None = None
    """Where somebody declared what happened between the two."""


@frozen
class ClosedInterval:
    """One revision of an interval [start_ns, end_ns): what was booked into it and the readings that prove it.

    `estimated_quanta` is the part of `quanta` whose course was not measured; `measured_s` the time [s] that was.
    `open` and `close` are the last accepted readings at or before start and end, `open_next` and `close_next` the
    ones after them. The module says how `quanta` follows from them.
    """

    start_ns: int
    end_ns: int
    quanta: int
    estimated_quanta: int
    measured_s: float
    open: Reading | None
    open_next: Reading | None
    close: Reading | None
    close_next: Reading | None
    rules: tuple[str, ...]
    decisions: tuple[Decision, ...]
    revision: int
    reason: str
    doubts: tuple[str, ...] = ()
    """Qualities such as `uncertain:stale` of the readings it was booked from, those that are not good."""
    counted_quanta: int | None = None
    """What the counter itself went on by, where `quanta` were weighed by pressure and temperature: then the readings
    prove this, and the decisions have it."""
    green_quanta: int = 0
    """The part of `quanta` that is green by contract."""

    @property
    def coverage(self) -> float:
        """Measured share of the interval, 0 to 1."""
        return self.measured_s * NS_PER_S / (self.end_ns - self.start_ns)


@mutable
class Slot:
    """An interval being filled."""

    start_ns: int
    end_ns: int
    revision: int = 0
    quanta: int = 0
    estimated: int = 0
    measured_ns: int = 0
    emitted: int = 0
    changed: bool = True
    open: Reading | None = None
    open_next: Reading | None = None
    close: Reading | None = None
    close_next: Reading | None = None
    rules: set[str] = field(default_factory=set)
    doubts: set[str] = field(default_factory=set)
    decisions: list[Decision] = field(default_factory=list)
    reason: str = LATE_DATA
    """Why it is revised, if it is."""

    @property
    def pending_quanta(self) -> int:
        """What is booked here and was not emitted."""
        return self.quanta - self.emitted

    def book(self, delta: Delta, rules: Iterable[str], since_ns: int) -> None:
        """Take the share of a delta that falls into this interval when it is spread evenly from `since_ns` on."""
        start, end = delta.start, delta.end
        if start is not self.close or self.close_next:  # else it was seen just before
            self.see(start)
        self.see(end)
        end_ns = end.time_ns
        if end_ns <= self.start_ns:
            return
        share, passed_ns = delta.quanta, end_ns - since_ns
        if not self.start_ns <= since_ns <= end_ns <= self.end_ns:
            share = course(delta, since_ns, self.end_ns) - course(delta, since_ns, self.start_ns)
            passed_ns = max(0, min(end_ns, self.end_ns) - max(since_ns, self.start_ns))
        self.quanta += share
        if delta.measured or delta.accounted:
            self.measured_ns += passed_ns
        if not delta.measured:
            self.estimated += share
        self.rules.update(rules)
        if start.doubt or end.doubt:
            self.doubts.update(delta.doubts)
        self.changed = True
        if delta.rule is _INTEGRAL and not delta.declared:
            return
        plain = since_ns == start.time_ns and delta.quanta == quanta(end.value) - quanta(start.value)
        if delta.declared or not plain:
            self.decisions.append(Decision(start, end, delta.quanta, since_ns, delta.rule, delta.declared))

    def see(self, reading: Reading) -> None:
        """Take the next reading in time as evidence; the same one twice does no harm."""
        if reading.time_ns <= self.start_ns:
            self.open, self.open_next = reading, None
        elif self.open_next is None:
            self.open_next = reading
        if reading.time_ns <= self.end_ns:
            self.close, self.close_next = reading, None
        elif self.close_next is None:
            self.close_next = reading

    def closed(self) -> ClosedInterval:
        """Return the interval as it stands, as its next revision."""
        return ClosedInterval(
            self.start_ns,
            self.end_ns,
            self.quanta,
            self.estimated,
            self.measured_ns / NS_PER_S,
            self.open,
            self.open_next,
            self.close,
            self.close_next,
            tuple(sorted(self.rules)),
            tuple(self.decisions),
            self.revision,
            self.reason if self.revision else "",
            tuple(sorted(self.doubts)),
        )

    def settle(self) -> None:
        """Take note that what `closed` returned is recorded."""
        self.revision += 1
        self.emitted = self.quanta
        self.changed = False
        self.reason = LATE_DATA

    def state(self) -> dict[str, Any]:
        """Return the slot as JSON values."""
        return {
            "times": [self.start_ns, self.end_ns, self.measured_ns],
            "amounts": [self.quanta, self.estimated, self.emitted],
            "revision": self.revision,
            "changed": self.changed,
            "reason": self.reason,
            "evidence": [state_of(reading) for reading in (self.open, self.open_next, self.close, self.close_next)],
            "rules": sorted(self.rules),
            "doubts": sorted(self.doubts),
            "decisions": [
                [step.start.state(), step.end.state(), step.quanta, step.since_ns, step.rule]
                + ([step.declared.state()] if step.declared else [])
                for step in self.decisions
            ],
        }

    @staticmethod
    def restored(state: Mapping[str, Any]) -> "Slot":
        """Return the slot that `state` came from."""
        start_ns, end_ns, measured_ns = state["times"]
        amount, estimated, emitted = state["amounts"]
        decisions = [
            Decision(
                Reading.restored(start),
                Reading.restored(end),
                booked,
                since_ns,
                Rule(rule),
                Declaration(*declared[0]) if declared else None,
            )
            for start, end, booked, since_ns, rule, *declared in state["decisions"]
        ]
        slot = Slot(start_ns, end_ns, state["revision"], amount, estimated, measured_ns, emitted, state["changed"])
        slot.open, slot.open_next, slot.close, slot.close_next = map(restored, state["evidence"])
        slot.reason = state["reason"]
        slot.rules, slot.doubts, slot.decisions = set(state["rules"]), set(state["doubts"]), decisions
        return slot


def course(delta: Delta, since_ns: int, time_ns: int) -> int:
    """Return how much of a delta [quanta] is booked by a time: the one rounding both neighbours of a boundary share."""
    if time_ns >= delta.end.time_ns:
        return delta.quanta
    if time_ns <= since_ns:
        return 0
    return delta.quanta * (time_ns - since_ns) // (delta.end.time_ns - since_ns)


def state_of(reading: Reading | None) -> list[Any] | None:
    """Return an optional reading as JSON values."""
    return None if reading is None else reading.state()


def restored(state: list[Any] | None) -> Reading | None:
    """Return the optional reading that `state_of` was given."""
    return None if state is None else Reading.restored(state)
