"""Whether a counter agrees with the integral of the power it should count: both over the same rolling hour."""

from array import array
from dataclasses import dataclass

from agent.metering.amount import NS_PER_S, QUANTA_PER_UNIT, Reading
from agent.metering.integral import Integral

SPAN_S = 3600.0
LEAST_S = 900.0
"""Over less, the time between two readings would count too much."""
_STEPS = 360
"""Marks kept of one span; memory and accuracy are those of ten seconds."""
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
        # A mark in numbers of their own takes 24 bytes, as a tuple six times that: there are hundreds for each account.
        self._times = array("q")  # monotonic [ns]
        self._amounts = array("d")  # counted and integrated, at each
        self._estimated = 0.0

    def power(self, reading: Reading) -> None:
        """Take a sample [account unit/h]; a gap before it ends the comparison."""
        first = self._integral.last is None
        booked = self._integral.book(reading)
        if not booked and not first:
            self._forget()
        self._integrated += sum(delta.quanta for delta in booked)

    def counter(self, monotonic_ns: int, counted: float, estimated: float) -> None:
        """Take what was counted so far, and how much of it was estimated; an estimate ends the comparison."""
        if estimated != self._estimated:
            self._estimated = estimated
            self._forget()
        times, amounts = self._times, self._amounts
        if self._integral.last is None or (len(times) > 1 and monotonic_ns - times[-2] < SPAN_S * NS_PER_S / _STEPS):
            if times:
                times[-1], amounts[-2], amounts[-1] = monotonic_ns, counted, self._integrated / QUANTA_PER_UNIT
            return
        times.append(monotonic_ns)
        amounts.extend((counted, self._integrated / QUANTA_PER_UNIT))
        while len(times) > 1 and monotonic_ns - times[1] >= SPAN_S * NS_PER_S:
            del times[0], amounts[:2]

    def _forget(self) -> None:
        del self._times[:], self._amounts[:]

    def compared(self) -> Comparison | None:
        """Return both over the last hour, None while there is too little to compare."""
        if len(self._times) < 2:  # noqa: PLR2004  # a beginning and an end
            return None
        seconds = (self._times[-1] - self._times[0]) / NS_PER_S
        counted, integrated = (self._amounts[at - 2] - self._amounts[at] for at in (0, 1))
        found = Comparison(seconds, counted, integrated)
        much = max(abs(found.counted), abs(found.integrated)) >= self._least
        return found if found.seconds >= LEAST_S and much else None
