"""Whether a counter agrees with the integral of the power it should count: both over the same rolling hour."""

from array import array

from agent.metering.amount import NS_PER_S, QUANTA_PER_UNIT, Reading
from agent.metering.integral import Integral
from drivers.value import frozen

SPAN_S = 3600.0
LEAST_S = 900.0
"""Over less, the time between two readings would count too much."""
_STEP_NS = 60 * NS_PER_S
"""Time between two marks at least: the hour is compared to a minute."""
_MARKS = 63
"""So many lie in an hour at most, with those at its ends and the one that moves along."""
_COUNTS = 50
"""What is compared must be more than so many counts: each reading is cut to one."""


@frozen
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
        self._marked_ns = self._second_ns = 0  # the last of them, and the one behind the first
        self._newest: tuple[int, float, int] | None = None  # time, counted and integrated [quanta]
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
        # The newest moves along until it is far enough from the mark before; only then it is one.
        if self._newest and (not self._count or self._newest[0] - self._marked_ns >= _STEP_NS):
            self._mark(*self._newest)
        self._newest = (monotonic_ns, counted, self._integrated)
        while self._count > 1 and monotonic_ns - self._second_ns >= SPAN_S * NS_PER_S:
            self._first, self._count = self._at(1), self._count - 1
            self._second_ns = self._times[self._at(1)]

    def _mark(self, monotonic_ns: int, counted: float, integrated: int) -> None:
        mark = self._at(self._count)
        self._times[mark], self._counted[mark] = monotonic_ns, counted
        self._integrals[mark] = integrated / QUANTA_PER_UNIT
        self._marked_ns = monotonic_ns
        self._count += 1
        if self._count == 2:  # noqa: PLR2004  # the one behind the first
            self._second_ns = monotonic_ns

    def _at(self, mark: int) -> int:
        return (self._first + mark) % _MARKS

    def _forget(self) -> None:
        self._count, self._newest = 0, None

    def compared(self) -> Comparison | None:
        """Return both over the last hour, None while there is too little to compare."""
        if not self._count or self._newest is None:
            return None
        newest_ns, newest, integrated = self._newest
        start = self._first
        seconds = (newest_ns - self._times[start]) / NS_PER_S
        counted = newest - self._counted[start]
        found = Comparison(seconds, counted, integrated / QUANTA_PER_UNIT - self._integrals[start])
        much = max(abs(found.counted), abs(found.integrated)) >= self._least
        return found if found.seconds >= LEAST_S and much else None
