"""The way down from a captured packet to the bytes of a TCP connection: pure.

Source: RFC 791, RFC 8200, RFC 9293; the list of link-layer header types of tcpdump.org.
"""

import ipaddress
import struct
from collections.abc import Iterator
from dataclasses import field

from drivers.value import frozen, mutable

_LOOPBACKS, _ETHERNET, _RAW, _COOKED, _COOKED_2 = (0, 108), 1, (12, 14, 101, 228, 229), 113, 276
_IPV4, _IPV6 = 0x0800, 0x86DD
_VLANS = (0x8100, 0x88A8, 0x9100)
_TCP = 6
_OPTIONS_6 = (0, 43, 60)
"""IPv6 headers that may stand before TCP: hop-by-hop, routing, destination."""
_FIN, _SYN, _RST, _ACK = 1, 2, 4, 16
_TCP_HEAD = struct.Struct(">HHIIBB")
_SHORTEST_4, _SHORTEST_6, _SHORTEST_TCP = 20, 40, 20
_SPACE = 1 << 32
_HALF = 1 << 31
_MOST_EARLY = 64
"""Segments that may wait for one before them; then that one is taken for lost."""


@frozen
class Segment:
    """One segment of TCP; an end is an address and a port."""

    source: tuple[bytes, int]
    target: tuple[bytes, int]
    sequence: int
    flags: int
    payload: bytes

    @property
    def opens(self) -> bool:
        """Whether a connection begins here."""
        return bool(self.flags & _SYN)

    @property
    def acknowledges(self) -> bool:
        """Whether something that came before is acknowledged."""
        return bool(self.flags & _ACK)

    @property
    def ends(self) -> bool:
        """Whether the connection ends here."""
        return bool(self.flags & (_FIN | _RST))

    @staticmethod
    def host(address: bytes) -> str:
        """Return an address as it stands in a URL."""
        ip = ipaddress.ip_address(address)
        return f"[{ip}]" if ip.version == 6 else str(ip)  # noqa: PLR2004


@mutable
class Stream:
    """The bytes of one direction, in their order; `buffer` is for whoever reads them."""

    buffer: bytes = b""
    _next: int | None = None
    _early: dict[int, bytes] = field(default_factory=dict)

    def take(self, part: Segment) -> Iterator[bytes]:
        """Yield what a segment adds: nothing if it came before or comes too early."""
        if part.opens:
            self.buffer, self._next = b"", (part.sequence + 1) % _SPACE
            self._early.clear()
            return
        if not part.payload:
            return
        if self._next is None:
            self._next = part.sequence
        if _ahead(part.sequence, self._next) > 0:
            self._early[part.sequence] = part.payload
            if len(self._early) <= _MOST_EARLY:
                return
            self.buffer, self._next = b"", min(self._early, key=lambda sequence: _ahead(sequence, self._next or 0))
        else:
            yield from self._add(part.sequence, part.payload)
        for sequence in sorted(self._early, key=lambda sequence: _ahead(sequence, self._next or 0)):
            if _ahead(sequence, self._next) > 0:
                break
            yield from self._add(sequence, self._early.pop(sequence))

    def _add(self, sequence: int, payload: bytes) -> Iterator[bytes]:
        known = -_ahead(sequence, self._next or 0)
        if known < len(payload):
            self._next = (sequence + len(payload)) % _SPACE
            yield payload[known:]


def _ahead(sequence: int, expected: int) -> int:
    """Return how far a sequence number is ahead of another, negative behind; they run in a circle."""
    return (sequence - expected + _HALF) % _SPACE - _HALF


def segment(link: int, data: bytes) -> Segment | None:
    """Return the segment in a packet of a link type; None for what is not TCP, or not whole."""
    packet = _network(link, data)
    if not packet:
        return None
    version = packet[0] >> 4
    if version == 4:  # noqa: PLR2004
        return _ipv4(packet)
    return _ipv6(packet) if version == 6 else None  # noqa: PLR2004


def _network(link: int, data: bytes) -> bytes:
    """Return the IP packet that a link type carries, empty if it is none."""
    if link in _RAW:
        return data
    if link in _LOOPBACKS:
        return data[4:]
    if link == _ETHERNET:
        at = 12
        while len(data) >= at + 2 and int.from_bytes(data[at : at + 2], "big") in _VLANS:
            at += 4
        return _carried(data[at : at + 2], data[at + 2 :])
    if link == _COOKED:
        return _carried(data[14:16], data[16:])
    if link == _COOKED_2:
        return _carried(data[:2], data[20:])
    return b""


def _carried(protocol: bytes, packet: bytes) -> bytes:
    return packet if int.from_bytes(protocol, "big") in (_IPV4, _IPV6) else b""


def _ipv4(packet: bytes) -> Segment | None:
    if len(packet) < _SHORTEST_4 or packet[9] != _TCP or int.from_bytes(packet[6:8], "big") & 0x3FFF:
        return None  # a fragment: no Modbus frame is so long
    head = 4 * (packet[0] & 15)
    # A network card that cuts long packets itself hands them on before with a length of 0.
    total = int.from_bytes(packet[2:4], "big") or len(packet)
    return _tcp(packet[12:16], packet[16:20], packet[head:total])


def _ipv6(packet: bytes) -> Segment | None:
    if len(packet) < _SHORTEST_6:
        return None
    following, at = packet[6], _SHORTEST_6
    total = at + int.from_bytes(packet[4:6], "big")
    while following in _OPTIONS_6 and len(packet) >= at + 2:
        following, at = packet[at], at + 8 + 8 * packet[at + 1]
    return _tcp(packet[8:24], packet[24:40], packet[at:total]) if following == _TCP else None


def _tcp(source: bytes, target: bytes, data: bytes) -> Segment | None:
    if len(data) < _SHORTEST_TCP:
        return None
    from_port, to_port, sequence, _, words, flags = _TCP_HEAD.unpack_from(data)
    return Segment((source, from_port), (target, to_port), sequence, flags, data[4 * (words >> 4) :])
