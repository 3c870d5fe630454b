import json
from fractions import Fraction
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.metering.amount import NS_PER_S, QUANTA_PER_UNIT, Delta, Reading, Rule
from agent.metering.integral import Integral


def sample(second: float, power: float) -> Reading:
    return Reading(round((1_790_000_000 + second) * NS_PER_S), round(second * NS_PER_S), power, b"", "boot")


def book(integral: Integral, samples: list[tuple[float, float]]) -> list[Delta]:
    return [delta for second, power in samples for delta in integral.book(sample(second, power))]


def test_power_is_integrated_by_the_trapezoid() -> None:
    # 100 kW rising to 140 kW in 36 s: 120 kW x 0.01 h = 1.2 kWh
    deltas = book(Integral(max_gap_s=60), [(0, 100.0), (36, 140.0)])

    assert [(delta.rule, delta.quanta, delta.measured) for delta in deltas] == [
        (Rule.FIRST, 0, True),
        (Rule.INTEGRAL, 1_200_000, True),
    ]


def test_beyond_the_allowed_gap_nothing_is_booked_and_integration_goes_on_after_it() -> None:
    deltas = book(Integral(max_gap_s=60), [(0, 100.0), (61, 100.0), (97, 100.0)])

    assert [delta.quanta for delta in deltas] == [0, 1_000_000]
    assert sum(delta.measured_s for delta in deltas) == 36.0


def test_samples_that_are_no_number_or_not_later_are_refused() -> None:
    integral = Integral(max_gap_s=60)
    deltas = book(integral, [(0, 100.0), (0, 100.0), (18, float("nan")), (-5, 100.0), (36, 100.0)])

    assert sum(delta.quanta for delta in deltas) == 1_000_000
    assert integral.refused == 3


@given(
    samples=st.lists(st.tuples(st.integers(1, 90), st.floats(-1e4, 1e4)), min_size=2, max_size=60),
    restart=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_the_sum_never_drifts_from_the_exact_integral(samples: list[tuple[int, float]], *, restart: bool) -> None:
    integral = Integral(max_gap_s=60)
    second = 0
    points: list[tuple[int, float]] = []
    booked = 0
    for passed, power in samples:
        second += passed
        points.append((second, power))
        booked += sum(delta.quanta for delta in integral.book(sample(second, power)))
        if restart:
            state = json.loads(json.dumps(integral.state()))
            integral = Integral(max_gap_s=60)
            integral.restore(state)
    exact = Fraction(0)
    for (t0, p0), (t1, p1) in pairwise(points):
        if t1 - t0 <= 60:
            exact += Fraction(QUANTA_PER_UNIT * (t1 - t0), 2 * 3600) * (Fraction(p0) + Fraction(p1))

    assert abs(booked - exact) < 1
