"""Whether a counter agrees with the integral of the power it should count: both over the same rolling hour."""

from array import array
from dataclasses import dataclass

from agent.metering.amount import NS_PER_S, QUANTA_PER_UNIT, Reading
from agent.metering.integral import Integral

SPAN_S = 3600.0
LEAST_S = 900.0
"""Over less, the time between two readings would count too much."""
_STEP_NS = 60 * NS_PER_S
"""Time between two marks at least: the hour is compared to a minute."""
_MARKS = 63
"""So many lie in an hour at most, with those at its ends and the one that moves along."""
_COUNTS = 50
"""What is compared must be more than so many counts: each reading is cut to one."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What counter and integral went on by in the same time, in the unit of the account."""

    seconds: float
    counted: float
    integrated: float

    @property
    def deviation(self) -> float:
        """How much more was counted than integrated, as share of the larger, -1 to 1."""
        larger = max(abs(self.counted), abs(self.integrated))
        return (self.counted - self.integrated) / larger if larger else 0.0


class Agreement:
    """The counter and the integral of one account, since both were last read without a gap."""

    def __init__(self, *, max_gap_s: float, resolution: float) -> None:
        self._integral = Integral(max_gap_s=max_gap_s)
        self._least = _COUNTS * resolution
        self._integrated = 0
        # A ring of its full size from the start: memory grows no more, however many accounts there are.
        self._times = array("q", bytes(8 * _MARKS))  # monotonic [ns]
        self._counted = array("d", bytes(8 * _MARKS))
        self._integrals = array("d", bytes(8 * _MARKS))
        self._first = self._count = 0
        self._estimated = 0.0

    def power(self, reading: Reading) -> None:
        """Take a sample [account unit/h]; a gap before it ends the comparison."""
        first = self._integral.last is None
        booked = self._integral.add(reading)
        if booked is not None:
            self._integrated += booked
        elif not first:
            self._forget()

    def counter(self, monotonic_ns: int, counted: float, estimated: float) -> None:
        """Take what was counted so far, and how much of it was estimated; an estimate ends the comparison."""
        if estimated != self._estimated:
            self._estimated = estimated
            self._forget()
        if self._integral.last is None:
            return
        times, count = self._times, self._count
        # The newest mark moves along until it is far enough from the one before.
        if count < 2 or times[self._at(count - 1)] - times[self._at(count - 2)] >= _STEP_NS:  # noqa: PLR2004
            self._count += 1
        newest = self._at(self._count - 1)
        times[newest], self._counted[newest] = monotonic_ns, counted
        self._integrals[newest] = self._integrated / QUANTA_PER_UNIT
        while self._count > 1 and monotonic_ns - times[self._at(1)] >= SPAN_S * NS_PER_S:
            self._first, self._count = self._at(1), self._count - 1

    def _at(self, mark: int) -> int:
        return (self._first + mark) % _MARKS

    def _forget(self) -> None:
        self._count = 0

    def compared(self) -> Comparison | None:
        """Return both over the last hour, None while there is too little to compare."""
        if self._count < 2:  # noqa: PLR2004  # a beginning and an end
            return None
        start, end = self._first, self._at(self._count - 1)
        seconds = (self._times[end] - self._times[start]) / NS_PER_S
        counted = self._counted[end] - self._counted[start]
        found = Comparison(seconds, counted, self._integrals[end] - self._integrals[start])
        much = max(abs(found.counted), abs(found.integrated)) >= self._least
        return found if found.seconds >= LEAST_S and much else None
