"""Exchanges that others captured, booked as if an agent had made them: polls are put together from the plan.

Invariants:

- A poll is whole once every block of a cadence was read, and ends at the latest when one of them is read again; what
  was not read by then got no reply.
- Time is that of the packets; the books begin with the first of them.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from agent.config import SiteConfig
from agent.metering.amount import NS_PER_S
from agent.polling import doubt
from agent.polling.polled import Cadence, PolledDevice
from agent.replay.polls import MISSING
from agent.replay.published import Published
from agent.replay.site import Site
from agent.replay.stage import Stage
from agent.replay.verdict import Report
from agent.tape.notes import Books
from drivers.capture import Captured, Damage, Note, Section
from drivers.errors import LineError
from drivers.frame import Frame
from drivers.reading import Block, Exchange, Outcome

Body = dict[str, Any]
Item = Section | Captured | Note | Damage
_WORDS = (3, 4)
"""Functions that read registers of two bytes."""


@dataclass(slots=True)
class _Poll:
    cadence: Cadence
    results: dict[Block, Exchange] = field(default_factory=dict)


class Overheard:
    """Books what others captured."""

    def __init__(self, site: Site, published: Published) -> None:
        self.report = Report()
        self._site, self._published = site, published
        self._stage: Stage | None = None
        self._lines = _lines(site.config)
        devices = {
            (device.line, device.unit): PolledDevice(
                device.name, device.unit, site.config.profiles[device.name], device.every
            )
            for device in site.config.devices
        }
        self._polls = {place: [_Poll(cadence) for cadence in device.cadences] for place, device in devices.items()}
        self._now_ns = 0
        self.records: dict[str, list[Body]] = {}
        """What was made, by account."""

    def play(self, items: Iterable[Item]) -> Report:
        """Book all there is."""
        for item in items:
            if isinstance(item, Captured):
                self.report.exchanges += 1
                self._take(item.exchange)
            elif isinstance(item, Section):
                self.report.files += 1
            elif isinstance(item, Damage):
                self.report.remark(f"{item.path.name} ends at byte {item.offset}: {item.reason}")
        for polls in self._polls.values():
            for poll in polls:
                self._end(poll)
        self._close()
        return self.report

    def _take(self, exchange: Exchange) -> None:
        line = self._lines.get(exchange.line) or self._lines.get(exchange.line.rpartition(":")[2])
        polls = self._polls.get((line or "", exchange.unit))
        if polls is None:
            self.report.remark(f"unit {exchange.unit} of {exchange.line} is no device of the configuration: left out")
            return
        for poll in polls:
            for part in _parts(exchange, poll.cadence.blocks):
                if part.block in poll.results:
                    self._end(poll)
                poll.results[part.block] = part
                if len(poll.results) == len(poll.cadence.blocks):
                    self._end(poll)

    def _end(self, poll: _Poll) -> None:
        if poll.results:
            device = poll.cadence.device
            results: dict[Block, Exchange | LineError] = {
                block: poll.results.get(block, MISSING) for block in poll.cadence.blocks
            }
            frame = poll.cadence.codec.decode(device.name, results)
            self._book(doubt.aged(frame, device.planned, results, poll.cadence.every_s))
            poll.results = {}

    def _book(self, frame: Frame) -> None:
        self.report.polls += 1
        if self._stage is None:
            self._stage = Stage(self._site, _beginning(self._site, frame.time_ns))
        if frame.time_ns - self._now_ns >= NS_PER_S:
            self._now_ns = frame.time_ns
            self._close()
        self._stage.book(frame)

    def _close(self) -> None:
        for body in self._stage.close_due(self._now_ns) if self._stage else ():
            self._published.add(body)
            self.records.setdefault(body["account"], []).append(body)
        for text in self._stage.unbooked() if self._stage else ():
            self.report.remark(text)


def _parts(exchange: Exchange, blocks: Iterable[Block]) -> Iterator[Exchange]:
    """Yield what an exchange says of planned blocks: of itself, or of those within what it read."""
    read = exchange.block
    for block in blocks:
        if block == read:
            yield exchange
        elif block.function == read.function in _WORDS and read.address <= block.address and block.end <= read.end:
            start = 2 * (block.address - read.address)
            data = exchange.data[start : start + 2 * block.count] if exchange.outcome is Outcome.OK else b""
            yield replace(exchange, block=block, data=data)


def _lines(config: SiteConfig) -> dict[str, str]:
    """Return the names of lines by themselves, by URL, and by port where only one has it."""
    ports = [str(line.endpoint.port) for line in config.lines]
    found = {str(line.endpoint.port): line.name for line in config.lines if ports.count(str(line.endpoint.port)) == 1}
    for line in config.lines:
        found |= {f"tcp://{line.endpoint.host}:{line.endpoint.port}": line.name, line.name: line.name}
    return found


def _beginning(site: Site, time_ns: int) -> Books:
    return Books(
        reason="start",
        part=1,
        version="",
        python="",
        boot="",
        start_ns=time_ns,
        configuration=site.config.digest,
        profiles={},
        factors={},
        epoch="",
        seq=0,
        begun=True,
        waiting=0,
        right=True,
        vouched=True,
        declared=(),
        accounts={},
        learned={},
    )
