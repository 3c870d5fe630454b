"""From frames to packets of one line: as a TCP connection that goes on and on, or as RTU frames behind their tags.

Everything that does not change from packet to packet is made once: two packets for each exchange of a plant are many.
"""

import struct
from typing import Protocol

from drivers.capture import packets, pcapng

_SEQUENCE = 1 << 32
_AROUND = 32
"""Bytes of a packet's block besides its data and options."""
_TCP = struct.Struct(">IIIQII24sII8s")
_RTU = struct.Struct(">IIIQII")
_WORD = struct.Struct(">I")

_Shape = tuple[bytes, int, bytes]
"""What stands before the sequence numbers or the frame, size of the packet, and what fills it up to whole words."""


class Connection(Protocol):
    """One line of a capture, as the interface of this number."""

    def packet(self, time_ns: int, frame: bytes, options: bytes, *, outbound: bool = True) -> bytes:
        """Return the block of a frame at a time (Unix, ns); `outbound` from the gateway to the device."""
        ...

    def renew(self, port: int) -> None:
        """Go on with another connection, from another port of the gateway."""
        ...


class TcpConnection:
    """Modbus/TCP in IPv4 and TCP."""

    def __init__(self, number: int, device: bytes, port: int) -> None:
        self._number = number
        self._device = device
        self._shapes: dict[int, _Shape] = {}
        self.renew(port)

    def renew(self, port: int) -> None:
        """Go on with another connection."""
        self._port = port
        self._ours = self._theirs = 1
        self._shapes.clear()

    def packet(self, time_ns: int, frame: bytes, options: bytes, *, outbound: bool = True) -> bytes:
        """Return the block of a frame; its sequence numbers follow the frames before."""
        size = len(frame)
        shape = self._shapes.get(size if outbound else -size) or self._shape(size, outbound=outbound)
        head, packed, filling = shape
        if outbound:
            first, second = self._ours, self._theirs
            self._ours = (first + size) % _SEQUENCE
        else:
            first, second = self._theirs, self._ours
            self._theirs = (first + size) % _SEQUENCE
        total = _AROUND + packed + len(filling) + len(options)
        start = _TCP.pack(
            pcapng.PACKET, total, self._number, time_ns, packed, packed, head, first, second, packets.TAIL
        )
        return b"".join((start, frame, filling, options, _WORD.pack(total)))

    def _shape(self, size: int, *, outbound: bool) -> _Shape:
        packed = packets.TCP_AT + size
        head = packets.ip_and_ports(self._device, self._port, size, outbound=outbound)
        shape = self._shapes[size if outbound else -size] = (head, packed, pcapng.padding(packed))
        return shape


class RtuConnection:
    """RTU frames for the dissector `mbrtu`."""

    def __init__(self, number: int, device: bytes) -> None:
        self._number = number
        self._tags = {outbound: packets.upper_pdu(device, outbound=outbound) for outbound in (True, False)}

    def renew(self, port: int) -> None:
        """Change nothing: a serial line has no connections."""

    def packet(self, time_ns: int, frame: bytes, options: bytes, *, outbound: bool = True) -> bytes:
        """Return the block of a frame."""
        tags = self._tags[outbound]
        packed = len(tags) + len(frame)
        filling = pcapng.padding(packed)
        total = _AROUND + packed + len(filling) + len(options)
        start = _RTU.pack(pcapng.PACKET, total, self._number, time_ns, packed, packed)
        return b"".join((start, tags, frame, filling, options, _WORD.pack(total)))
