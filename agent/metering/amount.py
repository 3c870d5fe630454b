"""The values that travel inside metering: a reading, the delta booked between two of them, and why.

Amounts are booked in whole quanta, millionths of the account's unit, so that sums are exact in any order.
"""

import math
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, NamedTuple

from drivers.reading import Quality
from drivers.value import frozen, travelling

QUANTA_PER_UNIT = 1_000_000
"""Quanta in one unit of an account (kWh, Nm3, t …)."""
NS_PER_S = 1_000_000_000

_UNSYNCED = Quality.CLOCK_UNSYNCED.label
LARGEST = 9e12
"""Largest magnitude [unit] whose quanta still fit the 64-bit integers of databases and JSON encoders."""
_STEP_NS = NS_PER_S
_STEP_SHARE = 10
"""A clock that is slewed drifts from the monotonic one; only more than 1 s and a tenth of the time is a step."""


def bookable(value: float) -> bool:
    """Whether a value [unit] is an amount in whole quanta: no NaN, nothing infinite or above ±9e12 units."""
    return -LARGEST <= value <= LARGEST


def quanta(value: float) -> int:
    """Return an amount [unit] in whole quanta; raise ValueError for one that is not `bookable`."""
    if -LARGEST <= value <= LARGEST:  # not so NaN
        return round(value * QUANTA_PER_UNIT)
    raise ValueError(f"{value} is no amount that can be booked")


def millionths(figure: float) -> int:
    """Return a figure of a record in whole millionths of its unit: sums may be above what can be booked at once.

    Raises ValueError for one that is not finite.
    """
    scaled = figure * QUANTA_PER_UNIT
    if not math.isfinite(scaled):
        raise ValueError(f"{figure} is no figure of a record")
    return round(scaled)


class Rule(StrEnum):
    """Why an amount was booked, or not; these names end up in interval records."""

    FIRST = "first"
    """The first reading of an account: nothing to book yet."""
    NORMAL = "normal"
    ROLLOVER = "rollover"
    """The counter passed its declared width or limit."""
    GLITCH = "glitch"
    """Readings out of line were discarded; booked across them."""
    RESET = "reset"
    """The counter started again near zero: a new segment, nothing booked for the unknown part."""
    REPLACEMENT = "replacement"
    """The counter went on from another level: a new segment, nothing booked for the unknown part."""
    IMPLAUSIBLE = "implausible"
    """More than the limit allows: booked only because the next readings confirmed it."""
    GAP = "gap"
    """Booked across an outage: real in sum, estimated in its course."""
    UNBOOKED = "unbooked"
    """Something was wrong that nobody foresaw: nothing is booked until a reading can be again."""
    CLOCK = "clock"
    """What was booked at times that had not come, because the clock was wrong: booked when it was set right."""
    INTEGRAL = "integral"
    """The trapezoid of a power or flow between two samples."""
    MANUAL = "manual"
    """Entered by somebody for a period: known in sum, estimated in its course."""


NOTHING_KNOWN = frozenset({Rule.FIRST, Rule.RESET, Rule.REPLACEMENT})
"""Rules that book nothing because nothing is known: no estimate, hence no gap."""


class Condition(NamedTuple):
    """The state of matter at a reading: what one unit of the counter was worth, and by which readings."""

    weight: float
    inputs: tuple[tuple[str, float], ...]


def condition_of(state: Sequence[Any]) -> Condition:
    """Return the condition that JSON values came from."""
    weight, inputs = state
    return Condition(float(weight), tuple((str(name), float(number)) for name, number in inputs))


@travelling
@frozen
class Reading:
    """One accepted sample of a counter [unit] or, for integrals, of a power or flow [unit/h].

    `time_ns` is the wall clock (Unix), `monotonic_ns` the monotonic one, which only means something within
    one `boot` (the kernel's boot id). Readings without a boot are ordered and timed by the wall clock alone.
    `registers` are the bytes as read: the evidence. `doubt` is the quality of a value that stands with a reservation
    (`uncertain:stale`), empty for a good one. `condition` is there where the amount depends on it.
    """

    time_ns: int
    monotonic_ns: int
    value: float
    registers: bytes = b""
    boot: str = ""
    doubt: str = ""
    condition: Condition | None = None

    @property
    def doubtful(self) -> bool:
        """Whether its value is in doubt, and not only its time: what passed between two is told by another clock."""
        return bool(self.doubt) and self.doubt != _UNSYNCED

    def state(self) -> list[Any]:
        """Return the reading as JSON values."""
        state = [self.time_ns, self.monotonic_ns, self.value, self.registers.hex(), self.boot, self.doubt]
        return state if self.condition is None else [*state, [*self.condition]]

    @staticmethod
    def restored(state: Sequence[Any]) -> "Reading":
        """Return the reading that `state` came from."""
        time_ns, monotonic_ns, value, registers, boot, doubt, *conditions = state
        condition = condition_of(conditions[0]) if conditions else None
        return Reading(time_ns, monotonic_ns, value, bytes.fromhex(registers), boot, doubt, condition)


@frozen
class Declaration:
    """What somebody declares of a counter: its last reading before and the first after a replacement.

    Without `last` it is what the counter showed at `time_ns` (wall clock), when its account began. Readings are in
    the unit of the counter.
    """

    account: str
    time_ns: int
    last: float | None
    first: float
    reason: str
    author: str

    @property
    def id(self) -> str:
        """What tells it from others: the change it describes, not why or by whom."""
        return f"{self.account} {self.time_ns} {self.last} {self.first}"

    def state(self) -> list[Any]:
        """Return the declaration as JSON values."""
        return [self.account, self.time_ns, self.last, self.first, self.reason, self.author]


def elapsed_ns(earlier: Reading, later: Reading) -> int:
    """Return the time between two readings [ns]: monotonic within one boot, else the wall clock's (then maybe < 0)."""
    if earlier.boot and earlier.boot == later.boot and later.monotonic_ns > earlier.monotonic_ns:
        return later.monotonic_ns - earlier.monotonic_ns
    return later.time_ns - earlier.time_ns


def rise_of(earlier: Reading, later: Reading) -> int:
    """Return by how much a counter rose between two readings [quanta]; below zero where it fell."""
    return quanta(later.value) - quanta(earlier.value)


@travelling
@frozen
class Delta:
    """An amount booked between two successive accepted readings.

    `measured` is false when its course between them is not known: across a gap, from or to a reading that is in
    doubt, or nothing known at all (then `quanta` is 0). Successive deltas of a counter join: each starts with the
    reading the last one ended with.
    """

    start: Reading
    end: Reading
    quanta: int
    measured: bool
    rule: Rule
    declared: Declaration | None = None
    """What somebody declared of the step, and the amount rests on."""

    @property
    def doubts(self) -> set[str]:
        """What is in doubt about its two readings."""
        return {reading.doubt for reading in (self.start, self.end) if reading.doubt}

    @property
    def elapsed_s(self) -> float:
        """Time between the readings [s]; steps of the wall clock do not count within one boot."""
        return elapsed_ns(self.start, self.end) / NS_PER_S

    def state(self) -> list[Any]:
        """Return the delta as JSON values."""
        state = [self.start.state(), self.end.state(), self.quanta, self.measured, self.rule]
        return [*state, self.declared.state()] if self.declared else state

    @staticmethod
    def restored(state: Sequence[Any]) -> "Delta":
        """Return the delta that `state` came from."""
        start, end, amount, measured, rule, *declared = state
        declaration = Declaration(*declared[0]) if declared else None
        return Delta(Reading.restored(start), Reading.restored(end), amount, measured, Rule(rule), declaration)

    @property
    def measured_s(self) -> float:
        """Time [s] this delta adds to what was measured, or was entered by somebody."""
        return elapsed_ns(self.start, self.end) / NS_PER_S if self.measured or self.rule is Rule.MANUAL else 0.0

    @property
    def accounted(self) -> bool:
        """Whether its time is one for which the amount is known: measured, or entered by somebody."""
        return self.measured or self.rule is Rule.MANUAL

    @property
    def since_ns(self) -> int:
        """Wall time [ns] from which on the amount is spread: the first reading's, unless the clock was set forward.

        A forward step of the wall clock skips time that never passed, so the amount belongs to the time that did,
        counted back from the second reading.
        """
        start_ns, end_ns = self.start.time_ns, self.end.time_ns
        passed_ns = elapsed_ns(self.start, self.end)
        step_ns = end_ns - start_ns - passed_ns
        stepped = step_ns > _STEP_NS and step_ns > _STEP_NS + passed_ns // _STEP_SHARE
        return end_ns - passed_ns if stepped else start_ns


class Noticed(NamedTuple):
    """A decision worth telling: when (wall clock, ns), the rule and a sentence."""

    time_ns: int
    rule: Rule
    text: str
