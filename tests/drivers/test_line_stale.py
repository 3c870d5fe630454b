"""Replies of requests that are over: late ones behind other trouble, and second ones that land behind the next."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import pytest

from drivers.endpoint import parse_endpoint
from drivers.errors import BadReply, LineDown, NoReply, Refused
from drivers.line import Line
from drivers.reading import Block
from drivers.transaction import Transactions
from tests.drivers.lines import Once
from tests.modbus_rig import TRANSPORTS, Chunk, Request, Rig, Script, rig

TIMEOUT_S = 0.4
ANSWER_S = 0.08
"""So long that a busy machine makes no rest of the moment between two reads: see `drivers.repeats`."""
RTU = ("rtu+tcp", "rtu")
ANY = Block(3, 0, 2)

pytestmark = pytest.mark.integration


@asynccontextmanager
async def opened(transport: str, script: Script) -> AsyncIterator[tuple[Line, Rig]]:
    async with rig(transport, script) as there:
        line = Line("test", parse_endpoint(there.url), timeout_s=TIMEOUT_S, pause_s=0)
        try:
            yield line, there
        finally:
            await line.close()


class Second:
    """Answers every request rightly and after the same time, but the second in another way."""

    def __init__(self, script: Script, *, answer_s: float = ANSWER_S) -> None:
        self._script = script
        self._answer_s = answer_s
        self.requests: list[Request] = []

    def __call__(self, request: Request) -> Iterable[Chunk]:
        self.requests.append(request)
        return self._script(request) if len(self.requests) == 2 else [(self._answer_s, request.reply())]


async def right(line: Line, address: int) -> bool:
    """Read a block; say whether the values are its own."""
    block = Block(3, address, 2)
    values = Request(True, 0, 1, 3, address, 2).values()
    return (await line.read(1, block)).data == b"".join(value.to_bytes(2, "big") for value in values)


async def follow_up(line: Line, *, reads: int = 4) -> None:
    for number in range(reads):
        assert await right(line, 100 + 2 * number)


@pytest.mark.parametrize("transport", RTU)
async def test_a_late_reply_behind_a_frame_that_was_refused_at_once_shifts_no_following_read(transport: str) -> None:
    def strange_then_late(request: Request) -> Iterable[Chunk]:
        return [(TIMEOUT_S / 20, request.reply(unit=2)), (1.4 * TIMEOUT_S, request.reply())]

    async with opened(transport, Second(strange_then_late, answer_s=TIMEOUT_S / 2)) as (line, _):
        await follow_up(line, reads=1)
        with pytest.raises(BadReply, match="reply of unit 2"):
            await line.read(1, ANY)
        await follow_up(line)


@pytest.mark.parametrize("transport", RTU)
async def test_a_reply_later_than_the_silence_does_not_answer_a_request_like_its_own(transport: str) -> None:
    def later_still(request: Request) -> Iterable[Chunk]:
        return [(ANSWER_S / 2, script.requests[1].reply()), (ANSWER_S, request.reply())]

    script = Second(lambda _: [])
    async with opened(transport, script) as (line, there):
        await follow_up(line, reads=1)
        with pytest.raises(NoReply):
            await line.read(1, ANY)
        there.script = after = Second(later_still)
        after.requests.append(script.requests[1])
        with pytest.raises(BadReply, match="two replies"):
            await line.read(1, Block(3, 50, 2))
        await follow_up(line)


@pytest.mark.parametrize("step", [1, -1, 2])
async def test_a_late_reply_under_a_number_counted_on_from_its_own_answers_no_other_request(step: int) -> None:
    def late(request: Request) -> Iterable[Chunk]:
        lost = there.requests[1]
        number = (lost.transaction + step) & 0xFFFF
        return [(0, lost.frame(lost.reply()[7:], transaction=number)), (ANSWER_S, request.reply())]

    async with opened("tcp", Second(lambda _: [])) as (line, there):
        await follow_up(line, reads=1)
        with pytest.raises(NoReply):
            await line.read(1, ANY)
        there.script = Once(1, late)
        with pytest.raises(BadReply, match="transaction"):
            await line.read(1, Block(3, 50, 2))
        await follow_up(line)

    assert there.connections == 2


@pytest.mark.parametrize("transport", TRANSPORTS[:1] + RTU)
async def test_a_reply_that_begins_like_the_number_of_a_lost_request_is_taken(
    transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = iter((0x0101, 0x0103, 0x0104, 0x0100, 0x0105))
    monkeypatch.setattr(Transactions, "draw", lambda _: next(numbers))
    async with opened(transport, Second(lambda _: [])) as (line, _):
        await follow_up(line, reads=1)
        with pytest.raises(NoReply):
            await line.read(1, ANY)
        await follow_up(line, reads=3)


@pytest.mark.parametrize("transport", RTU)
async def test_a_reply_that_comes_twice_answers_the_next_request_not_even_once(transport: str) -> None:
    def again(request: Request) -> Iterable[Chunk]:
        return [(ANSWER_S, script.requests[0].reply()), (1.5 * ANSWER_S, request.reply())]

    script = Second(again)
    async with opened(transport, script) as (line, _):
        await follow_up(line, reads=1)
        with pytest.raises(BadReply, match="two replies came: look for a device or converter that repeats"):
            await line.read(1, ANY)
        await follow_up(line)


@pytest.mark.parametrize("transport", RTU)
async def test_a_refusal_that_comes_twice_does_not_refuse_the_next_request_too(transport: str) -> None:
    def again(request: Request) -> Iterable[Chunk]:
        return [(ANSWER_S, request.refusal(2)), (1.5 * ANSWER_S, request.reply())]

    async with opened(transport, Second(lambda request: [(ANSWER_S, request.refusal(2))])) as (line, there):
        await follow_up(line, reads=1)
        with pytest.raises(Refused):
            await line.read(1, ANY)
        there.script = Second(again)
        there.script.requests.append(there.requests[-1])
        with pytest.raises(BadReply, match="two replies"):
            await line.read(1, Block(3, 10, 2))
        await follow_up(line)


@pytest.mark.parametrize("transport", RTU)
async def test_a_reply_far_too_soon_with_another_behind_it_is_refused(transport: str) -> None:
    def evaluated_twice(request: Request) -> Iterable[Chunk]:
        return [(0, script.requests[0].reply([7, 7])), (ANSWER_S, request.reply())]

    script = Second(evaluated_twice)
    async with opened(transport, script) as (line, _):
        await follow_up(line, reads=1)
        with pytest.raises(BadReply, match="two replies"):
            await line.read(1, ANY)
        await follow_up(line)


@pytest.mark.parametrize("transport", RTU)
async def test_a_second_reply_with_other_data_just_when_one_is_due_shifts_nothing_behind_it(transport: str) -> None:
    """Nothing tells it from the right one; but the right one then comes behind the next request, and far too soon."""

    def shifted(request: Request) -> Iterable[Chunk]:
        return [(0, script.requests[1].reply()), (ANSWER_S, request.reply())]

    script = Second(lambda request: [(0.9 * ANSWER_S, request.reply([7, 7]))])
    async with opened(transport, script) as (line, there):
        await follow_up(line, reads=1)
        assert not await right(line, 200)
        there.script = Second(shifted)
        there.script.requests.append(script.requests[0])
        with pytest.raises(BadReply, match="two replies"):
            await line.read(1, ANY)
        await follow_up(line)


@pytest.mark.parametrize("transport", RTU)
async def test_equal_values_of_neighbouring_blocks_are_accepted(transport: str) -> None:
    async with opened(transport, lambda request: [(ANSWER_S, request.reply([0, 0]))]) as (line, there):
        for address in range(4):
            assert (await line.read(1, Block(3, address, 2))).data == bytes(4)

    assert (there.connections, line.stats.replies) == (1, 4)


async def test_a_connection_that_ends_before_it_was_sure_whose_reply_came_is_line_down() -> None:
    async with opened("rtu+tcp", Second(lambda request: [(ANSWER_S, request.reply()), (1.2 * ANSWER_S, None)])) as (
        line,
        _,
    ):
        await line.read(1, ANY)
        with pytest.raises(LineDown, match="closed within a reply"):
            await line.read(1, ANY)
        await follow_up(line)


@pytest.mark.parametrize("transport", RTU)
async def test_a_read_cancelled_while_it_listens_for_another_reply_leaves_the_line_in_doubt(transport: str) -> None:
    def again(request: Request) -> Iterable[Chunk]:
        return [(0, script.requests[0].reply()), (0.9 * TIMEOUT_S, request.reply())]

    script = Second(again)
    async with opened(transport, script) as (line, there):
        await follow_up(line, reads=1)
        read = asyncio.create_task(line.read(1, ANY))
        await there.asked(2)
        await asyncio.sleep(ANSWER_S / 4)
        read.cancel()
        with pytest.raises(asyncio.CancelledError):
            await read
        await follow_up(line)

    assert line.stats.bad_replies == 0
