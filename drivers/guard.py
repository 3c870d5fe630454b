"""Whether bytes from the wire provably answer a request: pure, for both framings.

A reply must fit in unit, function and byte count, over Modbus/TCP also in transaction number, and over RTU in
checksum. What does not fit is refused; nothing is repaired. The addresses are not in a reply, so over RTU an
older reply of the same shape cannot be told from the right one: keeping such replies away is the line's duty.

Sources: MODBUS Application Protocol V1.1b3, sections 6 and 7; MODBUS over Serial Line V1.02, section 2.5;
MODBUS Messaging on TCP/IP Implementation Guide V1.0b, section 3.1.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass

from drivers.reading import Block, Outcome

_MOST = {1: 2000, 2: 2000, 3: 125, 4: 125}
_LAST_ADDRESS = 0xFFFF
_LAST_SERIAL_UNIT = 247
_LAST_UNIT = 255
_EXCEPTION_FLAG = 0x80
_MBAP = struct.Struct(">HHHBB")

SHORTEST_RTU_FRAME = 5
"""Bytes of an exception reply. Fewer stray bytes than this are noise, as many may be somebody's frame."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it was sent, and the count of data bytes its reply must carry."""

    request: bytes
    unit: int
    function: int
    data_bytes: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the received bytes turned out to be; `frame` is what stands in the exchange as the reply."""

    outcome: Outcome
    frame: bytes
    data: bytes = b""
    exception: int = 0
    reason: str = ""


Judge = Callable[[Asked, bytes], Verdict | None]
"""Judges everything received since the request; None while the reply may still become complete."""


def check_request(unit: int, block: Block, *, serial: bool) -> None:
    """Raise ValueError for a request that must not be sent: only reading functions, in their limits."""
    last_unit = _LAST_SERIAL_UNIT if serial else _LAST_UNIT
    if block.function not in _MOST:
        raise ValueError(f"function {block.function} is never sent: only 1, 2, 3 and 4 read")
    if not 1 <= unit <= last_unit:
        raise ValueError(f"unit {unit} cannot be asked: units are 1 to {last_unit} (0 is the broadcast)")
    if not 1 <= block.count <= _MOST[block.function]:
        raise ValueError(
            f"count {block.count} is not possible: function {block.function} reads 1 to {_MOST[block.function]}"
        )
    if block.address < 0 or block.end - 1 > _LAST_ADDRESS:
        raise ValueError(f"addresses {block.address} to {block.end - 1} do not exist: they are 0 to {_LAST_ADDRESS}")


def data_bytes(block: Block) -> int:
    """Return how many data bytes the reply to a block carries."""
    return (block.count + 7) // 8 if block.function <= 2 else 2 * block.count  # noqa: PLR2004 - 1, 2 read bits


def judge_mbap(asked: Asked, received: bytes) -> Verdict | None:
    """Judge a reply framed with the MBAP header (TCP, TLS)."""
    if len(received) < _MBAP.size:
        return None
    transaction, protocol, length, unit, function = _MBAP.unpack_from(received)
    refused = function == asked.function | _EXCEPTION_FLAG
    expected = 3 if refused else 3 + asked.data_bytes
    total = 6 + expected
    reason = ""
    if protocol != 0:
        reason = "bytes without a Modbus/TCP header came: for RTU frames use rtu+tcp://"
    elif transaction != int.from_bytes(asked.request[:2], "big"):
        reason = f"a reply to transaction {transaction} came, not to this one"
    elif mismatch := _mismatch(
        asked, unit, function, received[_MBAP.size] if len(received) > _MBAP.size and not refused else None
    ):
        reason = mismatch
    elif length != expected:
        reason = f"a reply of {length} bytes came where {expected} were due"
    elif len(received) > total:
        reason = f"{len(received) - total} bytes too many came"
    if reason:
        return _bad(received, reason)
    if len(received) < total:
        return None
    if refused:
        return Verdict(Outcome.EXCEPTION, received, exception=received[_MBAP.size])
    return Verdict(Outcome.OK, received, received[9:])


def judge_rtu(asked: Asked, received: bytes) -> Verdict | None:
    """Judge a reply framed with unit and checksum (serial, RTU over TCP).

    Survives the echo of an adapter that hears its own request, and noise shorter than any frame before and
    behind the reply: bytes that cannot be a reply themselves.
    """
    if asked.request.startswith(received):
        return None  # nothing yet, or an echo that is still coming in
    body = received.removeprefix(asked.request)
    for skipped in range(SHORTEST_RTU_FRAME):
        frame = body[skipped:]
        total = _rtu_length(asked, frame)
        if total is None:
            continue
        if len(frame) < total:
            return None
        return _judge_frame(received, frame, total)
    if len(body) >= SHORTEST_RTU_FRAME and crc16(body) == 0:
        return _bad(received, _mismatch(asked, body[0], body[1], body[2]) or "a frame of another kind came")
    if len(body) >= asked.data_bytes + 2 * SHORTEST_RTU_FRAME:
        return _bad(received, "noise came: check baud rate, parity, wiring and termination")
    return None


def unfinished(asked: Asked, received: bytes) -> str:
    """Say what is wrong with bytes that had not become a reply when the time was over."""
    if received == asked.request:
        return "only the request's own echo came: check power, wiring and unit number"
    return f"{len(received)} bytes came that do not make a reply: check baud rate, parity, wiring and termination"


def crc16(frame: bytes) -> int:
    """Return the Modbus CRC of bytes; it is 0 over a frame that ends with its own CRC (low byte first)."""
    crc = 0xFFFF
    for byte in frame:
        crc = (crc >> 8) ^ _CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc


def _crc_table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        crc = value
        for _ in range(8):
            crc = (crc >> 1) ^ (0xA001 if crc & 1 else 0)
        table.append(crc)
    return tuple(table)


_CRC_TABLE = _crc_table()


def _rtu_length(asked: Asked, frame: bytes) -> int | None:
    """Return the length a frame that starts like the reply must have; None when it does not start so.

    With too few bytes to see, the answer is the shortest length they may grow to.
    """
    if frame[:1] and frame[0] != asked.unit:
        return None
    if len(frame) > 1 and frame[1] == asked.function | _EXCEPTION_FLAG:
        return SHORTEST_RTU_FRAME
    start = bytes((asked.unit, asked.function, asked.data_bytes))
    return SHORTEST_RTU_FRAME + asked.data_bytes if frame[:3] == start[: len(frame)] else None


def _judge_frame(received: bytes, frame: bytes, total: int) -> Verdict:
    behind = len(frame) - total
    frame = frame[:total]
    if crc16(frame) != 0:
        return _bad(received, "a reply with a wrong checksum came: check wiring, termination and shielding")
    if behind >= SHORTEST_RTU_FRAME:
        return _bad(received, f"{behind} bytes too many came")
    if frame[1] & _EXCEPTION_FLAG:
        return Verdict(Outcome.EXCEPTION, frame, exception=frame[2])
    return Verdict(Outcome.OK, frame, frame[3:-2])


def _mismatch(asked: Asked, unit: int, function: int, size: int | None) -> str:
    """Say in what a frame differs from the reply that is due; empty when in nothing."""
    if unit != asked.unit:
        return f"a reply of unit {unit} came: look for two devices with one unit number"
    if function & ~_EXCEPTION_FLAG != asked.function:
        return f"a reply to function {function & ~_EXCEPTION_FLAG} came, asked was {asked.function}"
    if size is not None and size != asked.data_bytes:
        return f"a reply with {size} data bytes came, {asked.data_bytes} were asked"
    return ""


def _bad(received: bytes, reason: str) -> Verdict:
    return Verdict(Outcome.BAD_REPLY, received, reason=reason)
