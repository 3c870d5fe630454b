"""Reads that are given up, by a time-out or a cancel: what still comes of them answers no other request."""

import asyncio
import time
from collections.abc import Iterable

import pytest

from drivers.errors import NoReply
from drivers.guard import Verdict
from drivers.reading import Block
from tests.certificates import Authority
from tests.drivers.lines import (
    RTU,
    TIMEOUT_S,
    Once,
    device,
    expected,
    follow_up,
    opened,
    side_by_side,
    unhurried,
)
from tests.modbus_rig import TRANSPORTS, Chunk, Request

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_reply_later_than_the_time_out_shifts_no_following_read(transport: str, authority: Authority) -> None:
    async def late_by(lateness: float) -> None:
        late = Once(3, lambda request: [(TIMEOUT_S * lateness, request.reply())], unhurried)
        async with device(transport, authority, late) as there, opened(there.url) as line:
            await follow_up(line, reads=2)
            with pytest.raises(NoReply):
                await line.read(1, Block(3, 0, 2))
            await follow_up(line, reads=12)

        assert line.stats.bad_replies == 0

    await side_by_side(late_by, (1.1, 1.5, 1.9))


@pytest.mark.parametrize("transport", ["tcp", "tls"])
async def test_a_silent_unit_behind_a_gateway_costs_no_connection_until_nobody_answers(
    transport: str, authority: Authority
) -> None:
    def gateway(request: Request) -> Iterable[Chunk]:
        delays_s = {1: 0, 2: TIMEOUT_S * 1.2}
        return [(delays_s[request.unit], request.reply())] if request.unit in delays_s else []

    async with device(transport, authority, gateway) as there, opened(there.url) as line:
        for unit in (2, 3, 1, 2, 1, 3, 2, 1):
            if unit == 1:
                await follow_up(line, reads=3)
            else:
                with pytest.raises(NoReply):
                    await line.read(unit, Block(3, 0, 2))
        before = there.connections
        for _ in range(3):
            with pytest.raises(NoReply):
                await line.read(3, Block(3, 0, 2))
        await follow_up(line)
        heard = line.stats.bytes_received

    assert (before, there.connections, line.stats.bad_replies) == (1, 2, 0)
    assert heard == 13 * (3 * 3 + 8) + 13 * 3


@pytest.mark.parametrize("transport", ["tcp", "tls"])
@pytest.mark.parametrize("first", [True, False])
async def test_a_late_reply_in_one_piece_with_the_next_one_costs_nothing(
    transport: str,
    first: bool,  # noqa: FBT001 - a parameter set
    authority: Authority,
) -> None:
    lost: list[bytes] = []

    def together(request: Request) -> Iterable[Chunk]:
        if not lost:
            lost.append(request.reply())
            return []
        late = lost[0] if len(lost) == 1 else b""
        lost.append(b"")
        return [(0, late + request.reply() if first else request.reply() + late)]

    async with device(transport, authority, together) as there, opened(there.url) as line:
        with pytest.raises(NoReply):
            await line.read(1, Block(3, 0, 2))
        await follow_up(line)

    assert (there.connections, line.stats.bad_replies) == (1, 0)


@pytest.mark.parametrize("transport", RTU)
async def test_a_late_reply_still_coming_in_when_the_silence_ends_is_waited_out(
    transport: str, authority: Authority
) -> None:
    def trickle(request: Request) -> Iterable[Chunk]:
        reply = request.reply()
        return [(TIMEOUT_S * 1.8 + 0.015 * at, reply[at : at + 1]) for at in range(len(reply))]

    async with device(transport, authority, Once(1, trickle)) as there, opened(there.url) as line:
        with pytest.raises(NoReply):
            await line.read(1, Block(3, 0, 2))
        await follow_up(line)

    assert line.stats.bad_replies == 0


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_cancelled_read_raises_and_the_next_one_is_right(transport: str, authority: Authority) -> None:
    async def late_by(lateness: float) -> None:
        late = Once(2, lambda request: [(TIMEOUT_S * lateness, request.reply())], unhurried)
        async with device(transport, authority, late) as there, opened(there.url) as line:
            await follow_up(line, reads=1)
            read = asyncio.create_task(line.read(1, Block(3, 0, 2)))
            await there.asked(2)
            read.cancel()
            with pytest.raises(asyncio.CancelledError):
                await read
            await follow_up(line, reads=10)

        assert line.stats.bad_replies == 0

    await side_by_side(late_by, (0.15, 0.8, 1.6))


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_cancel_in_the_moment_of_the_reply_is_not_swallowed(
    transport: str, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with device(transport, authority) as there, opened(there.url) as line:
        await follow_up(line, reads=1)
        read = asyncio.create_task(line.read(1, Block(3, 0, 2)))
        await asyncio.sleep(0)
        wire = line._connection.wire
        assert wire is not None
        settle = wire._settle

        def settle_and_cancel(verdict: Verdict) -> None:
            settle(verdict)
            read.cancel()

        monkeypatch.setattr(wire, "_settle", settle_and_cancel)
        with pytest.raises(asyncio.CancelledError):
            await read
        monkeypatch.undo()
        await follow_up(line)


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_reply_in_the_moment_the_time_is_over_still_counts(transport: str, authority: Authority) -> None:
    async with device(transport, authority, Once(2, lambda _: [])) as there, opened(there.url) as line:
        await follow_up(line, reads=1)
        read = asyncio.create_task(line.read(1, Block(3, 0, 2)))
        await there.asked(2)

        def answer_while_the_loop_is_held_up() -> None:
            there.say(there.requests[-1].reply())
            time.sleep(TIMEOUT_S)

        asyncio.get_running_loop().call_later(TIMEOUT_S / 2, answer_while_the_loop_is_held_up)
        assert (await read).data == expected(1, Block(3, 0, 2))

    assert line.stats.timeouts == 0


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_cancel_while_connecting_leaves_a_line_that_works(transport: str, authority: Authority) -> None:
    async with device(transport, authority) as there, opened(there.url) as line:
        for turns in range(6):
            read = asyncio.create_task(line.read(1, Block(3, 0, 2)))
            for _ in range(turns):
                await asyncio.sleep(0)
            if not read.cancel():
                break  # uvloop takes few turns for a read
            with pytest.raises(asyncio.CancelledError):
                await read
        await follow_up(line)
