"""Accounts without a counter: the integral of a power or flow."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from agent.metering.amount import NS_PER_S, QUANTA_PER_UNIT, Delta, Event, Reading, Rule, bookable, elapsed_ns

_SECONDS_PER_HOUR = 3600.0


class Integral:
    """Integrates samples [unit/h] by the trapezoid between neighbours at most `max_gap_s` apart.

    Beyond that nothing is booked, and coverage falls. What rounding to whole quanta leaves over is carried to the
    next trapezoid, so the sum never drifts from the exact integral by more than half a quantum.
    """

    def __init__(self, *, max_gap_s: float) -> None:
        self._max_gap_ns = round(max_gap_s * NS_PER_S)
        self._last: Reading | None = None
        self._rest = 0.0
        self.refused = 0
        self.events: list[Event] = []

    def book(self, reading: Reading) -> Sequence[Delta]:
        """Return what the sample adds: nothing, or one delta; a first one marks the beginning with zero.

        A sample that is not later than the last, or not a number that could be booked, is refused and counted.
        """
        last = self._last
        booked = self.add(reading)
        if last is None:
            return () if self._last is None else (Delta(reading, reading, 0, True, Rule.FIRST),)
        if booked is None:
            return ()
        return (Delta(last, reading, booked, not (last.doubtful or reading.doubtful), Rule.INTEGRAL),)

    def add(self, reading: Reading) -> int | None:
        """Return what the sample adds [quanta]; None when it is refused, and when nothing is known of the time before.

        That is with the first one, and behind a gap.
        """
        last = self._last
        passed_ns = 0 if last is None else elapsed_ns(last, reading)
        if not bookable(reading.value) or (last is not None and passed_ns <= 0):
            self.refused += 1
            return None
        self._last = reading
        if last is None or passed_ns > self._max_gap_ns:
            return None
        hours = passed_ns / NS_PER_S / _SECONDS_PER_HOUR
        exact = (last.value + reading.value) / 2 * hours * QUANTA_PER_UNIT + self._rest
        booked = round(exact)
        self._rest = exact - booked
        return booked

    @property
    def last(self) -> Reading | None:
        """The last accepted sample."""
        return self._last

    def set_back(self, time_ns: int) -> None:
        """Take the last accepted sample for one of this wall time [ns]: its own came from a clock that was ahead."""
        if self._last:
            self._last = replace(self._last, time_ns=time_ns, boot="")

    def state(self) -> dict[str, Any]:
        """Return everything that must survive a restart as JSON values."""
        return {"last": self._last.state() if self._last else None, "rest": self._rest}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned earlier."""
        self._last = Reading.restored(state["last"]) if state["last"] else None
        self._rest = state["rest"]
