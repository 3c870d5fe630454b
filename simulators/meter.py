"""An incoming three-phase meter.

Invariants, each tested:

- its active power is the sum of what it feeds and its base load; its energies are the integrals of that power,
  so the import minus the export equals the energies of what it feeds plus the base load's;
- the phases add up to the total, and P² + Q² = S² in each of them.
"""

import math
from collections.abc import Sequence
from typing import Protocol

from simulators.demand import HOUR_S, Demand, Wobble
from simulators.rating import DayShape, Positive, Rating, Share

_LIGHTS: DayShape = (
    *(0.40, 0.40, 0.40, 0.40, 0.40, 0.50),
    *(0.70, 0.90, 1.00, 1.00, 1.00, 0.95),
    *(0.85, 0.95, 1.00, 1.00, 1.00, 0.95),
    *(0.85, 0.75, 0.65, 0.55, 0.45, 0.40),
)
_PHASES = ("l1", "l2", "l3")
_DEMAND_LAG_S = 900.0 / math.log(10.0)
"""A thermal demand meter shows 90 % of a new load after fifteen minutes."""


class Consumer(Protocol):
    """What a meter can feed: three-phase active and reactive power [kW, kvar]."""

    power_kw: float
    reactive_kvar: float


class MeterRating(Rating):
    """What hangs on the meter besides the machines, and the supply."""

    base_load_kw: float = 8.0
    """Of lights, offices, workshops at their peak; negative where the roof feeds in more than they take."""
    base_power_factor: Positive = 0.93
    demand: DayShape = _LIGHTS
    swing: Share = 0.1
    nominal_voltage_v: Positive = 220.0
    """Line to neutral."""
    nominal_frequency_hz: Positive = 50.0
    rated_current_a: Positive = 400.0


class Meter:
    """The state of one meter; `advance` moves it by one step, after everything it feeds has moved."""

    def __init__(
        self, rating: MeterRating, fed: Sequence[Consumer], *, seed: int, name: str, start_hour: float
    ) -> None:
        self.rating = rating
        self._fed = tuple(fed)
        self._demand = Demand(rating.demand, rating.swing, Wobble(seed, f"{name}/demand"), start_hour=start_hour)
        self._volts = tuple(Wobble(seed, f"{name}/volts/{phase}") for phase in _PHASES)
        self._balance = tuple(Wobble(seed, f"{name}/balance/{phase}") for phase in _PHASES)
        self._grid = Wobble(seed, "grid")  # all meters of a plant hang on one grid
        self._import = dict.fromkeys(("", *_PHASES), 0.0)
        self._export = dict.fromkeys(("", *_PHASES), 0.0)
        self.reactive_import_kvarh = self.apparent_kvah = 0.0
        self._measure(0.0)
        self.demand_kw = self.demand_max_kw = self.power_kw

    def advance(self, step_s: float, time_s: float) -> None:
        """Move by `step_s` to the simulated time `time_s` [s since the start]."""
        self._measure(time_s)
        hours = step_s / HOUR_S
        for phase, power in zip(("", *_PHASES), (self.power_kw, *self._power), strict=True):
            self._import[phase] += max(0.0, power) * hours
            self._export[phase] += max(0.0, -power) * hours
        self.reactive_import_kvarh += self.reactive_kvar * hours
        self.apparent_kvah += math.hypot(self.power_kw, self.reactive_kvar) * hours
        self.demand_kw += (self.power_kw - self.demand_kw) * (1.0 - math.exp(-step_s / _DEMAND_LAG_S))
        self.demand_max_kw = max(self.demand_max_kw, self.demand_kw)

    def _measure(self, time_s: float) -> None:
        rating = self.rating
        self.base_kw = rating.base_load_kw * self._demand.at(time_s)
        base_kvar = abs(self.base_kw) * math.tan(math.acos(min(1.0, rating.base_power_factor)))
        self.power_kw = self.base_kw + sum(consumer.power_kw for consumer in self._fed)
        self.reactive_kvar = base_kvar + sum(consumer.reactive_kvar for consumer in self._fed)
        self.frequency_hz = rating.nominal_frequency_hz + 0.03 * self._grid.at(time_s)
        first, second = (1.0 / 3.0 + 0.012 * wobble.at(time_s) for wobble in self._balance[:2])
        shares = (first, second, 1.0 - first - second)
        self._power = tuple(share * self.power_kw for share in shares)
        self._reactive = tuple(share * self.reactive_kvar for share in shares)
        self._apparent = tuple(math.hypot(p, q) for p, q in zip(self._power, self._reactive, strict=True))
        nominal = rating.nominal_voltage_v
        self._voltage = tuple(
            nominal * (1.0 + 0.012 * wobble.at(time_s) - 0.02 * kva * 1e3 / nominal / rating.rated_current_a)
            for wobble, kva in zip(self._volts, self._apparent, strict=True)
        )
        self._current = tuple(kva * 1e3 / volt for kva, volt in zip(self._apparent, self._voltage, strict=True))

    def books(self) -> dict[str, float]:
        """Return the true totals since the start, by counter quantity, in canonical units."""
        totals = {
            "active_energy_total": self._import[""] + self._export[""],
            "reactive_energy_import": self.reactive_import_kvarh,
            "reactive_energy_export": 0.0,
            "apparent_energy": self.apparent_kvah,
        }
        for phase in ("", *_PHASES):
            suffix = f"_{phase}" if phase else ""
            totals[f"active_energy_import{suffix}"] = self._import[phase]
            totals[f"active_energy_export{suffix}"] = self._export[phase]
        return totals

    def values(self) -> dict[str, float]:
        """Return everything the meter can say, by quantity, in canonical units."""
        apparent = math.hypot(self.power_kw, self.reactive_kvar)
        mean_volts = sum(self._voltage) / 3.0
        values = self.books() | {
            "active_power": self.power_kw,
            "reactive_power": self.reactive_kvar,
            "apparent_power": apparent,
            "power_factor": self.power_kw / apparent if apparent else 1.0,
            "phase_angle": math.degrees(math.atan2(self.reactive_kvar, self.power_kw)),
            "frequency": self.frequency_hz,
            "voltage": mean_volts,
            "voltage_ln": mean_volts,
            "voltage_unbalance": 100.0 * max(abs(volt / mean_volts - 1.0) for volt in self._voltage),
            "current": sum(self._current) / 3.0,
            "current_n": self._neutral(),
            "active_power_demand": self.demand_kw,
            "active_power_demand_max": self.demand_max_kw,
            "current_demand": self.demand_kw * 1e3 / (3.0 * mean_volts),
        }
        for phase in range(3):
            name = _PHASES[phase]
            values |= {
                f"voltage_{name}": self._voltage[phase],
                f"current_{name}": self._current[phase],
                f"active_power_{name}": self._power[phase],
                f"reactive_power_{name}": self._reactive[phase],
                f"apparent_power_{name}": self._apparent[phase],
                f"power_factor_{name}": self._power[phase] / self._apparent[phase] if self._apparent[phase] else 1.0,
                f"phase_angle_{name}": math.degrees(math.atan2(self._reactive[phase], self._power[phase])),
                f"voltage_{name}_{_PHASES[(phase + 1) % 3]}": self._between(phase, (phase + 1) % 3),
            }
        lines = (values["voltage_l1_l2"], values["voltage_l2_l3"], values["voltage_l3_l1"])
        return values | {"voltage_ll": sum(lines) / 3.0}

    def _between(self, one: int, other: int) -> float:
        """Voltage between two phases 120° apart."""
        a, b = self._voltage[one], self._voltage[other]
        return math.sqrt(a * a + b * b + a * b)

    def _neutral(self) -> float:
        """Return the current that three phases of the same power factor leave for the neutral."""
        a, b, c = self._current
        return math.sqrt(max(0.0, a * a + b * b + c * c - a * b - b * c - c * a))
