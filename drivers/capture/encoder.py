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
from drivers.capture.connection import Connection, RtuConnection, TcpConnection
from drivers.capture.frames import asked, body_of, explained
from drivers.capture.items import Note
from drivers.endpoint import Endpoint
from drivers.reading import Block, Exchange, Outcome

EXCHANGE = "exchange"
"""Kind of the note that stands for an exchange of which packets cannot tell everything."""
APPLICATION = "energy-agent"

_FIRST_PORT, _PORTS = 49152, 16384
_BROKEN = (Outcome.BAD_REPLY, Outcome.LINE_DOWN)
"""Outcomes after which a line connects anew."""
_ANSWERED = (Outcome.OK, Outcome.EXCEPTION)
_LONGEST_PIECE = 60 << 10
"""Characters of a note in one block; Wireshark takes no entry longer than 256 KiB."""
_MOST_TEXTS = 1024

_Remark = tuple[str, int, int | None, bool]
"""What a comment adds of an answered exchange: poll, attempt, mark, and whether it is told again."""


@dataclass(slots=True)
class _Line:
    connection: Connection
    serial: bool
    url: str
    polls: dict[int, int] = field(default_factory=dict)
    """Number of the poll before, by unit."""
    asked: dict[bytes, tuple[int, Block]] = field(default_factory=dict)
    """Unit and block that requests were found to ask for, by their bytes without the transaction number."""
    beside: tuple[int, str] = (0, "")
    """Distance of the clocks and their state, as the texts below have them."""
    text: str = ""
    options: dict[_Remark | None, bytes] = field(default_factory=dict)
    """Ready options with `text` and what is added to it; None: of a request whose reply follows."""


class Encoder:
    """Makes the blocks of one file after the other; `begin` is called before each."""

    def __init__(self, lines: Mapping[str, Endpoint], boot_id: str) -> None:
        self._boot_id = boot_id
        self._lines: dict[str, _Line] = {}
        self._connections = 0
        for number, (name, endpoint) in enumerate(lines.items()):
            device = packets.address_of(endpoint.host, number + 1)
            made = RtuConnection(number, device) if endpoint.serial else TcpConnection(number, device, self._port())
            self._lines[name] = _Line(made, endpoint.serial, endpoint.url)

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
        if line.beside != (behind_ns, clock):
            line.beside = (behind_ns, clock)
            line.text = comment.common(self._boot_id, clock, behind_ns)
            line.options.clear()
        poll = self._poll(line, exchange)
        packet = line.connection.packet
        if exchange.outcome in _ANSWERED:
            beside = line.options.get((poll, exchange.attempt, booked, again))
            if beside is None:
                beside = _ready(line, (poll, exchange.attempt, booked, again))
            question = packet(sent_ns, exchange.request, line.options.get(None) or _ready(line, None))
            return question + packet(exchange.time_ns, exchange.reply, beside, outbound=False)
        after_ns = exchange.received_ns - exchange.sent_ns
        text = comment.details(poll, exchange.attempt, booked, exchange.outcome, after_ns, exchange.reply, again=again)
        question = packet(sent_ns, exchange.request, _options(line.text + text, pcapng.OUTBOUND))
        if exchange.outcome in _BROKEN:
            line.connection.renew(self._port())
        return question

    def _port(self) -> int:
        self._connections += 1
        return _FIRST_PORT + self._connections % _PORTS

    @staticmethod
    def _plain(line: _Line, exchange: Exchange) -> bool:
        """Whether packets can tell everything of an exchange."""
        request, place = exchange.request, (exchange.unit, exchange.block)
        key = request if line.serial else request[2:]
        if line.asked.get(key) != place:
            if asked(body_of(request, serial=line.serial)) != place:
                return False
            if len(line.asked) > _MOST_TEXTS:
                line.asked.clear()
            line.asked[key] = place
        return explained(exchange, serial=line.serial)

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
        return note_blocks(Note(EXCHANGE, exchange.time_ns, exchange.received_ns, body), self._boot_id)


def note_blocks(note: Note, boot_id: str) -> bytes:
    """Return the blocks of a note: one, or several for one that is very long."""
    told = {"kind": note.kind, "time_ns": note.time_ns, "monotonic_ns": note.monotonic_ns, "body": note.body}
    text = orjson.dumps(told).decode()
    pieces = [text[at : at + _LONGEST_PIECE] for at in range(0, len(text), _LONGEST_PIECE)]
    blocks = []
    for number, piece in enumerate(pieces, 1):
        fields = [
            ("__REALTIME_TIMESTAMP", str(note.time_ns // 1000)),
            ("__MONOTONIC_TIMESTAMP", str(note.monotonic_ns // 1000)),
            ("_BOOT_ID", boot_id.replace("-", "")),
            ("SYSLOG_IDENTIFIER", APPLICATION),
            ("MESSAGE", note.kind if number == 1 else f"{note.kind}, part {number} of {len(pieces)}"),
            ("ENERGY_AGENT_PART", f"{number}/{len(pieces)}"),
            ("ENERGY_AGENT", piece),
        ]
        blocks.append(pcapng.journal(fields))
    return b"".join(blocks)


def _ready(line: _Line, remark: _Remark | None) -> bytes:
    """Return the options of a packet with the usual comment; made once as long as the clocks agree."""
    if len(line.options) > _MOST_TEXTS:
        line.options.clear()
    if remark is None:
        ready = _options(line.text, pcapng.OUTBOUND)
    else:
        poll, attempt, booked, again = remark
        ready = _options(line.text + comment.details(poll, attempt, booked, again=again), pcapng.INBOUND)
    line.options[remark] = ready
    return ready


def _options(text: str, direction: int) -> bytes:
    return pcapng.options([(pcapng.COMMENT, text.encode()), (pcapng.FLAGS, direction.to_bytes(4, "big"))])
