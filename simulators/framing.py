"""Modbus requests out of a byte stream, and replies back into it; no input or output here.

Modbus/TCP after the Messaging Implementation Guide V1.0b, RTU after the Serial Line guide V1.02.
"""

from dataclasses import dataclass
from typing import Protocol

_MBAP = 7  # transaction, protocol, length, unit
_MAX_LENGTH = 254  # unit and PDU
_FIXED = {1: 8, 2: 8, 3: 8, 4: 8, 5: 8, 6: 8, 43: 7}
_COUNTED = (15, 16)
_COUNT_AT = 6
_LEAST = 4
_STALE_S = 0.2  # what stands incomplete for so long belongs to no request; USB adapters pause for some 20 ms


class Garbled(Exception):
    """Raised when a stream cannot be followed any further and must be closed."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request: unit, PDU, and the transaction number of Modbus/TCP."""

    unit: int
    pdu: bytes
    transaction: bytes = b""


class Framing(Protocol):
    """One direction-pair of a connection."""

    answers_for_strangers: bool
    """Whether a unit that is not there is answered for, as a TCP gateway does."""

    def feed(self, data: bytes, now_s: float) -> list[Request]:
        """Return the requests that `data`, arrived at a monotonic time, completes; raise Garbled."""

    def reply(self, request: Request, pdu: bytes) -> bytes:
        """Return the bytes of a reply on the wire."""


class TcpFraming:
    """Modbus/TCP."""

    answers_for_strangers = True

    def __init__(self) -> None:
        self._pending = b""

    def feed(self, data: bytes, now_s: float) -> list[Request]:  # noqa: ARG002 - TCP keeps the order, not the time
        """Return the complete requests; raise Garbled at a header that is none."""
        self._pending += data
        requests = []
        while len(self._pending) >= _MBAP:
            length = int.from_bytes(self._pending[4:6], "big")
            if self._pending[2:4] != b"\0\0" or not 1 < length <= _MAX_LENGTH:
                raise Garbled(f"no Modbus/TCP header: {self._pending[:_MBAP].hex()}")
            end = _MBAP - 1 + length
            if len(self._pending) < end:
                break
            frame, self._pending = self._pending[:end], self._pending[end:]
            requests.append(Request(frame[6], frame[_MBAP:], frame[:2]))
        return requests

    def reply(self, request: Request, pdu: bytes) -> bytes:
        """Return header and PDU."""
        length = (1 + len(pdu)).to_bytes(2, "big")
        return request.transaction + b"\0\0" + length + bytes([request.unit]) + pdu


class RtuFraming:
    """Modbus RTU, on a serial line or in a TCP stream."""

    answers_for_strangers = False

    def __init__(self) -> None:
        self._pending = b""
        self._last_s = float("-inf")

    def feed(self, data: bytes, now_s: float) -> list[Request]:
        """Return the complete requests; step over bytes that begin none."""
        if now_s - self._last_s > _STALE_S:
            self._pending = b""
        self._last_s = now_s
        self._pending += data
        requests = []
        while len(self._pending) >= _LEAST:
            length = self._length()
            if len(self._pending) < length:
                break
            frame = self._pending[:length]
            if crc16(frame[:-2]) == frame[-2:]:
                requests.append(Request(frame[0], frame[1:-2]))
                self._pending = self._pending[length:]
            else:
                self._pending = self._pending[1:]
        return requests

    def _length(self) -> int:
        """Return how long the request at the front is, by its function."""
        function = self._pending[1]
        if function in _COUNTED:
            counted = self._pending[_COUNT_AT] if len(self._pending) > _COUNT_AT else 0
            return _COUNT_AT + 1 + counted + 2
        return _FIXED.get(function, len(self._pending))

    def reply(self, request: Request, pdu: bytes) -> bytes:
        """Return unit, PDU and check sum."""
        frame = bytes([request.unit]) + pdu
        return frame + crc16(frame)


def _crc_of(byte: int) -> int:
    for _ in range(8):
        byte = (byte >> 1) ^ (0xA001 if byte & 1 else 0)
    return byte


_CRC = tuple(_crc_of(byte) for byte in range(256))


def crc16(data: bytes) -> bytes:
    """Return the check sum of RTU, as it stands behind the frame (low byte first)."""
    remainder = 0xFFFF
    for byte in data:
        remainder = (remainder >> 8) ^ _CRC[(remainder ^ byte) & 0xFF]
    return remainder.to_bytes(2, "little")
