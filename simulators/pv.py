"""A photovoltaic plant behind its own meter.

Invariants, each tested:

- its energy is the integral of its power, which is never below zero and never above its rating;
- at night there is none, and a summer's day gives more than a winter's.

The height of the sun follows from day, hour and latitude (Cooper's formula for the declination); clouds are a wobble.
"""

import math
from typing import Annotated

from pydantic import Field

from simulators.demand import DAY_HOURS, HOUR_S, Wobble
from simulators.rating import Positive, Rating, Share

_TILT_DEG = 23.45
_EQUINOX_DAY = 284
_YEAR_DAYS = 365


class PvRating(Rating):
    """Nameplate and place of the modules."""

    rated_power_kw: Positive = 40.0
    latitude_deg: Annotated[float, Field(ge=-66.0, le=66.0)] = 31.8
    start_day: Annotated[int, Field(ge=1, le=_YEAR_DAYS)] = 80
    """Day of the year on which the simulated clock starts."""
    clouds: Share = 0.5
    """How much of the light they can take."""


class Pv:
    """The state of one plant; as a consumer of the meter it feeds, its power is negative."""

    def __init__(self, rating: PvRating, *, seed: int, name: str, start_hour: float) -> None:
        self.rating = rating
        self._sky = Wobble(seed, f"{name}/sky")
        self._start_hour = start_hour
        self.energy_kwh = 0.0
        self.reactive_kvar = 0.0
        self._shine(0.0)

    def advance(self, step_s: float, time_s: float) -> None:
        """Move by `step_s` to the simulated time `time_s` [s since the start]."""
        self._shine(time_s)
        self.energy_kwh += self.generation_kw * step_s / HOUR_S

    def _shine(self, time_s: float) -> None:
        rating = self.rating
        hours = self._start_hour + time_s / HOUR_S
        day = rating.start_day + math.floor(hours / DAY_HOURS)
        declination = math.radians(_TILT_DEG) * math.sin(math.tau * (_EQUINOX_DAY + day) / _YEAR_DAYS)
        latitude = math.radians(rating.latitude_deg)
        angle = math.tau * (hours / DAY_HOURS - 0.5)
        height = math.sin(latitude) * math.sin(declination) + math.cos(latitude) * math.cos(declination) * math.cos(
            angle
        )
        light = 1.0 - rating.clouds * (1.0 + self._sky.at(time_s)) / 2.0
        self.generation_kw = rating.rated_power_kw * max(0.0, height) * light
        self.power_kw = -self.generation_kw  # what it takes from the grid

    def books(self) -> dict[str, float]:
        """Return the true totals since the start, by counter quantity, in canonical units."""
        return {
            "generation_energy": self.energy_kwh,
            "active_energy_export": self.energy_kwh,
            "active_energy_import": 0.0,
            "active_energy_total": self.energy_kwh,
        }

    def values(self) -> dict[str, float]:
        """Return everything it can say, by quantity, in canonical units."""
        return self.books() | {"generation_power": self.generation_kw, "active_power": self.power_kw}
