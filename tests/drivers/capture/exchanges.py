"""Exchanges as a line makes them, for the tests of captures."""

import random
from collections.abc import Mapping
from dataclasses import replace

from drivers.endpoint import Endpoint, parse_endpoint
from drivers.guard import crc16
from drivers.reading import Block, Exchange, Outcome

LINES: Mapping[str, Endpoint] = {
    "hall": parse_endpoint("tcp://10.20.0.5:502"),
    "named": parse_endpoint("tcp://meter.works.example:5020"),
    "safe": parse_endpoint("tls://10.20.0.6"),
    "bus": parse_endpoint("rtu:///dev/ttyUSB0?baud=19200&parity=E"),
    "converter": parse_endpoint("rtu+tcp://10.20.0.7:4001"),
}
BOOT = "0b5e8a4e-3f6f-4a1e-9a59-6c5d5f0f2f11"
START_NS = 1_795_912_345_678_901_234
UPTIME_NS = 86_400_000_000_123


def framed(body: bytes, *, serial: bool, transaction: int = 7) -> bytes:
    """Return a frame around unit and PDU."""
    if serial:
        return body + crc16(body).to_bytes(2, "little")
    return transaction.to_bytes(2, "big") + bytes(2) + len(body).to_bytes(2, "big") + body


def asking(unit: int, block: Block, *, serial: bool) -> bytes:
    """Return a request, over Modbus/TCP without its transaction number."""
    place = block.address.to_bytes(2, "big") + block.count.to_bytes(2, "big")
    if block.function == 43:
        place = bytes((14, block.count, block.address))
    return framed(bytes((unit, block.function)) + place, serial=serial)[0 if serial else 2 :]


def answered(line: str, at: int = 0, *, unit: int = 1, block: Block | None = None, registers: bytes = b"") -> Exchange:
    """Return an exchange with an accepted reply, the `at`th of its line; `registers` fill the block."""
    block = block or Block(3, 16 + at % 3, 2 + at % 5)
    serial = LINES[line].serial
    transaction = (at * 40503 + 1) % 0xFFFF + 1
    size = (block.count + 7) // 8 if block.function < 3 else 2 * block.count
    data = registers or bytes((at + place) % 251 for place in range(size))
    tail = asking(unit, block, serial=serial)
    sent_ns = UPTIME_NS + at * 1_000_000_007
    received_ns = sent_ns + 1_234_567 + at * 31
    return Exchange(
        line=line,
        unit=unit,
        block=block,
        request=tail if serial else transaction.to_bytes(2, "big") + tail,
        reply=framed(bytes((unit, block.function, size)) + data, serial=serial, transaction=transaction),
        data=data,
        sent_ns=sent_ns,
        received_ns=received_ns,
        time_ns=START_NS + received_ns - UPTIME_NS + at % 3,
        outcome=Outcome.OK,
        poll=at // 2 + 1,
        attempt=1,
    )


def refused(line: str, at: int = 0, *, code: int = 2) -> Exchange:
    """Return an exchange that ended with a Modbus exception."""
    good = answered(line, at)
    serial = LINES[line].serial
    body = bytes((good.unit, good.block.function | 0x80, code))
    reply = framed(body, serial=serial, transaction=int.from_bytes(good.request[:2], "big"))
    return replace(good, reply=reply, data=b"", outcome=Outcome.EXCEPTION, exception=code)


def failed(line: str, outcome: Outcome, at: int = 0, *, reply: bytes = b"") -> Exchange:
    """Return an exchange without an accepted reply."""
    return replace(answered(line, at), reply=reply, data=b"", outcome=outcome, attempt=2)


def of_every_kind(line: str) -> list[Exchange]:
    """Return exchanges with every outcome, function and mark that a line can give."""
    identity = bytes.fromhex("010103420001000103414243")
    who = answered(line, 5, block=Block(43, 0, 2), registers=identity)
    serial = LINES[line].serial
    number = int.from_bytes(who.request[:2], "big")
    who = replace(who, reply=framed(bytes((1, 43, 14)) + identity, serial=serial, transaction=number), poll=0)
    return [
        answered(line, 0, block=Block(3, 0, 125)),
        answered(line, 1, block=Block(4, 0xFFFF, 1), unit=247),
        answered(line, 2, block=Block(1, 0x0300, 19)),
        answered(line, 3, block=Block(2, 0, 2000)),
        refused(line, 4),
        refused(line, 4, code=0x0B),
        who,
        failed(line, Outcome.NO_REPLY, 6),
        failed(line, Outcome.BAD_REPLY, 7, reply=bytes(range(256)) * 2),
        failed(line, Outcome.BAD_REPLY, 8, reply=b"\x00"),
        failed(line, Outcome.LINE_DOWN, 9),
        failed(line, Outcome.LINE_DOWN, 10, reply=b"\x01\x03"),
        replace(answered(line, 11), poll=7, attempt=3),
        replace(answered(line, 12), poll=5),
    ]


def strange(line: str) -> list[Exchange]:
    """Return exchanges that no line makes, but that the type allows."""
    good = answered(line, 3)
    return [
        replace(good, request=b""),
        replace(good, request=good.request + b"\x00"),
        replace(good, reply=b""),
        replace(good, data=good.data + b"\x00"),
        replace(good, exception=3),
        replace(good, unit=99),
        replace(good, block=Block(3, 1, 1)),
        replace(good, time_ns=0, sent_ns=-5),
        replace(refused(line), exception=9),
        replace(failed(line, Outcome.NO_REPLY), data=b"\x01"),
    ]


def mixed(count: int, seed: int = 1) -> list[Exchange]:
    """Return exchanges of all lines, mostly good."""
    chance = random.Random(seed)  # noqa: S311 - a row of exchanges, no secret
    made = []
    for at in range(count):
        line = chance.choice(list(LINES))
        made.append(chance.choice(of_every_kind(line)) if chance.random() < 0.1 else answered(line, at))
    return made
