import json
from collections.abc import Iterable

import numpy as np
import pytest

from agent.metering.amount import NS_PER_S, Delta, Reading, Rule, quanta
from agent.metering.counter import Counter
from tests.agent.metering.readings import RATED, START_NS, at, book, meter, rules, total


def test_the_first_reading_marks_the_beginning_with_zero() -> None:
    reading = at(0, 1234.5)

    assert list(meter().book(reading)) == [Delta(reading, reading, 0, True, Rule.FIRST)]


@pytest.mark.parametrize("modulus", [2.0**64, 9.1e12, 1e30, float("inf")])
def test_a_counter_that_wraps_beyond_all_that_can_be_booked_never_does(modulus: float) -> None:
    deltas = book(meter(modulus=modulus), [8.9e12, 8.9e12 + 0.125, 3.0, 3.125, 3.25, 3.375])

    assert rules(deltas) == ["first", "normal", "reset", "normal", "normal", "normal"]
    assert [delta.quanta for delta in deltas[2:]] == [0, 125_000, 125_000, 125_000], "nothing is invented"


def test_readings_in_line_are_booked_to_the_last_digit() -> None:
    deltas = book(meter(), [40483.1, 40483.2, 40483.2, 40483.35])

    assert rules(deltas) == ["first", "normal", "normal", "normal"]
    assert [delta.quanta for delta in deltas] == [0, 100_000, 0, 150_000]
    assert sum(delta.measured_s for delta in deltas) == 3.0


# The field cases.


@pytest.mark.parametrize("max_rate", [RATED, None], ids=["rated", "learnt"])
def test_a_single_sample_of_zero_books_nothing_and_its_rebound_only_the_true_difference(max_rate: float | None) -> None:
    counter = meter(max_rate=max_rate)
    before = [40482.9 + 0.01 * step for step in range(11)]
    deltas = book(counter, [*before, 0.0, 40483.02, 40483.03])

    assert total(deltas) == quanta(40483.03) - quanta(40482.9)
    assert rules(deltas)[-2:] == ["glitch", "normal"]
    assert [event.rule for event in counter.events] == [Rule.GLITCH]


@pytest.mark.parametrize("max_rate", [RATED, None], ids=["rated", "unrated"])
def test_a_first_sample_of_zero_does_not_book_the_whole_total(max_rate: float | None) -> None:
    deltas = book(meter(max_rate=max_rate), [0.0, 40483.0, 40483.0, 40483.01, 40483.02, 40483.03])

    assert total(deltas) == 30_000
    assert Rule.REPLACEMENT in rules(deltas)


def test_a_new_meter_that_really_starts_at_zero_is_booked_from_zero() -> None:
    deltas = book(meter(max_rate=None), [0.0, 0.0, 0.05, 0.1, 0.15, 0.2])

    assert total(deltas) == quanta(0.2)


@pytest.mark.parametrize("max_rate", [RATED, None], ids=["rated", "learnt"])
def test_a_dip_of_a_tenth_is_no_reset_and_books_only_the_true_difference(max_rate: float | None) -> None:
    counter = meter(max_rate=max_rate, resolution=0.1)
    deltas = book(counter, [214.9, 215.0, 214.9, 214.9, 215.0, 215.1])

    assert total(deltas) == quanta(215.1) - quanta(214.9)
    assert rules(deltas) == ["first", "normal", "glitch", "normal"]


def test_a_dip_that_climbs_back_in_small_steps_is_still_no_reset() -> None:
    deltas = book(meter(), [215.0, 214.9, 214.92, 214.94, 214.96, 214.98, 215.02])

    assert total(deltas) == 20_000
    assert rules(deltas) == ["first", "glitch"]


@pytest.mark.parametrize("max_rate", [RATED, None], ids=["rated", "learnt"])
@pytest.mark.parametrize("repeats", [1, 2, 5])
def test_minus_one_read_as_unsigned_is_never_booked(max_rate: float | None, repeats: int) -> None:
    counter = meter(max_rate=max_rate, resolution=0.1, modulus=429496729.6)
    before = [1000.0 + 0.1 * step for step in range(11)]
    deltas = book(counter, [*before, *[4294967295 * 0.1] * repeats, 1001.1, 1001.2])

    assert total(deltas) == quanta(1001.2) - quanta(1000.0)
    assert Rule.GLITCH in rules(deltas)


def test_a_drop_and_its_rebound_do_not_count_twice() -> None:
    counter = meter()
    deltas = book(counter, [500.0, 500.1, 0.0, 0.0, 0.0, 500.2, 500.3])

    assert total(deltas) == 300_000
    assert Rule.RESET not in rules(deltas)


def test_a_drop_mistaken_for_a_reset_does_not_count_again_when_the_counter_comes_back() -> None:
    deltas = book(meter(), [500.0, 0.1, 0.2, 0.3, 500.4, 500.5, 500.6])

    assert rules(deltas).count("reset") == 1
    assert rules(deltas).count("replacement") == 1
    assert total(deltas) == (300_000 - 100_000) + (600_000 - 400_000)


def test_a_rebound_that_stops_just_short_is_not_taken_for_the_rise_of_a_reset_counter() -> None:
    deltas = book(meter(max_rate=None), [500.0, 500.1, 0.0, 499.9, 500.0, 500.2])

    assert total(deltas) == 200_000


# Roll-over.


def test_a_rollover_books_across_the_modulus_exactly() -> None:
    deltas = book(meter(modulus=100000.0), [99999.95, 99999.99, 0.04, 0.1])

    assert rules(deltas) == ["first", "normal", "rollover", "normal"]
    assert total(deltas) == 150_000


def test_a_drop_whose_wrapped_rise_is_implausible_is_no_rollover() -> None:
    deltas = book(meter(modulus=100000.0), [60000.0, 0.1, 0.2, 0.3])

    assert rules(deltas) == ["first", "reset", "normal", "normal"]
    assert total(deltas) == 200_000


def test_without_a_declared_modulus_there_is_no_rollover() -> None:
    deltas = book(meter(), [99999.99, 0.04, 0.1, 0.2])

    assert rules(deltas) == ["first", "reset", "normal", "normal"]
    assert total(deltas) == 160_000


def test_a_rollover_across_an_outage_is_booked_as_not_measured() -> None:
    counter = meter(modulus=100000.0)
    deltas = [*counter.book(at(0, 99990.0)), *counter.book(at(3600, 40.0))]

    assert [(delta.rule, delta.quanta, delta.measured) for delta in deltas[1:]] == [(Rule.ROLLOVER, 50_000_000, False)]


# Reset and replacement.


@pytest.mark.parametrize(("level", "rule"), [(0.0, "reset"), (3100.0, "replacement"), (90000.0, "replacement")])
def test_a_new_level_is_confirmed_by_two_rises_and_books_nothing_for_the_unknown_part(level: float, rule: str) -> None:
    counter = meter()
    deltas = book(counter, [40000.0, 40000.1, level, level + 0.05])

    assert rules(deltas) == ["first", "normal"]

    deltas += book(counter, [level + 0.1, level + 0.15], start_s=4)

    assert rules(deltas) == ["first", "normal", rule, "normal", "normal", "normal"]
    assert total(deltas) == 100_000 + 150_000
    assert not deltas[2].measured
    assert rule in [event.rule for event in counter.events]


def test_a_counter_that_stands_still_after_a_drop_is_held_until_it_moves() -> None:
    counter = meter()
    deltas = book(counter, [40000.0, *[0.0] * 5000])

    assert rules(deltas) == ["first"]
    assert len(counter.state()["held"]) == 2

    deltas += book(counter, [0.1, 0.2], start_s=5001)

    assert rules(deltas)[1] == "reset"
    assert total(deltas) == 200_000


def test_what_followed_a_reset_is_booked_from_its_first_reading_on() -> None:
    deltas = book(meter(), [40000.0, 0.0, 0.1, 0.2, 0.3])

    assert [delta.start.value for delta in deltas] == [40000.0, 40000.0, 0.0, 0.1, 0.2]
    assert total(deltas) == 300_000


def test_a_small_counter_that_starts_again_at_zero_was_reset_although_it_lost_little() -> None:
    deltas = book(meter(), [5.0, 5.1, 0.0, 0.05, 0.1])

    assert rules(deltas) == ["first", "normal", "reset", "normal", "normal"]
    assert total(deltas) == 200_000


# Plausibility.


def test_a_jump_above_the_rating_is_held_and_refused_when_the_next_reading_is_back() -> None:
    counter = meter()
    deltas = book(counter, [100.0, 100.1, 180.0, 100.2])

    assert total(deltas) == 200_000
    assert [event.rule for event in counter.events] == [Rule.IMPLAUSIBLE, Rule.GLITCH]


def test_a_rating_declared_too_low_is_overruled_by_steady_readings_and_flagged() -> None:
    counter = meter(max_rate=0.1)
    deltas = book(counter, [100.0 + 0.3 * step for step in range(20)])

    assert total(deltas) == quanta(100.0 + 0.3 * 19) - quanta(100.0)
    assert set(rules(deltas)) == {"first", "implausible"}
    assert len(counter.events) == 1  # told once, not at every reading


def test_a_steady_rate_out_of_all_reach_of_the_rating_is_never_booked() -> None:
    counter = meter(max_rate=0.1)
    deltas = book(counter, [100.0 + 50 * step for step in range(50)])

    assert total(deltas) == 0
    assert counter.state()["held"]
    assert len(counter.events) == 1


def test_a_meter_that_shows_a_quarter_of_an_hour_at_once_is_believed() -> None:
    counter = meter(max_rate=0.1)
    values = [1000.0 + (step // 900) * 80 for step in range(2000)]

    assert total(book(counter, values)) == 160_000_000
    assert counter.events == []


def test_the_coarse_steps_of_a_large_single_precision_total_are_no_excess() -> None:
    counter = Counter(modulus=None, max_rate=0.95, gap_after_s=10.0)
    single = [
        float(np.float32(2_000_000 + 0.93 * step)) for step in range(2000)
    ]  # in steps of 0.125: 0.875 or 1 per second
    deltas = book(counter, single)

    assert set(rules(deltas)) == {"first", "normal"}
    assert total(deltas) == quanta(single[-1]) - quanta(single[0])


def test_a_long_standstill_does_not_make_any_jump_plausible() -> None:
    counter = meter(gap_after_s=120)
    still = [1000.0] * 600  # ten hours at 60 s; the rating alone would allow 8400 kWh
    deltas = book(counter, [*still, 6000.0, 6001.0, 6002.0, 6003.0], every_s=60)

    assert total(deltas) == 3_000_000
    assert Rule.REPLACEMENT in rules(deltas)


def test_a_jump_does_not_become_energy_because_time_goes_by() -> None:
    counter = meter()
    deltas = book(counter, [1000.0, 1000.1, *[1050.0] * 600, 1050.01, 1050.02])

    assert total(deltas) == 100_000 + 20_000
    assert rules(deltas)[2] == "replacement"


def test_a_jump_a_little_early_for_the_rating_is_booked_with_the_next_reading() -> None:
    counter = meter(max_rate=0.1)
    deltas = book(counter, [100.0, 100.1, 100.4, 100.4, 100.4, 100.4])

    assert total(deltas) == 400_000
    assert Rule.IMPLAUSIBLE in rules(deltas)


def test_a_reply_that_waited_in_a_buffer_loses_no_energy() -> None:
    counter = meter(max_rate=0.01)
    deltas = list(book(counter, [100.0, 100.01, 100.02]))
    stamped_late, right_behind_it = at(8.0, 100.03), at(8.05, 100.09)
    for reading in (stamped_late, right_behind_it, at(9.0, 100.1), at(10.0, 100.11)):
        deltas += counter.book(reading)

    assert total(deltas) == 110_000
    assert {Rule.RESET, Rule.REPLACEMENT}.isdisjoint(rules(deltas))


def test_without_any_knowledge_a_forward_jump_is_booked() -> None:
    assert total(book(meter(max_rate=None), [1234500.0, 1238625.0])) == 4_125_000_000


@pytest.mark.parametrize("before", range(1, 5))
def test_garbage_among_the_first_rises_is_not_learnt_once_it_is_refuted(before: int) -> None:
    counter = meter(max_rate=None)
    begun = [1000.0 + 0.1 * step for step in range(before + 1)]
    book(counter, [*begun, 4_294_967_295.0])
    after = [begun[-1] + 0.1 * step for step in range(1, 8)]
    book(counter, after, start_s=10)

    again = meter(max_rate=None)
    again.restore(json.loads(json.dumps(counter.state())))
    deltas = book(again, [4_294_967_295.0, after[-1] + 0.1, after[-1] + 0.2], start_s=20)
    assert total(deltas) == 200_000, "the second time nobody believes it"


def test_a_machine_that_starts_from_standby_is_believed_without_a_rating() -> None:
    standby = [5000.0 + 0.001 * step for step in range(60)]
    running = [standby[-1] + 0.9 * step for step in range(1, 60)]
    counter = meter(max_rate=None)

    assert total(book(counter, [*standby, *running])) == quanta(running[-1]) - quanta(5000.0)
    assert counter.events == []


def test_a_steady_rise_beyond_what_was_learnt_is_booked_once_it_is_confirmed() -> None:
    standby = [1.0 + 0.001 * step for step in range(60)]
    running = [standby[-1] + 2.0 * step for step in range(1, 10)]
    counter = meter(max_rate=None, resolution=0.001)

    assert total(book(counter, [*standby, *running])) == quanta(running[-1]) - quanta(1.0)


def test_energy_that_flows_again_after_minutes_at_zero_is_booked_at_once() -> None:
    counter = meter(max_rate=None, resolution=0.0)
    idle = [*counter.book(at(0, 0.0))]
    for second in range(5, 180, 5):
        idle += counter.book(at(second, 0.0))
    restarted = meter(max_rate=None, resolution=0.0)
    restarted.restore(json.loads(json.dumps(counter.state())))
    rest = [0.610274374485016, 0.6112, 0.6112, 0.6115, 0.6115]
    deltas = book(restarted, rest, start_s=185, every_s=5)

    assert total([*idle, *deltas]) == quanta(0.6115)
    assert rules(deltas) == ["normal"] * 5
    assert restarted.events == []


def test_a_small_first_rise_from_zero_that_goes_on_slowly_is_energy_and_no_other_counter() -> None:
    deltas = book(meter(max_rate=None), [0.0, 0.0, 0.5, 0.51, 0.51, 0.52, 0.53], every_s=5)

    assert total(deltas) == quanta(0.53)
    assert Rule.REPLACEMENT not in rules(deltas)


def test_a_short_run_of_a_machine_after_standby_is_booked_on_a_young_meter() -> None:
    standby = [0.001 * step for step in range(60)]
    run = [standby[-1] + 0.3, *[standby[-1] + 0.3 + 0.001 * step for step in range(60)]]
    counter = meter(max_rate=None, resolution=0.001)

    assert total(book(counter, [*standby, *run])) == quanta(run[-1])
    assert counter.events == []


@pytest.mark.parametrize("before", range(5))
def test_minus_one_read_as_unsigned_is_not_booked_before_anything_was_learnt(before: int) -> None:
    begun = [1000.0 + 0.1 * step for step in range(before + 1)]
    after = [begun[-1] + 0.1 * step for step in range(1, 8)]
    deltas = book(meter(max_rate=None), [*begun, 429_496_729.5, *after])

    assert total(deltas) == quanta(after[-1]) - quanta(1000.0)
    assert {Rule.RESET, Rule.REPLACEMENT}.isdisjoint(rules(deltas))


def test_a_large_consumer_is_booked_from_the_first_readings_on() -> None:
    values = [10.0 + 2.5 * step for step in range(20)]  # 9 MW

    assert total(book(meter(max_rate=None, resolution=0.0), values)) == quanta(values[-1]) - quanta(10.0)


# Gaps and time.


def test_an_outage_is_booked_as_a_gap_that_was_not_measured() -> None:
    counter = meter()
    deltas = [*counter.book(at(0, 100.0)), *counter.book(at(10, 100.5)), *counter.book(at(1810, 400.5))]

    assert [(delta.rule, delta.quanta, delta.measured) for delta in deltas[1:]] == [
        (Rule.NORMAL, 500_000, True),
        (Rule.GAP, 300_000_000, False),
    ]


def test_readings_not_later_than_the_last_are_refused_told_once_and_do_no_harm() -> None:
    counter = meter()
    deltas = book(counter, [100.0, 100.1])
    deltas += [*counter.book(at(1, 100.2)), *counter.book(at(0.5, 100.3)), *counter.book(at(-7200, 3.0, boot="other"))]

    assert rules(deltas) == ["first", "normal"]
    assert counter.refused == 3
    assert len(counter.events) == 1
    assert total(counter.book(at(2, 100.3))) == 200_000


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e300])
def test_values_that_are_no_amount_are_refused(value: float) -> None:
    counter = meter()
    deltas = book(counter, [100.0, value, 100.1])

    assert total(deltas) == 100_000
    assert counter.refused == 1


@pytest.mark.parametrize("shift_s", [3600.0, -3600.0, 1.8e9])
def test_a_step_of_the_wall_clock_changes_neither_amounts_nor_measured_time(shift_s: float) -> None:
    counter = meter()
    deltas = book(counter, [100.0, 100.1])
    for second in range(2, 6):
        deltas += counter.book(at(second, 100.0 + second / 10, wall_shift_s=shift_s))

    assert rules(deltas) == ["first"] + ["normal"] * 5
    assert total(deltas) == 500_000
    assert sum(delta.measured_s for delta in deltas) == 5.0


def test_a_forward_step_of_the_clock_spreads_the_amount_over_the_time_that_passed() -> None:
    counter = meter()
    counter.book(at(0, 100.0))
    (delta,) = counter.book(at(1, 100.1, wall_shift_s=3600))

    assert delta.end.time_ns - delta.since_ns == NS_PER_S


def test_after_a_reboot_the_wall_clock_tells_the_time() -> None:
    counter = meter()
    counter.book(at(0, 100.0))
    rebooted = Reading(START_NS + 3600 * NS_PER_S, 5 * NS_PER_S, 200.0, b"", "boot-2")
    (delta,) = counter.book(rebooted)

    assert (delta.rule, delta.elapsed_s, delta.quanta) == (Rule.GAP, 3600.0, 100_000_000)


# Restarts.


def book_with_restarts(values: Iterable[float], max_rate: float | None) -> list[Delta]:
    deltas: list[Delta] = []
    state = json.dumps(meter(max_rate=max_rate).state())
    for second, value in enumerate(values):
        counter = meter(max_rate=max_rate)
        counter.restore(json.loads(state))
        deltas += counter.book(at(second, value))
        state = json.dumps(counter.state())
    return deltas


@pytest.mark.parametrize("max_rate", [RATED, None], ids=["rated", "learnt"])
def test_a_restart_at_any_moment_changes_nothing(max_rate: float | None) -> None:
    before = [40000.0 + 0.1 * step for step in range(10)]
    after = [40001.0, 0.0, 0.1, 0.2, 4294967295.0, 0.3, 0.4, 0.5]
    values = [*before, 4294967295.0, 40000.95, 0.0, *after]
    unbroken = book(meter(max_rate=max_rate), values)

    assert book_with_restarts(values, max_rate=max_rate) == unbroken
    assert {"glitch", "reset"} <= set(rules(unbroken))


def test_a_restart_does_not_forget_how_long_the_counter_stood_still() -> None:
    values = [1000.0 + (step // 300) * 25 for step in range(700)]

    assert total(book_with_restarts(values, max_rate=0.1)) == 50_000_000


def test_a_counter_that_steadily_runs_beyond_all_reach_of_its_rating_says_how_fast_until_it_is_in_line() -> None:
    counter = meter()
    book(counter, [100.0, 100.1, 100.2])
    assert counter.beyond is None
    assert not book(counter, (140.2 + 40.0 * second for second in range(9)), start_s=3)
    assert counter.beyond == pytest.approx(40.0 * 3600)
    anew = meter(max_rate=40.0)
    anew.restore(counter.state())

    assert total(book(anew, [500.2, 540.2, 580.2], start_s=12)) == quanta(580.2) - quanta(100.2)
    assert anew.beyond is None

    book(counter, [100.3, 140.3], start_s=12)
    assert counter.beyond is None
