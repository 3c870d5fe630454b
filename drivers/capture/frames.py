"""What follows from the bytes of an exchange alone, in both framings: pure.

Whatever this says of a request and its reply need not be written beside them.
"""

import struct

from drivers import identification
from drivers.reading import Block, Exchange, Outcome

TRANSACTION = 2
"""Bytes of the transaction number that a frame of Modbus/TCP begins with."""
_EXCEPTION_FLAG = 0x80
_OK = Outcome.OK
"""Looked up once: that takes a tenth of a microsecond."""
_READING = frozenset({1, 2, 3, 4})
_READ, _WHO = 6, 5
"""Bytes of a request that reads registers, and of one that asks for the identification, from the unit on."""
_SPAN = struct.Struct(">HH")
_MBAP, _CRC = 6, 2
_DATA_IN_TCP = _MBAP + 3, _MBAP + 3
_DATA_IN_RTU = 3, 3 + _CRC
"""Where the data of a reply begin, and how many bytes stand around them."""
_SHORTEST = 3


def asked(body: bytes) -> tuple[int, Block] | None:
    """Return the unit and the block that a request asks for, from the unit on; None for what does not read."""
    if len(body) == _READ and body[1] in _READING:
        address, count = _SPAN.unpack_from(body, 2)
        return body[0], Block(body[1], address, count)
    if len(body) == _WHO and body[1:3] == identification.SIGN:
        return body[0], Block(identification.FUNCTION, body[4], body[3])
    return None


def body_of(frame: bytes, *, serial: bool) -> bytes:
    """Return a frame from the unit number on, without a checksum."""
    return frame[:-_CRC] if serial else frame[_MBAP:]


def answer(body: bytes) -> tuple[Outcome, bytes, int]:
    """Return outcome, data and exception of an accepted reply, from the unit number on."""
    if body[1] & _EXCEPTION_FLAG:
        return Outcome.EXCEPTION, b"", body[2]
    return _OK, body[3:], 0


def explained(exchange: Exchange, *, serial: bool) -> bool:
    """Whether outcome, data and exception follow from the reply; of a failed exchange there are no others."""
    reply = exchange.reply
    if exchange.outcome is _OK:  # nearly always, so it is told first, and without a copy of the data
        data, (start, around) = exchange.data, _DATA_IN_RTU if serial else _DATA_IN_TCP
        whole = len(reply) == len(data) + around and reply.startswith(data, start)
        return whole and reply[start - 2] < _EXCEPTION_FLAG and not exchange.exception
    if exchange.outcome is Outcome.EXCEPTION:
        body = body_of(reply, serial=serial)
        return len(body) >= _SHORTEST and answer(body) == (exchange.outcome, exchange.data, exchange.exception)
    return not (exchange.data or exchange.exception)
