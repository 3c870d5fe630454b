"""The task of a line, on a line whose answers a test scripts and whose clocks it may set."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from agent.polling import asking, breaker, overload
from agent.polling.asking import Memory
from agent.polling.learning import Learned
from agent.polling.polled import Cadence, DeviceState, PolledDevice
from agent.polling.poller import LinePoller
from agent.polling.schedule import Schedule
from drivers.endpoint import Endpoint, parse_endpoint
from drivers.errors import BadReply, LineDown, LineError, NoReply, Refused
from drivers.hint import LineEvidence
from drivers.linestats import LineStats
from drivers.profile import Profile, load_profile
from drivers.reading import Block, Exchange, Frame, Outcome, Quality

PROFILE = """
model = "two blocks"
kind = "sensor"
source = "defined by this test"
function = 3
type = "uint16"
max_gap = 0

[points]
temperature = { address = 0, unit = "°C" }
humidity    = { address = 100, unit = "%" }
"""
IDENTITY = (
    PROFILE
    + """
[identity]
address = 200
count = 1
"""
)
Answer = Callable[[int, Block], LineError | None]


@dataclass
class ScriptedLine:
    """Stands where a Line stands; `answer` says by unit and block what goes wrong, None that nothing does."""

    answer: Answer = lambda _unit, _block: None
    takes_s: float = 0.0
    name: str = "hall"
    endpoint: Endpoint = field(default_factory=lambda: parse_endpoint("tcp://127.0.0.1:1502"))
    stats: LineStats = field(default_factory=LineStats)
    asked: list[tuple[int, int]] = field(default_factory=list)
    numbers: list[tuple[int, int, int, int]] = field(default_factory=list)
    data: bytes = b"\0\1"
    silence_s: float = 1.0
    timeout_s: float = 1.0
    free_at: float = 0.0
    closed: bool = False
    reading: bool = False
    hold: asyncio.Event | None = None
    evidence: LineEvidence = field(default_factory=LineEvidence)
    wait: Callable[[int], Awaitable[None]] | None = None

    async def read(self, unit: int, block: Block, *, poll: int, attempt: int) -> Exchange:
        assert not self.reading, "requests of one line must not overlap"
        self.numbers.append((unit, poll, block.address, attempt))
        self.reading = True
        try:
            self.asked.append((unit, block.address))
            if self.hold:
                await self.hold.wait()
            await (self.wait(unit) if self.wait else asyncio.sleep(self.takes_s))
        finally:
            self.reading = False
        error = self.answer(unit, block)
        if error:
            raise error
        return exchange(unit, block, self.data)

    async def close(self) -> None:
        self.closed = True

    def polls(self, unit: int) -> int:
        return sum(1 for asked in self.asked if asked == (unit, 0))


def exchange(unit: int, block: Block, data: bytes, outcome: Outcome = Outcome.OK, code: int = 0) -> Exchange:
    now = time.monotonic_ns()
    return Exchange("hall", unit, block, b"?", data, data, now, now, time.time_ns(), outcome, code)


def silence(unit: int, block: Block) -> NoReply:
    return NoReply("no reply within 1 s", exchange(unit, block, b"", Outcome.NO_REPLY))


def refusal(unit: int, block: Block, code: int = 2) -> Refused:
    return Refused(code, exchange(unit, block, b"", Outcome.EXCEPTION, code))


def garbage(unit: int, block: Block) -> BadReply:
    return BadReply("wrong unit", exchange(unit, block, b"", Outcome.BAD_REPLY))


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    (tmp_path / "two.toml").write_text(PROFILE, encoding="utf-8")
    return load_profile("two.toml", relative_to=tmp_path)


@pytest.fixture
def known(tmp_path: Path) -> Profile:
    (tmp_path / "known.toml").write_text(IDENTITY, encoding="utf-8")
    return load_profile("known.toml", relative_to=tmp_path)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the pauses before a new attempt so short that a test can wait for them."""
    monkeypatch.setattr(breaker, "FIRST_PAUSE_S", 0.2)
    monkeypatch.setattr(breaker, "LONGEST_PAUSE_S", 1.0)


class Bench:
    """A poller on a scripted line, and what it told."""

    def __init__(self, line: ScriptedLine, devices: dict[int, float], profile: Profile) -> None:
        self.line = line
        self.frames: list[tuple[PolledDevice, Frame]] = []
        self.remembered: list[Learned] = []
        self.slow: list[str] = []
        self.loads: list[tuple[bool, str]] = []
        self.polled: dict[int, list[int]] = {unit: [] for unit in devices}
        self.told: list[tuple[str, DeviceState, str]] = []
        self.devices = {unit: PolledDevice(f"unit-{unit}", unit, profile, every_s) for unit, every_s in devices.items()}
        self.on_frame: Callable[[PolledDevice], None] = lambda _: None
        self.poller = LinePoller(
            line,  # type: ignore[arg-type]  # stands in for a Line
            [*self.devices.values()],
            pause_s=0.0,
            on_frame=self._frame,
            on_state=lambda device: self.told.append((device.name, device.state, device.reason)),
            memory=Memory(
                lambda device: self.remembered.append(device.learned),
                lambda _: None,
                lambda device: self.slow.append(device.name),
            ),
            on_overload=lambda active, text, _: self.loads.append((active, text)),
        )

    def _frame(self, device: PolledDevice, cadence: Cadence, frame: Frame) -> None:
        self.on_frame(device)
        assert cadence.due_ns <= frame.time_ns
        self.polled[device.unit].append(cadence.due_ns)
        self.frames.append((device, frame))

    def states(self, unit: int) -> list[DeviceState]:
        return [state for name, state, _ in self.told if name == f"unit-{unit}"]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.poller.run())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def until(self, reached: Callable[[], bool], *, timeout_s: float = 10.0) -> None:
        async with asyncio.timeout(timeout_s):
            while not reached():  # noqa: ASYNC110  # what is waited for has no event
                await asyncio.sleep(0.002)


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


async def test_a_failed_poll_gives_qualities_and_no_values(profile: Profile) -> None:
    bench = Bench(ScriptedLine(silence), {1: 0.05}, profile)
    async with bench.running():
        await bench.until(lambda: bool(bench.frames))

    assert bench.frames[0][1].quality.tolist() == [Quality.COMM_LOST] * 2


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


async def test_the_exchanges_of_a_poll_share_a_number_and_repeats_are_counted(profile: Profile) -> None:
    line = ScriptedLine(lambda unit, block: refusal(unit, block) if block.address == 100 else None)
    bench = Bench(line, {1: 0.05}, profile)
    async with bench.running():
        await bench.until(lambda: line.polls(1) == 3)

    first = [(address, attempt) for _, poll, address, attempt in line.numbers if poll == 1]
    assert first == [(0, 1), (100, 1), (100, 2)], "a refusal is asked for again before it is believed"
    assert [(poll, address) for _, poll, address, _ in line.numbers[3:]] == [(2, 0), (3, 0)]
    assert len(bench.remembered) == 1


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
