"""Polls whose first request is sent on the beat, before the line's task wakes."""

import asyncio
import time

import pytest

from drivers.line import Read
from drivers.profile import Profile
from drivers.wire import Pending
from tests.agent.polling.bench import Bench, ScriptedLine


class Counting(ScriptedLine):
    def __init__(self, takes_s: float = 0.0) -> None:
        super().__init__(takes_s=takes_s)
        self.begun_ns: list[int] = []

    @property
    def begun(self) -> int:
        return len(self.begun_ns)

    def begin(self, prepared: Read, pending: Pending) -> bool:
        begun = super().begin(prepared, pending)
        if begun:
            self.begun_ns.append(time.time_ns())
        return begun


async def test_polls_on_the_beat_are_begun_and_those_behind_them_on_their_line_are_not(profile: Profile) -> None:
    line = Counting()
    bench = Bench(line, {1: 0.05, 2: 0.05}, profile)
    async with bench.running():
        await bench.until(lambda: line.polls(2) == 6)

    assert line.begun == pytest.approx(line.polls(1) - 1, abs=1)
    assert bench.poller.lateness.count >= line.polls(1) - 1


async def test_lateness_is_that_of_the_request_and_not_of_its_answer(profile: Profile) -> None:
    bench = Bench(Counting(takes_s=0.3), {1: 0.6}, profile)
    async with bench.running():
        await bench.until(lambda: bench.line.polls(1) == 4)

    assert bench.poller.lateness.count >= 2
    assert bench.poller.lateness.maximum_s < 0.25


async def test_what_is_due_by_a_clock_that_was_set_is_not_begun_before_the_clock_was_looked_at(
    profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    true_ns = time.time_ns
    line = Counting()
    bench = Bench(line, {1: 0.3}, profile)
    async with bench.running():
        await bench.until(lambda: line.polls(1) == 2)
        await asyncio.sleep(0.05)  # until it waits for the beat
        monkeypatch.setattr(time, "time_ns", lambda: true_ns() - 100 * 10**6)
        await bench.until(lambda: line.polls(1) == 4)

    late_ns = [begun_ns % (3 * 10**8) for begun_ns in line.begun_ns]
    assert max(late_ns) < 18 * 10**7, "none before its time by the new clock"


@pytest.mark.usefixtures("pauses")
async def test_a_bug_in_beginning_costs_nobody_a_poll(profile: Profile, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(ScriptedLine):
        def begin(self, _prepared: Read, _pending: Pending) -> bool:
            raise ZeroDivisionError("a bug")

    bench = Bench(Broken(), {1: 0.05}, profile)
    async with bench.running():
        await bench.until(lambda: bench.line.polls(1) == 4)

    assert bench.devices[1].failures == 0
    assert any("could not be begun" in record.message for record in caplog.records)


async def test_a_device_that_needs_a_rest_is_not_asked_on_the_beat_without_it(profile: Profile) -> None:
    line = Counting()
    bench = Bench(line, {1: 0.05}, profile)
    bench.devices[1].pacing.pause_s = 0.04
    async with bench.running():
        await bench.until(lambda: line.polls(1) == 4)

    assert line.begun == 0
