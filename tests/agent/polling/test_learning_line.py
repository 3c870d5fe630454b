"""A device that lacks registers of its profile, as a server that counts what it is asked."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from agent.polling.asking import Memory
from agent.polling.learning import Learned
from agent.polling.polled import Cadence, DeviceState, PolledDevice
from agent.polling.poller import LinePoller
from drivers.endpoint import parse_endpoint
from drivers.frame import Frame
from drivers.line import Line
from drivers.plan import plan
from drivers.profile_file import load_profile
from drivers.reading import Block, Quality
from tests.modbus_rig import Chunk, Request, Rig, honest, rig

pytestmark = pytest.mark.integration

METER = load_profile("eastron/sdm630")
LACKS = frozenset({0x0C, 0x0D, 0x20, 0x21, 0x46, 0x47, 0x4A, 0x4B, 0xE0, 0xE1, 0x158, 0x159})
EVERY_S = 0.2


def lacking(request: Request) -> Iterable[Chunk]:
    """Answer as a meter without some registers, one of which no point of the profile stands on."""
    asked = range(request.address, request.address + request.count)
    if request.function == 4 and not LACKS.isdisjoint(asked):
        return [(0, request.refusal(2))]
    return honest(request)


@dataclass
class Station:
    """The agent's end: the poller of one meter, what it gave, and what is kept over a restart."""

    frames: list[tuple[Cadence, Frame]] = field(default_factory=list)
    kept: dict[str, bytes] = field(default_factory=dict)
    told: list[tuple[DeviceState, str]] = field(default_factory=list)
    asked_until: list[int] = field(default_factory=list)
    """How many requests the server had been sent when each frame came: of the next frame it has none by then."""

    @asynccontextmanager
    async def polling(self, server: Rig) -> AsyncIterator[PolledDevice]:
        def take(_: PolledDevice, cadence: Cadence, frame: Frame) -> None:
            self.frames.append((cadence, frame))
            self.asked_until.append(len(server.requests))

        device = PolledDevice("meter", 1, METER, EVERY_S)
        line = Line("hall", parse_endpoint(server.url), timeout_s=0.2, pause_s=0.0)
        poller = LinePoller(
            line,
            [device],
            pause_s=0.0,
            on_frame=take,
            on_state=lambda device: self.told.append((device.state, device.reason)),
            memory=Memory(
                lambda device: self.kept.update(meter=device.learned.to_json(METER)),
                lambda device: device.learn(Learned.from_json(self.kept.get("meter"), METER)),
            ),
            on_overload=lambda *_: None,
        )
        task = asyncio.create_task(poller.run())
        try:
            yield device
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def until(self, frames: int) -> None:
        async with asyncio.timeout(10):
            while len(self.frames) < frames:  # noqa: ASYNC110  # frames have no event
                await asyncio.sleep(0.005)


def asked(device: Rig) -> list[Block]:
    return [Block(request.function, request.address, request.count) for request in device.requests]


@pytest.mark.parametrize("transport", ["tcp", "rtu"])
async def test_the_first_cycle_learns_the_holes_and_later_ones_ask_the_least_that_is_possible(
    transport: str, caplog: pytest.LogCaptureFixture
) -> None:
    best = plan(METER, every_s=EVERY_S, holes=[Block(4, at, 1) for at in LACKS])
    missing = {
        place
        for place, point in enumerate(METER.points)
        if not LACKS.isdisjoint(range(point.address, point.address + point.length))
    }
    station = Station()
    async with rig(transport, lacking) as device, station.polling(device):
        await station.until(14)

    first, later = station.frames[:2], station.frames[2:]  # one of each cadence: the first cycle
    requests = asked(device)
    assert {cadence.index for cadence, _ in first} == {0, 1}
    for cadence, frame in first:
        here = {position for entry in best if entry.every_s == cadence.every_s for position in entry.points}
        good = {place for place in here if frame.quality[place] != Quality.NOT_READ}
        assert good == here, "all other points arrive in the first cycle"
        assert all(frame.quality[place] == Quality.NO_SUCH_ADDRESS for place in missing)
    for (cadence, _), (start, end) in zip(later, pairwise(station.asked_until[1:]), strict=False):
        needed = Counter(entry.block for entry in best if entry.every_s == cadence.every_s)
        assert Counter(block for block in requests[start:end] if block.function == 4) == needed
    assert station.asked_until[1] <= len(best) + 90
    ((state, reason),) = station.told
    assert state is DeviceState.ONLINE
    assert "not asked for any more" in reason
    warnings = [
        record
        for record in caplog.records
        if "not asked for any more" in record.message and "refuses function" in record.message
    ]
    assert len(warnings) == 2, "once for each cadence"


async def test_what_was_learned_holds_over_a_restart_and_is_tried_once_again() -> None:
    station = Station()
    async with rig("tcp", lacking) as device:
        async with station.polling(device):
            await station.until(2)
        device.requests.clear()
        station.frames.clear()
        async with station.polling(device) as meter:
            await station.until(6)
            refused = [block for block in asked(device) if block.function == 4 and touches(block)]

    assert len(refused) == len(meter.learned.holes)
    assert set(refused) == set(meter.learned.holes)


async def test_registers_that_a_new_firmware_brings_are_read_after_a_restart() -> None:
    station = Station()
    async with rig("tcp", lacking) as device:
        async with station.polling(device):
            await station.until(2)
        device.script = honest
        station.frames.clear()
        async with station.polling(device) as meter:
            await station.until(6)

    assert not meter.learned
    assert meter.planned == plan(METER, every_s=EVERY_S)
    assert Quality.NO_SUCH_ADDRESS not in station.frames[-1][1].quality


async def test_a_device_that_has_nothing_of_its_profile_is_not_learned_but_said_to_be_another(
    caplog: pytest.LogCaptureFixture,
) -> None:
    station = Station()
    async with (
        rig("tcp", lambda request: [(0, request.refusal(2))]) as device,
        station.polling(device) as meter,
    ):
        await station.until(2)
        tried = len(device.requests)
        await station.until(6)
        later = len(device.requests) - tried

    assert not meter.learned
    assert not station.kept
    assert meter.state is DeviceState.DEGRADED
    assert meter.reason.startswith("it has none of the registers asked for: check unit and profile")
    assert later <= 5 * len(meter.planned), "it is not searched again and again"
    assert "not asked for any more" not in caplog.text


@pytest.mark.parametrize("code", [10, 11])
async def test_of_what_a_gateway_says_nothing_is_learned(code: int) -> None:
    def away(request: Request) -> Iterable[Chunk]:
        return [(0, request.refusal(code))] if request.function == 4 and request.address > 0x40 else honest(request)

    station = Station()
    async with rig("tcp", away) as device, station.polling(device) as meter:
        await station.until(5)

    assert not meter.learned
    assert meter.state is DeviceState.DEGRADED
    assert meter.breaker.failures_in_row == 0, "a block without an answer is no dead device"


async def test_a_device_that_gives_few_registers_at_once_is_asked_for_few() -> None:
    def short(request: Request) -> Iterable[Chunk]:
        return [(0, request.refusal(3))] if request.count > 20 else honest(request)

    station = Station()
    async with rig("tcp", short) as device, station.polling(device) as meter:
        await station.until(4)

    assert meter.learned == Learned(max_registers=20)
    assert Quality.NO_SUCH_ADDRESS not in station.frames[-1][1].quality


def touches(block: Block) -> bool:
    return not LACKS.isdisjoint(range(block.address, block.end))
