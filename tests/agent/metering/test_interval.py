import json
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from agent.metering.amount import NS_PER_S, Delta, Reading, Rule, quanta
from agent.metering.counter import Counter
from agent.metering.integral import Integral
from agent.metering.interval import MOST_INTERVALS, ClosedInterval, IntervalBook
from tests.agent.metering.quarters import (
    EIGHT_NS,
    QUARTER_NS,
    QUARTER_S,
    at,
    book_of,
    counter_of,
    due,
    fill,
    latest,
    recomputed,
    steady,
)


def test_an_interval_is_cut_by_interpolation_and_keeps_the_readings_around_both_ends() -> None:
    book = book_of()
    # 08:00 lies half way between 07:59:55 and 08:00:05, 08:15 a quarter of the way between 08:14:59 and 08:15:03
    readings = [at(-5, 100.0), at(5, 101.0), at(899, 150.0), at(903, 154.0)]
    fill(book, readings, Counter(modulus=None, max_rate=None, gap_after_s=1000, resolution=0.1))
    before, interval = due(book, 903)

    assert (before.start_ns, before.quanta) == (EIGHT_NS - QUARTER_NS, 500_000)
    assert (interval.start_ns, interval.end_ns) == (EIGHT_NS, EIGHT_NS + QUARTER_NS)
    assert interval.quanta == 500_000 + 49_000_000 + 1_000_000
    assert (interval.open, interval.open_next, interval.close, interval.close_next) == tuple(readings)
    assert (interval.rules, interval.revision, interval.reason) == (("normal",), 0, "")
    assert (interval.coverage, interval.estimated_quanta) == (1.0, 0)


def test_an_interval_closes_at_once_when_a_reading_at_its_end_was_booked() -> None:
    book = book_of()
    fill(book, steady(0, 890))

    assert due(book, 900) == []

    fill(book, steady(890, 900))
    (interval,) = due(book, 900)

    assert interval.quanta == 90_000_000
    assert (interval.close, interval.close_next) == (at(900, 1090.0), None)
    assert due(book, 900) == []


def test_the_interval_of_the_first_reading_says_that_the_account_began_there() -> None:
    book = book_of()
    fill(book, steady(450, 900))
    (interval,) = due(book, 900)

    assert (interval.open, interval.open_next) == (None, at(450, 1045.0))
    assert interval.quanta == 45_000_000
    assert interval.coverage == 0.5
    assert interval.rules == ("first", "normal")


def test_intervals_before_the_first_reading_do_not_exist() -> None:
    assert due(book_of(), 1e6) == []


def test_without_a_later_reading_an_interval_closes_after_the_grace_with_what_is_there() -> None:
    book = book_of(grace_s=60)
    fill(book, steady(0, 450))

    assert due(book, 959.9) == []

    (interval,) = due(book, 960)

    assert (interval.coverage, interval.quanta, interval.close_next) == (0.5, 45_000_000, None)
    assert due(book, 961) == []


def test_intervals_of_an_outage_are_emitted_empty_and_revised_when_the_delta_arrives() -> None:
    book = book_of()
    fill(book, steady(0, 450))
    closed = due(book, 3 * QUARTER_S + 60)

    assert [(interval.revision, interval.coverage, interval.quanta) for interval in closed] == [
        (0, 0.5, 45_000_000),
        (0, 0.0, 0),
        (0, 0.0, 0),
    ]

    counter = counter_of()
    counter.book(at(450, 1045.0))
    for delta in counter.book(at(3150, 1315.0)):  # 45 minutes later, 270 kWh more
        book.add(delta)
    revised = due(book, 3150)

    assert [(interval.revision, interval.reason) for interval in revised] == [(1, "late_data")] * 3
    assert [interval.quanta for interval in revised] == [90_000_000, 90_000_000, 90_000_000]
    assert [interval.estimated_quanta for interval in revised] == [45_000_000, 90_000_000, 90_000_000]
    assert [interval.coverage for interval in revised] == [0.5, 0.0, 0.0]
    assert revised[0].rules == ("first", "gap", "normal")
    assert revised[1].rules == ("gap",)
    assert book.pending_quanta == 45_000_000


def test_a_closed_interval_is_revised_once_for_each_batch_of_late_deltas() -> None:
    book = book_of()
    fill(book, steady(0, 450))
    assert len(due(book, 1000)) == 1

    fill(book, steady(450, 600))
    (second,) = due(book, 1001)
    fill(book, steady(600, 900))
    (third,) = due(book, 1002)

    assert (second.revision, second.quanta) == (1, 60_000_000)
    assert (third.revision, third.quanta, third.coverage) == (2, 90_000_000, 1.0)
    assert due(book, 1003) == []


def test_a_late_reading_on_a_boundary_does_not_revise_the_empty_interval_behind_it() -> None:
    book = book_of()
    fill(book, steady(0, 10))
    assert len(due(book, 2 * QUARTER_S + 60)) == 2

    fill(book, [at(10, 1001.0), at(900, 1090.0)])

    assert [interval.revision for interval in due(book, 2 * QUARTER_S + 61)] == [1]


def test_a_reset_inside_an_interval_is_evident_and_books_only_what_is_known() -> None:
    book = book_of()
    values = [1000.0, 1000.5, 1000.9, 0.0, 0.2, 0.4, 0.6]
    fill(book, [at(100 + 10 * step, value) for step, value in enumerate(values)], counter_of(max_rate=0.2))
    (interval,) = due(book, 2000)[:1]

    assert interval.quanta == 1_500_000
    assert [(step.rule, step.quanta) for step in interval.decisions] == [(Rule.RESET, 0)]
    assert interval.rules == ("first", "normal", "reset")
    assert recomputed(interval) == interval.quanta
    assert interval.measured_s == 50.0


def test_an_interval_across_a_rollover_can_be_recomputed_from_its_record() -> None:
    book = book_of()
    fill(book, [at(-5, 99.8), at(5, 0.2), at(15, 0.4), at(905, 0.6)], counter_of(modulus=100.0, max_rate=1.0))
    before, interval = due(book, 905)

    assert (before.quanta, interval.quanta) == (200_000, 200_000 + 200_000 + 198_876)
    assert recomputed(interval) == interval.quanta


def test_a_forward_step_of_the_clock_leaves_the_skipped_time_empty() -> None:
    book = book_of()
    counter = counter_of()
    fill(book, [*steady(0, 100), at(100 + 3600 + 10, 1011.0, monotonic_s=110)], counter)
    fill(book, [at(3600 + second, 1000 + second / 10, monotonic_s=second) for second in range(120, 1200, 10)], counter)
    closed = due(book, 3600 + 1190)

    assert [interval.quanta for interval in closed] == [10_000_000, 0, 0, 0, 80_000_000]
    assert [interval.measured_s for interval in closed] == [100.0, 0.0, 0.0, 0.0, 800.0]
    assert [recomputed(interval) for interval in closed] == [interval.quanta for interval in closed]


def test_what_is_read_after_the_clock_was_set_back_waits_until_it_catches_up() -> None:
    book = book_of()
    counter = counter_of()
    fill(book, steady(0, 600), counter)
    back = [at(second - 300, 1000 + second / 10, monotonic_s=second) for second in range(610, 1300, 10)]
    fill(book, back, counter)
    closed = due(book, 990)

    assert [interval.quanta for interval in closed] == [120_000_000]
    assert closed[0].estimated_quanta == 31_000_000
    assert closed[0].coverage == pytest.approx(890 / 900)
    assert recomputed(closed[0]) == closed[0].quanta
    assert book.pending_quanta == quanta(1129.0) - quanta(1120.0)


def test_an_integral_leaves_the_intervals_of_an_outage_empty_for_good() -> None:
    book = book_of()
    integral = Integral(max_gap_s=60)
    seconds = [*range(0, 460, 10), *range(3000, 3700, 10)]
    for second in seconds:
        for delta in integral.book(at(second, 360.0)):
            book.add(delta)
    closed = due(book, 3700)

    assert [interval.quanta for interval in closed] == [45_000_000, 0, 0, 60_000_000]
    assert [interval.revision for interval in closed] == [0, 0, 0, 0]
    assert [interval.close for interval in closed][:2] == [at(450, 360.0), at(450, 360.0)]
    assert closed[3].rules == ("integral",)


def test_a_gap_of_years_is_conserved_in_the_last_intervals_of_it() -> None:
    book = book_of()
    ten_years_s = 10 * 365 * 86400
    deltas = fill(book, [at(0, 0.5), at(10, 1.0), at(ten_years_s, 50001.0)])
    closed = due(book, ten_years_s)

    assert len(closed) == MOST_INTERVALS
    assert sum(interval.quanta for interval in closed) + book.pending_quanta == sum(delta.quanta for delta in deltas)
    assert all(recomputed(interval) == interval.quanta for interval in closed)


def test_a_silence_of_years_emits_no_more_than_the_last_empty_intervals() -> None:
    book = book_of()
    fill(book, steady(0, 100))

    assert len(due(book, 10 * 365 * 86400)) == MOST_INTERVALS + 1
    assert due(book, 10 * 365 * 86400) == []


def test_an_outage_of_a_month_costs_its_state_once_and_not_once_per_interval() -> None:
    book = book_of()
    fill(book, [*steady(0, 10), at(30 * 86400, 40000.0)])

    assert len(json.dumps(book.state())) < 4000
    again = book_of()
    again.restore(json.loads(json.dumps(book.state())))
    assert again.close_due(EIGHT_NS + 30 * 86400 * NS_PER_S) == book.close_due(EIGHT_NS + 30 * 86400 * NS_PER_S)


def test_what_is_due_stays_in_the_book_until_it_is_said_to_be_recorded() -> None:
    book = book_of()
    fill(book, [*steady(0, 450), at(3150, 1315.0)])
    found = []
    while interval := book.due(EIGHT_NS + 3150 * NS_PER_S):
        assert book.due(EIGHT_NS + 3150 * NS_PER_S) == interval
        before = book.pending_quanta
        book.close(interval)
        found.append(interval)
        assert before - book.pending_quanta == interval.quanta
        again = book_of()
        again.restore(json.loads(json.dumps(book.state())))
        book = again

    assert [interval.quanta for interval in found] == [90_000_000] * 3
    assert due(book, 3151) == []


def test_an_interval_that_nothing_was_added_to_is_not_revised() -> None:
    book = book_of()
    integral = Integral(max_gap_s=60)
    for second in (0, 10, 20):
        for delta in integral.book(at(second, 360.0)):
            book.add(delta)
    assert len(due(book, 2000)) == 2

    for second in (3000, 3010):
        for delta in integral.book(at(second, 360.0)):
            book.add(delta)

    assert [interval.revision for interval in due(book, 3010)] == [0]


def test_readings_in_doubt_are_booked_as_estimated_and_say_what_is_in_doubt() -> None:
    book = book_of()
    readings = [
        replace(reading, doubt="uncertain:stale" if 300 <= index * 10 < 600 else "")
        for index, reading in enumerate(steady(0, 900))
    ]
    fill(book, readings)
    (interval,) = due(book, 900)

    assert (interval.quanta, interval.estimated_quanta, interval.measured_s) == (90_000_000, 31_000_000, 590.0)
    assert interval.doubts == ("uncertain:stale",)
    assert interval.rules == ("first", "normal"), "no gap: there was a reading every ten seconds"
    assert recomputed(interval) == interval.quanta


def test_an_integral_of_samples_in_doubt_is_estimated() -> None:
    integral = Integral(max_gap_s=60)
    samples = [at(0, 360.0), replace(at(10, 360.0), doubt="uncertain:substituted"), at(20, 360.0), at(30, 360.0)]

    assert [delta.measured for sample in samples for delta in integral.book(sample)] == [True, False, False, True]


def test_an_account_that_lost_its_counter_goes_on_without_inventing_anything() -> None:
    book = book_of()
    fill(book, steady(0, 100))
    fill(book, [at(2000, 7000.0), at(2010, 7001.0)])  # a new counter object: first again
    closed = due(book, 2800)

    assert sum(interval.quanta for interval in closed) == 10_000_000 + 1_000_000
    assert all(recomputed(interval) == interval.quanta for interval in closed)


def test_the_hour_that_is_repeated_in_autumn_is_four_more_intervals() -> None:
    book = IntervalBook(length_s=QUARTER_S, zone=ZoneInfo("Europe/Berlin"), grace_s=0)
    start = datetime.fromisoformat("2026-10-25T00:00:00+02:00").timestamp()
    counter = counter_of()
    for step in range(25 * 60 + 1):
        for delta in counter.book(Reading(round((start + step * 60) * NS_PER_S), 0, 10.0 + step)):
            book.add(delta)
    closed = book.close_due(round((start + 25 * 3600) * NS_PER_S))

    assert [interval.quanta for interval in closed] == [15_000_000] * 100


# A clock that was far ahead and is set right.

YEAR_S = 365 * 86400


def astray(ahead_s: int, *, right_s: int = 1200, wrong_s: int = 3000) -> tuple[IntervalBook, list[ClosedInterval], int]:
    """Return a book whose clock was right, then ahead, and then right again for 20 minutes; what it closed; its sum."""
    book, counter, closed, booked = book_of(), counter_of(), [], 0
    for second in range(0, right_s + wrong_s + 1200, 10):
        wall_s = second + (ahead_s if right_s <= second < right_s + wrong_s else 0)
        booked += sum(
            delta.quanta for delta in fill(book, [at(wall_s, 1000 + second / 10, monotonic_s=second)], counter)
        )
        closed += due(book, wall_s)
    return book, closed, booked


@pytest.mark.parametrize("ahead_s", [5000, 86_400, 20 * 86_400, 80 * YEAR_S])
@pytest.mark.parametrize("right_s", [0, 1200])
def test_what_was_booked_at_times_that_had_not_come_moves_to_the_interval_of_now(ahead_s: int, right_s: int) -> None:
    book, closed, booked = astray(ahead_s, right_s=right_s)
    assert book.stuck
    moved = book.turn_back()
    now_s = right_s + 3000 + 1190
    closed += due(book, now_s)

    assert moved == booked - sum(
        interval.quanta
        for interval in latest(closed).values()
        if interval.start_ns < EIGHT_NS + now_s // 900 * 900 * NS_PER_S
    )
    ahead = [interval for interval in latest(closed).values() if interval.start_ns > EIGHT_NS + now_s * NS_PER_S]
    assert ahead
    assert {(interval.quanta, interval.reason, interval.coverage) for interval in ahead} == {(0, "clock_corrected", 0)}
    assert book.turn_back() is None

    counter = counter_of()
    fill(book, [at(second, 5000 + second / 10) for second in range(now_s + 10, now_s + 4000, 10)], counter)
    closed += due(book, now_s + 4000)
    end = latest(closed)[EIGHT_NS + now_s // 900 * 900 * NS_PER_S]
    assert end.estimated_quanta == moved
    assert "clock" in end.rules
    assert recomputed(end) == end.quanta
    total = sum(interval.quanta for interval in latest(closed).values()) + book.pending_quanta
    assert total == booked + 399 * 1_000_000 - 1_000_000
    for start_ns in {interval.start_ns for interval in closed}:
        revisions = [interval.revision for interval in closed if interval.start_ns == start_ns]
        assert revisions == sorted(set(revisions)), "no revision is given twice"


@pytest.mark.parametrize(
    ("lengths", "zones"),
    [
        ([10, 15, 60, 1, 10], ["Asia/Shanghai"] * 5),
        ([900, 3600, 900, 1800, 60], ["Asia/Shanghai"] * 5),
        ([3600, 3600, 3600], ["Asia/Shanghai", "Asia/Kathmandu", "Europe/Berlin"]),
        ([7200, 5400], ["Asia/Shanghai", "Asia/Shanghai"]),
    ],
)
def test_intervals_of_another_length_or_zone_follow_those_before_without_overlap_or_hole(
    lengths: list[int], zones: list[str]
) -> None:
    counter, state = counter_of(), None
    deltas: list[Delta] = []
    closed: list[ClosedInterval] = []
    longest_s = max(lengths)
    for part, (length_s, zone) in enumerate(zip(lengths, zones, strict=True)):
        book = IntervalBook(length_s=length_s, zone=ZoneInfo(zone), grace_s=0)
        if state:
            book.restore(json.loads(json.dumps(state)))
        for step in range(50):
            second = part * 5 * longest_s + step * longest_s / 10 + 3.7
            deltas += fill(book, [at(second, 1000.0 + second * 0.01)], counter)
            closed += due(book, second)
        state = book.state()
    assert all(one.end_ns == two.start_ns for one, two in pairwise(closed))
    assert sum(each.quanta for each in closed) + book.pending_quanta == sum(delta.quanta for delta in deltas)
    assert closed[-1].end_ns - closed[-1].start_ns == lengths[-1] * NS_PER_S
