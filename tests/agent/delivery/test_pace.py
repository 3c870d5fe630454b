import time

from agent.delivery.pace import Pace


def test_answers_that_come_late_halve_what_goes_at_once_but_only_once_for_all_that_went_together() -> None:
    pace = Pace(least=2, size=32, most=128)
    long_ago = time.monotonic() - 2
    for _ in range(32):
        pace.answered(32, long_ago)

    assert pace.size == 16


def test_no_slow_link_makes_it_smaller_than_the_least() -> None:
    pace = Pace(least=2, size=32, most=128)
    for _ in range(10):
        pace.slower()

    assert pace.size == 2


def test_a_full_batch_that_is_answered_quickly_doubles_it_up_to_the_most() -> None:
    pace = Pace(least=2, size=32, most=128)
    for full, grown in ((31, 32), (32, 64), (64, 128), (128, 128)):
        pace.answered(full, time.monotonic())
        assert pace.size == grown
