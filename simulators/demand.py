"""What drives the machines: a daily shape, and variation that is smooth, bounded and repeatable.

Both are pure functions of the simulated time, so no step size, pause or order of calls can change them.
"""

import math
import random
from collections.abc import Sequence

HOUR_S = 3600.0
DAY_HOURS = 24

_PERIODS_S = (47.0, 131.0, 410.0, 1730.0)
"""From what an operator sees on a display to a shift's unrest; none is a multiple of another."""
_SHARES = (0.15, 0.2, 0.3, 0.35)


class Wobble:
    """A smooth seeded variation within -1 … 1: a sum of slow waves with random phases."""

    def __init__(self, seed: int, name: str) -> None:
        """Draw the phases; two names under one seed vary independently."""
        # The simulation must be repeatable; nothing here protects anything.
        draw = random.Random(f"{seed}/{name}")  # noqa: S311 - repeatable physics, not a secret
        self._waves = tuple(
            (share, math.tau / (period * draw.uniform(0.9, 1.1)), draw.uniform(0.0, math.tau))
            for share, period in zip(_SHARES, _PERIODS_S, strict=True)
        )

    def at(self, time_s: float) -> float:
        """Return the variation at a simulated time, within -1 … 1."""
        return sum(share * math.sin(omega * time_s + phase) for share, omega, phase in self._waves)


class Demand:
    """What is asked of a machine, 0 … 1: a shape over the day with a wobble on it.

    `shape` holds one value per hour from midnight on, joined by straight lines. The wobble is relative
    (`swing` = 0.1: up to ten percent either way), so an hour of zero stays zero: that is how a machine stops.
    """

    def __init__(self, shape: Sequence[float], swing: float, wobble: Wobble, *, start_hour: float) -> None:
        self._shape = tuple(shape)
        self._swing = swing
        self._wobble = wobble
        self._start_hour = start_hour

    def at(self, time_s: float) -> float:
        """Return the demand `time_s` after the start, which was at `start_hour` of a day."""
        hour = self._start_hour + time_s / HOUR_S
        before = math.floor(hour)
        low, high = self._shape[before % DAY_HOURS], self._shape[(before + 1) % DAY_HOURS]
        level = low + (high - low) * (hour - before)
        return min(1.0, max(0.0, level * (1.0 + self._swing * self._wobble.at(time_s))))
