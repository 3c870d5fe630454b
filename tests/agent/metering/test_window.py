from itertools import accumulate

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.metering.amount import NS_PER_S
from agent.metering.ring import CumulativeRing
from agent.metering.window import Windows

START_NS = 1_790_000_000 * NS_PER_S
SPANS_S = (60.0, 900.0, 3600.0, 86400.0)


def row(*amounts: float) -> npt.NDArray[np.float64]:
    return np.array(amounts, np.float64)


def test_a_window_is_what_the_cumulative_amount_grew_by() -> None:
    windows = Windows(2, tick_s=1.0, spans_s=SPANS_S)
    for second in range(2000):
        windows.tick(START_NS + second * NS_PER_S, row(second * 0.5, second))

    assert [value.tolist() if isinstance(value, np.ndarray) else value for value in windows.difference(60.0)] == [
        60.0,
        [30.0, 60.0],
    ]
    elapsed_s, grown = windows.difference(900.0)
    assert (elapsed_s, grown.tolist()) == (900.0, [450.0, 900.0])


def test_any_shorter_span_can_be_asked_for_and_leaves_the_declared_ones_as_they_are() -> None:
    windows = Windows(1, tick_s=1.0, spans_s=SPANS_S)
    for second in range(2000):
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


def test_every_window_touches_two_rows_whatever_its_span() -> None:
    windows = Windows(3, tick_s=1.0, spans_s=SPANS_S)
    for second in range(5000):
        windows.tick(START_NS + second * NS_PER_S, row(1.0, 2.0, float(second)))
    fine, coarse = windows._fine, windows._coarse
    now_ns = fine.times[fine.newest]
    for span_s in SPANS_S:
        ring, grain_s = (fine, 1.0) if span_s <= 900 else (coarse, 60.0)
        start = ring.at_or_before(int(now_ns) - round((span_s - grain_s / 2) * NS_PER_S))
        kept_newest, kept_start = fine.rows[fine.newest].copy(), ring.rows[start].copy()
        everything = [(each, each.rows.copy()) for each in (fine, coarse)]
        for each, _ in everything:
            each.rows[:] = np.nan
        fine.rows[fine.newest], ring.rows[start] = kept_newest, kept_start

        assert np.isfinite(windows.difference(span_s)[1]).all()

        for each, rows in everything:
            each.rows[:] = rows


def test_the_memory_is_what_the_spans_need() -> None:
    columns = 100
    windows = Windows(columns, tick_s=1.0, spans_s=SPANS_S)

    rows = (900 + 2) + (1440 + 2)
    assert windows.nbytes == rows * (columns + 1) * 8 + len(SPANS_S) * columns * 8


@given(
    steps_ms=st.lists(st.one_of(st.integers(900, 1100), st.integers(1, 300_000)), min_size=1, max_size=250),
    span_s=st.sampled_from([2.0, 60.0, 900.0, 1800.0, 3600.0]),
    seed=st.integers(0, 1000),
)
@settings(max_examples=150, deadline=None)
def test_windows_equal_a_brute_force_recomputation_on_data_with_gaps(
    steps_ms: list[int], span_s: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    windows = Windows(2, tick_s=1.0, spans_s=[span_s])
    times = [START_NS + passed * 1_000_000 for passed in accumulate(steps_ms)]
    increments = rng.integers(0, 1000, (len(times), 2)).astype(np.float64)  # whole numbers: sums are exact
    total = np.zeros(2)
    for time_ns, increment in zip(times, increments, strict=True):
        total += increment
        windows.tick(time_ns, total)
    elapsed_s, grown = windows.difference(span_s)

    grain_ns = (1 if span_s <= 900 else 60) * NS_PER_S
    rows = list(range(len(times)))
    if span_s > 900:  # the first row of each minute
        rows = [row for row in rows if row == 0 or times[row] // grain_ns != times[row - 1] // grain_ns]
    kept = rows[-(round(span_s * NS_PER_S) // grain_ns + 2) :]
    before = [row for row in kept if times[row] <= times[-1] - span_s * NS_PER_S + grain_ns // 2]
    start = before[-1] if before else kept[0]
    assert elapsed_s == (times[-1] - times[start]) / NS_PER_S
    assert grown.tolist() == increments[start + 1 :].sum(axis=0).tolist()


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
