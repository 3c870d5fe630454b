import json
from fractions import Fraction
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.metering.amount import NS_PER_S, QUANTA_PER_UNIT, Delta, Reading, Rule, elapsed_ns, quanta
from agent.metering.integral import Integral
from agent.metering.interval import IntervalBook


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


def rated(limit: float = 100.0) -> Integral:
    return Integral(max_gap_s=60, limit=limit)


def test_a_sample_above_the_rating_is_left_out_and_what_is_integrated_across_it_is_an_estimate() -> None:
    integral = rated()
    deltas = book(integral, [(0, 36.0), (10, 36.0), (20, 8e11), (30, 36.0), (40, 36.0)])

    assert [(delta.quanta, delta.measured) for delta in deltas[1:]] == [
        (100_000, True),
        (200_000, False),
        (100_000, True),
    ]
    assert [(event.rule, event.text) for event in integral.events] == [
        (Rule.IMPLAUSIBLE, "800000000000 is above the rating: held"),
        (Rule.GLITCH, "800000000000 is above the rating: discarded"),
    ]


def test_three_alike_above_the_rating_are_booked_after_all_and_believed_from_then_on() -> None:
    integral = rated()
    powers = [90.0, 150.0, 180.0, 160.0, 300.0, 80.0, 150.0]
    deltas = book(integral, [(second * 36, power) for second, power in enumerate(powers)])

    assert sum(delta.quanta for delta in deltas) == quanta(
        sum((before + after) / 2 * 0.01 for before, after in pairwise(powers))
    )
    assert all(delta.measured for delta in deltas)
    assert [event.text for event in integral.events] == [
        "150 is above the rating: held",
        "150 is above the rating: booked after all",
        "150 is above the rating: booked",
    ]


@pytest.mark.parametrize(
    ("powers", "why"),
    [
        ([8e11] * 5, "beyond ten times the limit nothing is a level"),
        ([-8e11] * 5, "the same below zero"),
        ([150.0, -150.0, 150.0, -150.0], "now in, now out"),
        ([101.0, 990.0, 101.0, 990.0], "not alike"),
        ([150.0, 150.0], "too few"),
    ],
)
def test_what_is_above_the_rating_and_no_level_adds_nothing(powers: list[float], why: str) -> None:
    integral = rated()
    faulty = [(10.0 * (index + 1), power) for index, power in enumerate(powers)]
    after = 10.0 * (len(powers) + 1)
    deltas = book(integral, [(0, 72.0), *faulty, (after, 72.0)])

    assert sum(delta.quanta for delta in deltas) in {0, quanta(72.0 * after / 3600)}, why
    assert sum(delta.measured_s for delta in deltas) == 0.0
    rules = [event.rule for event in integral.events if "lasts far above" not in event.text]
    assert rules == [Rule.IMPLAUSIBLE, Rule.GLITCH]


@pytest.mark.parametrize("power", [1001.0, 8e11, -8e11])
def test_what_lasts_far_above_the_rating_is_told_once_with_what_to_do(power: float) -> None:
    integral = rated()
    book(integral, [(0, 72.0), (10, power), (20, power)])
    told = [event.text for event in integral.events]
    assert told == [f"{power:.15g} is above the rating: held"], "two may be wrong"
    for second in range(30, 100, 10):
        integral.book(sample(second, power))
        integral.restore(json.loads(json.dumps(integral.state())))

    assert integral.beyond == abs(power)
    assert [event.text for event in integral.events] == [
        f"{power:.15g} is above the rating: held",
        f"{power:.15g} lasts far above the rating: nothing is booked: correct rated_power or the profile, and reload",
    ]
    integral.book(sample(100, 72.0))
    assert integral.beyond is None


def test_with_the_right_rating_what_was_far_above_the_wrong_one_is_booked_from_then_on() -> None:
    wrong, right = rated(), rated(limit=5000.0)
    book(wrong, [(36 * index, 1800.0) for index in range(10)])
    assert wrong.last is None
    right.restore(json.loads(json.dumps(wrong.state())))

    assert right.beyond is None
    deltas = book(right, [(36 * index, 1800.0) for index in range(10, 13)])
    assert [delta.quanta for delta in deltas] == [0, quanta(18.0), quanta(18.0)]


def test_without_a_rating_every_sample_is_taken() -> None:
    integral = Integral(max_gap_s=60)

    assert sum(delta.quanta for delta in book(integral, [(0, 8e11), (36, 8e11)])) == quanta(8e9)
    assert not integral.events


def test_what_an_earlier_version_has_kept_is_gone_on_from() -> None:
    integral = rated()
    integral.restore({"last": sample(0, 72.0).state(), "rest": 0.25})

    assert [delta.quanta for delta in integral.book(sample(50, 72.0))] == [1_000_000]


@given(
    samples=st.lists(
        st.tuples(st.integers(1, 90), st.floats(-90, 90) | st.sampled_from([150.0, -180.0, 950.0, 8e11, -3e300])),
        min_size=2,
        max_size=60,
    ),
    restarts=st.lists(st.booleans(), min_size=60, max_size=60),
)
@settings(max_examples=200, deadline=None)
def test_with_a_rating_nothing_is_booked_twice_or_above_what_is_believed_wherever_it_restarts(
    samples: list[tuple[int, float]], restarts: list[bool]
) -> None:
    kept, again = rated(), rated()
    second = 0
    booked: list[Delta] = []
    for (passed, power), restart in zip(samples, restarts, strict=False):
        second += passed
        deltas = list(kept.book(sample(second, power)))
        if restart:
            state = json.loads(json.dumps(again.state()))
            events, again = again.events, rated()
            again.restore(state)
            again.events = events
        assert list(again.book(sample(second, power))) == deltas
        booked += deltas

    assert again.events == kept.events
    exact, intervals = Fraction(0), IntervalBook(length_s=60.0, zone=ZoneInfo("UTC"), grace_s=60.0)
    for delta in booked:
        both = Fraction(delta.start.value) + Fraction(delta.end.value)
        exact += Fraction(elapsed_ns(delta.start, delta.end) * QUANTA_PER_UNIT, 2 * 3600 * NS_PER_S) * both
        intervals.add(delta)
    total = sum(delta.quanta for delta in booked)
    assert abs(total - exact) < 1
    assert intervals.pending_quanta == total
    assert all(before.end.time_ns <= after.start.time_ns for before, after in pairwise(booked))
    assert all(abs(delta.end.value) <= 2 * 950.0 for delta in booked)
