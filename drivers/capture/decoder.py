"""From the blocks of a file back to exchanges and notes.

Invariants:
- What our own encoder wrote comes out equal; packets of others go through `foreign`.
- A block that makes no sense ends the file: it raises CutOff.
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import field
from pathlib import Path

import orjson

from drivers.capture import packets, pcapng
from drivers.capture.comment import Remarks, read_comment
from drivers.capture.encoder import APPLICATION, EXCHANGE
from drivers.capture.foreign import Assembler
from drivers.capture.frames import answer, asked, body_of
from drivers.capture.items import Captured, Note, Section
from drivers.capture.stream import Block, CutOff, Packet
from drivers.reading import Block as Asked
from drivers.reading import Exchange, Outcome
from drivers.value import mutable

_NS = 1_000_000_000
_MOST_CACHED = 4096
_TAGS = len(packets.upper_pdu(bytes(4), outbound=True))
_BINARY = 0x80
_LONGEST_NOTE = 128 << 20
"""Characters; more than the books of ten thousand accounts take."""
_MOST_DESCRIBED = 16 << 20
"""Bytes that describe the interfaces of a section; more than ten thousand lines take."""
_PACKET_HEADS = {order: struct.Struct(f"{order}IIII") for order in "><"}
Item = Section | Captured | Note
_Request = tuple[int, int, bytes, int, Asked]
"""A request whose reply is the next packet: number of the interface, time [ns], frame, unit and what it asks for."""


@mutable
class _Interface:
    link: int
    serial: bool
    """Whether frames are RTU."""
    frame_at: int
    """Where in our own packets the frame begins."""
    name: str = ""
    url: str = ""
    unit_ns: tuple[int, int] = (1000, 1)
    """Numerator and denominator of the nanoseconds in a unit of time."""
    offset_ns: int = 0
    polls: dict[int, int] = field(default_factory=dict)


class Decoder:
    """Reads one file, given block by block."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._section: dict[str, str] | None = None
        self._boot_id = ""
        self._interfaces: list[_Interface] = []
        self._described = 0
        self._begun = False
        self._count = 0
        self._request: _Request | None = None
        self._beside: dict[bytes, tuple[Remarks, bool] | None] = {}
        self._asked: dict[bytes, tuple[int, Asked]] = {}
        self._pieces: list[str] = []
        self._length = 0
        self._assembler = Assembler()

    def take(self, part: Block | Packet) -> Iterable[Item]:
        """Return what a block adds: mostly one item or none."""
        if self._begun and isinstance(part, Block) and part.kind == pcapng.PACKET:
            return self._packet(part)
        return self._beginning(part)

    def _beginning(self, part: Block | Packet) -> Iterator[Item]:
        """Yield what a block adds with which items may begin, or which is none of a packet."""
        if isinstance(part, Packet):
            yield from self._begin()
            yield from self._foreign(part.link, part.time_ns, part.data)
        elif part.kind == pcapng.PACKET:
            yield from self._begin()
            yield from self._packet(part)
        elif part.kind == pcapng.SECTION_HEADER:
            self._head(part)
        elif part.kind == pcapng.INTERFACE:
            self._described += len(part.body)
            if self._described > _MOST_DESCRIBED:
                raise CutOff(0, "more interfaces are described than a capture can have")
            self._interfaces.append(_interface(part))
        elif part.kind == pcapng.JOURNAL and self._section:
            yield from self._begin()
            yield from self._journal(part.body)

    def end(self) -> Iterator[Item]:
        """Yield what is known once nothing follows."""
        yield from self._begin()
        yield from map(self._counted, self._assembler.end())
        if self._request:
            raise CutOff(0, "the file ends between a request and its reply")

    def _head(self, part: Block) -> None:
        told = dict(pcapng.read_options(part.body[16:], part.order))
        application = told.get(pcapng.APPLICATION, b"").decode("utf-8", "replace")
        self._section = None
        self._interfaces, self._described, self._request, self._begun = [], 0, None, False
        if application.startswith(APPLICATION):
            about = told.get(pcapng.COMMENT, b"").decode("utf-8", "replace")
            self._section = dict(word.partition(" ")[::2] for word in about.split("; "))
            self._boot_id = self._section.get("boot", "")
            self._section["version"] = application.removeprefix(APPLICATION).strip()

    def _begin(self) -> Iterator[Item]:
        """Yield the head of a section once its interfaces are known."""
        if self._begun:
            return
        self._begun = True
        about = self._section
        if about is None:
            yield Section(self._path, ours=False)
            return
        yield Section(
            self._path,
            ours=True,
            site=about.get("site", ""),
            configuration=about.get("configuration", ""),
            version=about["version"],
            boot_id=self._boot_id,
            lines={line.name: line.url for line in self._interfaces},
        )

    def _packet(self, part: Block) -> Iterable[Item]:
        body = part.body
        number, high, low, size = _PACKET_HEADS[part.order].unpack_from(body)
        if number >= len(self._interfaces):
            raise CutOff(0, f"a packet of interface {number}, which is not described")
        interface = self._interfaces[number]
        end = 20 + size
        beside = None
        if self._section:
            rest = body[end + (-size & 3) :]
            beside = self._beside[rest] if rest in self._beside else self._remember(rest, part.order)
        if beside is None:
            numerator, denominator = interface.unit_ns
            time_ns = interface.offset_ns + (high << 32 | low) * numerator // denominator
            return self._foreign(interface.link, time_ns, body[20:end])
        remarks, outbound = beside
        captured = self._own(number, high << 32 | low, body[20 + interface.frame_at : end], remarks, outbound=outbound)
        return (captured,) if captured else ()

    def _remember(self, rest: bytes, order: str) -> tuple[Remarks, bool] | None:
        """Return what stands beside a packet, and whether it was sent; None if it is not one of ours."""
        remarks, outbound = None, False
        for code, value in pcapng.read_options(rest, order):
            if code == pcapng.COMMENT and remarks is None:
                remarks = read_comment(value.decode("utf-8", "replace"))
            elif code == pcapng.FLAGS:
                outbound = value[3 if order == ">" else 0] & 3 == pcapng.OUTBOUND
        if len(self._beside) > _MOST_CACHED:
            self._beside.clear()
        beside = self._beside[rest] = (remarks, outbound) if remarks else None
        return beside

    def _own(self, number: int, time_ns: int, frame: bytes, remarks: Remarks, *, outbound: bool) -> Captured | None:
        """Take a frame in a packet of our own; return the exchange if it is complete."""
        interface = self._interfaces[number]
        behind_ns = remarks.behind_ns
        if outbound:
            unit, block = self._what(frame, serial=interface.serial)
            if remarks.failed is None:
                self._request = (number, time_ns, frame, unit, block)
                return None
            request, sent_ns = frame, time_ns - behind_ns
            received_ns = sent_ns + remarks.after_ns
            ended_ns, reply, result = received_ns + behind_ns, remarks.received, (remarks.failed, b"", 0)
        else:
            if self._request is None or self._request[0] != number:
                raise CutOff(0, "a reply stands behind no request")
            (_, asked_ns, request, unit, block), self._request = self._request, None
            sent_ns, received_ns = asked_ns - behind_ns, time_ns - behind_ns
            ended_ns, reply, result = time_ns, frame, answer(body_of(frame, serial=interface.serial))
        poll = remarks.poll
        if remarks.relative:
            poll += interface.polls.get(unit, 0)
        if poll:
            interface.polls[unit] = poll
        outcome, payload, exception = result
        exchange = Exchange(
            interface.name,
            unit,
            block,
            request,
            reply,
            payload,
            sent_ns,
            received_ns,
            ended_ns,
            outcome,
            exception,
            poll,
            remarks.attempt,
        )
        self._count += 1
        return Captured(exchange, self._count, remarks.booked, remarks.clock, self._boot_id, remarks.again)

    def _what(self, frame: bytes, *, serial: bool) -> tuple[int, Asked]:
        key = frame if serial else frame[2:]
        found = self._asked.get(key)
        if found is None:
            found = asked(body_of(frame, serial=serial))
            if found is None:
                raise CutOff(0, "a request that reads nothing")
            if len(self._asked) > _MOST_CACHED:
                self._asked.clear()
            self._asked[key] = found
        return found

    def _journal(self, body: bytes) -> Iterator[Item]:
        fields = pcapng.journal_fields(body)
        if "ENERGY_AGENT" not in fields:
            return
        self._pieces.append(fields["ENERGY_AGENT"])
        self._length += len(self._pieces[-1])
        if self._length > _LONGEST_NOTE:
            raise CutOff(0, "a note longer than any that is written")
        number, _, of = fields.get("ENERGY_AGENT_PART", "1/1").partition("/")
        if number != of:
            return
        text, self._pieces, self._length = "".join(self._pieces), [], 0
        try:
            told = orjson.loads(text)
            note = Note(told["kind"], told["time_ns"], told["monotonic_ns"], told["body"])
            yield self._whole(note) if note.kind == EXCHANGE else note
        except (ValueError, KeyError, TypeError) as error:
            raise CutOff(0, "a note that makes no sense") from error

    def _whole(self, note: Note) -> Captured:
        """Return the exchange that a note stands for."""
        body = note.body
        exchange = Exchange(
            line=body["line"],
            unit=body["unit"],
            block=Asked(*body["block"]),
            request=bytes.fromhex(body["request"]),
            reply=bytes.fromhex(body["reply"]),
            data=bytes.fromhex(body["data"]),
            sent_ns=body["sent_ns"],
            received_ns=body["received_ns"],
            time_ns=note.time_ns,
            outcome=Outcome(body["outcome"]),
            exception=body["exception"],
            poll=body["poll"],
            attempt=body["attempt"],
        )
        self._count += 1
        return Captured(exchange, self._count, body["booked"], body["clock"], self._boot_id, body["again"])

    def _foreign(self, link: int, time_ns: int, data: bytes) -> Iterator[Captured]:
        yield from map(self._counted, self._assembler.packet(link, time_ns, data))

    def _counted(self, exchange: Exchange) -> Captured:
        self._count += 1
        return Captured(exchange, self._count)


def _interface(part: Block) -> _Interface:
    link = struct.unpack_from(f"{part.order}H", part.body)[0]
    serial = link == pcapng.LINK_UPPER_PDU
    found = _Interface(link, serial, _TAGS if serial else packets.TCP_AT)
    for code, value in pcapng.read_options(part.body[8:], part.order):
        if code == pcapng.INTERFACE_NAME:
            found.name = value.decode("utf-8", "replace")
        elif code == pcapng.INTERFACE_DESCRIPTION:
            found.url = value.decode("utf-8", "replace")
        elif code == pcapng.TIME_RESOLUTION and value:
            power = value[0] & ~_BINARY
            found.unit_ns = (_NS, 2**power) if value[0] & _BINARY else (_NS, 10**power)
        elif code == pcapng.TIME_OFFSET and len(value) == 8:  # noqa: PLR2004 - seconds in 64 bits
            found.offset_ns = struct.unpack(f"{part.order}q", value)[0] * _NS
    return found
