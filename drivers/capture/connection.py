"""From frames to packets of one line: as a TCP connection that goes on and on, or as RTU frames behind their tags.

Everything that does not change from exchange to exchange is made once, and both packets of one are put together in one
step: two packets for each exchange of a plant are many.
"""

import struct
from collections.abc import Callable
from functools import lru_cache
from typing import Protocol

from drivers.capture import packets, pcapng
from drivers.value import mutable

_SEQUENCE = 1 << 32
_NUMBERS = struct.Struct(">II")
_BEHIND = len(packets.TAIL)
_MOST_LAYOUTS = 256


@mutable
class Form:
    """What exchanges of one line have in common whose frames are as long and whose options are the same."""

    pack: Callable[..., bytes]
    request: int
    reply: int
    """Bytes of the frames."""
    start: bytes
    """The block of the request up to its time."""
    asked: bytes
    """What stands between its time and its sequence numbers or its frame."""
    middle: bytes
    """From the end of the request to the time of the reply."""
    answered: bytes
    end: bytes
    """What stands behind the reply."""


class Connection(Protocol):
    """One line of a capture, as the interface of this number."""

    def form(self, request: int, reply: int, before: bytes, behind: bytes) -> Form:
        """Return the form of exchanges with frames of so many bytes, and the options of both; good until `renew`."""
        ...

    def exchange(self, form: Form, sent_ns: int, request: bytes, time_ns: int, reply: bytes) -> bytes:
        """Return the blocks of a request and its reply, each at its time (Unix, ns)."""
        ...

    def request(self, sent_ns: int, frame: bytes, options: bytes) -> bytes:
        """Return the block of a request without a reply, at its time (Unix, ns)."""
        ...

    def renew(self, port: int) -> None:
        """Go on with another connection, from another port of the gateway."""
        ...


class TcpConnection:
    """Modbus/TCP in IPv4 and TCP, whose sequence numbers follow the frames before."""

    __slots__ = ("_device", "_number", "_ours", "_port", "_theirs")

    def __init__(self, number: int, device: bytes, port: int) -> None:
        self._number = number
        self._device = device
        self.renew(port)

    def renew(self, port: int) -> None:
        """Go on with another connection."""
        self._port = port
        self._ours = self._theirs = 1

    def form(self, request: int, reply: int, before: bytes, behind: bytes) -> Form:
        """Return the form of exchanges with frames of so many bytes."""
        asked = packets.ip_and_ports(self._device, self._port, request, outbound=True)
        answered = packets.ip_and_ports(self._device, self._port, reply, outbound=False)
        return _form(self._number, f"II{_BEHIND}s", packets.TCP_AT, (request, asked, before), (reply, answered, behind))

    def exchange(self, form: Form, sent_ns: int, request: bytes, time_ns: int, reply: bytes) -> bytes:
        """Return the blocks of a request and its reply."""
        ours, theirs, tail = self._ours, self._theirs, packets.TAIL
        self._ours = then = (ours + form.request) % _SEQUENCE
        self._theirs = (theirs + form.reply) % _SEQUENCE
        return form.pack(
            form.start, sent_ns, form.asked, ours, theirs, tail, request,
            form.middle, time_ns, form.answered, theirs, then, tail, reply, form.end,
        )  # fmt: skip

    def request(self, sent_ns: int, frame: bytes, options: bytes) -> bytes:
        """Return the block of a request without a reply."""
        head = packets.ip_and_ports(self._device, self._port, len(frame), outbound=True)
        numbers = _NUMBERS.pack(self._ours, self._theirs)
        self._ours = (self._ours + len(frame)) % _SEQUENCE
        return pcapng.packet(self._number, sent_ns, head + numbers + packets.TAIL + frame, options)


class RtuConnection:
    """RTU frames for the dissector `mbrtu`."""

    __slots__ = ("_answered", "_asked", "_number")

    def __init__(self, number: int, device: bytes) -> None:
        self._number = number
        self._asked, self._answered = (packets.upper_pdu(device, outbound=outbound) for outbound in (True, False))

    def renew(self, port: int) -> None:
        """Change nothing: a serial line has no connections."""

    def form(self, request: int, reply: int, before: bytes, behind: bytes) -> Form:
        """Return the form of exchanges with frames of so many bytes."""
        asked, answered = self._asked, self._answered
        return _form(self._number, "", len(asked), (request, asked, before), (reply, answered, behind))

    def exchange(self, form: Form, sent_ns: int, request: bytes, time_ns: int, reply: bytes) -> bytes:
        """Return the blocks of a request and its reply."""
        return form.pack(form.start, sent_ns, form.asked, request, form.middle, time_ns, form.answered, reply, form.end)

    def request(self, sent_ns: int, frame: bytes, options: bytes) -> bytes:
        """Return the block of a request without a reply."""
        return pcapng.packet(self._number, sent_ns, self._asked + frame, options)


_Side = tuple[int, bytes, bytes]
"""Bytes of a frame, what stands before it that never changes, and the options behind it."""


def _form(number: int, numbers: str, around: int, asked: _Side, answered: _Side) -> Form:
    """Return a form; `numbers` is the layout of what changes before a frame, `around` counts the bytes before it."""
    start, first, middle = pcapng.around_packet(number, around + asked[0], asked[2])
    then, second, end = pcapng.around_packet(number, around + answered[0], answered[2])
    before, behind = first + asked[1], second + answered[1]
    middle += then
    layout = (
        f">{len(start)}sQ{len(before)}s{numbers}{asked[0]}s"
        f"{len(middle)}sQ{len(behind)}s{numbers}{answered[0]}s{len(end)}s"
    )
    return Form(_packer(layout), asked[0], answered[0], start, before, middle, behind, end)


@lru_cache(_MOST_LAYOUTS)
def _packer(layout: str) -> Callable[..., bytes]:
    """Return what packs by a layout, which lines whose devices are alike share."""
    return struct.Struct(layout).pack
