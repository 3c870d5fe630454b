"""The rest a device is given, against devices that need one."""

import pytest

from agent.polling.pacing import Pacing


def answered(device: Pacing, times: int, *, needs_s: float, rests_s: float) -> int:
    """Ask so many times, `rests_s` after each answer or later; return how often the device was asked too soon."""
    now, early = 1000.0, 0
    last = -1000.0
    for _ in range(times):
        asked_at = now + max(rests_s, device.wait_s(now))
        if asked_at - last < needs_s:
            early += 1
            device.answered(asked_at)
            device.slow_down()
        else:
            device.answered(asked_at)
        now = last = asked_at
    return early


def test_a_device_that_needs_no_rest_is_given_none() -> None:
    device = Pacing()

    assert answered(device, 10_000, needs_s=0.0, rests_s=0.0) == 0
    assert device.pause_s == 0.0


def test_a_device_is_soon_given_the_rest_it_needs_and_seldom_asked_too_soon_after_that() -> None:
    device = Pacing()

    assert answered(device, 100, needs_s=0.1, rests_s=0.0) <= 4
    assert 0.1 <= device.pause_s <= 0.2
    assert answered(device, 100_000, needs_s=0.1, rests_s=0.0) <= 20
    assert device.pause_s <= 0.2


def test_what_a_device_no_longer_needs_is_taken_back_slowly() -> None:
    device = Pacing()
    answered(device, 100, needs_s=0.1, rests_s=0.0)

    answered(device, 150, needs_s=0.0, rests_s=0.0)
    assert device.pause_s >= 0.1
    answered(device, 20_000, needs_s=0.0, rests_s=0.0)
    assert device.pause_s == 0.0


def test_a_rest_is_bounded() -> None:
    device = Pacing()
    for _ in range(20):
        device.slow_down()

    assert device.pause_s == 0.64


def test_only_a_request_right_after_an_answer_was_hurried() -> None:
    device = Pacing()
    device.answered(1000.0)

    assert device.hurried(1000.1)
    assert not device.hurried(1000.5)


def test_the_first_rest_is_news_and_no_other() -> None:
    device = Pacing()

    assert device.slow_down()
    assert not device.slow_down()


@pytest.mark.parametrize(
    ("state", "pause_s", "told"),
    [(None, 0.0, False), (b"0.08", 0.08, True), (b"99", 0.64, True), (b"nan", 0.0, True), (b"\xff", 0.0, True)],
)
def test_a_pause_is_kept_over_a_restart(state: bytes | None, pause_s: float, *, told: bool) -> None:
    device = Pacing()
    device.recall(state)

    assert (device.pause_s, device.told) == (pause_s, told)
    assert device.state() == repr(pause_s).encode()
