import pytest

from simulators.pv import Pv, PvRating

STEP_S = 300.0


def energy(day: int, hours: int = 24) -> float:
    roof = Pv(PvRating(rated_power_kw=50.0, start_day=day), seed=1, name="roof", start_hour=0.0)
    integral = 0.0
    for step in range(1, hours * 12 + 1):
        roof.advance(STEP_S, step * STEP_S)
        assert 0.0 <= roof.generation_kw <= 50.0
        assert roof.power_kw == -roof.generation_kw
        integral += roof.generation_kw * STEP_S / 3600
    assert roof.books()["generation_energy"] == pytest.approx(integral)
    return integral


def test_a_roof_gives_what_its_power_comes_to_and_nothing_at_night() -> None:
    assert energy(80, hours=5) == 0.0
    assert 100.0 < energy(80) < 400.0


def test_a_day_in_summer_gives_more_than_one_in_winter() -> None:
    assert energy(172) > 1.3 * energy(355)
