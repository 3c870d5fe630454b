"""A process, a machine or a device that stands still for a while: what then comes at once answers no other request."""

import asyncio
import os
import select
import time
import tty
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

import pytest

import drivers.connection
import drivers.listening
from drivers.errors import BadReply, NoReply
from drivers.line import Line
from drivers.listening import STALL_S
from drivers.pause import sleep_until
from drivers.reading import Block, Exchange
from tests.certificates import Authority
from tests.drivers.lines import RTU, TIMEOUT_S, Once, device, expected, follow_up, opened
from tests.modbus_rig import Chunk, Request

ANY = Block(3, 0, 2)
OTHER = Block(3, 50, 2)
ANSWER_S = TIMEOUT_S / 10

pytestmark = pytest.mark.integration


def after_a_while(request: Request) -> Iterable[Chunk]:
    return [(ANSWER_S, request.reply())]


class Port:
    """A serial port whose far end a test holds; it answers by itself only while it is at work."""

    def __init__(self, master: int, path: str) -> None:
        self.master = master
        self.path = path
        self.url = f"rtu://{path}?baud=115200"

    def heard(self, within_s: float) -> list[Request]:
        """Return the requests that come at the far end, also while the loop stands still."""
        if not select.select([self.master], [], [], within_s)[0]:
            return []
        data = os.read(self.master, 4096)
        return [Request.parse(data[at : at + 8], rtu=True) for at in range(0, len(data), 8)]

    def say(self, data: bytes) -> None:
        os.write(self.master, data)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        def answer() -> None:
            for request in self.heard(0):
                self.say(request.reply())

        asyncio.get_running_loop().add_reader(self.master, answer)
        try:
            yield
        finally:
            asyncio.get_running_loop().remove_reader(self.master)


@contextmanager
def serial_port() -> Iterator[Port]:
    master, slave = os.openpty()
    tty.setraw(slave)
    try:
        yield Port(master, os.ttyname(slave))
    finally:
        os.close(slave)
        os.close(master)


async def fill(path: str) -> None:
    """Send zeros until the port takes no more, not even when those underway have come as far as they get."""
    descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        for _ in range(5):
            with suppress(BlockingIOError):
                while os.write(descriptor, b"\0"):
                    pass
            await asyncio.sleep(0.01)
    finally:
        os.close(descriptor)


async def read_with(line: Line, block: Block, stall: Callable[[], None]) -> Exchange:
    """Read, and let the loop stand still right behind the request."""
    await asyncio.sleep(0.01)  # the pause between requests, so that this one goes out at once
    read = asyncio.create_task(line.read(1, block))
    asyncio.get_running_loop().call_soon(stall)
    return await read


async def test_a_request_leaves_a_serial_port_at_once_though_the_loop_stands_still_right_behind_it() -> None:
    with serial_port() as port:
        async with opened(port.url) as line:
            with port.at_work():
                await follow_up(line, reads=1)

            def stall() -> None:
                for request in port.heard(TIMEOUT_S / 2):
                    port.say(request.reply())

            assert (await read_with(line, ANY, stall)).data == expected(1, ANY)


async def test_what_comes_to_a_serial_port_while_the_loop_stands_still_does_not_answer_the_request_before() -> None:
    with serial_port() as port:
        async with opened(port.url) as line:
            with port.at_work():
                await follow_up(line, reads=1)
            with pytest.raises(NoReply):
                await line.read(1, ANY)
            await asyncio.sleep(TIMEOUT_S * 1.1)
            (lost,) = port.heard(0)

            def stall() -> None:
                port.say(lost.reply())
                time.sleep(TIMEOUT_S / 2)

            with port.at_work(), pytest.raises(BadReply):
                await read_with(line, OTHER, stall)
            with port.at_work():
                await follow_up(line)


async def test_a_request_that_a_stuck_port_does_not_take_is_not_sent_once_it_does() -> None:
    with serial_port() as port:
        async with opened(port.url) as line:
            with port.at_work():
                await follow_up(line, reads=1)
            await fill(port.path)
            with pytest.raises(NoReply):
                await line.read(1, ANY)
            came = bytearray()
            while select.select([port.master], [], [], 0)[0]:
                came += os.read(port.master, 4096)
                await asyncio.sleep(0.001)

            assert not came.strip(b"\0")
            with port.at_work():
                await follow_up(line)


@pytest.mark.parametrize("transport", RTU)
@pytest.mark.parametrize(
    ("before", "moment_s"), [(0, STALL_S), (2, TIMEOUT_S)], ids=["long", "a moment, while the reply trickles in"]
)
async def test_what_was_due_in_a_silence_at_whose_end_all_stood_still_is_dropped_when_it_comes(
    transport: str, before: int, moment_s: float, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    stalls: list[float] = []

    async def stalling(moment: float) -> None:
        await sleep_until(moment)
        if stalls:
            return
        stalls.append(moment)
        reply = there.requests[-1].reply()
        there.say(reply[:before])
        time.sleep(TIMEOUT_S / 2)  # noqa: ASYNC251 - the stall
        asyncio.get_running_loop().call_later(0.02, there.say, reply[before:])

    async with device(transport, authority, Once(2, lambda _: [], after_a_while)) as there, opened(there.url) as line:
        await follow_up(line, reads=1)
        with pytest.raises(NoReply):
            await line.read(1, ANY)
        monkeypatch.setattr(drivers.connection, "STALL_S", moment_s)
        monkeypatch.setattr(drivers.connection, "sleep_until", stalling)
        await follow_up(line)

    assert (len(stalls), line.stats.bad_replies) == (1, 0)


@pytest.mark.parametrize("transport", RTU)
async def test_a_lost_reply_is_believed_no_sooner_than_a_time_out_behind_it(
    transport: str, authority: Authority
) -> None:
    def both(request: Request) -> Iterable[Chunk]:
        return [(0, there.requests[-2].reply()), (TIMEOUT_S * 0.9, request.reply())]

    async with device(transport, authority, after_a_while) as there, opened(there.url) as line:
        await follow_up(line)
        there.script = lambda _: []
        with pytest.raises(NoReply):
            await line.read(1, ANY)
        there.script = Once(1, both, after_a_while)
        with pytest.raises(BadReply, match="two replies"):
            await line.read(1, OTHER)
        await follow_up(line)


@pytest.mark.parametrize("transport", RTU)
async def test_a_lost_reply_that_comes_when_nothing_usual_is_due_is_not_believed_though_its_own_gets_lost(
    transport: str, authority: Authority
) -> None:
    """The device stood still for longer than the time-out and the silence."""
    seen: list[Exchange] = []
    async with (
        device(transport, authority, after_a_while) as there,
        opened(there.url, timeout_s=2 * TIMEOUT_S, seen=seen) as line,
    ):
        await follow_up(line)
        longest_s = max(exchange.received_ns - exchange.sent_ns for exchange in seen) / 1e9
        there.script = lambda _: []
        with pytest.raises(NoReply):
            await line.read(1, ANY)
        unusual_s = 2 * longest_s + TIMEOUT_S / 5
        there.script = Once(1, lambda _: [(unusual_s, there.requests[-2].reply())], after_a_while)
        with pytest.raises(BadReply, match="may be the one missed before"):
            await line.read(1, OTHER)
        await follow_up(line)


@pytest.mark.parametrize("transport", RTU)
async def test_a_repeat_later_than_usual_is_not_believed_before_the_usual_time_behind_it(
    transport: str, authority: Authority
) -> None:
    def again(request: Request) -> Iterable[Chunk]:
        return [(TIMEOUT_S / 2, there.requests[-2].reply()), (TIMEOUT_S * 0.6, request.reply())]

    async with device(transport, authority, after_a_while) as there, opened(there.url) as line:
        await follow_up(line)
        there.script = Once(1, again, after_a_while)
        with pytest.raises(BadReply, match="two replies"):
            await line.read(1, ANY)
        await follow_up(line)


@pytest.mark.parametrize("transport", RTU)
@pytest.mark.parametrize("stalled", ["behind the wait", "within the wait"])
async def test_a_second_reply_is_heard_though_the_loop_stands_still_while_it_listens(
    transport: str, stalled: str, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    wait = sleep_until

    async def stalling(moment: float) -> None:
        waits.append(moment)
        await wait(moment)
        if len(waits) > 1:
            return
        own = there.requests[-1].reply()
        if stalled == "behind the wait":  # it has come, and the loop has not yet looked
            there.say(own)
            time.sleep(TIMEOUT_S / 5)  # noqa: ASYNC251 - the stall
        else:  # the device stood still as well
            time.sleep(TIMEOUT_S)  # noqa: ASYNC251 - the stall
            asyncio.get_running_loop().call_later(ANSWER_S, there.say, own)

    async with device(transport, authority, after_a_while) as there, opened(there.url) as line:
        await follow_up(line)
        monkeypatch.setattr(drivers.listening, "sleep_until", stalling)
        there.script = Once(1, lambda _: [(ANSWER_S, there.requests[-2].reply())], after_a_while)
        with pytest.raises(BadReply, match="two replies"):
            await line.read(1, ANY)
        await follow_up(line)


@pytest.mark.parametrize("transport", RTU)
async def test_a_loop_that_stands_still_all_the_time_ends_its_listening(
    transport: str, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    async def stalling(moment: float) -> None:
        waits.append(moment)
        await asyncio.sleep(0)
        time.sleep(max(0.0, moment + TIMEOUT_S / 3 - time.monotonic()))  # noqa: ASYNC251 - the stall

    same = [7, 7]
    async with (
        device(transport, authority, lambda request: [(ANSWER_S, request.reply(same))]) as there,
        opened(there.url) as line,
    ):
        await line.read(1, ANY)
        monkeypatch.setattr(drivers.listening, "sleep_until", stalling)
        await line.read(1, ANY)

    assert len(waits) == 4
