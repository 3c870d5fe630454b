"""The task of a line, on a line whose answers a test scripts and whose clocks it may set."""

import asyncio
import itertools
import time
from collections import Counter

import pytest

from agent.polling import breaker, overload
from agent.polling.polled import DeviceState, PolledDevice
from drivers.errors import LineError
from drivers.profile import Profile
from drivers.reading import Block, Quality
from tests.agent.polling.bench import Bench, ScriptedLine, silence


async def test_polls_begin_at_once_and_then_at_multiples_of_their_cadence(profile: Profile) -> None:
    bench = Bench(ScriptedLine(), {1: 0.1, 2: 0.1}, profile)
    async with bench.running():
        await bench.until(lambda: bench.line.polls(2) == 5)

    (first, *later) = bench.polled[1]
    assert first == 0, "nothing was due yet"
    assert len(later) >= 4
    assert all(due_ns % 100_000_000 == 0 for due_ns in later)
    assert len({*later}) == len(later)
    assert bench.poller.lateness.count >= 8
    assert bench.states(1) == [DeviceState.ONLINE]


@pytest.mark.usefixtures("pauses")
async def test_a_dead_device_costs_an_attempt_per_pause_and_its_neighbours_no_poll(profile: Profile) -> None:
    line = ScriptedLine(lambda unit, block: silence(unit, block) if unit == 9 else None)
    bench = Bench(line, {1: 0.05, 9: 0.05, 2: 0.05}, profile)
    async with bench.running():
        await bench.until(lambda: bench.devices[9].polls == 5)

    asked = Counter(line.asked)
    assert asked[9, 0] + asked[9, 100] == 5, "after a silence nothing more is asked"
    # Pauses of 0.05 s and then at least 0.13, 0.2 and 0.3 s lie between the attempts: some 13 periods of 0.05 s.
    assert min(asked[1, 0], asked[2, 0]) >= 8
    assert abs(asked[1, 0] - asked[2, 0]) <= 1


async def test_a_failed_poll_gives_qualities_and_no_values(profile: Profile) -> None:
    bench = Bench(ScriptedLine(silence), {1: 0.05}, profile)
    async with bench.running():
        await bench.until(lambda: bool(bench.frames))

    assert bench.frames[0][1].quality.tolist() == [Quality.COMM_LOST] * 2


async def test_what_a_slow_line_cannot_do_is_skipped_and_counted_and_never_queued(profile: Profile) -> None:
    line = ScriptedLine(takes_s=0.06)  # two blocks a poll: 0.12 s for a period of 0.05 s
    bench = Bench(line, {1: 0.05}, profile)
    async with bench.running():
        await bench.until(lambda: line.polls(1) == 8)
        line.takes_s = 0.0
        before = line.polls(1)
        await bench.until(lambda: line.polls(1) >= before + 1)
        caught_up = time.monotonic()
        await bench.until(lambda: line.polls(1) >= before + 5)
        # A queue would be worked off at once; five polls on the beat take four periods, less the first one's delay.
        assert time.monotonic() - caught_up >= 0.1

    assert bench.devices[1].skipped >= 5


async def test_a_slow_device_is_not_starved_by_fast_ones_on_a_full_line(profile: Profile) -> None:
    line = ScriptedLine(takes_s=0.01)
    bench = Bench(line, {1: 0.01, 2: 0.01, 3: 0.2}, profile)
    async with bench.running():
        await bench.until(lambda: line.polls(3) == 4)

    # Its four polls lie three periods of 0.2 s apart; the others had at most 0.6 s and one round more.
    assert line.polls(1) <= 40
    assert line.polls(2) >= 8


@pytest.mark.parametrize("step_s", [3600, -3600, 86400 * 365])
async def test_a_step_of_the_clock_neither_stalls_a_cadence_nor_makes_a_burst(
    profile: Profile, monkeypatch: pytest.MonkeyPatch, step_s: int
) -> None:
    true_ns = time.time_ns
    line = ScriptedLine()
    bench = Bench(line, {1: 0.05, 2: 0.05, 3: 0.25}, profile)
    async with bench.running():
        await bench.until(lambda: line.polls(1) == 4)
        monkeypatch.setattr(time, "time_ns", lambda: true_ns() + step_s * 10**9)
        before = Counter(line.asked)
        began = time.monotonic()
        await bench.until(lambda: line.polls(3) == before[3, 0] + 3)
        passed = time.monotonic() - began
        done = Counter(line.asked) - before

    assert done[1, 0] >= 5
    assert done[2, 0] >= 5
    assert done[1, 0] <= passed / 0.05 + 3
    assert done[2, 0] <= passed / 0.05 + 3
    assert bench.poller.lateness.maximum_s < 1800, "a step is no lateness"
    assert sum(device.skipped for device in bench.devices.values()) < 1000, "a step skips nothing"


async def test_a_step_of_the_clock_within_a_poll_skips_nothing(
    profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    true_ns = time.time_ns
    bench = Bench(ScriptedLine(), {1: 0.05}, profile)
    async with bench.running():
        await bench.until(lambda: bench.line.polls(1) == 2)
        bench.line.hold = asyncio.Event()
        await bench.until(lambda: bench.line.reading)
        monkeypatch.setattr(time, "time_ns", lambda: true_ns() + 3600 * 10**9)
        bench.line.hold.set()
        polls = bench.line.polls(1)
        await bench.until(lambda: bench.line.polls(1) >= polls + 3)

    assert bench.devices[1].skipped < 100


async def test_cancelling_closes_the_line(profile: Profile) -> None:
    bench = Bench(ScriptedLine(), {1: 0.05}, profile)
    bench.line.hold = asyncio.Event()
    async with bench.running():
        await bench.until(lambda: bench.line.reading)

    assert bench.line.closed
    assert not bench.line.reading


async def test_the_beat_goes_on_while_nothing_is_due_and_before_every_request(profile: Profile) -> None:
    bench = Bench(ScriptedLine(), {1: 3600.0}, profile)
    async with bench.running():
        await bench.until(lambda: len(bench.frames) == 1)
        first = bench.poller.alive_at
        await bench.until(lambda: bench.poller.alive_at > first + 0.9)
        assert bench.line.polls(1) == 1

    bench = Bench(ScriptedLine(takes_s=0.05), {1: 3600.0}, profile)
    async with bench.running():
        await bench.until(lambda: (1, 0) in bench.line.asked)
        first = bench.poller.alive_at
        await bench.until(lambda: (1, 100) in bench.line.asked)
        assert bench.poller.alive_at > first


@pytest.mark.usefixtures("pauses")
async def test_a_bug_met_with_one_device_costs_its_neighbours_no_poll(
    profile: Profile, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(ScriptedLine(), {1: 0.05, 9: 0.05, 2: 0.05}, profile)

    def stumble(device: PolledDevice) -> None:
        if device.unit == 9:
            raise ZeroDivisionError("a bug")

    bench.on_frame = stumble
    async with bench.running():
        await bench.until(lambda: bench.devices[9].polls == 7)

    assert bench.states(9) == [DeviceState.OFFLINE]
    assert bench.devices[9].reason == "internal error: ZeroDivisionError('a bug')"
    assert min(bench.line.polls(1), bench.line.polls(2)) >= 8
    assert bench.states(1) == [DeviceState.ONLINE]
    assert all(record.exc_info for record in caplog.records if "failed within the agent" in record.message)


@pytest.mark.usefixtures("pauses")
async def test_a_dead_device_costs_its_line_one_unanswered_request_per_pause(
    profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    def fail(kept: breaker.Breaker, now: float, *, next_beat_s: float) -> None:
        failed(kept, now, next_beat_s=next_beat_s)
        pauses.append(kept.retry_at - now)

    failed = breaker.Breaker.fail
    monkeypatch.setattr(breaker.Breaker, "fail", fail)
    line = ScriptedLine(lambda unit, block: silence(unit, block) if unit == 2 else None)
    bench = Bench(line, {1: 0.1, 2: 0.1}, profile)
    async with bench.running():
        await bench.until(lambda: len(pauses) == 6)
        asked = sum(1 for unit, _ in line.asked if unit == 2)

    assert asked == len(pauses), "of its two blocks one, and then nothing until the pause is over"
    assert all(later > 0.7 * earlier for earlier, later in itertools.pairwise(pauses[1:])), "they grow, spread"
    assert pauses[-1] > 3 * pauses[1]


@pytest.mark.usefixtures("pauses")
async def test_many_dead_devices_on_a_busy_line_keep_the_living_from_little(profile: Profile) -> None:
    async def wait(unit: int) -> None:
        await asyncio.sleep(0.1 if unit > 2 else 0.005)

    line = ScriptedLine(lambda unit, block: silence(unit, block) if unit > 2 else None)
    line.wait = wait
    bench = Bench(line, {1: 0.05, 2: 0.05} | dict.fromkeys(range(3, 11), 0.05), profile)
    async with bench.running():
        await bench.until(lambda: all(device.polls for device in bench.devices.values()))
        line.asked.clear()
        began = time.monotonic()
        await asyncio.sleep(4)
        passed_s = time.monotonic() - began

    dead = sum(1 for unit, _ in line.asked if unit > 2)
    assert dead <= 4, "4 % of 4 s, and what is under way"
    assert min(line.polls(1), line.polls(2)) >= 0.8 * passed_s / 0.05


async def test_a_line_says_that_it_is_overloaded_and_that_it_is_no_more(
    profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overload, "_MINUTE_S", 0.3)
    line = ScriptedLine(takes_s=0.06)
    bench = Bench(line, {1: 0.05}, profile)
    async with bench.running():
        await bench.until(lambda: bool(bench.loads) and bench.loads[-1][0])
        assert "leaves out" in bench.poller.reason
        line.takes_s = 0.0
        await bench.until(lambda: not bench.loads[-1][0])

    assert bench.poller.reason == ""


async def test_a_device_that_lost_one_reply_does_not_wait_behind_a_dead_one(profile: Profile) -> None:
    lost: list[int] = []

    def answer(unit: int, block: Block) -> LineError | None:
        return silence(unit, block) if unit == 1 or unit in lost else None

    line = ScriptedLine(answer, takes_s=0.005)
    bench = Bench(line, {1: 0.1, 2: 0.1, 3: 0.1}, profile)
    async with bench.running():
        await bench.until(lambda: bench.states(1) == [DeviceState.OFFLINE] and line.polls(2) > 2)
        lost.append(2)
        await bench.until(lambda: bench.devices[2].breaker.doubtful)
        lost.clear()
        # The dead one is due, and has used up what the line can spare for it.
        bench.devices[1].breaker.retry_at = time.monotonic()
        bench.poller._sparing.budget.free_at = time.monotonic() + 60
        reached, dead = line.polls(2) + 5, line.polls(1)
        await bench.until(lambda: line.polls(2) >= reached, timeout_s=5)

    assert line.polls(1) == dead
