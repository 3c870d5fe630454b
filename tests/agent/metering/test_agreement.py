"""A counter and the integral of its power, compared over the same time."""

import pytest

from agent.metering.agreement import Agreement
from agent.metering.amount import NS_PER_S, Reading


def run(agreement: Agreement, since_s: int, until_s: int, *, power_kw: float, counted_kw: float, start: float) -> float:
    """Sample every ten seconds a constant power, and a counter that counts another; return what it shows last."""
    counted = start
    for second in range(since_s, until_s, 10):
        time_ns = second * NS_PER_S
        counted = start + counted_kw * (second - since_s) / 3600
        agreement.power(Reading(time_ns, time_ns, power_kw))
        agreement.counter(time_ns, counted, 0.0)
    return counted


def fresh() -> Agreement:
    return Agreement(max_gap_s=30, resolution=0.01)


@pytest.mark.parametrize(("counted_kw", "expected"), [(36.0, 0.0), (18.0, -0.5), (0.0, -1.0), (72.0, 0.5)])
def test_the_deviation_is_the_share_of_the_larger(counted_kw: float, expected: float) -> None:
    agreement = fresh()

    run(agreement, 0, 7200, power_kw=36.0, counted_kw=counted_kw, start=1000.0)

    found = agreement.compared()
    assert found is not None
    assert found.deviation == pytest.approx(expected, abs=1e-6)
    assert 3600 <= found.seconds < 3670, "to a minute and a reading"


def test_only_the_last_hour_counts() -> None:
    agreement = fresh()

    last = run(agreement, 0, 7200, power_kw=36.0, counted_kw=18.0, start=0.0)
    run(agreement, 7200, 11_000, power_kw=36.0, counted_kw=36.0, start=last)

    found = agreement.compared()
    assert found is not None
    assert found.deviation == pytest.approx(0.0, abs=0.01)


def test_a_quarter_of_an_hour_must_be_there_to_compare() -> None:
    agreement = fresh()
    run(agreement, 0, 890, power_kw=36.0, counted_kw=36.0, start=0.0)
    assert agreement.compared() is None

    run(agreement, 890, 930, power_kw=36.0, counted_kw=36.0, start=8.9)
    assert agreement.compared() is not None


@pytest.mark.parametrize("gap", ["power", "counter"])
def test_a_gap_of_either_begins_the_comparison_anew(gap: str) -> None:
    agreement = fresh()
    run(agreement, 0, 3600, power_kw=36.0, counted_kw=36.0, start=0.0)

    if gap == "counter":
        agreement.counter(3600 * NS_PER_S, 40.0, 4.0)
    else:
        agreement.power(Reading(3700 * NS_PER_S, 3700 * NS_PER_S, 36.0))

    assert agreement.compared() is None


def test_what_a_few_counts_would_decide_is_not_compared() -> None:
    agreement = Agreement(max_gap_s=30, resolution=1.0)

    run(agreement, 0, 3600, power_kw=36.0, counted_kw=30.0, start=0.0)

    assert agreement.compared() is None


@pytest.mark.parametrize("every_s", [1, 7, 29.5, 31, 59.9, 61, 700])
def test_however_often_it_is_read_the_last_hour_is_compared_to_a_minute_and_a_reading(every_s: float) -> None:
    agreement = Agreement(max_gap_s=3000, resolution=0.01)
    for number in range(round(9000 / every_s)):
        time_ns = round(number * every_s * NS_PER_S)
        agreement.power(Reading(time_ns, time_ns, 36.0))
        agreement.counter(time_ns, 0.01 * number * every_s, 0.0)

    found = agreement.compared()

    assert found is not None
    assert 3600 <= found.seconds < 3660 + every_s
    assert found.counted == pytest.approx(found.seconds / 100)
    assert found.integrated == pytest.approx(found.seconds / 100)
