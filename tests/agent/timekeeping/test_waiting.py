"""Which frames stay when more come than can be kept until the time is known."""

from pathlib import Path

import pytest

from agent.polling.polled import Cadence, PolledDevice
from agent.timekeeping.waiting import Held, Waiting
from drivers.profile import Profile
from tests.agent.frames import DEVICES, SITE, configured, frame


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    return configured(tmp_path, SITE + DEVICES).profiles["fan-1"]


def held(profile: Profile, device: str, second: int) -> Held:
    polled = PolledDevice(device, 1, profile, 1.0)
    return Held(polled, Cadence(polled, 1.0, 0), frame(device, profile, {}, second))


def seconds(waiting: Waiting) -> list[tuple[str, int]]:
    left = [waiting.take() for _ in range(len(waiting))]
    return [(each.device.name, each.frame.time_ns) for each in left]


def test_frames_leave_in_the_order_in_which_they_came(profile: Profile) -> None:
    waiting = Waiting()
    for second in range(3):
        waiting.add(held(profile, "fan-1", second))
        waiting.add(held(profile, "fan-2", second))

    assert len(waiting) == 6
    assert seconds(waiting) == [(name, second) for second in range(3) for name in ("fan-1", "fan-2")]
    assert waiting.given_up == 0


def test_full_every_second_frame_goes_but_never_the_first_of_a_device(profile: Profile) -> None:
    waiting = Waiting(most=8)
    waiting.add(held(profile, "fan-2", 0))
    for second in range(100):
        waiting.add(held(profile, "fan-1", second))
        assert len(waiting) <= 8

    left = seconds(waiting)
    fans = [second for name, second in left if name == "fan-1"]
    assert left[0] == ("fan-2", 0)
    assert fans == [0, 32, 64, 96], "evenly over the whole time"
    assert waiting.given_up == 101 - len(left)


def test_what_waits_of_a_device_that_was_changed_is_given_up(profile: Profile) -> None:
    waiting = Waiting()
    for name in ("fan-1", "fan-2", "fan-1"):
        waiting.add(held(profile, name, 1))

    waiting.keep_only({"fan-2"})

    assert seconds(waiting) == [("fan-2", 1)]
    assert waiting.given_up == 2
