"""How devices and their line are doing, as told of each attempt on a scripted line."""

import asyncio
import itertools
import time

import pytest

from agent.polling.polled import DeviceState
from agent.polling.schedule import Schedule
from drivers.endpoint import parse_endpoint
from drivers.errors import LineDown
from drivers.hint import LineEvidence
from drivers.profile import Profile
from drivers.reading import Quality
from tests.agent.polling.bench import Bench, ScriptedLine, garbage, refusal, silence


@pytest.mark.usefixtures("pauses")
async def test_a_device_is_offline_after_two_failures_and_online_with_the_first_reply(profile: Profile) -> None:
    line = ScriptedLine()
    bench = Bench(line, {1: 0.05}, profile)
    async with bench.running():
        await bench.until(lambda: bench.states(1) == [DeviceState.ONLINE])
        line.answer = silence
        await bench.until(lambda: bench.devices[1].failures == 1)
        assert bench.states(1) == [DeviceState.ONLINE]
        await bench.until(lambda: bench.devices[1].failures == 2)
        assert bench.states(1) == [DeviceState.ONLINE, DeviceState.OFFLINE]
        line.answer = lambda _unit, _block: None
        await bench.until(lambda: len(bench.told) == 3)

    assert bench.states(1) == [DeviceState.ONLINE, DeviceState.OFFLINE, DeviceState.ONLINE]
    assert "no reply" in bench.told[1][2]
    assert bench.told[2][2] == ""
    assert bench.devices[1].since_ns > 0


async def test_a_device_that_cannot_read_one_block_is_degraded_and_keeps_the_other(profile: Profile) -> None:
    line = ScriptedLine(lambda unit, block: refusal(unit, block, 4) if block.address == 100 else None)
    bench = Bench(line, {1: 0.05}, profile)
    async with bench.running():
        await bench.until(lambda: len(bench.frames) == 3)

    ((_, state, reason),) = bench.told
    assert state is DeviceState.DEGRADED
    assert "address 0x0064" in reason
    assert "device failure" in reason
    assert bench.frames[-1][1].quality.tolist() == [Quality.GOOD, Quality.REFUSED]
    assert bench.devices[1].failures == 0


@pytest.mark.usefixtures("pauses")
@pytest.mark.parametrize("code", [10, 11])
async def test_a_device_whose_gateway_says_that_it_does_not_answer_is_offline(profile: Profile, code: int) -> None:
    bench = Bench(ScriptedLine(lambda unit, block: refusal(unit, block, code)), {1: 0.05}, profile)
    async with bench.running():
        await bench.until(lambda: bool(bench.told))

    assert bench.states(1) == [DeviceState.OFFLINE]
    assert bench.line.asked == [(1, 0), (1, 0)]


@pytest.mark.usefixtures("pauses")
async def test_a_device_that_answers_nothing_but_garbage_is_offline(profile: Profile) -> None:
    bench = Bench(ScriptedLine(garbage), {1: 0.05}, profile)
    async with bench.running():
        await bench.until(lambda: bool(bench.told))

    assert bench.states(1) == [DeviceState.OFFLINE]


@pytest.mark.usefixtures("pauses")
async def test_a_line_that_is_down_takes_all_its_devices_offline_and_is_tried_by_growing_pauses(
    profile: Profile, caplog: pytest.LogCaptureFixture
) -> None:
    line = ScriptedLine(lambda _unit, _block: LineDown("cannot connect"))
    bench = Bench(line, {1: 0.05, 2: 0.05}, profile)
    async with bench.running():
        await bench.until(lambda: len(bench.told) == 2)
        assert len(line.asked) == 1, "one attempt speaks for all devices"
        assert bench.poller.down_reason == "cannot connect"
        began = time.monotonic()
        await bench.until(lambda: len(line.asked) == 4)
        # Pauses of at least 0.2, 0.13 and 0.2 s.
        assert time.monotonic() - began >= 0.5
        assert bench.frames == []
        line.answer = lambda _unit, _block: None
        await bench.until(lambda: len(bench.told) == 4)

    assert bench.states(2) == [DeviceState.OFFLINE, DeviceState.ONLINE]
    assert bench.poller.down_reason == ""
    assert [record.message for record in caplog.records if "is down" in record.message] == [
        "line hall is down: cannot connect"
    ]


async def test_a_line_that_breaks_within_a_poll_leaves_no_device_half_alive(profile: Profile) -> None:
    line = ScriptedLine()
    bench = Bench(line, {1: 0.05, 2: 0.05}, profile)
    async with bench.running():
        await bench.until(lambda: len(bench.told) == 2)
        line.answer = lambda _unit, block: LineDown("connection reset") if block.address else None
        await bench.until(lambda: len(bench.told) == 4)
        await asyncio.sleep(0.2)

    assert bench.states(1) == [DeviceState.ONLINE, DeviceState.OFFLINE]
    assert bench.states(2) == [DeviceState.ONLINE, DeviceState.OFFLINE]


@pytest.mark.usefixtures("pauses")
async def test_a_line_that_goes_down_while_its_first_device_is_dead_is_tried_again_and_comes_back(
    profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds = itertools.count(1)
    begin = Schedule.begin

    def counted(schedule: Schedule) -> None:
        assert next(rounds) < 100, "the task turns without ever letting others have theirs"
        begin(schedule)

    monkeypatch.setattr(Schedule, "begin", counted)
    line = ScriptedLine(lambda unit, block: silence(unit, block) if unit == 1 else None)
    bench = Bench(line, {1: 0.05, 2: 0.05}, profile)
    async with bench.running():
        await bench.until(lambda: bench.states(1) == [DeviceState.OFFLINE] and line.polls(2) > 2)
        line.answer = lambda _unit, _block: LineDown("connection refused")
        await bench.until(lambda: bench.states(2) == [DeviceState.ONLINE, DeviceState.OFFLINE])
        asked = len(line.asked)
        await bench.until(lambda: len(line.asked) >= asked + 3)
        line.answer = lambda unit, block: silence(unit, block) if unit == 1 else None
        await bench.until(lambda: bench.states(2)[-1] is DeviceState.ONLINE)
        line.answer = lambda _unit, _block: None
        await bench.until(lambda: bench.states(1)[-1] is DeviceState.ONLINE)


async def test_what_is_wrong_with_a_serial_line_on_which_nobody_answers_is_told(profile: Profile) -> None:
    line = ScriptedLine(silence, endpoint=parse_endpoint("rtu:///dev/ttyS9"))
    bench = Bench(line, {1: 0.05}, profile)
    async with bench.running():
        line.evidence = LineEvidence(silent=2)
        await bench.until(lambda: DeviceState.OFFLINE in bench.states(1))
        assert "A and B are crossed" in bench.devices[1].reason
        assert "A and B are crossed" in bench.poller.reason
        line.stats.replies = 1
        assert bench.poller.reason == ""
