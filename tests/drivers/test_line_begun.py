"""Reads that are begun before they are awaited: sent at once or not at all, and held to all that other reads are."""

import asyncio
import time

import pytest

from drivers.errors import LineDown, NoReply
from drivers.line import Line
from drivers.pause import sleep_until
from drivers.reading import Block
from drivers.wire import Pending
from tests.certificates import Authority
from tests.drivers.lines import RTU, TIMEOUT_S, Once, device, expected, follow_up, opened, unhurried
from tests.modbus_rig import TRANSPORTS

pytestmark = pytest.mark.integration

BLOCK = Block(3, 10, 2)
PATIENT_S = 0.5
"""More than a busy machine takes to answer what is late on purpose."""


async def rested(line: Line) -> None:
    """Read once, and wait for what a serial line needs between two frames."""
    await follow_up(line, reads=1)
    await asyncio.sleep(TIMEOUT_S / 10)


def begun(line: Line, block: Block = BLOCK, *, poll: int = 7) -> Pending | None:
    """Begin a read; return what is done when there is an answer, None where it could not be begun."""
    pending: Pending = asyncio.get_running_loop().create_future()
    return pending if line.begin(line.prepared(1, block, poll=poll), pending) else None


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_read_that_was_begun_is_gone_on_with_and_not_asked_again(transport: str, authority: Authority) -> None:
    async with device(transport, authority) as there, opened(there.url, timeout_s=PATIENT_S) as line:
        await rested(line)
        before_ns = time.monotonic_ns()
        pending = begun(line)
        after_ns = time.monotonic_ns()
        assert pending is not None
        await pending
        exchange = await line.read(1, BLOCK, poll=7)

        assert exchange.data == expected(1, BLOCK)
        assert before_ns <= exchange.sent_ns <= after_ns
        assert (exchange.poll, exchange.attempt) == (7, 1)
        assert line.stats.requests == len(there.requests) == 2
        await follow_up(line)


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_the_reply_to_a_read_that_nobody_awaits_answers_no_other(transport: str, authority: Authority) -> None:
    late = Once(2, lambda request: [(TIMEOUT_S / 2, request.reply())], unhurried)
    async with device(transport, authority, late) as there, opened(there.url, timeout_s=PATIENT_S) as line:
        await rested(line)
        assert begun(line) is not None
        await there.asked(2)

        await follow_up(line)

        assert line.stats.bad_replies == 0


@pytest.mark.parametrize("transport", ["tcp", "tls"])
async def test_a_read_whose_wait_was_cancelled_is_asked_again(transport: str, authority: Authority) -> None:
    async with (
        device(transport, authority, Once(2, lambda _: [])) as there,
        opened(there.url, timeout_s=PATIENT_S) as line,
    ):
        await rested(line)
        pending = begun(line)
        assert pending is not None
        pending.cancel()

        assert (await line.read(1, BLOCK, poll=7)).data == expected(1, BLOCK)
        await follow_up(line)


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_read_that_was_begun_and_stays_unanswered_fails_like_any_other(
    transport: str, authority: Authority
) -> None:
    async with device(transport, authority, Once(2, lambda _: [])) as there, opened(there.url) as line:
        await rested(line)
        pending = begun(line)
        assert pending is not None
        await pending
        with pytest.raises(NoReply) as caught:
            await line.read(1, BLOCK, poll=7)

        assert caught.value.exchange is not None
        assert line.stats.timeouts == 1
        await follow_up(line)


async def test_nothing_is_begun_before_the_line_is_open_and_nothing_but_reading(authority: Authority) -> None:
    async with device("tcp", authority) as there, opened(there.url, timeout_s=PATIENT_S) as line:
        assert begun(line) is None
        for block in (Block(6, 0, 1), Block(3, 0, 126)):
            with pytest.raises(ValueError, match=r"never sent|reads 1 to 125"):
                line.prepared(1, block, poll=1)

    assert there.requests == []


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_nothing_is_begun_within_a_pause(transport: str, authority: Authority) -> None:
    async with device(transport, authority) as there, opened(there.url, timeout_s=PATIENT_S, pause_s=0.5) as line:
        await follow_up(line, reads=1)
        assert begun(line) is None
        await sleep_until(line.free_at)
        assert begun(line) is not None


@pytest.mark.parametrize("transport", RTU)
async def test_nothing_is_begun_while_a_line_with_rtu_frames_is_silent(transport: str, authority: Authority) -> None:
    async with device(transport, authority, Once(2, lambda _: [])) as there, opened(there.url) as line:
        await follow_up(line, reads=1)
        with pytest.raises(NoReply):
            await line.read(1, BLOCK)

        assert begun(line) is None


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_nothing_is_begun_behind_bytes_that_nobody_asked_for(transport: str, authority: Authority) -> None:
    async with device(transport, authority) as there, opened(there.url, timeout_s=PATIENT_S) as line:
        await follow_up(line, reads=1)
        there.say(there.requests[-1].reply())
        await asyncio.sleep(TIMEOUT_S / 2)

        assert begun(line) is None
        await follow_up(line)


async def test_nothing_is_begun_while_another_read_waits(authority: Authority) -> None:
    async with (
        device("tcp", authority, lambda r: [(0.05, r.reply())]) as there,
        opened(there.url, timeout_s=PATIENT_S) as line,
    ):
        await follow_up(line, reads=1)
        first = asyncio.create_task(line.read(1, Block(3, 0, 2)))
        await asyncio.sleep(0)
        assert begun(line) is None
        assert (await first).data == expected(1, Block(3, 0, 2))


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_line_that_is_closed_tells_the_read_that_was_begun(transport: str, authority: Authority) -> None:
    async with (
        device(transport, authority, Once(2, lambda _: [])) as there,
        opened(there.url, timeout_s=PATIENT_S) as line,
    ):
        await rested(line)
        pending = begun(line)
        assert pending is not None
        await line.close()
        await pending
        with pytest.raises(LineDown, match="was closed"):
            await line.read(1, BLOCK, poll=7)
        await follow_up(line)
