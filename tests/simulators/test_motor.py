import itertools
import math

import pytest
from pydantic import ValidationError

from simulators.motor import Motor, MotorRating

STEP_S = 0.5


def make(start_hour: float = 8.0, **rating: object) -> Motor:
    return Motor(MotorRating.model_validate(rating), seed=1, name="motor-1", start_hour=start_hour)


def at_frequency(motor: Motor, hertz: float) -> Motor:
    motor.running, motor.frequency_hz = True, hertz
    motor._operate()
    return motor


def test_at_the_rated_point_the_motor_shows_its_nameplate() -> None:
    rating = {"rated_power_kw": 15, "rated_speed_rpm": 1470, "rated_efficiency_percent": 93.9, "load_share": 1.0}
    motor = at_frequency(make(**rating, rated_power_factor=0.85, rated_voltage_v=380), 50)

    assert motor.shaft_kw == pytest.approx(15, rel=1e-5)
    assert motor.speed_rpm == pytest.approx(1470, rel=1e-5)
    assert motor.slip_percent == pytest.approx(2.0, rel=1e-4)
    assert 100 * motor.motor_efficiency == pytest.approx(93.9, rel=1e-5)
    assert motor.motor_power_factor == pytest.approx(0.85, rel=1e-5)
    assert motor.current_a == pytest.approx(15_000 / (math.sqrt(3) * 380 * 0.85 * 0.939), rel=1e-5)
    assert motor.torque_nm == pytest.approx(15_000 / (2 * math.pi * 1470 / 60), rel=1e-5)


@pytest.mark.parametrize("load", ["fan", "pump"])
def test_torque_goes_with_the_square_and_power_with_the_cube_of_the_speed(load: str) -> None:
    motor = make(load=load)
    at_frequency(motor, 50)
    speed, torque, power = motor.speed_rpm, motor.torque_nm, motor.shaft_kw

    for hertz in (20, 25, 30, 40, 45):
        at_frequency(motor, hertz)
        ratio = motor.speed_rpm / speed
        assert motor.torque_nm == pytest.approx(torque * ratio**2, rel=1e-4)
        assert motor.shaft_kw == pytest.approx(power * ratio**3, rel=1e-4)


def test_static_head_makes_a_pump_idle_below_the_speed_that_lifts_the_water() -> None:
    lifting = make(load="pump", static_head=0.5)
    plain = make(load="pump")
    shut_off = math.sqrt(0.5 / 1.25)

    below = lifting._load_power(shut_off * 0.99)

    assert below == pytest.approx(0.4 * (shut_off * 0.99) ** 3)
    assert lifting._load_power(1.0) == pytest.approx(plain._load_power(1.0)) == pytest.approx(1.0)
    assert lifting._load_power(0.8) < plain._load_power(0.8)


def test_slip_current_and_losses_rise_with_load_and_the_power_factor_too() -> None:
    states = [at_frequency(make(load_share=share), 50) for share in (0.1, 0.3, 0.5, 0.7, 0.9)]

    for name in ("slip_percent", "current_a", "loss_kw", "motor_power_factor", "power_kw", "power_factor"):
        column = [getattr(state, name) for state in states]
        assert column == sorted(column), name
    assert states[0].motor_efficiency < 0.85
    assert 0.92 < states[-1].motor_efficiency < 0.96


def test_mains_power_is_shaft_power_and_every_loss() -> None:
    motor = at_frequency(make(), 37.5)

    assert motor.power_kw == pytest.approx(motor.shaft_kw + motor.loss_kw + motor.drive_loss_kw)
    assert math.hypot(motor.power_kw, motor.reactive_kvar) == pytest.approx(motor.apparent_kva)


def test_the_energy_counter_is_the_integral_of_the_power_and_run_hours_count_running_time_only() -> None:
    motor = make(start_hour=11.0, demand=[0.8] * 12 + [0.0] + [0.8] * 11, swing=0.0)
    energy = running_s = 0.0
    before = motor.books()

    for step in range(1, 4 * 7200 + 1):
        motor.advance(STEP_S, step * STEP_S)
        energy += motor.power_kw * STEP_S / 3600
        running_s += STEP_S if motor.frequency_hz > 0 else 0.0
        books = motor.books()
        assert all(books[name] >= before[name] for name in books)
        before = books

    assert motor.energy_kwh == pytest.approx(energy, rel=1e-12)
    assert motor.run_h == pytest.approx(running_s / 3600)
    assert motor.run_h < 3.9
    assert motor.starts == 1


def test_a_stopped_drive_takes_its_standby_power_and_shows_no_output() -> None:
    motor = make(demand=[0.0] * 24)
    values = motor.values()

    assert values["running"] == 0.0
    assert values["speed"] == values["output_current"] == values["output_power"] == values["torque"] == 0.0
    assert values["active_power"] == pytest.approx(0.0015 * 15)


def test_the_drive_ramps_and_never_jumps() -> None:
    motor = make(start_hour=8.0, demand=[0.0] * 9 + [1.0] + [0.0] * 14, swing=0.0, ramp_s=20)
    frequencies = []
    for step in range(1, 2 * 7200 + 1):
        motor.advance(STEP_S, step * STEP_S)
        frequencies.append(motor.frequency_hz)

    jumps = [abs(after - before) for before, after in itertools.pairwise(frequencies)]
    assert max(jumps) <= 50 * STEP_S / 20 + 1e-9
    assert frequencies[0] == frequencies[-1] == 0.0
    assert max(frequencies) > 45


def test_the_winding_warms_to_its_end_temperature_as_a_first_order_lag() -> None:
    motor = make(demand=[1.0] * 24, swing=0.0, load_share=1.0)
    motor.advance(1500.0, 1500.0)

    assert motor.motor_degc == pytest.approx(30 + 70 * (1 - math.exp(-1)), rel=1e-3)


def test_impossible_nameplates_are_refused() -> None:
    with pytest.raises(ValidationError, match="asynchronous"):
        MotorRating(rated_speed_rpm=1500)
    with pytest.raises(ValidationError, match="below 100 %"):
        MotorRating(rated_efficiency_percent=100)
    with pytest.raises(ValidationError, match="static_head"):
        MotorRating(static_head=0.3)
