"""From exchanges and notes to the blocks of a file.

Invariants:
- What `decoder` makes of the blocks equals what was given, field for field and bit for bit.
- An exchange is one packet or two next to each other; the comment of the last says what its bytes do not.
- A file stands for itself: nothing in it refers to a file before. The TCP connections go on, so that files can be
  merged.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson

from drivers.capture import comment, packets, pcapng
from drivers.capture.frames import explained, request_tail
from drivers.capture.items import Note
from drivers.endpoint import Endpoint
from drivers.reading import Block, Exchange, Outcome

EXCHANGE = "exchange"
"""Kind of the note that stands for an exchange of which packets cannot tell everything."""
APPLICATION = "energy-agent"

_FIRST_PORT, _PORTS = 49152, 16384
_SEQUENCE = 1 << 32
_BROKEN = (Outcome.BAD_REPLY, Outcome.LINE_DOWN)
"""Outcomes after which a line connects anew."""
_ANSWERED = (Outcome.OK, Outcome.EXCEPTION)
_LONGEST_PIECE = 128 << 10
"""Of a note in one block; Wireshark takes no entry longer than 256 KiB."""
_MOST_TEXTS = 1024


@dataclass(slots=True)
class _Line:
    number: int
    serial: bool
    device: bytes
    url: str
    port: int = 0
    ours: int = 1
    theirs: int = 1
    """Next sequence numbers of the connection, from the gateway and from the device."""
    polls: dict[int, int] = field(default_factory=dict)
    """Number of the poll before, by unit."""
    tails: dict[tuple[int, Block], bytes] = field(default_factory=dict)
    heads: dict[int, bytes] = field(default_factory=dict)
    """What stands before the sequence numbers, by size of the payload; negative for what the device sends."""


class Encoder:
    """Makes the blocks of one file after the other; `begin` is called before each."""

    def __init__(self, lines: Mapping[str, Endpoint], boot_id: str) -> None:
        self._boot_id = boot_id
        self._lines: dict[str, _Line] = {}
        self._connections = 0
        self._common: tuple[int, str] | None = None
        self._text = ""
        self._options: dict[str, bytes] = {}
        for number, (name, endpoint) in enumerate(lines.items()):
            device = packets.address_of(endpoint.host, number + 1)
            self._lines[name] = _Line(number, endpoint.serial, device, endpoint.url)
            self._connect(self._lines[name])

    def begin(self, *, site: str, configuration: str, version: str) -> bytes:
        """Return what a file begins with: who wrote it, and its lines."""
        about = f"site {site}; configuration {configuration}; boot {self._boot_id}"
        blocks = [
            pcapng.section_header(
                [(pcapng.APPLICATION, f"{APPLICATION} {version}".encode()), (pcapng.COMMENT, about.encode())]
            )
        ]
        for name, line in self._lines.items():
            line.polls.clear()
            link = pcapng.LINK_UPPER_PDU if line.serial else pcapng.LINK_RAW
            names = [(pcapng.INTERFACE_NAME, name.encode()), (pcapng.INTERFACE_DESCRIPTION, line.url.encode())]
            blocks.append(pcapng.interface(link, names))
        return b"".join(blocks)

    def exchange(self, exchange: Exchange, clock: str, booked: int | None = None, *, again: bool = False) -> bytes:
        """Return the blocks of an exchange; `booked` is the cadence whose poll it ended."""
        line = self._lines[exchange.line]
        behind_ns = exchange.time_ns - exchange.received_ns
        sent_ns = exchange.sent_ns + behind_ns
        if sent_ns < 0 or not self._plain(line, exchange):
            return self._whole(exchange, clock, booked, again=again)
        if self._common != (behind_ns, clock):
            self._common = (behind_ns, clock)
            self._text = comment.common(self._boot_id, clock, behind_ns)
            self._options.clear()
        poll = self._poll(line, exchange)
        if exchange.outcome not in _ANSWERED:
            text = comment.details(
                poll,
                exchange.attempt,
                booked,
                exchange.outcome,
                exchange.received_ns - exchange.sent_ns,
                exchange.reply,
                again=again,
            )
            asked = self._packet(line, exchange.request, sent_ns, _options(self._text + text, pcapng.OUTBOUND))
            if exchange.outcome in _BROKEN:
                self._connect(line)
            return asked
        asked = self._packet(line, exchange.request, sent_ns, self._ready("", pcapng.OUTBOUND))
        text = comment.details(poll, exchange.attempt, booked, again=again)
        return asked + self._packet(
            line, exchange.reply, exchange.time_ns, self._ready(text, pcapng.INBOUND), outbound=False
        )

    def note(self, note: Note) -> bytes:
        """Return the blocks of a note: one, or several for one that is very long."""
        told = {"kind": note.kind, "time_ns": note.time_ns, "monotonic_ns": note.monotonic_ns, "body": note.body}
        text = orjson.dumps(told).decode()
        pieces = [text[at : at + _LONGEST_PIECE] for at in range(0, len(text), _LONGEST_PIECE)]
        blocks = []
        for number, piece in enumerate(pieces, 1):
            fields = [
                ("__REALTIME_TIMESTAMP", str(note.time_ns // 1000)),
                ("__MONOTONIC_TIMESTAMP", str(note.monotonic_ns // 1000)),
                ("_BOOT_ID", self._boot_id.replace("-", "")),
                ("SYSLOG_IDENTIFIER", APPLICATION),
                ("MESSAGE", note.kind if number == 1 else f"{note.kind}, part {number} of {len(pieces)}"),
                ("ENERGY_AGENT_PART", f"{number}/{len(pieces)}"),
                ("ENERGY_AGENT", piece),
            ]
            blocks.append(pcapng.journal(fields))
        return b"".join(blocks)

    def _connect(self, line: _Line) -> None:
        line.port = _FIRST_PORT + self._connections % _PORTS
        line.ours = line.theirs = 1
        line.heads.clear()
        self._connections += 1

    @staticmethod
    def _plain(line: _Line, exchange: Exchange) -> bool:
        """Whether packets can tell everything of an exchange."""
        place = (exchange.unit, exchange.block)
        tail = line.tails.get(place)
        if tail is None:
            if len(line.tails) > _MOST_TEXTS:
                line.tails.clear()
            tail = line.tails[place] = request_tail(exchange.unit, exchange.block, serial=line.serial)
        request = exchange.request if line.serial else exchange.request[2:]
        return request == tail and explained(exchange, serial=line.serial)

    @staticmethod
    def _poll(line: _Line, exchange: Exchange) -> str:
        """Return the number of a poll as it is to stand in the comment."""
        poll = exchange.poll
        if not poll:
            return ""
        before = line.polls.get(exchange.unit)
        line.polls[exchange.unit] = poll
        if before is not None and before <= poll <= before + 1:
            return "+1" if poll > before else "+0"
        return str(poll)

    def _packet(self, line: _Line, frame: bytes, time_ns: int, ready_options: bytes, *, outbound: bool = True) -> bytes:
        size = len(frame)
        key = size if outbound else -size
        head = line.heads.get(key)
        if line.serial:
            if head is None:
                head = line.heads[key] = packets.upper_pdu(line.device, outbound=outbound)
            return pcapng.packet(line.number, time_ns, head + frame, ready_options)
        if head is None:
            head = line.heads[key] = packets.ip_and_ports(line.device, line.port, size, outbound=outbound)
        if outbound:
            numbers = packets.SEQUENCE.pack(line.ours, line.theirs)
            line.ours = (line.ours + size) % _SEQUENCE
        else:
            numbers = packets.SEQUENCE.pack(line.theirs, line.ours)
            line.theirs = (line.theirs + size) % _SEQUENCE
        return pcapng.packet(line.number, time_ns, b"".join((head, numbers, packets.TAIL, frame)), ready_options)

    def _ready(self, text: str, direction: int) -> bytes:
        """Return the options of a packet with the usual comment; made once as long as the clocks agree."""
        key = text if direction == pcapng.INBOUND else "<"
        ready = self._options.get(key)
        if ready is None:
            if len(self._options) > _MOST_TEXTS:
                self._options.clear()
            ready = self._options[key] = _options(self._text + text, direction)
        return ready

    def _whole(self, exchange: Exchange, clock: str, booked: int | None, *, again: bool) -> bytes:
        """Return a note with all fields of an exchange that no line makes, such as one of an odd request."""
        self._lines[exchange.line].polls.pop(exchange.unit, None)
        block = exchange.block
        body = {
            "line": exchange.line,
            "unit": exchange.unit,
            "block": [block.function, block.address, block.count],
            "request": exchange.request.hex(),
            "reply": exchange.reply.hex(),
            "data": exchange.data.hex(),
            "sent_ns": exchange.sent_ns,
            "received_ns": exchange.received_ns,
            "outcome": exchange.outcome.value,
            "exception": exchange.exception,
            "poll": exchange.poll,
            "attempt": exchange.attempt,
            "clock": clock,
            "booked": booked,
            "again": again,
        }
        return self.note(Note(EXCHANGE, exchange.time_ns, exchange.received_ns, body))


def _options(text: str, direction: int) -> bytes:
    return pcapng.options([(pcapng.COMMENT, text.encode()), (pcapng.FLAGS, direction.to_bytes(4, "big"))])
