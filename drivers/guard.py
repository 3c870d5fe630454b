"""Whether bytes from the wire provably answer a request: pure, for both framings.

A reply must fit in unit, function and byte count, over Modbus/TCP also in transaction number, and over RTU in
checksum. What does not fit is refused; nothing is repaired. The addresses are not in a reply, so over RTU an
older reply of the same shape cannot be told from the right one: keeping such replies away is the line's duty.

The only requests are those of functions 1, 2, 3 and 4 and of 43/14, each to one unit: `check_frame` looks at the
bytes themselves, whoever made them.

Sources: MODBUS Application Protocol V1.1b3, sections 6 and 7; MODBUS over Serial Line V1.02, section 2.5;
MODBUS Messaging on TCP/IP Implementation Guide V1.0b, section 3.1.
"""

import struct
from collections.abc import Callable

from drivers import identification
from drivers.reading import Block, Outcome
from drivers.value import frozen, travelling

_MOST = {1: 2000, 2: 2000, 3: 125, 4: 125}
_LAST_ADDRESS = 0xFFFF
_LAST_SERIAL_UNIT = 247
_LAST_UNIT = 255
_EXCEPTION_FLAG = 0x80
_MBAP = struct.Struct(">HHHBB")
_MBAP_HEAD = struct.Struct(">HBBB")
_RTU_REQUEST, _RTU_IDENTIFY = 8, 7
_SHORTEST_LENGTH = 3
_LONGEST_LENGTH = 1 + identification.LONGEST_PDU
_LONGEST_RTU_FRAME = 256
_OK = Outcome.OK
"""Bound once: Python 3.11 looks a member of an enumeration up in 0.1 us each time."""
_KEPT = 512
"""Bytes of a wrong reply that are kept: more than any frame has, and a bound for a peer that babbles."""

SHORTEST_RTU_FRAME = 5
"""Bytes of an exception reply. Fewer stray bytes than this are noise, as many may be somebody's frame."""


@travelling
@frozen
class Asked:
    """A request as it was sent, and the count of data bytes its reply must carry."""

    request: bytes
    unit: int
    function: int
    data_bytes: int


@travelling
@frozen
class Verdict:
    """What the received bytes turned out to be; `frame` is what stands in the exchange as the reply."""

    outcome: Outcome
    frame: bytes
    data: bytes = b""
    exception: int = 0
    reason: str = ""


Judge = Callable[[Asked, bytes], Verdict | None]
"""Judges everything received since the request; None while the reply may still become complete."""


def check_unit(unit: int, *, serial: bool) -> None:
    """Raise ValueError for a unit that cannot be asked, the broadcast above all."""
    last_unit = _LAST_SERIAL_UNIT if serial else _LAST_UNIT
    if not 1 <= unit <= last_unit:
        raise ValueError(f"unit {unit} cannot be asked: units are 1 to {last_unit} (0 is the broadcast)")


def check_request(unit: int, block: Block, *, serial: bool) -> None:
    """Raise ValueError for a request that must not be sent: only reading functions, in their limits."""
    if block.function not in _MOST:
        raise ValueError(f"function {block.function} is never sent: only 1, 2, 3 and 4 read")
    check_unit(unit, serial=serial)
    if not 1 <= block.count <= _MOST[block.function]:
        raise ValueError(
            f"count {block.count} is not possible: function {block.function} reads 1 to {_MOST[block.function]}"
        )
    if block.address < 0 or block.end - 1 > _LAST_ADDRESS:
        raise ValueError(f"addresses {block.address} to {block.end - 1} do not exist: they are 0 to {_LAST_ADDRESS}")


def check_frame(frame: bytes, *, serial: bool) -> None:
    """Raise ValueError for bytes that are not exactly one request that reads: the last look before they leave."""
    body = frame[:-2] if serial else frame[_MBAP.size - 2 :]
    size = _RTU_REQUEST - 2
    if body[1:3] == identification.SIGN:
        size = _RTU_IDENTIFY - 2
    elif len(body) < size or body[1] not in _MOST:
        raise ValueError(f"{frame.hex()} is never sent: only functions 1, 2, 3, 4 and 43/14 read")
    if len(body) != size or body[0] == 0:
        raise ValueError(f"{frame.hex()} is never sent: it is not one request to one unit")


def data_bytes(block: Block) -> int:
    """Return how many data bytes the reply to a block carries; 0 for an identification, which tells it itself."""
    if block.function == identification.FUNCTION:
        return 0
    return (block.count + 7) // 8 if block.function <= 2 else 2 * block.count  # noqa: PLR2004 - 1, 2 read bits


def judge_mbap(asked: Asked, received: bytes) -> Verdict | None:
    """Judge a reply framed with the MBAP header (TCP, TLS)."""
    if len(received) < _MBAP.size:
        return None
    head = _MBAP_HEAD.pack(3 + asked.data_bytes, asked.unit, asked.function, asked.data_bytes)
    whole = asked.data_bytes and len(received) == len(head) + 4 + asked.data_bytes
    if whole and received[:4] == asked.request[:4] and received[4:9] == head:  # nearly always, so it is told first
        return Verdict(_OK, received, received[9:])
    transaction, protocol, length, unit, function = _MBAP.unpack_from(received)
    pdu = received[7 : 6 + length]
    complete = len(pdu) == length - 1
    expected = 1 + (_pdu_length(asked, pdu) or 0)
    unseen = function == identification.FUNCTION and not complete  # its own length stands in all of it
    reason = ""
    if protocol != 0:
        reason = "bytes without a Modbus/TCP header came: for RTU frames use rtu+tcp://"
    elif transaction != int.from_bytes(asked.request[:2], "big"):
        reason = f"a reply to transaction {transaction} came, not to this one"
    elif not _SHORTEST_LENGTH <= length <= _LONGEST_LENGTH:
        reason = f"a reply of {length} bytes came, which none can have"
    elif mismatch := _mismatch(asked, unit, pdu):
        reason = mismatch
    elif length < expected or (length > expected and not unseen):
        reason = f"a reply of {length} bytes came where {expected} were due"
    elif len(received) > 6 + length:
        reason = f"{len(received) - 6 - length} bytes too many came"
    if reason:
        return _bad(received, reason)
    return _accepted(received, pdu) if complete else None


def judge_rtu(asked: Asked, received: bytes) -> Verdict | None:
    """Judge a reply framed with unit and checksum (serial, RTU over TCP).

    Survives the echo of an adapter that hears its own request, and noise shorter than any frame before and
    behind echo and reply: bytes that cannot be a reply themselves.
    """
    for skipped in range(SHORTEST_RTU_FRAME):
        rest = received[skipped:]
        if rest.startswith(asked.request):
            return _judge_body(asked, received, rest.removeprefix(asked.request))
        if asked.request.startswith(rest):
            return None  # nothing yet, or an echo that is still coming in
        if _rtu_length(asked, rest) is not None:
            break
    return _judge_body(asked, received, received)


def _judge_body(asked: Asked, received: bytes, body: bytes) -> Verdict | None:
    """Judge what came behind the echo, if there was one."""
    broken = False
    for skipped in range(SHORTEST_RTU_FRAME):
        rest = body[skipped:]
        total = _rtu_length(asked, rest)
        if total is None or rest.startswith(asked.request):  # an echo can look like a reply
            continue
        if len(rest) < total:
            return None
        if crc16(rest[:total]) == 0:
            behind = len(rest) - total
            if behind >= SHORTEST_RTU_FRAME:
                return _bad(received, f"{behind} bytes too many came")
            return _accepted(rest[:total], rest[1 : total - 2])
        broken = True
    if broken:
        return _bad(received, "a reply with a wrong checksum came: check wiring, termination and shielding")
    return _judge_strange(asked, received, body)


def _judge_strange(asked: Asked, received: bytes, body: bytes) -> Verdict | None:
    """Judge bytes in which no reply begins."""
    if SHORTEST_RTU_FRAME <= len(body) <= _LONGEST_RTU_FRAME and crc16(body) == 0:
        return _bad(received, _mismatch(asked, body[0], body[1:-2]) or "a frame of another kind came")
    if len(body) >= (asked.data_bytes or _LONGEST_RTU_FRAME) + 2 * SHORTEST_RTU_FRAME:
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


def _pdu_length(asked: Asked, pdu: bytes) -> int | None:
    """Return the length a PDU that starts like the reply must have; None when it does not start so.

    With too few bytes to see, the answer is the shortest length they may grow to.
    """
    if pdu[:1] == bytes((asked.function | _EXCEPTION_FLAG,)):
        return 2
    if asked.function == identification.FUNCTION:
        start = bytes((identification.FUNCTION, identification.MEI_TYPE))
        length = identification.pdu_length(pdu)
        return length if pdu[:2] == start[: len(pdu)] and length <= identification.LONGEST_PDU else None
    start = bytes((asked.function, asked.data_bytes))
    return 2 + asked.data_bytes if pdu[:2] == start[: len(pdu)] else None


def _rtu_length(asked: Asked, frame: bytes) -> int | None:
    """Return the length of a frame as `_pdu_length` does of a PDU."""
    if frame[:1] and frame[0] != asked.unit:
        return None
    length = _pdu_length(asked, frame[1:])
    # Nothing of the PDU seen, it may still be an exception: the shortest of all.
    return None if length is None else 3 + length if len(frame) > 1 else SHORTEST_RTU_FRAME


def _accepted(frame: bytes, pdu: bytes) -> Verdict:
    if pdu[0] & _EXCEPTION_FLAG:
        return Verdict(Outcome.EXCEPTION, frame, exception=pdu[1])
    return Verdict(Outcome.OK, frame, pdu[2:])


def _mismatch(asked: Asked, unit: int, pdu: bytes) -> str:
    """Say in what a frame differs from the reply that is due; empty when in nothing that can be seen."""
    function = pdu[0] & ~_EXCEPTION_FLAG
    if unit != asked.unit:
        return f"a reply of unit {unit} came: look for two devices with one unit number"
    if function != asked.function:
        return f"a reply to function {function} came, asked was {asked.function}"
    if pdu[0] & _EXCEPTION_FLAG or _pdu_length(asked, pdu) is not None:
        return ""
    if asked.function == identification.FUNCTION:
        return "a reply came that is no device identification"
    return f"a reply with {pdu[1]} data bytes came, {asked.data_bytes} were asked"


def _bad(received: bytes, reason: str) -> Verdict:
    return Verdict(Outcome.BAD_REPLY, received[:_KEPT], reason=reason)
