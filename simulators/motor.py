"""An induction motor on a frequency converter, driving a fan or a pump.

Invariants, each tested:

- energy counter = integral of the active power taken from the mains; run hours = time at speed;
- mains power = shaft power + motor losses + drive losses, with the nameplate's efficiency, current and power
  factor at the rated point;
- a fan, and a pump without static head, follow the affinity laws: torque with the square, power with the cube
  of the speed.
"""

import math
from typing import Literal

from pydantic import model_validator

from simulators.demand import HOUR_S, Demand, Wobble
from simulators.rating import DayShape, Positive, Rating, Share

_SHIFTS: DayShape = (
    *(0.55, 0.55, 0.55, 0.55, 0.55, 0.60),
    *(0.72, 0.85, 0.90, 0.92, 0.90, 0.84),
    *(0.75, 0.84, 0.92, 0.92, 0.88, 0.82),
    *(0.76, 0.72, 0.68, 0.62, 0.58, 0.55),
)


class MotorRating(Rating):
    """Nameplate of motor and drive, and what they turn."""

    load: Literal["fan", "pump"] = "fan"
    rated_power_kw: Positive = 15.0
    rated_speed_rpm: Positive = 1470.0
    rated_voltage_v: Positive = 380.0
    rated_frequency_hz: Positive = 50.0
    rated_efficiency_percent: Positive = 93.9
    """Default: 15 kW, 4 poles, grade 2 of GB 18613-2020 (IE4)."""
    rated_power_factor: Positive = 0.85
    load_share: Share = 0.85
    """Shaft power of the load at rated speed, of the motor's rated power."""
    static_head: Share = 0.0
    """Of a pump: the part of the head at rated flow that is height or back-pressure, not friction."""
    least_speed: Share = 0.3
    """The drive stops the motor when less is asked for."""
    ramp_s: Positive = 20.0
    """From standstill to rated frequency."""
    demand: DayShape = _SHIFTS
    """Wanted speed, of the rated one; an hour of 0 stops the motor."""
    swing: Share = 0.05

    @model_validator(mode="after")
    def _possible(self) -> "MotorRating":
        if self.rated_efficiency_percent >= 100.0 or self.rated_power_factor >= 1.0:  # noqa: PLR2004 - by definition
            raise ValueError("a motor's efficiency is below 100 % and its power factor below 1; see the nameplate")
        if self.rated_speed_rpm >= self.synchronous_rpm:
            raise ValueError("rated_speed_rpm is no asynchronous speed; give the nameplate's, such as 1470 at 50 Hz")
        if self.load == "fan" and self.static_head:
            raise ValueError('a fan has no static_head; leave it out, or set load = "pump"')
        return self

    @property
    def synchronous_rpm(self) -> float:
        """Speed of the field at rated frequency: the next one above the rated speed that pole pairs allow."""
        pole_pairs = max(1, math.floor(60.0 * self.rated_frequency_hz / self.rated_speed_rpm))
        return 60.0 * self.rated_frequency_hz / pole_pairs


class Motor:
    """The state of one motor with its drive; `advance` moves it by one step."""

    def __init__(self, rating: MotorRating, *, seed: int, name: str, start_hour: float) -> None:
        """Start at the speed that the first moment asks for, cold."""
        self.rating = rating
        self._demand = Demand(rating.demand, rating.swing, Wobble(seed, f"{name}/demand"), start_hour=start_hour)
        sine = math.sqrt(1.0 - rating.rated_power_factor**2)
        self.rated_current_a = (
            rating.rated_power_kw
            / (rating.rated_efficiency_percent / 100.0)
            * 1e3
            / (math.sqrt(3.0) * rating.rated_voltage_v * rating.rated_power_factor)
        )
        self._magnetising_a = self.rated_current_a * sine
        self._rated_loss_kw = rating.rated_power_kw * (100.0 / rating.rated_efficiency_percent - 1.0)
        self._rated_torque_nm = rating.rated_power_kw * 1e3 / (math.tau * rating.rated_speed_rpm / 60.0)
        self._ambient_degc = 30.0
        self.motor_degc = self.drive_degc = self._ambient_degc
        self.energy_kwh = self.reactive_kvarh = self.run_h = 0.0
        self.starts = 0
        self.running = self._wanted(0.0) > 0.0
        self.frequency_hz = self._wanted(0.0) * rating.rated_frequency_hz
        self._operate()

    def _wanted(self, time_s: float) -> float:
        wanted = self._demand.at(time_s)
        return wanted if wanted >= self.rating.least_speed else 0.0

    def advance(self, step_s: float, time_s: float) -> None:
        """Move by `step_s` to the simulated time `time_s` [s since the start]."""
        rating = self.rating
        wanted_hz = self._wanted(time_s) * rating.rated_frequency_hz
        ramp_hz = rating.rated_frequency_hz * step_s / rating.ramp_s
        self.frequency_hz += min(ramp_hz, max(-ramp_hz, wanted_hz - self.frequency_hz))
        was_running, self.running = self.running, self.frequency_hz > 0.0
        self.starts += self.running and not was_running
        self._operate()
        self._warm(step_s)
        hours = step_s / HOUR_S
        self.energy_kwh += self.power_kw * hours
        self.reactive_kvarh += self.reactive_kvar * hours
        self.run_h += hours if self.running else 0.0

    def _load_power(self, speed: float) -> float:
        """Shaft power of the load at a speed, both of their rated values.

        A pump's head is H = 1.25 r² - 0.25 Q², its pipe's H = static + (1 - static) Q²; where they meet, the shaft
        takes r³ (0.4 + 0.6 Q/r): the affinity laws with the nearly straight power curve of a radial wheel.
        """
        if speed <= 0.0:
            return 0.0
        flow_squared = (1.25 * speed**2 - self.rating.static_head) / (1.25 - self.rating.static_head)
        flow = math.sqrt(max(0.0, flow_squared))
        return speed**3 * (0.4 + 0.6 * flow / speed)

    def _operate(self) -> None:
        """Find the steady operating point at the present frequency."""
        rating = self.rating
        field = self.frequency_hz / rating.rated_frequency_hz
        slip_rpm = rating.synchronous_rpm - rating.rated_speed_rpm
        speed, torque = field, 0.0
        for _ in range(4):  # each pass shrinks the error about fifty-fold: the slip is a few percent
            power = rating.load_share * self._load_power(speed)
            torque = power / speed if speed > 0.0 else 0.0
            speed = max(0.0, (field * rating.synchronous_rpm - slip_rpm * torque) / rating.rated_speed_rpm)
        self.speed_rpm = speed * rating.rated_speed_rpm
        self.slip_percent = 100.0 * (1.0 - self.speed_rpm / (field * rating.synchronous_rpm)) if field else 0.0
        self.torque_nm = torque * self._rated_torque_nm
        self.shaft_kw = self.torque_nm * math.tau * self.speed_rpm / 60.0 / 1e3
        self._electrics(field, torque)
        self._mains()

    def _electrics(self, field: float, torque: float) -> None:
        """Losses after GB/T 12497 (a no-load part and one with the square of the load), then the current's triangle."""
        if not self.running:
            self.loss_kw = self.motor_kw = self.current_a = self.output_v = self.motor_power_factor = 0.0
            return
        rating = self.rating
        cosine = rating.rated_power_factor
        no_load, copper = 0.3 * field**1.5, 0.7 * (1.0 - cosine**2 + (cosine * torque) ** 2)
        self.loss_kw = self._rated_loss_kw * (no_load + copper)
        self.motor_kw = self.shaft_kw + self.loss_kw
        boost = 0.04  # makes up for the winding's resistance at low frequency
        self.output_v = rating.rated_voltage_v * (boost + (1.0 - boost) * field)
        active_a = self.motor_kw * 1e3 / (math.sqrt(3.0) * self.output_v)
        self.current_a = math.hypot(active_a, self._magnetising_a)
        self.motor_power_factor = active_a / self.current_a

    def _mains(self) -> None:
        """Power, current and power factor at the drive's input (six-pulse rectifier with choke)."""
        rating = self.rating
        standby_kw = 0.0015 * rating.rated_power_kw
        switching_kw = 0.021 * rating.rated_power_kw * self.current_a / self.rated_current_a if self.running else 0.0
        self.drive_loss_kw = standby_kw + switching_kw
        self.power_kw = self.motor_kw + self.drive_loss_kw
        load = self.power_kw / rating.rated_power_kw
        self.power_factor = 0.96 * load / (load + 0.02)
        self.apparent_kva = self.power_kw / self.power_factor
        self.reactive_kvar = math.sqrt(self.apparent_kva**2 - self.power_kw**2)
        self.mains_a = self.apparent_kva * 1e3 / (math.sqrt(3.0) * rating.rated_voltage_v)

    def _warm(self, step_s: float) -> None:
        """First order: the winding is 70 K above the air at rated losses, the heat sink 35 K."""
        motor_end = self._ambient_degc + 70.0 * self.loss_kw / self._rated_loss_kw
        drive_end = self._ambient_degc + 35.0 * self.drive_loss_kw / (0.0225 * self.rating.rated_power_kw)
        self.motor_degc = motor_end + (self.motor_degc - motor_end) * math.exp(-step_s / 1500.0)
        self.drive_degc = drive_end + (self.drive_degc - drive_end) * math.exp(-step_s / 240.0)

    @property
    def motor_efficiency(self) -> float:
        """Shaft power by electric power of the motor alone; 0 at standstill."""
        return self.shaft_kw / self.motor_kw if self.motor_kw else 0.0

    def books(self) -> dict[str, float]:
        """Return the true totals since the start, by counter quantity, in canonical units."""
        return {
            "active_energy_import": self.energy_kwh,
            "active_energy_total": self.energy_kwh,
            "reactive_energy_import": self.reactive_kvarh,
            "run_hours": self.run_h,
            "start_count": float(self.starts),
        }

    def values(self) -> dict[str, float]:
        """Return everything the drive can say, by quantity, in canonical units."""
        rating = self.rating
        torque_percent = 100.0 * self.torque_nm / self._rated_torque_nm
        return self.books() | {
            "active_power": self.power_kw,
            "reactive_power": self.reactive_kvar,
            "apparent_power": self.apparent_kva,
            "power_factor": self.power_factor,
            "current": self.mains_a,
            "voltage": rating.rated_voltage_v,
            "voltage_ll": rating.rated_voltage_v,
            "frequency": rating.rated_frequency_hz,
            "output_power": self.motor_kw,
            "output_current": self.current_a,
            "output_voltage": self.output_v,
            "output_frequency": self.frequency_hz,
            "dc_voltage": 1.35 * rating.rated_voltage_v,
            "speed": self.speed_rpm,
            "torque": self.torque_nm,
            "torque_percent": torque_percent,
            "load_percent": 100.0 * self.shaft_kw / rating.rated_power_kw,
            "motor_temperature": self.motor_degc,
            "winding_temperature": self.motor_degc,
            "bearing_temperature": self._ambient_degc + 0.45 * (self.motor_degc - self._ambient_degc),
            "drive_temperature": self.drive_degc,
            "ambient_temperature": self._ambient_degc,
            "vibration": 0.3 + 1.7 * (self.speed_rpm / rating.rated_speed_rpm) ** 2,
            "running": float(self.running),
            "ready": 1.0,
            "remote": 1.0,
            "status_word": 17.0 + 2.0 * self.running,
        }
