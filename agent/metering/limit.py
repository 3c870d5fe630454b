"""How much a counter may rise in a given time and still be believed.

With a rated power the limit is that rate. Without one it is the highest rate seen so far, a hundredfold, or a tenth
of the counter's own reading, or what any meter may pass, whichever is most. That is wide on purpose: it lets every
machine start from standby and still stops the absurd (-1 read as 4 294 967 295, a total that appears from nowhere).
A rise that is refuted, because the counter goes on from where it was before, is unlearnt again.
"""

import math
from collections.abc import Mapping
from typing import Any

from agent.metering.amount import QUANTA_PER_UNIT

_LEARNT_AFTER = 5
_LEARNT_FACTOR = 100.0
_LEARNT_SHARE = 0.1
_UNRATED = 1000.0 / 3600.0
"""Believed of every device without a rating [unit/s]: 1 MW, 1000 m3/h, 1000 t/h. Standby teaches nothing of a start."""
REACH = 10.0
"""A rated power may be declared too low by this factor and what is confirmed still counts."""
_FLOAT32_STEP = 2.0**-23
"""Many meters send single-precision floats: they count in steps of this share of their reading."""
_DIP_COUNTS = 3.0
_DIP_S = 60.0


class RateLimit:
    """The limit of one counter; `max_rate` [unit/s] includes the margin, `resolution` [unit] is one count."""

    def __init__(self, *, max_rate: float | None, resolution: float) -> None:
        self._max_rate = max_rate
        self._count = resolution * QUANTA_PER_UNIT + 1  # and one quantum of rounding
        self._proven = 0.0
        self._peak = 0.0  # of the rises after the first few
        self._first: list[tuple[int, int, float]] = []  # levels before and after, rate [unit/s]
        self._fastest = 0.0  # of all rises that are not unlearnt

    @property
    def _known(self) -> bool:
        """Whether anything is known: a rating, or rates seen."""
        return self._max_rate is not None or len(self._first) >= _LEARNT_AFTER

    @property
    def unrated(self) -> float:
        """Rate [unit/s] believed where there is no rating; 0 where there is one."""
        return _UNRATED if self._max_rate is None else 0.0

    @property
    def untried(self) -> bool:
        """Whether there is no rating and not a single rise was seen yet."""
        return self._max_rate is None and not self._first

    def allowed(self, level: int, seconds: float) -> float:
        """Return the rise [quanta] believed within a time from a counter level [quanta]."""
        count, rated = self._one_count(level), self._max_rate
        if rated is not None:
            return max(self._proven, rated) * seconds * QUANTA_PER_UNIT + count
        rate = max(_LEARNT_FACTOR * self._fastest, _UNRATED)
        return max(rate * seconds * QUANTA_PER_UNIT, _LEARNT_SHARE * abs(level)) + count

    def across(self, seconds: float) -> float:
        """Return the rise [quanta] believed within a time across a roll-over: any while too little is known."""
        return self.allowed(0, seconds) if self._known else math.inf

    def exceeds_rating(self, rise: int, level: int, seconds: float) -> bool:
        """Whether a rise [quanta] from a level is more than the rating alone allows."""
        rated = self._max_rate
        return rated is not None and rise > rated * seconds * QUANTA_PER_UNIT + self._one_count(level)

    @property
    def dip(self) -> float:
        """Drop [quanta] too small for a reset: a few counts, or what the device uses in a minute."""
        rate = self._fastest if self._max_rate is None else self._max_rate
        return max(_DIP_COUNTS * self._count, rate * _DIP_S * QUANTA_PER_UNIT)

    def learn(self, level: int, rise: int, seconds: float) -> None:
        """Take notice of a booked rise from a level [quanta].

        The rate of the first says nothing, since it began before the first reading.
        """
        if rise <= 0 or seconds <= 0:
            return
        rate = rise / QUANTA_PER_UNIT / seconds
        if len(self._first) < _LEARNT_AFTER:
            self._first.append((level, level + rise, rate if self._first else 0.0))
        elif rate > self._peak:
            self._peak = rate
        else:
            return
        self._seen()

    def refute(self, level: int) -> None:
        """Unlearn those of the first rises that lead past a level [quanta] from which the counter goes on."""
        self._first = [(before, after, rate) for before, after, rate in self._first if not before <= level < after]
        self._seen()

    def confirm(self, rate: float) -> bool:
        """Accept a steady rate [unit/s] above the limit as proven; return False where it is out of all reach."""
        if self._max_rate is not None and rate > REACH * self._max_rate:
            return False
        self._proven = max(self._proven, 2.0 * rate)
        return True

    def state(self) -> dict[str, Any]:
        """Return what was learnt as JSON values."""
        return {"proven": self._proven, "peak": self._peak, "first": self._first}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` returned earlier."""
        self._proven = state["proven"]
        self._peak = state["peak"]
        self._first = [(before, after, rate) for before, after, rate in state["first"]]
        self._seen()

    def _seen(self) -> None:
        self._fastest = max(self._peak, *(rate for _, _, rate in self._first), 0.0)

    def _one_count(self, level: int) -> float:
        return max(self._count, _FLOAT32_STEP * abs(level))
