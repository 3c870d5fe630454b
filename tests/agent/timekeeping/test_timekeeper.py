"""When the time counts as known, and what becomes of it when the clock is set."""

from dataclasses import dataclass

import pytest

from agent.metering.amount import NS_PER_S as NS
from agent.timekeeping import EARLIEST_NS, Clocks, Step, Timekeeper

NOW_NS = 1_795_161_600 * NS
"""20 November 2026, 08:00 UTC."""
HOUR_NS = 3600 * NS


@dataclass
class Machine:
    """A machine whose clocks can be set; its uptime is that of its monotonic clock."""

    monotonic_ns: int = 20 * NS
    offset_ns: int = NOW_NS
    synchronised: bool | None = False

    def look(self) -> Clocks:
        return Clocks(self.offset_ns + self.monotonic_ns, self.monotonic_ns, self.monotonic_ns, self.synchronised)

    def right_ns(self) -> int:
        return NOW_NS + self.monotonic_ns


def looks(keeper: Timekeeper, machine: Machine, seconds: float) -> list[Step]:
    """Let time pass; return the steps of a look every second."""
    found = []
    for _ in range(round(seconds)):
        machine.monotonic_ns += NS
        found += keeper.look()
    return found


def known(machine: Machine) -> Timekeeper:
    """Return a keeper who knows the time, by a synchronised clock."""
    machine.synchronised = True
    keeper = Timekeeper(machine.look)
    assert keeper.look() == []
    assert keeper.believed
    return keeper


def test_a_synchronised_clock_is_believed_at_once() -> None:
    keeper = known(machine := Machine())

    assert keeper.now_ns() == machine.right_ns()
    assert keeper.resolve(7 * NS, NOW_NS + 7 * NS + 300) == NOW_NS + 7 * NS + 300, "a stamp that fits stands"


def test_nothing_has_a_time_until_it_is_known() -> None:
    keeper = Timekeeper(Machine().look)

    assert keeper.look() == []
    assert not keeper.believed
    with pytest.raises(ValueError, match="not known"):
        keeper.resolve(20 * NS, NOW_NS)


@pytest.mark.parametrize("wrong_ns", [-NOW_NS, -HOUR_NS, HOUR_NS])
def test_what_a_wrong_clock_stamped_gets_its_right_time_when_the_clock_is_synchronised(wrong_ns: int) -> None:
    machine = Machine(offset_ns=NOW_NS + wrong_ns)
    keeper = Timekeeper(machine.look)
    assert looks(keeper, machine, 60) == []

    machine.offset_ns, machine.synchronised = NOW_NS, True
    (step,) = looks(keeper, machine, 3)

    assert (step.by_ns, step.followed) == (-wrong_ns, True)
    assert keeper.resolve(21 * NS, NOW_NS + wrong_ns + 21 * NS) == NOW_NS + 21 * NS
    assert keeper.started_ns == NOW_NS + 20 * NS


def test_a_clock_is_not_believed_in_the_middle_of_being_set() -> None:
    machine = Machine(offset_ns=NOW_NS - HOUR_NS)
    keeper = Timekeeper(machine.look)
    looks(keeper, machine, 5)

    machine.synchronised = True
    believed = []
    for offset_ns in (NOW_NS - HOUR_NS, NOW_NS, NOW_NS):
        machine.offset_ns = offset_ns
        looks(keeper, machine, 1)
        believed.append(keeper.believed)

    assert believed == [False, False, True]
    assert keeper.now_ns() == machine.right_ns()


@pytest.mark.parametrize("said", [False, None])
def test_a_clock_that_nobody_synchronises_is_believed_after_ten_minutes_of_uptime(*, said: bool | None) -> None:
    machine = Machine(synchronised=said)
    keeper = Timekeeper(machine.look)

    believed = []
    for _ in range(60):
        looks(keeper, machine, 10)
        believed.append(keeper.believed)

    assert believed == [False] * 57 + [True] * 3, "from 20 s of uptime on"


@pytest.mark.parametrize("synchronised", [False, True])
def test_a_time_before_there_was_an_agent_is_never_believed(*, synchronised: bool) -> None:
    machine = Machine(offset_ns=EARLIEST_NS - 10 * HOUR_NS, synchronised=synchronised)
    keeper = Timekeeper(machine.look)

    looks(keeper, machine, 8000)
    assert not keeper.believed


def test_a_clock_behind_what_was_recorded_is_believed_late_and_said_to_be_behind() -> None:
    machine = Machine()
    keeper = Timekeeper(machine.look)
    keeper.not_before_ns = NOW_NS + 100 * HOUR_NS

    believed = []
    for _ in range(60):
        looks(keeper, machine, 60)
        believed.append(keeper.believed)

    assert believed == [False] * 59 + [True]
    assert keeper.behind


def test_a_synchronised_clock_behind_what_was_recorded_is_believed_at_once() -> None:
    machine = Machine(synchronised=True)
    keeper = Timekeeper(machine.look)
    keeper.not_before_ns = NOW_NS + HOUR_NS

    keeper.look()
    assert keeper.believed
    assert keeper.behind
    looks(keeper, machine, 3600)
    assert not keeper.behind


def test_a_slewed_clock_is_followed_without_a_word() -> None:
    keeper = known(machine := Machine())
    for _ in range(10):
        machine.offset_ns += NS // 10
        assert looks(keeper, machine, 1) == []

    assert keeper.now_ns() == machine.right_ns() + NS


@pytest.mark.parametrize("by_ns", [HOUR_NS, -HOUR_NS])
def test_a_step_of_a_synchronised_clock_is_followed_and_told_once(by_ns: int) -> None:
    keeper = known(machine := Machine())
    machine.offset_ns += by_ns

    (step,) = looks(keeper, machine, 30)

    assert step == Step(machine.right_ns() + by_ns - 28 * NS, by_ns, followed=True)
    assert keeper.now_ns() == machine.right_ns() + by_ns
    assert keeper.steps == 1


def test_a_step_that_nobody_synchronised_is_told_and_times_go_on_without_it() -> None:
    keeper = known(machine := Machine())
    machine.offset_ns, machine.synchronised = NOW_NS + HOUR_NS, False

    (there,) = looks(keeper, machine, 300)
    assert (there.by_ns, there.followed) == (HOUR_NS, False)
    assert keeper.now_ns() == machine.right_ns()
    assert keeper.astray_ns == HOUR_NS
    stamped_ns = machine.look().wall_ns
    assert keeper.resolve(machine.monotonic_ns, stamped_ns) == machine.right_ns()
    assert keeper.resolve(keeper.monotonic_of(stamped_ns - 5 * NS), 0) == machine.right_ns() - 5 * NS

    machine.offset_ns, machine.synchronised = NOW_NS, True
    (back,) = looks(keeper, machine, 300)
    assert (back.by_ns, back.followed) == (-HOUR_NS, False)
    assert keeper.now_ns() == machine.right_ns()
    assert keeper.astray_ns == 0


def test_a_step_that_nobody_takes_back_is_followed_after_ten_minutes() -> None:
    keeper = known(machine := Machine())
    machine.offset_ns, machine.synchronised = NOW_NS - HOUR_NS, False

    there, followed = looks(keeper, machine, 610)

    assert (there.by_ns, there.followed) == (-HOUR_NS, False)
    assert (followed.by_ns, followed.followed) == (-HOUR_NS, True)
    assert keeper.now_ns() == machine.right_ns() - HOUR_NS


def test_a_clock_that_falls_back_to_1970_is_never_followed() -> None:
    keeper = known(machine := Machine())
    machine.offset_ns = 0

    (step,) = looks(keeper, machine, 2000)

    assert not step.followed
    assert keeper.now_ns() == machine.right_ns()


def test_a_clock_that_stands_nowhere_is_not_followed() -> None:
    keeper = known(machine := Machine())
    for second in range(1300):
        machine.offset_ns = NOW_NS + (HOUR_NS if second // 2 % 2 else -HOUR_NS)
        machine.synchronised = False
        looks(keeper, machine, 1)

    assert keeper.now_ns() == machine.right_ns()


def test_a_mark_says_boot_monotonic_time_and_whether_the_clock_is_synchronised() -> None:
    machine = Machine(synchronised=True)
    keeper = Timekeeper(machine.look, boot="0fc1ab19-2917-4fa3-b5d5-68474561326f")
    assert keeper.mark(1_234_567) == {"monotonic_us": 1234, "boot": "0fc1ab19", "synchronised": True}

    machine.synchronised = None
    assert Timekeeper(machine.look).mark(1_234_567) == {"monotonic_us": 1234}


def test_what_time_it_is_is_asked_of_the_shorter_way_where_there_is_one() -> None:
    machine = Machine(synchronised=True)
    keeper = Timekeeper(machine.look, monotonic_ns=lambda: machine.monotonic_ns + 5)
    keeper.look()

    assert keeper.now_ns() == machine.right_ns() + 5
