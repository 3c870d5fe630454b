import time

from agent.polling.polled import PolledDevice
from agent.polling.schedule import Schedule
from drivers.profile_file import load_profile

MOTOR = load_profile("generic/vfd-motor")


def test_what_a_failing_device_owes_stays_due_when_all_others_are_aligned() -> None:
    sure, doubtful = (PolledDevice(name, 1, MOTOR, 5.0) for name in ("sure", "doubtful"))
    schedule = Schedule([sure, doubtful])
    schedule.begin()
    doubtful.breaker.fail(time.monotonic(), next_beat_s=1.0)

    schedule.align()

    assert all(cadence.due_ns > time.time_ns() - 10**9 for cadence in sure.cadences)
    assert all(cadence.due_ns == 0 for cadence in doubtful.cadences)
    assert schedule.next() in sure.cadences


def test_nothing_is_due_before_everything_was_polled_once() -> None:
    schedule = Schedule([PolledDevice("motor", 1, MOTOR, 5.0)])
    schedule.begin()

    assert schedule.next() is None
    assert schedule.left_s() > 1e9
