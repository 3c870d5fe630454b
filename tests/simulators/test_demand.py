import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.demand import HOUR_S, Demand, Wobble


@given(seed=st.integers(0, 2**31), time_s=st.floats(0.0, 1e7))
def test_a_wobble_stays_within_its_bounds(seed: int, time_s: float) -> None:
    assert -1.0 <= Wobble(seed, "x").at(time_s) <= 1.0


def test_a_wobble_repeats_for_its_seed_and_name_and_differs_for_others() -> None:
    assert Wobble(7, "a").at(123.0) == Wobble(7, "a").at(123.0)
    assert Wobble(7, "a").at(123.0) != Wobble(8, "a").at(123.0)
    assert Wobble(7, "a").at(123.0) != Wobble(7, "b").at(123.0)


def test_a_wobble_is_smooth() -> None:
    wobble = Wobble(3, "smooth")

    steepest = max(abs(wobble.at(0.1 * (n + 1)) - wobble.at(0.1 * n)) for n in range(20_000))

    assert steepest < 0.1 * 0.05  # the sum of share * 2 pi / (0.9 * period) is below 0.05 per second


def test_the_shape_is_joined_by_straight_lines_and_repeats_each_day() -> None:
    shape = [0.0] * 24
    shape[8], shape[9] = 0.4, 0.8
    demand = Demand(shape, 0.0, Wobble(0, "x"), start_hour=8.0)

    assert demand.at(0.0) == pytest.approx(0.4)
    assert demand.at(0.5 * HOUR_S) == pytest.approx(0.6)
    assert demand.at(1.5 * HOUR_S) == pytest.approx(0.4)
    assert demand.at(24.5 * HOUR_S) == pytest.approx(0.6)


def test_an_hour_of_zero_stays_zero_whatever_the_swing() -> None:
    demand = Demand([0.0] * 24, 0.5, Wobble(1, "x"), start_hour=0.0)

    assert [demand.at(60.0 * n) for n in range(100)] == [0.0] * 100
