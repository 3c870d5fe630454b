"""Rows of earlier runs on the clock of this one."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.metering.history import Moment, Outage, SavedRow, Timeline, lay_out
from agent.metering.ring import CumulativeRing
from agent.metering.window import Sparse, Windows

S = 10**9
WALL = 1_790_000_000 * S
NOW = Moment(WALL, 10_000 * S, "now")


def row(*amounts: float) -> npt.NDArray[np.float64]:
    return np.array(amounts, np.float64)


def saved(ago_s: float, *amounts: float, boot: str = "now", outages: tuple[Outage, ...] = ()) -> SavedRow:
    """Return a row of so long ago; the clock of an earlier boot had run for a million seconds."""
    runs_s = 10_000 if boot == "now" else 1_000_000
    moment = Moment(WALL - round(ago_s * S), round((runs_s - ago_s) * S), boot)
    return SavedRow(moment, row(*amounts), outages)


def outage(start_ago_s: float, end_ago_s: float, growth: float, boot: str = "now") -> Outage:
    return Outage(np.array([0]), row(growth), saved(start_ago_s, boot=boot).moment, saved(end_ago_s).moment)


def laid_out(
    *entries: SavedRow, span_s: float = 3600.0, now: Moment = NOW, trusted: bool = True, current: float = 0.0
) -> dict[float, float]:
    """Return the first column by how many seconds ago each row lies."""
    timeline = Timeline(now, trusted=trusted, saved=[entry.moment for entry in entries])
    times, rows = lay_out(entries, timeline, span_s=span_s, current=row(current))
    assert (np.diff(times) > 0).all()
    return {(now.monotonic_ns - int(at)) / S: float(found[0]) for at, found in zip(times, rows, strict=True)}


def test_a_moment_of_this_boot_lies_where_its_monotonic_clock_says_whatever_the_wall_clock_did() -> None:
    timeline = Timeline(NOW, trusted=True)

    assert timeline.at(Moment(0, 9_000 * S, "now")) == 9_000 * S


def test_an_earlier_boot_is_placed_by_the_wall_time_of_its_newest_row() -> None:
    first, newest = Moment(0, 400 * S, "then"), Moment(WALL - 50 * S, 1000 * S, "then")
    timeline = Timeline(NOW, trusted=True, saved=[first, newest])

    assert timeline.at(newest) == 9_950 * S
    assert timeline.at(first) == 9_350 * S, "its own wall time was from before the clock was set"
    assert timeline.at(Moment(WALL - 3600 * S, 7, "another")) == 6_400 * S


def test_without_a_right_clock_only_this_boot_has_a_place() -> None:
    timeline = Timeline(NOW, trusted=False)

    assert timeline.at(Moment(WALL, 1 * S, "then")) is None
    assert timeline.at(Moment(WALL, 1 * S, "now")) == 1 * S


def test_rows_stand_where_they_were_and_minutes_without_one_repeat_what_stood_before() -> None:
    found = laid_out(saved(610, 5.0), saved(550, 7.0), saved(310, 9.0))

    assert found[610] == 5.0
    assert found[550] == 7.0
    assert found[310] == 9.0
    assert [found[ago] for ago in sorted(found, reverse=True)] == [5, 7, 7, 7, 7, 9, 9, 9, 9, 9, 9]


def test_of_a_night_without_an_agent_rows_are_laid_out_only_as_close_as_windows_need_them() -> None:
    timeline = Timeline(NOW, trusted=True)
    sparse = Sparse(3600 * S, 300 * S)
    entries = [saved(9000, 1.0), saved(8940, 2.0), saved(30, 8.0, outages=(outage(8940, 30, 6.0),))]

    times, rows = lay_out(entries, timeline, span_s=9600.0, current=row(0.0), sparse=sparse)

    ago_s = (NOW.monotonic_ns - times) / S
    assert len(ago_s) == 2 + (8940 - 3600) // 300 + 60
    assert (np.diff(times)[2:] >= 60 * S).all()
    assert (np.diff(times) <= 360 * S).all()
    assert rows[:, 0] == pytest.approx(np.interp(-ago_s, [-9000, -8940, -30], [1.0, 2.0, 8.0]))


def test_an_outage_gives_its_share_to_the_minutes_it_happened_in() -> None:
    # The meter was silent from 600 s ago until 100 s ago, and the row after that tells of it.
    found = laid_out(saved(600, 1.0), saved(80, 6.0, outages=(outage(600, 100, 5.0),)))

    for ago_s, amount in found.items():
        expected = 1.0 + 5.0 * min(1.0, (600 - ago_s) / 500)
        assert amount == pytest.approx(expected), ago_s
    assert len(found) == 11


def test_rows_from_the_future_and_older_than_the_longest_span_are_left_out() -> None:
    found = laid_out(saved(-10, 99.0), saved(200_000, 1.0), saved(20_000, 3.0), saved(60, 4.0), span_s=600.0)

    assert max(found) <= 720
    assert {*found.values()} == {3.0, 4.0}, "what was known before the span still stands at its beginning"


def test_a_column_that_no_row_knows_has_its_present_amount_and_one_that_came_later_its_first() -> None:
    known = laid_out(saved(600, np.nan), saved(300, np.nan), current=42.0)
    later = laid_out(saved(600, np.nan), saved(300, 8.0, outages=(outage(500, 300, 3.0),)), saved(60, 9.0))

    assert {*known.values()} == {42.0}
    assert later[600] == 5.0, "it came with an outage that had begun before"
    assert later[300] == 8.0


def test_rows_of_an_earlier_boot_never_crowd_a_minute() -> None:
    entries = [saved(3000 - 60 * minute + 0.01 * (-1) ** minute, float(minute), boot="then") for minute in range(50)]
    found = laid_out(*entries)

    assert len(found) in (50, 51)
    for ago_s, amount in found.items():
        assert amount == pytest.approx((3000 - ago_s) / 60, abs=0.99)


def test_refilled_windows_reach_back_and_go_on() -> None:
    times = np.arange(1, 31, dtype=np.int64) * 60 * S
    windows = Windows(1, tick_s=1.0, spans_s=[60.0, 1800.0])
    windows.tick(1830 * S, row(30.5))

    windows.refill(times, np.arange(1.0, 31.0).reshape(-1, 1))
    windows.tick(1831 * S, row(31.0))

    assert windows.difference(60.0)[1].tolist() == [2.0], "a minute ago nearest is the row of 1740 s"
    elapsed_s, grown = windows.difference(1800.0)
    assert (elapsed_s, grown.tolist()) == (1771.0, [30.0])


def test_a_ring_takes_of_older_rows_the_newest_it_has_room_for() -> None:
    ring = CumulativeRing(6, 1)
    for second in (100, 101, 102):
        ring.write(second * S, row(float(second)))

    ring.prepend(np.array([10, 20, 30, 40, 101]) * S, row(10.0, 20.0, 30.0, 40.0, 50.0).reshape(-1, 1), S)

    times, rows = ring.in_order()
    assert (times // S).tolist() == [20, 30, 40, 100, 101, 102]
    assert rows[:, 0].tolist() == [20, 30, 40, 100, 101, 102]


@given(
    jitter_ms=st.lists(st.integers(-300, 300), min_size=3, max_size=200),
    grain_s=st.sampled_from([1, 3, 10]),
    phase_ms=st.integers(0, 999),
)
@settings(max_examples=200, deadline=None)
def test_of_older_rows_a_ring_takes_one_of_each_grain_and_of_ticks_that_come_unevenly_every_one(
    jitter_ms: list[int], grain_s: int, phase_ms: int
) -> None:
    times = np.array([(1000 * second + phase_ms + late // 2) * S // 1000 for second, late in enumerate(jitter_ms)])
    ring = CumulativeRing(len(times), 1)

    ring.prepend(times, np.arange(float(len(times))).reshape(-1, 1), grain_s * S)

    kept = ring.in_order()[0]
    if grain_s == 1:
        assert kept.tolist() == times.tolist()
    assert len(kept) <= len(times) // grain_s + 2
    assert (np.diff(kept) <= (grain_s + 1) * S).all(), "no grain is left out"
    assert times[-1] - kept[-1] <= grain_s * S


def test_refilled_from_a_row_a_minute_every_window_reaches_back_as_far_as_its_span() -> None:
    times = np.arange(0, 2 * 1440, dtype=np.int64) * 60 * S + np.random.default_rng(1).integers(0, S, 2 * 1440)
    windows = Windows(2, tick_s=1.0, spans_s=[60.0, 900.0, 3600.0, 86_400.0], by_minute=[1])

    windows.refill(times, np.arange(2.0 * 2 * 1440).reshape(-1, 2))
    windows.refill_minutes(times, np.arange(1.0, 2.0 * 2 * 1440, 2).reshape(-1, 1))
    windows.tick(2 * 86_400 * S, row(5758.0, 5759.0))

    for span_s, most_s in ((60.0, 61), (900.0, 61), (3600.0, 61), (86_400.0, 302)):
        assert 0 <= windows.difference(span_s)[0] - span_s + most_s / 2 <= most_s, span_s
    minutes, amounts = windows.by_minute[1].in_order()
    assert len(minutes) == 1442
    assert np.array_equal(minutes[:-1], times[-1441:])
    assert amounts[:, 0].tolist() == [*(2.0 * number + 1 for number in range(1439, 2880)), 5759.0]


def test_windows_of_other_columns_spans_and_ticks_begin_with_the_rows_of_the_former() -> None:
    former = Windows(2, tick_s=1.0, spans_s=[60.0, 3600.0])
    for second in range(4000):
        former.tick(second * S, row(second * 1.0, second * 2.0))

    after = Windows(3, tick_s=10.0, spans_s=[60.0, 900.0, 3600.0])
    after.take_over(former, np.array([1, -1, 0]), row(0.0, 7.0, 0.0))
    after.tick(4000 * S, row(8000.0, 7.5, 4000.0))

    assert after.difference(60.0)[0] == pytest.approx(60, abs=5)
    for span_s in (60.0, 900.0, 3600.0):
        elapsed_s, grown = after.difference(span_s)
        assert elapsed_s == pytest.approx(span_s, abs=60), "beyond a minute the former had rows of a minute"
        assert grown.tolist() == [2 * elapsed_s, 0.5, elapsed_s]


def test_what_is_kept_by_the_minute_outlives_a_reload_and_what_is_new_begins_with_the_rows_there_are() -> None:
    former = Windows(2, tick_s=10.0, spans_s=[60.0, 86_400.0], by_minute=[0])
    for second in range(0, 50_000, 10):
        former.tick(second * S, row(second * 1.0, second * 2.0))

    after = Windows(3, tick_s=10.0, spans_s=[60.0, 86_400.0], by_minute=[1, 2])
    after.take_over(former, np.array([-1, 0, 1]), row(5.0, 0.0, 0.0))

    times, amounts = after.by_minute[1].in_order()
    assert np.array_equal(times, former.by_minute[0].in_order()[0])
    assert np.array_equal(amounts[:, 0], times / S)
    rows_ns, doubled = after.by_minute[2].in_order()
    assert (np.diff(rows_ns) <= 900 * S).all(), "of the day there was a row every 15 minutes"
    assert np.array_equal(doubled[:, 0], 2 * rows_ns / S)


def test_windows_of_no_columns_give_way_to_others() -> None:
    former = Windows(0, tick_s=1.0, spans_s=[60.0])
    former.tick(S, row())

    after = Windows(1, tick_s=1.0, spans_s=[60.0])
    after.take_over(former, np.array([-1]), row(3.0))
    after.tick(2 * S, row(4.0))

    assert (after.difference(60.0)[0], after.difference(60.0)[1].tolist()) == (1.0, [1.0])
