import math

import pytest

from simulators.meter import Meter, MeterRating
from simulators.motor import Motor, MotorRating

STEP_S = 0.5


def make(motors: list[Motor], **rating: object) -> Meter:
    return Meter(MeterRating.model_validate(rating), motors, seed=1, name="main-meter", start_hour=8.0)


def two_motors() -> list[Motor]:
    return [Motor(MotorRating(), seed=1, name=f"motor-{n}", start_hour=8.0) for n in (1, 2)]


def run(meter: Meter, motors: list[Motor], steps: int) -> None:
    for step in range(1, steps + 1):
        for motor in motors:
            motor.advance(STEP_S, step * STEP_S)
        meter.advance(STEP_S, step * STEP_S)


def test_the_totals_are_the_sum_of_what_the_meter_feeds_plus_the_base_load() -> None:
    motors = two_motors()
    meter = make(motors, base_load_kw=0.0)
    run(meter, motors, 7200)
    base = make([], base_load_kw=12.0)
    run(base, [], 7200)
    both_motors = two_motors()
    both = make(both_motors, base_load_kw=12.0)
    run(both, both_motors, 7200)

    fed = sum(motor.energy_kwh for motor in motors)
    assert meter.books()["active_energy_import"] == pytest.approx(fed, rel=1e-12)
    assert both.books()["active_energy_import"] == pytest.approx(fed + base.books()["active_energy_import"], rel=1e-12)
    assert both.power_kw == pytest.approx(sum(motor.power_kw for motor in both_motors) + both.base_kw)


def test_phases_add_up_and_each_power_triangle_closes() -> None:
    motors = two_motors()
    meter = make(motors)
    run(meter, motors, 100)
    values = meter.values()

    for name in ("active_power", "reactive_power", "active_energy_import"):
        assert sum(values[f"{name}_l{n}"] for n in (1, 2, 3)) == pytest.approx(values[name])
    for n in (1, 2, 3):
        apparent = math.hypot(values[f"active_power_l{n}"], values[f"reactive_power_l{n}"])
        assert values[f"apparent_power_l{n}"] == pytest.approx(apparent)
        assert values[f"voltage_l{n}"] * values[f"current_l{n}"] == pytest.approx(1e3 * apparent)
        assert values[f"power_factor_l{n}"] == pytest.approx(values[f"active_power_l{n}"] / apparent)


def test_voltages_and_frequency_stay_within_what_the_grid_codes_allow() -> None:
    meter = make([], base_load_kw=150.0)
    for step in range(1, 5000):
        meter.advance(10.0, step * 10.0)
        values = meter.values()
        assert 49.9 < values["frequency"] < 50.1
        for n in (1, 2, 3):
            assert 220 * 0.93 < values[f"voltage_l{n}"] < 220 * 1.07
        assert values["voltage_ll"] == pytest.approx(math.sqrt(3) * values["voltage_ln"], rel=0.01)


def test_what_flows_back_is_counted_as_export_and_never_as_import() -> None:
    motors = two_motors()
    meter = make(motors, base_load_kw=-100.0)
    run(meter, motors, 1000)
    values = meter.values()

    assert values["active_power"] < 0
    assert values["active_energy_import"] == 0.0
    assert values["active_energy_export"] > 0
    assert values["active_energy_total"] == values["active_energy_export"]
