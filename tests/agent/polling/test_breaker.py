"""When failing devices are asked again, by the hours of a simulated clock."""

import itertools
from collections.abc import Callable

import pytest

from agent.polling import breaker as module
from agent.polling.breaker import LONGEST_PAUSE_S, Breaker, Budget, Work, pause_s, spare

HOUR_S = 3600.0
Alive = Callable[[float], bool]


def failures_of(alive: Alive, *, hours: float = 10, every_s: float = 1.0) -> tuple[list[float], int]:
    """Ask a device when its breaker allows it; return the times [s] at which it failed, and how often it answered."""
    guard, failed, answered = Breaker(), [], 0
    now = 0.0
    while now < hours * HOUR_S:
        if alive(now):
            answered += 1
            guard.succeed()
            now += every_s
        else:
            failed.append(now)
            guard.fail(now, next_beat_s=every_s)
            now = guard.retry_at
    return failed, answered


def test_a_dead_device_fails_by_growing_pauses() -> None:
    failed, _ = failures_of(lambda _: False)
    pauses = [later - former for former, later in itertools.pairwise(failed)]

    assert pauses[0] == 1.0, "a reply may be lost: the next beat"
    assert pauses[1] < pauses[3] < pauses[5]
    assert all(45 <= pause <= LONGEST_PAUSE_S for pause in pauses[8:])
    assert len({*pauses[8:]}) > 10, "spread"


@pytest.mark.parametrize("up_s", [1, 3, 10, 30, 59])
@pytest.mark.parametrize("down_s", [1, 5, 60])
def test_a_flapping_device_fails_no_more_often_than_a_dead_one(up_s: int, down_s: int) -> None:
    dead, _ = failures_of(lambda _: False)
    flapping, answered = failures_of(lambda now: now % (up_s + down_s) < up_s)

    assert len(flapping) <= len(dead) + 10
    assert answered > 0


@pytest.mark.parametrize("up", [1, 2, 9, 40])
def test_one_that_leaves_every_so_manieth_request_unanswered_fails_no_more_often_than_a_dead_one(up: int) -> None:
    asked = iter(range(10**9))
    dead, _ = failures_of(lambda _: False)
    failing, _ = failures_of(lambda _: next(asked) % (up + 1) < up)

    assert len(failing) <= len(dead) + 10


def test_a_reply_that_is_lost_now_and_then_costs_no_pause() -> None:
    asked = iter(range(10**9))
    failed, answered = failures_of(lambda _: next(asked) % 100 > 0)

    assert len(failed) + answered >= 10 * HOUR_S - 1


def standing(guard: Breaker) -> tuple[bool, bool, bool]:
    return guard.doubtful, guard.forgiven, guard.open


def test_an_attempt_of_a_device_that_seldom_fails_is_forgiven_and_of_others_not() -> None:
    guard = Breaker()
    guard.fail(1000.0, next_beat_s=1.0)
    assert standing(guard) == (True, True, False)
    guard.fail(1001.0, next_beat_s=1.0)
    assert standing(guard) == (True, False, True)
    guard.succeed()
    assert standing(guard) == (False, False, False)
    guard.fail(1005.0, next_beat_s=1.0)
    assert standing(guard) == (True, False, False)


def test_a_slow_cadence_is_not_waited_for_after_a_reply_was_lost() -> None:
    guard = Breaker()
    guard.fail(1000.0, next_beat_s=300.0)

    assert guard.retry_at == 1002.0


def test_a_device_that_rests_is_taken_for_dead() -> None:
    guard = Breaker()
    guard.rest(10.0)

    assert guard.open
    assert guard.retry_at == 10.0 + LONGEST_PAUSE_S


def test_pauses_grow_with_the_debt_and_are_bounded() -> None:
    longest = [max(pause_s(debt) for _ in range(50)) for debt in range(20)]

    assert longest[:2] == [0.0, 0.0]
    assert 1.5 <= longest[2] <= 2.0
    assert longest[2] < longest[3] < longest[5]
    assert max(longest) <= 60.0
    assert min(pause_s(19) for _ in range(50)) >= 45.0


def test_devices_in_doubt_take_a_small_share_of_a_busy_line() -> None:
    budget = Budget()
    taken_s = now = 0.0
    while now < HOUR_S:
        if budget.allows(now):
            now += 2.0
            taken_s += 2.0
            budget.charge(now, 2.0)
        else:
            now += 1.0

    assert 0.03 * HOUR_S < taken_s <= (module.SHARE + 0.002) * HOUR_S


def test_what_took_nothing_from_others_is_free_and_many_failures_at_once_are_forgiven() -> None:
    budget = Budget()
    budget.charge(100.0, -5.0)
    assert budget.allows(100.0)

    for _ in range(30):
        budget.charge(100.0, 2.0)
    assert not budget.allows(150.0)
    assert budget.allows(201.0)


@pytest.mark.parametrize("busy", [0.0, 0.6, 0.9, 0.99, 1.3])
def test_attempts_take_half_of_what_is_left_and_a_little_of_a_full_line(busy: float) -> None:
    share = spare(busy, silence_s=2.0, period_s=2.5, left_out=0.0)

    assert share == pytest.approx(max(0.04, (1 - busy) / 2))
    assert share + busy < 1 or busy > 0.9, "those who answer catch up"


def test_where_a_silence_would_leave_polls_out_or_some_are_attempts_take_little() -> None:
    assert spare(0.1, silence_s=2.0, period_s=2.0, left_out=0.0) == module.SHARE
    assert spare(0.1, silence_s=0.2, period_s=2.0, left_out=0.02) == module.SHARE


def test_the_share_of_answered_polls_is_that_of_the_last_whole_minute() -> None:
    work = Work(1000.0)
    work.add(1000.0, 1030.0)
    assert work.share == 0.0

    work.add(1059.0, 1060.0)
    assert work.share == pytest.approx(31 / 60)

    work.add(1119.0, 1120.0)
    assert work.share == pytest.approx(1 / 60)
