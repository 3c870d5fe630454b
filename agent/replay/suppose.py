"""A capture played with another configuration or other factors: what would have been, beside what was recorded.

Invariants:

- The books begin as they were where the capture begins, as far as the configurations agree; from there on they are
  those of the other configuration, restarts and reloads of the agent or not.
- Both sides are added up over the same time: that of the recorded intervals of each account.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from agent.replay.polls import Polls, UnknownPollError
from agent.replay.published import Published
from agent.replay.sense import making_sense
from agent.replay.site import Site
from agent.replay.stage import Stage
from agent.replay.verdict import Report
from agent.tape.notes import Books, Clock, Interval, note_of
from agent.timekeeping.waiting import Waiting
from drivers.capture import Captured, Damage, Note, Section
from drivers.value import frozen

FIGURES = ("amount", "energy_kwh", "kgce", "co2_kg")
"""Keys that are added up."""
Body = dict[str, Any]
Item = Section | Captured | Note | Damage
_Records = dict[str, dict[str, Body]]


@frozen
class Compared:
    """One figure of an account over the time of its recorded intervals; None where one side has none."""

    account: str
    unit: str
    figure: str
    recorded: float | None
    supposed: float | None

    @property
    def difference(self) -> float | None:
        """How much more is supposed than was recorded."""
        if self.recorded is None or self.supposed is None:
            return None
        return self.supposed - self.recorded


class Supposition:
    """Plays a capture as if its agent had run with a configuration."""

    def __init__(self, site: Site, published: Published) -> None:
        self.report = Report()
        self._site, self._published = site, published
        self._stage: Stage | None = None
        self._recorded: _Records = {}
        self._supposed: _Records = {}
        self._now_ns = 0

    def play(self, items: Iterable[Item]) -> list[Compared]:
        """Play all there is; return both sides. Raises TapeError for a note that makes no sense."""
        file = ""
        for item in items:
            if isinstance(item, Captured):
                self._captured(item)
            elif isinstance(item, Note):
                with making_sense(item.kind, file):
                    self._noted(item)
            elif isinstance(item, Section):
                file = item.path.name
                self.report.files += 1
            else:
                self.report.remark(f"{item.path.name} ends at byte {item.offset}: {item.reason}")
        self._close()
        with making_sense(Interval.kind, file):
            return list(compared(self._recorded, self._supposed))

    def _captured(self, item: Captured) -> None:
        if self._stage is None or (item.again and self._now_ns):
            return
        self.report.exchanges += not item.again
        exchange = item.exchange
        self._stage.polls.take(exchange)
        if item.booked is not None:
            self.report.polls += 1
            try:
                self._stage.marked(exchange.line, exchange.unit, item.booked)
            except UnknownPollError as error:
                self.report.remark(str(error))

    def _noted(self, item: Note) -> None:
        note = note_of(item.kind, item.body)
        if isinstance(note, Books):
            self._books(note)
        elif isinstance(note, Interval):
            _keep(self._recorded, note.record)
            if note.now_ns is not None:
                self._now_ns = note.now_ns
                self._close()
        elif note is not None and self._stage is not None:
            try:
                self._stage.apply(note)
            except (UnknownPollError, KeyError) as error:
                self.report.remark(f"a note '{note.kind}' does not fit the configuration: {error}")

    def _books(self, note: Books) -> None:
        if self._stage is None:
            self._stage = Stage(self._site, note)
            self._stage.in_force = self._in_force
            return
        if note.reason == "start":
            self._stage.polls, self._stage.waiting = Polls(self._site.config), Waiting()
        self._stage.begun = note.begun
        self._stage.apply(Clock(note.right, note.vouched))
        for device, (holes, max_registers) in note.learned.items():
            self._stage.polls.learn(device, holes, max_registers)

    def _in_force(self, records: Sequence[Body]) -> Sequence[Body]:
        if self._stage:  # revisions made since the last interval was closed are in force, too
            self._keep_made(self._stage.made_meanwhile())
        own = (self._supposed.get(record["account"], {}).get(record["start"]) for record in records)
        return [body for body in own if body]

    def _close(self) -> None:
        if self._stage:
            self._keep_made(self._stage.close_due(self._now_ns))
            for text in self._stage.unbooked():
                self.report.remark(text)

    def _keep_made(self, bodies: Iterable[Body]) -> None:
        for body in bodies:
            self._published.add(body)
            _keep(self._supposed, body)


def _keep(records: _Records, body: Body) -> None:
    own = records.setdefault(body["account"], {})
    former = own.get(body["start"])
    if former is None or body["revision"] >= former["revision"]:
        own[body["start"]] = body


def compared(recorded: _Records, supposed: _Records) -> Iterator[Compared]:
    """Yield the figures of both sides, account by account."""
    for account in sorted({*recorded, *supposed}):
        was, would = list(recorded.get(account, {}).values()), list(supposed.get(account, {}).values())
        if was:
            start, end = min(each["start"] for each in was), max(each["end"] for each in was)
            would = [each for each in would if start <= each["start"] and each["end"] <= end]
        unit = str((was or would)[0]["unit"]) if was or would else ""
        for figure in FIGURES:
            sums = _sum(was, figure), _sum(would, figure)
            if sums != (None, None) and (figure, unit) != ("energy_kwh", "kWh"):
                yield Compared(account, unit, figure, *sums)


def _sum(records: Sequence[Body], figure: str) -> float | None:
    found = [float(record[figure]) for record in records if figure in record]
    return sum(found) if found else None
