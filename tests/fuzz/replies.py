"""What fuzzers feed replies to: the whole of a connection's framing, and the codec behind it; pure oracles.

An input is a request (one byte: which of REQUESTS), how the reply is cut into pieces (one byte: how many, then the
size of each), and the bytes of the reply. The same format serves both framings; the codec takes a byte for the
profile and then what the registers hold.
"""

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from modbus_tk.utils import calculate_crc

from drivers import identification
from drivers.codec import Codec
from drivers.endpoint import parse_endpoint
from drivers.guard import Asked, Verdict
from drivers.plan import plan
from drivers.profile_file import load_profile
from drivers.reading import Block, Exchange, Outcome, Quality
from drivers.request import encoded
from drivers.wire import Wire

UNIT, TRANSACTION = 1, 0x0102
REQUESTS: Sequence[Block] = (
    Block(3, 16, 2),
    Block(4, 0x0400, 125),
    Block(3, 0, 1),
    Block(1, 0x0300, 24),  # its echo has the form of its reply
    Block(2, 0x0301, 17),
    Block(1, 0, 2000),
    Block(43, 0, 1),
    Block(43, 0, 2),
)
PROFILES = (
    "eastron/sdm630",
    "schneider/pm5xxx",
    "acrel/dtsd1352",
    "abb/acs550",
    "generic/steam-boiler",
    "generic/vfd-motor",
)
_ENDPOINTS = {True: parse_endpoint("rtu+tcp://127.0.0.1:1"), False: parse_endpoint("tcp://127.0.0.1:1")}
_NOISE = 4
"""Bytes shorter than any frame, which may stand before and behind a reply over RTU."""


class Wrong(AssertionError):
    """Raised when something was accepted that is no valid reply to the request."""


@dataclass(slots=True)
class Tally:
    """What was fed, and what came of it."""

    executions: int = 0
    fed: int = 0
    """Bytes that stood for a reply."""
    accepted: int = 0
    """Valid replies among them, accepted as they must be."""
    outcomes: dict[str, int] = field(default_factory=dict)


class _Away(asyncio.Transport):
    """Takes what is sent to nowhere."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Take it."""


def reply_to(number: int, *, rtu: bool) -> bytes:
    """Return a valid reply to a request."""
    block = REQUESTS[number]
    if block.function == identification.FUNCTION:
        pdu = bytes((43, 14, block.count, 0x81, 0, 0, 2, 0, 3)) + b"abc" + bytes((1, 2)) + b"xy"
    else:
        size = (block.count + 7) // 8 if block.function in (1, 2) else 2 * block.count
        pdu = bytes((block.function, size)) + bytes(at * 7 & 0xFF for at in range(size))
    return framed(pdu, rtu=rtu)


def echo_of(number: int) -> bytes:
    """Return the RTU frame of a request, as an adapter that hears itself gives it back."""
    block = REQUESTS[number]
    asked = block.address.to_bytes(2, "big") + block.count.to_bytes(2, "big")
    if block.function == identification.FUNCTION:
        asked = bytes((identification.MEI_TYPE, block.count, block.address))
    return framed(bytes((block.function,)) + asked, rtu=True)


def framed(pdu: bytes, *, rtu: bool) -> bytes:
    """Return a PDU in its framing, for the unit and transaction that are always asked."""
    body = bytes((UNIT,)) + pdu
    if rtu:
        return body + int(calculate_crc(body)).to_bytes(2, "big")
    return TRANSACTION.to_bytes(2, "big") + b"\0\0" + len(body).to_bytes(2, "big") + body


def parsed(data: bytes) -> tuple[int, list[int], bytes]:
    """Return the number of the request, the sizes of the pieces and the reply of an input."""
    head = data[:2].ljust(2, b"\0")
    cuts = head[1] % 8
    sizes = [size % 64 for size in data[2 : 2 + cuts]]
    return head[0] % len(REQUESTS), sizes, data[2 + cuts :]


def repaired(data: bytes, rng: random.Random, *, rtu: bool) -> bytes:
    """Return an input that gets further: a checksum or header put right, or a valid frame or an echo put in."""
    number, _, reply = parsed(data)
    head = data[: len(data) - len(reply)]
    at = rng.randrange(min(len(reply), 8) + 1)
    valid = reply_to(number, rtu=rtu)
    way = rng.randrange(5)
    if way == 0:
        return head + reply[:at] + valid + reply[at:]
    if way == 1 and len(reply) > 4:
        end = rng.randrange(4, len(reply) + 1)
        return head + (_checked(reply[:at], reply[at:end]) if rtu else framed(reply[1:end], rtu=False)) + reply[end:]
    if way == 2:  # in pieces as they come: an echo before the reply
        return bytes((head[0] if head else 0, 2, at + 8, 8)) + reply[:at] + echo_of(number) + reply[at:]
    if way == 3:
        return head + valid[: rng.randrange(len(valid))] + reply
    start, size = (3, len(valid) - 2) if rtu else (9, len(valid))  # a valid reply that holds other data
    body = (valid[:start] + reply).ljust(size, b"\0")[:size]
    return head + (_checked(b"", body) if rtu else body)


def _checked(before: bytes, body: bytes) -> bytes:
    return before + body + int(calculate_crc(body)).to_bytes(2, "big")


async def feed_wire(data: bytes, tally: Tally, *, rtu: bool) -> None:
    """Feed one input to a connection; raise Wrong for what it must not accept."""
    number, sizes, reply = parsed(data)
    wire = Wire(_ENDPOINTS[rtu])
    wire.transport = _Away()
    asked, pending = encoded(UNIT, REQUESTS[number], serial=rtu, number=TRANSACTION), wire.loop.create_future()
    wire.ask(asked, pending)
    received = b""
    for size in [*sizes, len(reply)]:
        piece, reply = reply[:size], reply[size:]
        wire.data_received(piece)
        if pending.done():
            break
        received += piece
    received = wire.received
    tally.executions += 1
    tally.fed += len(received) + wire.unasked
    verdict = pending.result() if pending.done() else None
    outcome = str(verdict.outcome) if verdict else "none"
    tally.outcomes[outcome] = tally.outcomes.get(outcome, 0) + 1
    if verdict is not None and verdict.outcome in (Outcome.OK, Outcome.EXCEPTION):
        if problem := (_no_rtu_reply if rtu else _no_tcp_reply)(asked, received, verdict):
            raise Wrong(f"{problem}: asked {asked.request.hex()}, received {received.hex()}, accepted {verdict}")
        tally.accepted += 1
        if asked.function == identification.FUNCTION and verdict.outcome is Outcome.OK:
            identification.objects(verdict.data)


def _no_rtu_reply(asked: Asked, received: bytes, verdict: Verdict) -> str:
    """Say why what was accepted is no reply over RTU; empty when it is one."""
    frame = verdict.frame
    if frame == asked.request:
        return "the request's own echo"
    if int(calculate_crc(frame[:-2])) != int.from_bytes(frame[-2:], "big"):
        return "wrong checksum"
    at = received.find(frame)
    around = received[:at].replace(asked.request, b"", 1) if at >= 0 else b""
    if at < 0 or len(around) > 2 * _NOISE or len(received) - at - len(frame) > _NOISE:
        return "not what was received, but for a little noise"
    return _no_reply(asked, frame[0], frame[1:-2], verdict)


def _no_tcp_reply(asked: Asked, received: bytes, verdict: Verdict) -> str:
    frame = verdict.frame
    if frame != received:
        return "not what was received"
    if frame[:4] != asked.request[:2] + b"\0\0" or int.from_bytes(frame[4:6], "big") != len(frame) - 6:
        return "wrong header"
    return _no_reply(asked, frame[6], frame[7:], verdict)


def _no_reply(asked: Asked, unit: int, pdu: bytes, verdict: Verdict) -> str:
    """Say why unit and PDU are no reply, whatever framed them."""
    if unit != asked.unit:
        return "another unit"
    if verdict.outcome is Outcome.EXCEPTION:
        fits = len(pdu) == 2 and pdu[0] == asked.function + 0x80 and verdict.exception == pdu[1] and not verdict.data
        return "" if fits else "no exception to this request"
    if pdu[0] != asked.function:
        return "another function"
    if asked.function == identification.FUNCTION:
        return "" if pdu[1] == identification.MEI_TYPE and verdict.data == pdu[2:] else "no identification"
    fits = pdu[1] == asked.data_bytes == len(pdu) - 2 and verdict.data == pdu[2:]
    return "" if fits else "another byte count"


@cache
def _codec(name: str) -> Codec:
    profile = load_profile(name)
    return Codec(profile, plan(profile, every_s=1.0))


def feed_codec(data: bytes, tally: Tally) -> None:
    """Decode registers that hold the input; raise Wrong for a value without a sound raw number behind it."""
    codec = _codec(PROFILES[data[0] % len(PROFILES)] if data else PROFILES[0])
    stream = data[1:]
    exchanges: Mapping[Block, Exchange] = {}
    found = {}
    for item in codec.planned:
        block = item.block
        size = 2 * block.count if block.function in (3, 4) else (block.count + 7) // 8
        payload, stream = stream[:size].ljust(size, b"\xff"), stream[size:]
        found[block] = Exchange("l", UNIT, block, b"", b"", payload, 1, 2, 3, Outcome.OK)
    exchanges = found
    frame = codec.decode("device", exchanges)
    tally.executions += 1
    tally.fed += len(data)
    for point, value, quality in zip(codec.profile.points, frame.values, frame.quality, strict=True):
        if point.type == "string":
            continue
        good = Quality(int(quality)).has_value
        if good != bool(np.isfinite(value)):
            raise Wrong(f"{codec.profile.model} {point.name}: {value} is {Quality(int(quality)).label}: {data.hex()}")
        tally.accepted += good
