"""A line whose answers a test scripts and whose clocks it may set, with a poller on it."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from agent.polling.asking import Memory
from agent.polling.learning import Learned
from agent.polling.polled import Cadence, DeviceState, PolledDevice
from agent.polling.poller import LinePoller
from drivers.endpoint import Endpoint, parse_endpoint
from drivers.errors import BadReply, LineError, NoReply, Refused
from drivers.frame import Frame
from drivers.guard import Asked
from drivers.hint import LineEvidence
from drivers.line import Read
from drivers.linestats import LineStats
from drivers.profile import Profile
from drivers.reading import Block, Exchange, Outcome
from drivers.wire import Pending

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

    begun_at: float | None = None
    _begun: asyncio.Task[Exchange] | None = None

    def prepared(self, unit: int, block: Block, *, poll: int) -> Read:
        return Read(unit, block, poll, 1, Asked(b"?", unit, block.function, 2 * block.count))

    def begin(self, prepared: Read, pending: Pending) -> bool:
        if self.reading:
            return False
        self.begun_at = time.monotonic()
        self._begun = asyncio.create_task(self._read(prepared.unit, prepared.block, prepared.poll, prepared.attempt))
        self._begun.add_done_callback(lambda _: None if pending.done() else pending.set_result(None))
        return True

    async def read(self, unit: int, block: Block, *, poll: int, attempt: int) -> Exchange:
        begun, self._begun, self.begun_at = self._begun, None, None
        if begun is None:
            return await self._read(unit, block, poll, attempt)
        assert self.numbers[-1] == (unit, poll, block.address, attempt), "what was begun is gone on with"
        return await begun

    async def _read(self, unit: int, block: Block, poll: int, attempt: int) -> Exchange:
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
        if self._begun is not None:
            self._begun.cancel()

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
