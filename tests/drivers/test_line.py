"""A line: requests, replies that do not fit, time-outs and what may be sent."""

import asyncio
import struct
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial
from itertools import pairwise

import pytest
import serial
from modbus_tk.utils import calculate_crc

from drivers.endpoint import Endpoint
from drivers.errors import BadReply, LineError, NoReply, Refused
from drivers.reading import Block, Exchange, Outcome
from drivers.wire import Wire, connect
from tests.certificates import Authority
from tests.drivers.lines import (
    RTU,
    SOCKETS,
    TIMEOUT_S,
    Once,
    device,
    expected,
    follow_up,
    opened,
    side_by_side,
    unhurried,
)
from tests.modbus_rig import TRANSPORTS, Chunk, Request, Script

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_read_gives_the_bytes_of_the_wire_and_the_payload(transport: str, authority: Authority) -> None:
    seen: list[Exchange] = []
    async with device(transport, authority) as there, opened(there.url, seen=seen) as line:
        before = time.time_ns()
        exchange = await line.read(3, Block(3, 16, 5))

    request = there.requests[0]
    assert (request.unit, request.function, request.address, request.count) == (3, 3, 16, 5)
    assert exchange.outcome is Outcome.OK
    assert exchange.data == expected(3, exchange.block)
    assert exchange.reply == request.reply()
    assert Request.parse(exchange.request, rtu=transport in RTU) == request
    assert before <= exchange.time_ns <= time.time_ns()
    assert exchange.sent_ns < exchange.received_ns
    assert (exchange.line, exchange.unit, seen) == ("test", 3, [exchange])
    assert line.stats.requests == line.stats.replies == 1
    assert (line.stats.bytes_sent, line.stats.bytes_received) == (len(exchange.request), len(exchange.reply))
    assert line.stats.busy_ns > 0
    assert line.stats.reconnects == 0


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_hundred_reads_keep_their_pauses(transport: str, authority: Authority) -> None:
    seen: list[Exchange] = []
    async with device(transport, authority) as there, opened(there.url, pause_s=0.003, seen=seen) as line:
        for number in range(100):
            block = Block(4, 7 * number, 1 + number)
            assert (await line.read(1, block)).data == expected(1, block)

    pauses = [(after.sent_ns - before.received_ns) / 1e9 for before, after in pairwise(seen)]
    assert min(pauses) >= 0.003
    assert there.connections == 1


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_reply_in_fragments_is_put_together(transport: str, authority: Authority) -> None:
    async def in_pieces_of(size: int) -> None:
        def fragments(request: Request) -> Iterable[Chunk]:
            reply = request.reply()
            return [(at / size * 0.005, reply[at : at + size]) for at in range(0, len(reply), size)]

        async with device(transport, authority, fragments) as there, opened(there.url) as line:
            await follow_up(line, reads=3)

    await side_by_side(in_pieces_of, (1, 4, 7))


def refusing(code: int, request: Request) -> Iterable[Chunk]:
    return [(0, request.refusal(code))]


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_an_exception_is_raised_with_its_code_and_costs_no_connection(
    transport: str, authority: Authority
) -> None:
    codes = (1, 2, 3, 4, 6, 11)
    async with device(transport, authority) as there, opened(there.url) as line:
        for code in codes:
            there.script = Once(1, partial(refusing, code))
            with pytest.raises(Refused) as caught:
                await line.read(1, Block(3, 0, 2))
            await follow_up(line, reads=2)

            assert caught.value.code == code
            assert caught.value.exchange is not None
            assert (caught.value.exchange.outcome, caught.value.exchange.exception) == (Outcome.EXCEPTION, code)

    assert (there.connections, line.stats.exceptions) == (1, len(codes))


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_silence_is_no_reply_after_the_time_out(transport: str, authority: Authority) -> None:
    async with device(transport, authority, lambda _: []) as there, opened(there.url) as line:
        with pytest.raises(NoReply, match=rf"unit 9: no reply within {TIMEOUT_S} s: .*unit number") as caught:
            await line.read(9, Block(3, 0, 2))

    exchange = caught.value.exchange
    assert exchange is not None
    assert (exchange.outcome, exchange.reply, exchange.data) == (Outcome.NO_REPLY, b"", b"")
    assert exchange.received_ns - exchange.sent_ns >= TIMEOUT_S * 1e9
    assert (line.stats.timeouts, line.stats.replies) == (1, 0)


WRONG: dict[str, tuple[Script, str]] = {
    "unit": (lambda r: [(0, r.reply(unit=2))], "reply of unit 2"),
    "function": (lambda r: [(0, r.reply(function=4))], "reply to function 4"),
    "short": (lambda r: [(0, r.reply([1]))], "2 data bytes came, 4 were asked"),
    "long": (lambda r: [(0, r.reply([1, 2, 3]))], "6 data bytes came, 4 were asked"),
    "twice": (lambda r: [(0, r.reply() + r.reply())], "too many"),
    "cut": (lambda r: [(0, r.reply()[:-1])], "do not make a reply"),
}


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_reply_that_does_not_fit_is_refused_and_the_next_read_is_right(
    transport: str, authority: Authority
) -> None:
    async def answered(wrong: str) -> None:
        script, reason = WRONG[wrong]
        async with device(transport, authority, Once(2, script)) as there, opened(there.url) as line:
            await follow_up(line, reads=1)
            with pytest.raises(BadReply, match=reason) as caught:
                await line.read(1, Block(3, 0, 2))
            await follow_up(line)

        assert caught.value.exchange is not None
        assert caught.value.exchange.outcome is Outcome.BAD_REPLY
        assert caught.value.exchange.data == b""
        assert caught.value.exchange.reply
        assert line.stats.bad_replies == 1
        assert there.connections == (1 if transport == "rtu" else 2)

    await side_by_side(answered, WRONG)


@pytest.mark.parametrize("transport", ["tcp", "tls"])
async def test_a_reply_to_another_transaction_is_refused(transport: str, authority: Authority) -> None:
    def other_transaction(request: Request) -> Iterable[Chunk]:
        return [(0, request.frame(request.reply()[7:], transaction=request.transaction ^ 1))]

    async with device(transport, authority, Once(1, other_transaction)) as there, opened(there.url) as line:
        with pytest.raises(BadReply, match="transaction"):
            await line.read(1, Block(3, 0, 2))
        await follow_up(line)


@pytest.mark.parametrize("transport", RTU)
async def test_a_wrong_checksum_is_refused(transport: str, authority: Authority) -> None:
    script = Once(1, lambda r: [(0, r.reply()[:-1] + bytes((r.reply()[-1] ^ 1,)))])
    async with device(transport, authority, script) as there, opened(there.url) as line:
        with pytest.raises(BadReply, match="checksum"):
            await line.read(1, Block(3, 0, 2))
        await follow_up(line)


@pytest.mark.parametrize("transport", RTU)
async def test_an_echoing_adapter_and_noise_are_survived(transport: str, authority: Authority) -> None:
    def noisy_echo(request: Request) -> Iterable[Chunk]:
        echo = request.frame(bytes((request.function, *request.address.to_bytes(2, "big"), 0, request.count)))
        return [(0, echo), (0.005, b"\x00"), (0.01, request.reply()), (0.015, b"\xff")]

    async with device(transport, authority, noisy_echo) as there, opened(there.url, pause_s=0.02) as line:
        await follow_up(line)

    assert (there.connections, line.stats.bad_replies) == (1, 0)


@pytest.mark.parametrize("transport", RTU)
@pytest.mark.parametrize("size", [1, 3, 100])
async def test_an_echo_between_noise_and_in_pieces_is_survived(transport: str, size: int, authority: Authority) -> None:
    async def echoed_with(noise: tuple[bytes, bytes]) -> None:
        before, between = noise

        def echo(request: Request) -> Iterable[Chunk]:
            echoed = struct.pack(">BHH", request.function, request.address, request.count)
            came = before + request.frame(echoed) + between + request.reply()
            return [(at / size * 0.001, came[at : at + size]) for at in range(0, len(came), size)]

        async with device(transport, authority, echo) as there, opened(there.url) as line:
            await follow_up(line)

        assert (there.connections, line.stats.replies, line.stats.bad_replies) == (1, 8, 0)

    await side_by_side(echoed_with, [(b"", b""), (b"\x00", b"\xff\xff"), (b"\xff\x00\xff", b"\x00")])


async def test_a_usb_adapter_is_asked_to_hand_on_bytes_at_once(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []
    monkeypatch.setattr(serial.Serial, "set_low_latency_mode", lambda _, mode: asked.append(mode))
    async with device("rtu", authority) as there, opened(there.url) as line:
        await follow_up(line, reads=1)

    assert asked == [True]


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_frame_nobody_asked_for_is_dropped_before_the_next_request(
    transport: str, authority: Authority
) -> None:
    async with device(transport, authority) as there, opened(there.url) as line:
        await follow_up(line, reads=1)
        stray = there.requests[-1].reply([0xDEAD, 0xBEEF])
        there.say(stray)
        await asyncio.sleep(0.02)
        await follow_up(line)

    assert line.stats.bad_replies == 0
    assert there.connections == (1 if transport == "rtu" else 2)


@pytest.mark.parametrize("transport", RTU)
async def test_what_lay_in_the_systems_buffer_when_a_request_went_out_does_not_answer_it(
    transport: str, authority: Authority
) -> None:
    async with device(transport, authority, unhurried) as there, opened(there.url) as line:
        await follow_up(line, reads=1)
        there.say(there.requests[-1].reply([0xDEAD, 0xBEEF]))
        time.sleep(0.02)  # noqa: ASYNC251 - a busy loop, which does not look at the line until its pause is over
        await follow_up(line)

    assert line.stats.bad_replies == 0


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_connection_that_brings_much_unasked_is_no_longer_read(transport: str, authority: Authority) -> None:
    async with device(transport, authority) as there, opened(there.url) as line:
        await follow_up(line, reads=1)

        async def babble() -> None:
            for _ in range(4000):
                with suppress(BlockingIOError):
                    there.say(b"\x55" * 4000)
                await asyncio.sleep(0)

        await babble()
        assert line._connection.wire is not None
        assert line._connection.wire.lost
        assert line._connection.wire.unasked < 1 << 20


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_an_endless_reply_is_refused_and_kept_in_part(transport: str, authority: Authority) -> None:
    script = Once(1, lambda _: [(0, b"\x55" * 3000)])
    async with device(transport, authority, script) as there, opened(there.url) as line:
        with pytest.raises(BadReply) as caught:
            await line.read(1, Block(3, 0, 2))
        await follow_up(line)

    assert caught.value.exchange is not None
    assert len(caught.value.exchange.reply) <= 512


@pytest.mark.parametrize("transport", SOCKETS)
async def test_the_old_connection_is_gone_before_a_new_one_is_made(
    transport: str, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    wires: list[Wire] = []

    async def one_by_one(endpoint: Endpoint, timeout_s: float) -> Wire:
        assert all(wire.gone.done() for wire in wires)
        wires.append(await connect(endpoint, timeout_s))
        return wires[-1]

    monkeypatch.setattr("drivers.connection.connect", one_by_one)
    async with device(transport, authority, lambda r: [(0, r.reply([1]))]) as there, opened(there.url) as line:
        for _ in range(3):
            with pytest.raises(BadReply):
                await line.read(1, Block(3, 0, 2))

    assert len(wires) == 3


def mixed(request: Request) -> Iterable[Chunk]:
    """Misbehave in a different way each time, by the address."""
    reply = request.reply() if request.function != 43 else request.refusal(1)
    ways: list[list[Chunk]] = [
        [(0, reply)],
        [(0, request.refusal(2))],
        [],
        [(0, reply[:-1])],
        [(0, reply + reply)],
        [(0.015, reply)],
        [(0, b"\x00\xff" + reply)],
        [(0, request.reply(unit=9))],
    ]
    return ways[request.address % len(ways)]


@pytest.mark.parametrize("transport", ["tcp", "rtu+tcp", "rtu"])
async def test_in_a_long_mixed_run_nothing_but_reading_requests_reaches_the_device(
    transport: str, authority: Authority
) -> None:
    async with device(transport, authority, mixed) as there, opened(there.url, timeout_s=0.01) as line:
        for number in range(48):
            ask = line.identification(1 + number % 9) if number % 10 == 9 else None
            read = asyncio.create_task(ask or line.read(1 + number % 9, Block(1 + number % 4, number, 1 + number % 7)))
            if number % 7 == 6:
                await asyncio.sleep(0.015)
                read.cancel()
            with suppress(LineError, asyncio.CancelledError):
                await read
        counted = line.stats
        async with asyncio.timeout(5):
            while len(there.heard) < counted.bytes_sent:  # noqa: ASYNC110 - a terminal takes its time, and has no event
                await asyncio.sleep(0.01)
        heard = bytes(there.heard)

    assert len(heard) == counted.bytes_sent
    frames = list(requests_in(heard, rtu=transport in RTU))
    assert {unit for unit, _ in frames} <= set(range(1, 10))
    assert {pdu[0] for _, pdu in frames} == {1, 2, 3, 4, 43}
    assert all(pdu[1] == 14 for _, pdu in frames if pdu[0] == 43)
    assert len(frames) == counted.requests >= 30


def requests_in(heard: bytes, *, rtu: bool) -> Iterator[tuple[int, bytes]]:
    """Take all that a device heard apart: unit and PDU of each request, every byte accounted for."""
    while heard:
        if rtu:
            size = 7 if heard[1] == 43 else 8
            assert calculate_crc(heard[: size - 2]).to_bytes(2, "big") == heard[size - 2 : size]
            yield heard[0], heard[1 : size - 2]
        else:
            size = 6 + int.from_bytes(heard[4:6], "big")
            assert heard[2:4] == b"\0\0"
            yield heard[6], heard[7:size]
        heard = heard[size:]


@pytest.mark.parametrize("transport", RTU)
async def test_a_line_that_is_never_silent_is_not_asked(
    transport: str, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The terminals of a busy machine may hand nothing on for longer than the lull that ends a late reply.
    monkeypatch.setattr("drivers.connection._LULL_S", 0.3)
    monkeypatch.setattr("drivers.connection._ROUNDS", 4)
    async with device(transport, authority) as there, opened(there.url, pause_s=0.02) as line:
        await follow_up(line, reads=1)

        said = line.stats.bytes_received

        async def babble() -> None:
            nonlocal said
            while True:
                there.say(b"\x55" * 8)
                said += 8
                await asyncio.sleep(0.001)

        wire = line._connection.wire
        assert wire is not None
        babbling = asyncio.create_task(babble())
        async with asyncio.timeout(5):
            while not wire.unasked:  # noqa: ASYNC110 - it has no event
                await asyncio.sleep(0)
        with pytest.raises(BadReply, match="second master") as caught:
            await line.read(1, Block(3, 0, 2))
        babbling.cancel()
        await asyncio.gather(babbling, return_exceptions=True)
        async with asyncio.timeout(5):
            # A terminal hands on in its own time what was said, and has no event.
            while transport == "rtu" and line.stats.bytes_received + wire.unasked < said:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await follow_up(line)

    assert caught.value.exchange is None
    assert len(there.requests) == 9


@pytest.mark.parametrize("transport", RTU)
async def test_an_rtu_line_is_silent_for_one_time_out_after_it_was_opened(transport: str, authority: Authority) -> None:
    async with device(transport, authority) as there, opened(there.url) as line:
        began = time.monotonic_ns()
        exchange = await line.read(1, Block(3, 0, 2))

    assert exchange.sent_ns - began >= TIMEOUT_S * 1e9


async def test_a_second_task_on_a_line_is_an_error(authority: Authority) -> None:
    async with device("tcp", authority, lambda r: [(0.05, r.reply())]) as there, opened(there.url) as line:
        first = asyncio.create_task(line.read(1, Block(3, 0, 2)))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="one task reads a line"):
            await line.read(1, Block(3, 2, 2))
        assert (await first).data == expected(1, Block(3, 0, 2))


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize(("unit", "block"), [(0, Block(3, 0, 1)), (1, Block(6, 0, 1)), (1, Block(3, 0, 126))])
async def test_what_must_not_be_sent_does_not_even_open_the_line(
    transport: str, unit: int, block: Block, authority: Authority
) -> None:
    async with device(transport, authority) as there, opened(there.url) as line:
        with pytest.raises(ValueError, match=r"never sent|broadcast|reads 1 to 125"):
            await line.read(unit, block)

    assert there.requests == []
    assert line.stats.requests == 0
