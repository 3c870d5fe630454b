"""What devices of a scripted line are asked, how often, and who they have to be."""

import time
from pathlib import Path

import numpy as np
import pytest

from agent.polling import asking
from agent.polling.polled import DeviceState
from drivers.errors import LineDown, LineError
from drivers.profile import Profile
from drivers.profile_file import load_profile
from drivers.reading import Block, Quality
from tests.agent.polling.bench import PROFILE, Bench, ScriptedLine, refusal, silence


@pytest.mark.usefixtures("pauses")
async def test_a_device_is_asked_who_it_is_once_and_again_after_a_silence(known: Profile) -> None:
    line = ScriptedLine()
    bench = Bench(line, {1: 0.05}, known)
    async with bench.running():
        await bench.until(lambda: line.polls(1) == 4)
        assert line.asked.count((1, 200)) == 1
        line.answer = silence
        await bench.until(lambda: bench.states(1)[-1] is DeviceState.OFFLINE)
        line.answer = lambda _unit, _block: None
        await bench.until(lambda: bench.states(1)[-1] is DeviceState.ONLINE)

    assert line.asked.count((1, 200)) >= 2


async def test_a_stranger_behind_a_new_connection_gives_no_value(known: Profile) -> None:
    line = ScriptedLine()
    bench = Bench(line, {1: 0.05, 2: 0.05}, known)
    async with bench.running():
        await bench.until(lambda: bench.states(1) == bench.states(2) == [DeviceState.ONLINE])
        line.data = b"\x09\x09"
        line.stats.reconnects += 1
        await bench.until(lambda: len(bench.told) == 4)

    assert bench.states(1) == [DeviceState.ONLINE, DeviceState.OFFLINE]
    assert "0909 instead of 0001" in bench.devices[1].reason
    *own, one, other = [frame for _, frame in bench.frames]
    assert all(frame.values[0] == 1.0 for frame in own)
    assert {one.device, other.device} == {"unit-1", "unit-2"}
    for frame in (one, other):
        assert {*frame.quality.tolist()} == {Quality.IDENTITY_MISMATCH}
        assert np.isnan(frame.values).all()


@pytest.mark.usefixtures("pauses")
async def test_a_line_on_which_a_stranger_answers_is_up(known: Profile) -> None:
    line = ScriptedLine()
    bench = Bench(line, {1: 0.05}, known)
    async with bench.running():
        await bench.until(lambda: bool(bench.frames))
        line.answer = lambda _unit, _block: LineDown("cannot connect")
        await bench.until(lambda: bench.poller.down_reason != "")
        line.data = b"\x09\x09"
        line.stats.reconnects += 1
        line.answer = lambda _unit, _block: None
        await bench.until(lambda: bench.poller.down_reason == "")

    assert bench.states(1) == [DeviceState.ONLINE, DeviceState.OFFLINE]


async def test_a_connection_made_anew_within_a_poll_is_doubted_before_its_values_are_taken(known: Profile) -> None:
    line = ScriptedLine()
    bench = Bench(line, {1: 0.05}, known)
    async with bench.running():
        await bench.until(lambda: bool(bench.frames))

        def reconnected(_unit: int, block: Block) -> None:
            if block.address == 0 and line.data == b"\0\1":
                line.stats.reconnects += 1
                line.data = b"\x09\x09"

        line.answer = reconnected
        await bench.until(lambda: DeviceState.OFFLINE in bench.states(1))

    *own, strange = [frame for _, frame in bench.frames]
    assert all(frame.values[0] == 1.0 for frame in own)
    assert np.isnan(strange.values).all()


async def test_a_device_without_identity_registers_is_taken_as_it_is(known: Profile) -> None:
    line = ScriptedLine(lambda unit, block: refusal(unit, block) if block.address == 200 else None)
    bench = Bench(line, {1: 0.05}, known)
    async with bench.running():
        await bench.until(lambda: line.polls(1) == 3)

    assert line.asked.count((1, 200)) == 1
    assert bench.states(1) == [DeviceState.ONLINE]


@pytest.mark.usefixtures("pauses")
async def test_a_device_that_was_taken_for_dead_is_tried_with_its_shortest_read(tmp_path: Path) -> None:
    wide = PROFILE.replace("[points]", '[points]\npressure = { address = 50, type = "uint32", unit = "kPa" }')
    (tmp_path / "wide.toml").write_text(wide, encoding="utf-8")
    line = ScriptedLine()
    bench = Bench(line, {1: 0.05}, load_profile("wide.toml", relative_to=tmp_path))
    async with bench.running():
        await bench.until(lambda: line.polls(1) == 2)
        line.answer = silence
        await bench.until(lambda: bench.states(1)[-1] is DeviceState.OFFLINE)
        line.asked.clear()
        await bench.until(lambda: len(line.asked) == 2)

    assert {address for _, address in line.asked} <= {0, 100}, "not the one of two registers"


@pytest.mark.usefixtures("pauses")
async def test_a_block_that_is_never_answered_leaves_the_device_alive_and_is_asked_by_pauses(profile: Profile) -> None:
    line = ScriptedLine(lambda unit, block: silence(unit, block) if block.address == 0 else None)
    bench = Bench(line, {1: 0.05}, profile)
    async with bench.running():
        await bench.until(lambda: line.asked.count((1, 100)) >= 30)

    assert line.polls(1) <= 16
    assert bench.devices[1].state is DeviceState.DEGRADED
    assert "no answer, though others are answered" in bench.devices[1].reason
    assert len(bench.told) <= 3, "its reason does not change with each attempt"
    assert bench.frames[-1][1].quality.tolist() == [Quality.COMM_LOST, Quality.GOOD]


@pytest.mark.parametrize("code", [5, 6])
async def test_a_busy_device_is_given_more_time(profile: Profile, code: int) -> None:
    line = ScriptedLine()
    answered: list[float] = []

    def busy(unit: int, block: Block) -> LineError | None:
        now = time.monotonic()
        soon = bool(answered) and now - answered[-1] < 0.03
        answered.append(now)
        return refusal(unit, block, code) if soon else None

    line.answer = busy
    bench = Bench(line, {1: 0.2}, profile)
    async with bench.running():
        await bench.until(lambda: len(bench.frames) == 6)

    assert bench.frames[-1][1].quality.tolist() == [Quality.GOOD] * 2
    assert 0.03 <= bench.devices[1].pacing.pause_s <= 0.08
    assert bench.slow == ["unit-1"], "told once"


async def test_a_device_that_drops_what_follows_too_fast_is_given_more_time(profile: Profile) -> None:
    line = ScriptedLine()
    answered = [0.0]

    def dropping(unit: int, block: Block) -> LineError | None:
        now = time.monotonic()
        if now - answered[0] < 0.03:
            return silence(unit, block)
        answered[0] = now
        return None

    line.answer = dropping
    bench = Bench(line, {1: 0.2}, profile)
    async with bench.running():
        await bench.until(lambda: bool(bench.frames) and bench.frames[-1][1].quality.tolist() == [Quality.GOOD] * 2)

    assert bench.devices[1].pacing.pause_s >= 0.03
    assert DeviceState.OFFLINE not in bench.states(1)


async def test_a_device_must_say_now_and_then_that_it_is_still_the_same(
    known: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "_IDENTIFY_EVERY_S", 0.2)
    line = ScriptedLine()
    bench = Bench(line, {1: 0.05}, known)
    async with bench.running():
        await bench.until(lambda: line.asked.count((1, 200)) == 3)
        line.data = b"\x09\x09"
        await bench.until(lambda: DeviceState.OFFLINE in bench.states(1))

    assert line.polls(1) >= 6, "not before every poll"


async def test_the_exchanges_of_a_poll_share_a_number_and_repeats_are_counted(profile: Profile) -> None:
    line = ScriptedLine(lambda unit, block: refusal(unit, block) if block.address == 100 else None)
    bench = Bench(line, {1: 0.05}, profile)
    async with bench.running():
        await bench.until(lambda: line.polls(1) == 3)

    first = [(address, attempt) for _, poll, address, attempt in line.numbers if poll == 1]
    assert first == [(0, 1), (100, 1), (100, 2)], "a refusal is asked for again before it is believed"
    assert [(poll, address) for _, poll, address, _ in line.numbers[3:]] == [(2, 0), (3, 0)]
    assert len(bench.remembered) == 1
