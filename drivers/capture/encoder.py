"""From exchanges and notes to the blocks of a file.

Invariants:
- What `decoder` makes of the blocks equals what was given, field for field and bit for bit.
- An exchange is one packet or two next to each other; the comment of the last says what its bytes do not.
- A file stands for itself: nothing in it refers to a file before. The TCP connections go on, so that files can be
  merged.
"""

from collections.abc import Mapping
from dataclasses import field

import orjson

from drivers.capture import comment, packets, pcapng
from drivers.capture.connection import Connection, Form, RtuConnection, TcpConnection
from drivers.capture.frames import TRANSACTION, asked, body_of, explained
from drivers.capture.items import Note
from drivers.endpoint import Endpoint
from drivers.reading import Block, Exchange, Outcome
from drivers.value import mutable

EXCHANGE = "exchange"
"""Kind of the note that stands for an exchange of which packets cannot tell everything."""
APPLICATION = "energy-agent"

_FIRST_PORT, _PORTS = 49152, 16384
_BROKEN = (Outcome.BAD_REPLY, Outcome.LINE_DOWN)
"""Outcomes after which a line connects anew."""
_ANSWERED = (Outcome.OK, Outcome.EXCEPTION)
_LONGEST_PIECE = 60 << 10
"""Characters of a note in one block; Wireshark takes no entry longer than 256 KiB."""
_MOST_ALIKE = 1024
_NEXT, _SAME = "+1", "+0"
_OFTEN = frozenset({"", _NEXT, _SAME})
"""Polls as comments have them again and again."""

_Key = tuple[bytes, int, str, int, int | None, bool]
"""What tells exchanges of a line apart whose packets look alike: request (over TCP without its transaction number),
bytes of the reply, and what their comment says: poll, attempt, mark, and whether it is told again."""
_Alike = tuple[tuple[int, Block], Form]
"""Unit and block that such exchanges ask for, and the form of their packets."""


@mutable
class _Line:
    connection: Connection
    serial: bool
    url: str
    polls: dict[int, int] = field(default_factory=dict)
    """Number of the poll before, by unit."""
    behind_ns: int = 0
    clock: str | None = None
    """Distance of the clocks and their state, as the text and the forms have them."""
    text: str = ""
    alike: dict[_Key, _Alike] = field(default_factory=dict)
    """Answered exchanges as they look as long as clocks and connection stay."""


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
        line, request, reply, time_ns = self._lines[exchange.line], exchange.request, exchange.reply, exchange.time_ns
        serial, place = line.serial, (exchange.unit, exchange.block)
        behind_ns = time_ns - exchange.received_ns
        sent_ns = exchange.sent_ns + behind_ns
        if line.behind_ns != behind_ns or line.clock != clock:
            line.behind_ns, line.clock = behind_ns, clock
            line.text = comment.common(self._boot_id, clock, behind_ns)
            line.alike.clear()
        poll = _poll(line, exchange)
        key = (request if serial else request[TRANSACTION:], len(reply), poll, exchange.attempt, booked, again)
        alike = line.alike.get(key)
        what = alike[0] if alike else asked(body_of(request, serial=serial))
        if what != place or sent_ns < 0 or not explained(exchange, serial=serial):
            return self._whole(exchange, clock, booked, again=again)
        if exchange.poll:
            line.polls[exchange.unit] = exchange.poll
        if exchange.outcome not in _ANSWERED:
            return self._unanswered(line, exchange, poll, booked, again=again)
        form = alike[1] if alike else _form(line, key, place)
        return line.connection.exchange(form, sent_ns, request, time_ns, reply)

    def _unanswered(self, line: _Line, exchange: Exchange, poll: str, booked: int | None, *, again: bool) -> bytes:
        """Return the block of a request without an accepted reply."""
        after_ns = exchange.received_ns - exchange.sent_ns
        text = comment.details(poll, exchange.attempt, booked, exchange.outcome, after_ns, exchange.reply, again=again)
        sent_ns = exchange.sent_ns + line.behind_ns
        question = line.connection.request(sent_ns, exchange.request, _options(line.text + text, pcapng.OUTBOUND))
        if exchange.outcome in _BROKEN:
            line.connection.renew(self._port())
            line.alike.clear()
        return question

    def _port(self) -> int:
        self._connections += 1
        return _FIRST_PORT + self._connections % _PORTS

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


def _poll(line: _Line, exchange: Exchange) -> str:
    """Return the number of a poll as it is to stand in the comment."""
    poll = exchange.poll
    if not poll:
        return ""
    before = line.polls.get(exchange.unit)
    if before is not None and before <= poll <= before + 1:
        return _NEXT if poll > before else _SAME
    return str(poll)


def _form(line: _Line, key: _Key, place: tuple[int, Block]) -> Form:
    """Return the form of an answered exchange, kept for all that look like it."""
    request, reply, poll, attempt, booked, again = key
    size = len(request) if line.serial else TRANSACTION + len(request)
    before = _options(line.text, pcapng.OUTBOUND)
    behind = _options(line.text + comment.details(poll, attempt, booked, again=again), pcapng.INBOUND)
    form = line.connection.form(size, reply, before, behind)
    if poll in _OFTEN:
        if len(line.alike) > _MOST_ALIKE:
            line.alike.clear()
        line.alike[key] = place, form
    return form


def _options(text: str, direction: int) -> bytes:
    return pcapng.options([(pcapng.COMMENT, text.encode()), (pcapng.FLAGS, direction.to_bytes(4, "big"))])
