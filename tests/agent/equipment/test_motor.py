"""Load and efficiency of motors, by hand and by others; the tables of GB 18613."""

import pytest

from agent.equipment.errors import NoFigureError
from agent.equipment.motor import Motor
from agent.equipment.tables import MOTORS, motor_efficiency_percent

FAN = Motor(rated_kw=55.0, rated_efficiency_percent=94.6, no_load_kw=1.3)


def test_half_load_by_hand() -> None:
    # Losses at rated power 55 (1 / 0.946 - 1) = 3.13953 kW, of which 3.13953 - 1.3 = 1.83953 grow with the load.
    # P1 = 27.5 + 1.3 + 0.25 * 1.83953 = 29.25988 kW; 27.5 / 29.25988 = 93.985 %.
    assert FAN.rated_losses_kw == pytest.approx(3.13953, abs=1e-5)
    assert FAN.load_rate(29.25988) == pytest.approx(0.5, abs=1e-6)
    assert FAN.efficiency(29.25988) == pytest.approx(0.93985, abs=1e-5)


def test_a_published_motor_at_full_load() -> None:
    # A course of electrical engineering (slideshare taliacarbis/918, 9.1.8): 40 kW, 415 V, 70 A, power factor 0.88:
    # input sqrt(3) * 415 * 70 * 0.88 = 44.278 kW, efficiency 90.3 %.
    published = Motor(rated_kw=40.0, rated_efficiency_percent=90.3, no_load_kw=1.2)
    input_kw = 3**0.5 * 415 * 70 * 0.88 / 1000

    assert input_kw == pytest.approx(44.278, abs=0.001)
    assert published.load_rate(input_kw) == pytest.approx(1.0, abs=0.001)
    assert published.efficiency(input_kw) == pytest.approx(0.903, abs=0.001)


@pytest.mark.parametrize("input_kw", [1.4, 5.0, 20.0, 29.26, 45.0, 58.139535, 64.0])
def test_the_load_rate_is_where_the_iteration_of_the_norm_ends(input_kw: float) -> None:
    def efficiency(load: float) -> float:
        return load * 55.0 / (load * 55.0 + 1.3 + load**2 * (FAN.rated_losses_kw - 1.3))

    load = 1.0
    for _ in range(2000):
        load = input_kw * efficiency(load) / 55.0

    assert FAN.load_rate(input_kw) == pytest.approx(load, rel=1e-6)
    assert FAN.efficiency(input_kw) == pytest.approx(efficiency(load), rel=1e-6)


def test_a_motor_whose_losses_do_not_grow_is_linear() -> None:
    flat = Motor(rated_kw=10.0, rated_efficiency_percent=80.0, no_load_kw=2.5)

    assert flat.load_rate(7.5) == pytest.approx(0.5)


def test_a_free_shaft_is_no_load_and_a_motor_that_is_off_has_none() -> None:
    assert FAN.load_rate(1.2) == 0.0
    assert FAN.efficiency(1.2) == 0.0
    with pytest.raises(NoFigureError, match="it is off"):
        FAN.load_rate(0.0)


def test_the_table_is_the_one_of_the_norm() -> None:
    # GB 18613-2020, 4 poles; grade 3 is IE3 of IEC 60034-30-1, grade 1 IE5.
    printed = {
        0.75: (88.2, 85.7, 82.5), 1.5: (90.4, 88.2, 85.3), 4: (92.8, 91.1, 88.6), 7.5: (94.0, 92.6, 90.4),
        15: (95.1, 93.9, 92.1), 22: (95.5, 94.5, 93.0), 37: (96.1, 95.2, 93.9), 55: (96.5, 95.7, 94.6),
        75: (96.7, 96.0, 95.0), 90: (96.9, 96.1, 95.2), 132: (97.1, 96.4, 95.6), 200: (97.4, 96.7, 96.0),
    }  # fmt: skip
    found = {power: tuple(motor_efficiency_percent(power, 4, grade) for grade in (1, 2, 3)) for power in printed}

    assert found == printed


def test_better_grades_and_larger_motors_are_never_less_efficient() -> None:
    for poles in (2, 4, 6, 8):
        columns = [[motor_efficiency_percent(power, poles, grade) or 0 for power in MOTORS] for grade in (1, 2, 3)]
        assert all(column == sorted(column) for column in columns)
        assert all(one > two > three for one, two, three in zip(*columns, strict=True))


def test_nothing_is_interpolated() -> None:
    assert motor_efficiency_percent(60.0, 4, 3) is None
