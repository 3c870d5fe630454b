"""Accounts without a counter: the integral of a power or flow."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from agent.metering.amount import NS_PER_S, QUANTA_PER_UNIT, Delta, Noticed, Reading, Rule, bookable, elapsed_ns
from agent.metering.limit import REACH

_SECONDS_PER_HOUR = 3600.0
_CONFIRMED_BY = 3
"""Samples above the limit, one after the other, that make a level of it."""
_ALIKE = 3.0
"""The largest of them is no more than so many times the smallest."""
_PROVEN = 2.0
"""What was confirmed is believed at once from then on, up to so many times of it."""


class Integral:
    """Integrates samples [unit/h] by the trapezoid between neighbours at most `max_gap_s` apart.

    Beyond that nothing is booked, and coverage falls. What rounding to whole quanta leaves over is carried to the
    next trapezoid, so the sum never drifts from the exact integral by more than half a quantum.

    A sample whose size is above `limit` [unit/h], which includes the margin, is held: three in a row that are alike
    and within ten times of it are booked after all, others are discarded with the next one in line, and what is
    integrated across them is no more than an estimate. Three alike beyond that stay held, and are told of, for as
    long as they last: then the rating is wrong, or what is read. Without a limit nothing is known, and every sample
    is taken.
    """

    def __init__(self, *, max_gap_s: float, limit: float | None = None) -> None:
        self._max_gap_ns = round(max_gap_s * NS_PER_S)
        self._limit = limit
        self._proven = 0.0
        self._held: list[Reading] = []
        self._last: Reading | None = None
        self._rest = 0.0
        self.refused = 0
        self.events: list[Noticed] = []

    def book(self, reading: Reading) -> Sequence[Delta]:
        """Return what becomes certain with the sample, in order; a first one marks the beginning with zero.

        A sample that is not later than the last, or not a number that could be booked, is refused and counted.
        """
        if not self._usable(reading):
            return ()
        limit = self._limit
        if limit is None:
            return self._booked(reading, measured=True)
        size = abs(reading.value)
        if size > max(limit, self._proven):
            return self._hold(reading)
        if size > limit and not self._over:
            self._tell(reading, Rule.IMPLAUSIBLE, f"{reading.value:.15g} is above the rating: booked")
        if not self._held:
            return self._booked(reading, measured=True)
        self._tell(self._held[0], Rule.GLITCH, f"{self._held[0].value:.15g} is above the rating: discarded")
        self._held = []
        return self._booked(reading, measured=False)

    def add(self, reading: Reading) -> int | None:
        """Return what the sample adds [quanta]; None when it is refused, and when nothing is known of the time before.

        That is with the first one, and behind a gap.
        """
        return self._integrated(reading) if self._usable(reading) else None

    def _usable(self, reading: Reading) -> bool:
        newest = self._held[-1] if self._held else self._last
        if bookable(reading.value) and (newest is None or elapsed_ns(newest, reading) > 0):
            return True
        self.refused += 1
        return False

    def _integrated(self, reading: Reading) -> int | None:
        last, self._last = self._last, reading
        if last is None or (passed_ns := elapsed_ns(last, reading)) > self._max_gap_ns:
            return None
        hours = passed_ns / NS_PER_S / _SECONDS_PER_HOUR
        exact = (last.value + reading.value) / 2 * hours * QUANTA_PER_UNIT + self._rest
        booked = round(exact)
        self._rest = exact - booked
        return booked

    def _booked(self, reading: Reading, *, measured: bool) -> tuple[Delta, ...]:
        last = self._last
        booked = self._integrated(reading)
        if last is None:
            return (Delta(reading, reading, 0, True, Rule.FIRST),)
        if booked is None:
            return ()
        return (Delta(last, reading, booked, measured and not (last.doubtful or reading.doubtful), Rule.INTEGRAL),)

    def _hold(self, reading: Reading) -> Sequence[Delta]:
        """Hold a sample above the limit, or book it with those held where they confirm each other."""
        if not self._held:
            self._tell(reading, Rule.IMPLAUSIBLE, f"{reading.value:.15g} is above the rating: held")
        lasted = self.beyond is not None
        self._held = [*self._held[1 - _CONFIRMED_BY :], reading]
        if self.beyond is not None and not lasted:
            text = "lasts far above the rating: nothing is booked: correct rated_power or the profile, and reload"
            self._tell(reading, Rule.IMPLAUSIBLE, f"{reading.value:.15g} {text}")
        if self.beyond is not None or not self._alike():
            return ()
        held, self._held = self._held, []
        self._proven = _PROVEN * max(abs(each.value) for each in held)
        self._tell(held[0], Rule.IMPLAUSIBLE, f"{held[0].value:.15g} is above the rating: booked after all")
        return [delta for each in held for delta in self._booked(each, measured=True)]

    @property
    def beyond(self) -> float | None:
        """The size [unit/h] of samples that confirm each other but lie out of all reach of the rating, else None."""
        largest = max((abs(each.value) for each in self._held), default=0.0)
        return largest if self._limit is not None and largest > REACH * self._limit and self._alike() else None

    def _alike(self) -> bool:
        """Whether the samples held are enough to make a level, and confirm each other."""
        sizes = [abs(each.value) for each in self._held]
        return (
            len(sizes) >= _CONFIRMED_BY
            and max(sizes) <= _ALIKE * min(sizes)
            and len({each.value > 0 for each in self._held}) == 1
            and all(elapsed_ns(*pair) <= self._max_gap_ns for pair in pairwise(self._held))
        )

    @property
    def _over(self) -> bool:
        """Whether the last accepted sample was above the limit already."""
        return self._last is not None and self._limit is not None and abs(self._last.value) > self._limit

    def _tell(self, reading: Reading, rule: Rule, text: str) -> None:
        self.events.append(Noticed(reading.time_ns, rule, text))

    @property
    def last(self) -> Reading | None:
        """The last accepted sample."""
        return self._last

    def set_back(self, time_ns: int) -> None:
        """Take the last accepted sample for one of this wall time [ns]: its own came from a clock that was ahead."""
        self._held = []
        if self._last:
            self._last = replace(self._last, time_ns=time_ns, boot="")

    def state(self) -> dict[str, Any]:
        """Return everything that must survive a restart as JSON values."""
        return {
            "last": self._last.state() if self._last else None,
            "rest": self._rest,
            "held": [reading.state() for reading in self._held],
            "proven": self._proven,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned earlier; nothing was held by versions before there was a limit."""
        self._last = Reading.restored(state["last"]) if state["last"] else None
        self._rest = state["rest"]
        self._held = [Reading.restored(reading) for reading in state.get("held", ())]
        self._proven = float(state.get("proven", 0.0))
