"""A gas-fired boiler for saturated steam.

Invariants, each tested:

- gas counter = integral of the gas flow; so for steam, feed water and blow-down;
- gas * NCV * efficiency = steam * (h_steam - h_feed) + blow-down * (h_drum - h_feed), enthalpies by IAPWS-IF97;
- feed water - steam - blow-down = change of the water in the drum;
- the efficiency is what the stack and the walls leave, by the indirect method (GB/T 10180).

The drum's pressure follows the load by the droop of a proportional controller. The heat this stores, and that of
the few kilograms by which the level swings, is left out: what evaporates in a step was fired in that step.
"""

import math
from dataclasses import dataclass

import seuif97

from simulators.demand import HOUR_S, Demand, Wobble
from simulators.rating import DayShape, Positive, Rating, Share

NCV_MJ_PER_NM3 = 38.931
"""Net calorific value of natural gas, GB/T 32151.34-2024, table C.1 (389.31 GJ per 10 000 Nm3)."""
ATMOSPHERE_MPA = 0.101325

_ENTHALPY = 4  # property numbers of seuif97
_TEMPERATURE = 1
_WATER, _STEAM = 0.0, 1.0  # steam quality at the two ends of boiling

_SHIFTS: DayShape = (
    *(0.38, 0.36, 0.35, 0.35, 0.38, 0.48),
    *(0.62, 0.78, 0.86, 0.90, 0.88, 0.80),
    *(0.70, 0.78, 0.88, 0.90, 0.86, 0.78),
    *(0.70, 0.66, 0.60, 0.52, 0.46, 0.42),
)
"""A works with one long day shift and a warm night."""


class BoilerRating(Rating):
    """Nameplate and settings of a boiler."""

    rated_steam_t_h: Positive = 1.0
    pressure_mpa: Positive = 1.0
    """Set point, gauge."""
    feed_water_degc: Positive = 104.0
    rated_stack_degc: Positive = 135.0
    blowdown_share: Share = 0.02
    """Continuous blow-down, of the steam made."""
    turn_down: Share = 0.2
    """Least load the burner can hold; below half of it the burner stops."""
    firing_lag_s: Positive = 30.0
    demand: DayShape = _SHIFTS
    swing: Share = 0.08


@dataclass(frozen=True, slots=True)
class _Water:
    """Enthalpies [kJ/kg] at one drum pressure, and the boiling temperature [°C]."""

    steam: float
    drum: float
    feed: float
    boiling_degc: float


class Boiler:
    """The state of one boiler; `advance` moves it by one step."""

    def __init__(self, rating: BoilerRating, *, seed: int, name: str, start_hour: float) -> None:
        """Start warm, at the load that the first moment asks for."""
        self.rating = rating
        self._demand = Demand(rating.demand, rating.swing, Wobble(seed, f"{name}/demand"), start_hour=start_hour)
        self._air = Wobble(seed, f"{name}/air")
        self._feed = Wobble(seed, f"{name}/feed")
        water = self._water(1.0, rating.feed_water_degc)
        useful_kj_kg = water.steam - water.feed + rating.blowdown_share * (water.drum - water.feed)
        useful_mj_h = rating.rated_steam_t_h * useful_kj_kg
        self._ambient_degc = 25.0
        self._set_stack(1.0, 0.0)
        self.rated_gas_nm3_h = useful_mj_h / (self.efficiency * NCV_MJ_PER_NM3)
        """Gas flow at rated steam output [Nm3/h]."""
        self.firing = self._wanted_firing(0.0)
        """Burner load, 0 … 1."""
        self._glass_t = 0.15 * rating.rated_steam_t_h  # water between the marks 0 % and 100 % of the gauge glass
        self._drum_t = 0.5 * self._glass_t
        self._steam_seen_t_h = 0.0
        self.gas_nm3 = self.gas_actual_m3 = 0.0
        self.steam_t = self.feed_t = self.blowdown_t = self.heat_gj = 0.0
        self.run_h = 0.0
        self.starts = 0
        self._flow(0.0)
        self._steam_seen_t_h = self.steam_t_h
        self._feed_water(0.0)

    def _wanted_firing(self, time_s: float) -> float:
        wanted = self._demand.at(time_s)
        return 0.0 if wanted < self.rating.turn_down / 2 else max(wanted, self.rating.turn_down)

    def _water(self, load: float, feed_degc: float) -> _Water:
        droop = 1.0 + 0.03 * (0.5 - load)
        self.pressure_mpa = self.rating.pressure_mpa * droop
        absolute = self.pressure_mpa + ATMOSPHERE_MPA
        self.feed_degc = feed_degc
        return _Water(
            steam=seuif97.px(absolute, _STEAM, _ENTHALPY),
            drum=seuif97.px(absolute, _WATER, _ENTHALPY),
            feed=seuif97.pt(absolute, feed_degc, _ENTHALPY),
            boiling_degc=seuif97.px(absolute, _STEAM, _TEMPERATURE),
        )

    def _set_stack(self, load: float, wobble: float) -> None:
        """Oxygen and temperature of the stack gas and the efficiency they leave, on NCV.

        q2 after TSG G0003: (0.5 + 3.45 alpha) * (t_stack - t_air) / 100 for gas; q3 constant; q5 is 1 % of the
        rated heat whatever the load.
        """
        self.oxygen = 3.0 + 3.5 * (1.0 - load) ** 1.5 + 0.2 * wobble
        self.stack_degc = self.rating.rated_stack_degc - 45.0 * (1.0 - load)
        alpha = 21.0 / (21.0 - self.oxygen)
        flue = (0.5 + 3.45 * alpha) * (self.stack_degc - self._ambient_degc) / 100.0
        self.efficiency = (100.0 - flue - 0.1 - 1.0 / max(load, 0.05)) / 100.0

    def advance(self, step_s: float, time_s: float) -> None:
        """Move by `step_s` to the simulated time `time_s` [s since the start]."""
        wanted = self._wanted_firing(time_s)
        was_firing = self.firing > 0.0
        self.firing = wanted + (self.firing - wanted) * math.exp(-step_s / self.rating.firing_lag_s)
        if wanted == 0.0 and self.firing < self.rating.turn_down / 2:
            self.firing = 0.0
        self.starts += self.firing > 0.0 and not was_firing
        self._flow(time_s)
        self._feed_water(step_s)
        hours = step_s / HOUR_S
        self.gas_nm3 += self.gas_nm3_h * hours
        self.gas_actual_m3 += self.gas_actual_m3_h * hours
        self.steam_t += self.steam_t_h * hours
        self.feed_t += self.feed_t_h * hours
        self.blowdown_t += self.blowdown_t_h * hours
        self.heat_gj += self.heat_kw * step_s / 1e6
        self.run_h += hours if self.firing > 0.0 else 0.0

    def _flow(self, time_s: float) -> None:
        """Set what burns and what boils from the load."""
        rating = self.rating
        self._set_stack(self.firing, self._air.at(time_s))
        self.water = water = self._water(self.firing, rating.feed_water_degc + 1.5 * self._feed.at(time_s))
        self.gas_nm3_h = self.firing * self.rated_gas_nm3_h
        self.gas_kpa = 10.0 - 1.2 * self.firing**2
        normal_kpa, gas_k, normal_k = 101.325, 273.15 + 15.0, 273.15
        self.gas_actual_m3_h = self.gas_nm3_h * normal_kpa / (normal_kpa + self.gas_kpa) * gas_k / normal_k
        useful_mj_h = self.gas_nm3_h * NCV_MJ_PER_NM3 * self.efficiency
        share = rating.blowdown_share
        self.steam_t_h = useful_mj_h / (water.steam - water.feed + share * (water.drum - water.feed))
        self.blowdown_t_h = share * self.steam_t_h
        self.heat_kw = self.steam_t_h * (water.steam - water.feed) / 3.6

    def _feed_water(self, step_s: float) -> None:
        """Three-element control: feed follows the (sluggish) steam reading and the level's deviation."""
        lag_s, gain_per_h = 40.0, 10.0
        self._steam_seen_t_h += (self.steam_t_h - self._steam_seen_t_h) * (1.0 - math.exp(-step_s / lag_s))
        deviation_t = 0.5 * self._glass_t - self._drum_t
        self.feed_t_h = max(0.0, self._steam_seen_t_h + self.blowdown_t_h + gain_per_h * deviation_t)
        self._drum_t += (self.feed_t_h - self.steam_t_h - self.blowdown_t_h) * step_s / HOUR_S

    @property
    def drum_t(self) -> float:
        """Water in the drum above the glass's lower mark [t]."""
        return self._drum_t

    @property
    def level_percent(self) -> float:
        """Level in the gauge glass: more steam makes the water swell before the feed has answered."""
        swell = 0.2 * (self.steam_t_h - self._steam_seen_t_h) / self.rating.rated_steam_t_h
        return float(100.0 * (self._drum_t / self._glass_t + swell))

    def books(self) -> dict[str, float]:
        """Return the true totals since the start, by counter quantity, in canonical units."""
        return {
            "gas_volume": self.gas_nm3,
            "gas_volume_actual": self.gas_actual_m3,
            "steam_mass": self.steam_t,
            "feed_water_mass": self.feed_t,
            "blowdown_mass": self.blowdown_t,
            "heat_energy": self.heat_gj,
            "run_hours": self.run_h,
            "start_count": float(self.starts),
        }

    def values(self) -> dict[str, float]:
        """Return everything the boiler can say, by quantity, in canonical units."""
        firing = self.firing > 0.0
        return self.books() | {
            "gas_flow": self.gas_nm3_h,
            "gas_flow_actual": self.gas_actual_m3_h,
            "gas_pressure": self.gas_kpa,
            "gas_temperature": 15.0,
            "steam_flow": self.steam_t_h,
            "steam_pressure": self.pressure_mpa,
            "steam_temperature": self.water.boiling_degc,
            "feed_water_flow": self.feed_t_h,
            "feed_water_temperature": self.feed_degc,
            "blowdown_flow": self.blowdown_t_h,
            "heat_power": self.heat_kw,
            "stack_temperature": self.stack_degc,
            "stack_oxygen": self.oxygen,
            "stack_co": 12.0 + 30.0 * (1.0 - self.firing),
            "stack_nox": 24.0 + 20.0 * self.firing,
            "furnace_pressure": 0.1 + 0.9 * self.firing**2,
            "furnace_temperature": 400.0 + 650.0 * self.firing,
            "drum_level": self.level_percent,
            "firing_rate": 100.0 * self.firing,
            "load_percent": 100.0 * self.steam_t_h / self.rating.rated_steam_t_h,
            "boiler_efficiency": 100.0 * self.efficiency if firing else 0.0,
            "ambient_temperature": self._ambient_degc,
            "running": float(firing),
            "ready": 1.0,
            "remote": 1.0,
            "status_word": 17.0 + 2.0 * firing,
        }
