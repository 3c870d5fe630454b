from itertools import accumulate

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.metering.amount import NS_PER_S
from agent.metering.ring import CumulativeRing
from agent.metering.window import MINUTE_NS, Windows, grain_ns

START_NS = 1_790_000_000 * NS_PER_S
SPANS_S = (60.0, 900.0, 3600.0, 86400.0)


def row(*amounts: float) -> npt.NDArray[np.float64]:
    return np.array(amounts, np.float64)


def test_a_window_is_what_the_cumulative_amount_grew_by() -> None:
    windows = Windows(2, tick_s=1.0, spans_s=SPANS_S)
    for second in range(2001):
        windows.tick(START_NS + second * NS_PER_S, row(second * 0.5, second))

    assert [value.tolist() if isinstance(value, np.ndarray) else value for value in windows.difference(60.0)] == [
        60.0,
        [30.0, 60.0],
    ]
    elapsed_s, grown = windows.difference(900.0)
    assert (elapsed_s, grown.tolist()) == (900.0, [450.0, 900.0])


def test_any_shorter_span_can_be_asked_for_and_leaves_the_declared_ones_as_they_are() -> None:
    windows = Windows(1, tick_s=1.0, spans_s=SPANS_S)
    for second in range(2001):
        windows.tick(START_NS + second * NS_PER_S, row(second * 0.5))
    _, declared = windows.difference(900.0)

    elapsed_s, grown = windows.grown(437.0)

    assert (elapsed_s, grown.tolist(), declared.tolist()) == (437.0, [218.5], [450.0])


def test_before_the_span_has_passed_the_window_begins_at_the_oldest_row() -> None:
    windows = Windows(1, tick_s=1.0, spans_s=SPANS_S)
    assert windows.difference(3600.0)[0] == 0.0
    for second in range(11):
        windows.tick(START_NS + second * NS_PER_S, row(float(second)))

    for span_s in SPANS_S:
        elapsed_s, grown = windows.difference(span_s)
        assert (elapsed_s, grown.tolist()) == (10.0, [10.0])


def test_jitter_of_the_ticks_does_not_make_a_window_a_tick_longer() -> None:
    windows = Windows(1, tick_s=1.0, spans_s=[60.0])
    rng = np.random.default_rng(1)
    for second in range(400):
        windows.tick(START_NS + second * NS_PER_S + int(rng.integers(-20, 20)) * 1_000_000, row(float(second)))
        if second > 60:
            assert windows.difference(60.0)[1].tolist() == [60.0]


def test_after_missed_ticks_the_time_covered_is_told() -> None:
    windows = Windows(1, tick_s=1.0, spans_s=[60.0])
    for second in (0, 1, 2, 500, 501):
        windows.tick(START_NS + second * NS_PER_S, row(float(second)))

    elapsed_s, grown = windows.difference(60.0)

    assert (elapsed_s, grown.tolist()) == (499.0, [499.0])


def test_time_that_does_not_advance_is_refused() -> None:
    windows = Windows(1, tick_s=1.0, spans_s=[60.0])
    windows.tick(START_NS, row(0.0))

    with pytest.raises(ValueError, match="does not follow"):
        windows.tick(START_NS, row(0.0))


def test_the_rows_of_a_window_are_as_far_apart_as_a_sixtieth_of_its_span_allows() -> None:
    second_ns = NS_PER_S

    def grain_s(span_s: float, tick_s: float = 1.0) -> float:
        return grain_ns(round(span_s * second_ns), round(tick_s * second_ns)) / second_ns

    assert [grain_s(span_s) for span_s in (60, 599, 600, 900, 3600, 86400, 7 * 86400)] == [1, 1, 10, 10, 60, 900, 3600]
    assert grain_s(59.0) == 1.0, "no shorter than the tick"
    assert grain_s(30.0, tick_s=0.1) == 0.1
    assert grain_s(60.0, tick_s=0.1) == 1.0
    assert grain_s(900.0, tick_s=30.0) == 30.0
    assert grain_s(3600.0, tick_s=30.0) == 60.0


def test_every_window_touches_two_rows_whatever_its_span() -> None:
    windows = Windows(3, tick_s=1.0, spans_s=SPANS_S)
    for second in range(5000):
        windows.tick(START_NS + second * NS_PER_S, row(1.0, 2.0, float(second)))
    newest = windows._ticks
    kept = {grain: ring.rows.copy() for grain, ring in windows._rings.items()}
    for span_s, grain_s in zip(SPANS_S, (1, 10, 60, 900), strict=True):
        ring = windows._rings[grain_s * NS_PER_S]
        start = ring.at_or_before(newest.newest_ns - round((span_s - grain_s / 2) * NS_PER_S))
        kept_newest, kept_start = newest.rows[newest.newest].copy(), ring.rows[start].copy()
        for each in windows._rings.values():
            each.rows[:] = np.nan
        newest.rows[newest.newest], ring.rows[start] = kept_newest, kept_start

        assert np.isfinite(windows.difference(span_s)[1]).all()

        for grain, rows in kept.items():
            windows._rings[grain].rows[:] = rows


def test_the_memory_is_what_the_spans_need() -> None:
    columns = 100
    windows = Windows(columns, tick_s=1.0, spans_s=SPANS_S, by_minute=[7])

    rows = (60 + 2) + (90 + 2) + (60 + 2) + (96 + 2)
    results, by_minute = len(SPANS_S) * columns * 8, (1440 + 2) * 2 * 8
    assert windows.nbytes == rows * (columns + 1) * 8 + results + by_minute


def test_spans_of_any_length_and_short_ticks_have_a_start_within_half_a_grain() -> None:
    windows = Windows(1, tick_s=0.1, spans_s=(0.7, 45.0, 60.0, 7 * 86400.0))
    for tick in range(7000):
        windows.tick(START_NS + tick * NS_PER_S // 10, row(float(tick)))

    assert [windows.difference(span_s)[1][0] for span_s in (0.7, 45.0)] == [7.0, 450.0]
    assert windows.difference(60.0)[0] == pytest.approx(60.0, abs=0.5)
    assert windows.difference(7 * 86400.0)[0] == pytest.approx(699.9), "as far as known"


def test_between_two_rows_amounts_have_grown_evenly() -> None:
    windows = Windows(1, tick_s=1.0, spans_s=[900.0])
    for second in range(1005):
        windows.tick(START_NS + second * NS_PER_S, row(float(second) if second < 500 else 500.0 + 3 * (second - 500)))
    elapsed_s, grown = windows.grown(507.0)  # begins 3 s before the power trebles, among rows at 490 s and 500 s
    behind_s, behind = windows.grown(2.5)  # between the newest of those rows, at 1000 s, and the newest of all

    assert (elapsed_s, grown.tolist()) == (507.0, [504 * 3.0 + 3.0])
    assert (behind_s, behind.tolist()) == (2.5, [7.5])


def test_the_time_asked_for_is_cut_from_the_finest_rows_that_reach_so_far() -> None:
    windows = Windows(1, tick_s=1.0, spans_s=SPANS_S)
    rng = np.random.default_rng(5)
    steps = rng.integers(0, 9, 90_000).cumsum().astype(np.float64)
    for second, amount in enumerate(steps):
        windows.tick(START_NS + second * NS_PER_S, row(float(amount)))

    for span_s, grain_s in ((37, 1), (60, 1), (95, 10), (901, 10), (1234, 60), (3600, 60), (4000, 900), (86_400, 900)):
        elapsed_s, grown = windows.grown(float(span_s))
        second = len(steps) - 1 - span_s
        before = (START_NS // NS_PER_S + second) // grain_s * grain_s - START_NS // NS_PER_S
        expected = steps[-1] - np.interp(second, [before, before + grain_s], steps[[before, before + grain_s]])
        assert elapsed_s == span_s
        assert grown[0] == pytest.approx(expected), span_s


def test_a_column_looked_at_by_the_minute_has_a_row_for_each_of_the_longest_span() -> None:
    windows = Windows(2, tick_s=1.0, spans_s=SPANS_S, by_minute=[1])
    for second in range(0, 90_000, 3):
        windows.tick(START_NS + second * NS_PER_S, row(0.0, float(second)))
    windows.spread(np.array([0, 1]), np.array([5.0, 60.0]), START_NS + 89_880 * NS_PER_S, START_NS + 89_940 * NS_PER_S)

    times, amounts = windows.by_minute[1].in_order()

    assert len(times) == 1442
    assert (np.diff(times) == MINUTE_NS).all()
    begun = (times - START_NS) / NS_PER_S
    assert np.array_equal(amounts[:, 0], begun + np.clip(begun - 89_880, 0, 60)), "the outage has its share"


@given(
    steps_ms=st.lists(st.one_of(st.integers(900, 1100), st.integers(1, 300_000)), min_size=1, max_size=250),
    tick_s=st.sampled_from([0.2, 1.0, 2.0, 15.0, 90.0]),
    spans_s=st.lists(
        st.sampled_from([90.0, 137.5, 600.0, 900.0, 3600.0, 20_000.0, 400_000.0]), min_size=1, unique=True
    ),
    seed=st.integers(0, 1000),
)
@settings(max_examples=200, deadline=None)
def test_every_window_is_the_newest_less_the_nearest_row_of_a_plain_list_of_all_ticks(
    steps_ms: list[int], tick_s: float, spans_s: list[float], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    windows = Windows(2, tick_s=tick_s, spans_s=spans_s)
    steps_ns = [max(step, round(tick_s * 900)) * 1_000_000 for step in steps_ms]
    times = [START_NS + passed for passed in accumulate(steps_ns)]
    amounts = rng.integers(0, 1000, (len(times), 2)).cumsum(axis=0).astype(np.float64)  # whole: sums are exact
    for time_ns, amount in zip(times, amounts, strict=True):
        windows.tick(time_ns, amount)

    for span_s in spans_s:
        elapsed_s, grown = windows.difference(span_s)
        wanted, grain = (
            times[-1] - round(span_s * NS_PER_S),
            grain_ns(round(span_s * NS_PER_S), round(tick_s * NS_PER_S)),
        )
        start = times.index(times[-1] - round(elapsed_s * NS_PER_S))
        assert grown.tolist() == (amounts[-1] - amounts[start]).tolist()
        assert times[start] <= max(wanted + grain // 2, times[0]), "it covers the span, but for half a grain"
        # The next row, if there is one before the newest, lies beyond: so no other row of the grain is nearer.
        first_of_next = [at for at in times if at // grain > times[start] // grain or grain == tick_s * NS_PER_S]
        later = [at for at in first_of_next if at > times[start] and at <= wanted + grain // 2]
        assert not later, "no later row is as near"


@given(
    steps=st.lists(st.integers(1, 9), min_size=1, max_size=40), slots=st.integers(1, 12), wanted=st.integers(-5, 400)
)
@settings(max_examples=300, deadline=None)
def test_a_ring_finds_the_newest_row_not_later_than_a_time(steps: list[int], slots: int, wanted: int) -> None:
    ring = CumulativeRing(slots, 1)
    times = list(accumulate(steps))
    for time_ns in times:
        ring.write(time_ns, row(float(time_ns)))
    kept = times[-slots:]
    expected = max((time_ns for time_ns in kept if time_ns <= wanted), default=kept[0])

    assert ring.times[ring.at_or_before(wanted)] == expected
    assert ring.rows[ring.at_or_before(wanted)].tolist() == [float(expected)]
    assert ring.times[ring.newest] == times[-1]
    assert ring.times[ring.oldest] == kept[0]
    assert len(ring) == len(kept)
