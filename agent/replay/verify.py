"""A capture played against the intervals that its agent recorded: the same, or the first that is another.

Invariants:

- Every interval noted in the capture is judged once: identical, different, or not to be made again and why.
- Books that are not the recorded ones where a file begins count as a difference; then the recorded ones are gone on
  from, so that one mistake is told of once.
"""

from collections.abc import Callable, Iterable
from typing import Any

from agent import __version__
from agent.counted import counted
from agent.replay.polls import UnknownPollError
from agent.replay.published import Published
from agent.replay.sense import making_sense
from agent.replay.site import Site
from agent.replay.stage import Stage
from agent.replay.verdict import Difference, Place, Report, completed, first_difference
from agent.tape.notes import Books, Interval, Noted, Polled, note_of
from drivers.capture import Captured, Damage, Note, Section

SiteOf = Callable[[Books], Site | None]
"""Returns the configuration that books were kept with, None when it is not at hand."""
Item = Section | Captured | Note | Damage
_DROPPED = "dropped"
"""The note of a capture that something is missing in it."""
_NO_BOOKS = "their books are in no capture given"
_NO_SITE = "their configuration is not given"
_CUT = "part of a poll is in no capture given"


class Verifier:
    """Plays a capture and judges its intervals."""

    def __init__(self, site_of: SiteOf, published: Published) -> None:
        self.report = Report()
        self._site_of, self._published = site_of, published
        self._stage: Stage | None = None
        self._why = _NO_BOOKS
        self._unsure: dict[str, str] = {}
        self._file, self._number = "", 0
        self._run: tuple[str, int, int] = ("", 0, 0)
        self._dropped = self._fresh = False
        self._after_gap: dict[str, tuple[int, int]] | None = None
        """The first poll of each line behind a gap, which may lack exchanges; None where there was none."""

    def play(self, items: Iterable[Item]) -> Report:
        """Play all there is; return what became of it. Raises TapeError for a note that makes no sense."""
        for item in items:
            if type(item) is Captured:
                self._captured(item)
            elif isinstance(item, Note):
                with making_sense(item.kind, self._place):
                    self._noted(item)
            elif isinstance(item, Section):
                self.report.files += 1
                self._file, self._number = item.path.name, 0
            elif isinstance(item, Damage):
                self.report.remark(f"{item.path.name} ends at byte {item.offset}: {item.reason}")
        return self.report

    def _captured(self, item: Captured) -> None:
        stage, exchange = self._stage, item.exchange
        self._number = item.number
        if item.again and not self._fresh:
            return
        self._fresh = self._fresh and item.again
        self.report.exchanges += not item.again
        if stage is None:
            return
        stage.polls.take(exchange)
        if self._after_gap is not None:
            self._after_gap.setdefault(exchange.line, (exchange.unit, exchange.poll))
        if item.booked is not None:
            self.report.polls += 1
            try:
                stage.marked(exchange.line, exchange.unit, item.booked)
            except UnknownPollError as error:
                self._doubt(stage.polls.name(exchange.line, exchange.unit), str(error))
            self._judge_poll(stage, exchange.line, exchange.unit)

    def _applied(self, stage: Stage, note: Noted) -> None:
        polled = note if isinstance(note, Polled) else None
        try:
            stage.apply(note)
        except UnknownPollError as error:
            self._doubt(stage.polls.name(polled.line, polled.unit) if polled else "", str(error))
        if polled:
            self.report.polls += 1
            self._judge_poll(stage, polled.line, polled.unit)

    def _judge_poll(self, stage: Stage, line: str, unit: int) -> None:
        """Take note of a poll that may lack exchanges: of its accounts nothing is sure."""
        if stage.ledger.troubles.found:
            self._tell_troubles(stage)
        if self._after_gap is not None and self._after_gap.get(line) == (unit, stage.polls.number(line, unit)):
            self._doubt(stage.polls.name(line, unit), _CUT)

    def _tell_troubles(self, stage: Stage) -> None:
        """Say of which account a reading could not be booked here either."""
        for text in stage.unbooked():
            self.report.remark(f"{text} ({self._place})")

    def _doubt(self, device: str, why: str) -> None:
        """Take note that the books of a device's accounts (all, without a name) may not be the recorded ones."""
        if self._stage:
            for name, book in self._stage.ledger.books.items():
                if not device or book.account.device == device:
                    self._unsure.setdefault(name, why)

    def _noted(self, item: Note) -> None:
        if item.kind == _DROPPED:
            self._dropped = True
            exchanges = counted(item.body["exchanges"], "exchange", "exchanges")
            notes = counted(item.body["notes"], "note", "notes")
            self.report.remark(f"{exchanges} and {notes} are missing in {self._file}")
        note = note_of(item.kind, item.body)
        if isinstance(note, Books):
            self._books(note)
        elif isinstance(note, Interval):
            self._interval(note)
        elif note is not None and self._stage is not None:
            self._surplus()
            self._applied(self._stage, note)

    def _books(self, note: Books) -> None:
        before, self._run = self._run, (note.boot, note.start_ns, note.part)
        follows = before == (note.boot, note.start_ns, note.part - 1) and note.reason != "start"
        dropped, self._dropped = self._dropped, False
        site, stage = self._site_of(note), self._stage
        if before[:2] == self._run[:2] and note.part > before[2] + 1 and not dropped:
            self.report.remark(f"a part of the run before {self._file} is in no capture given")
        if note.version != __version__:
            self.report.remark(f"{self._file} was made by energy-agent {note.version}, this is {__version__}")
        if note.reason == "start":
            self.report.withdrawn += self._published.fall_back(note.epoch, note.seq)
        if site is None:
            self._stage, self._why = None, _NO_SITE
            digest = note.configuration.removeprefix("sha256:")[:12]
            self.report.remark(f"from {self._file} on: configuration {digest}… or its factors are in no --config given")
        elif stage is None or not follows:
            self._begin(site, note)
        elif note.reason == "reload":
            stage.reload(site, note)
            self._compared(stage, site, note, dropped=dropped)
        else:
            self._compared(stage, site, note, dropped=dropped)
        if dropped:
            self._after_gap = {}

    def _begin(self, site: Site, note: Books) -> None:
        """Go on from recorded books where nothing is known of what was before."""
        if self._stage:
            self._stage.begin(site, note)
        else:
            self._stage = Stage(site, note)
        self._unsure.clear()
        # A file begins with the polls under way, but for one of another configuration.
        self._fresh, self._after_gap = True, {} if note.reason == "reload" else None
        if note.waiting:
            waited = counted(note.waiting, "poll that waited for the time is", "polls that waited for the time are")
            self._doubt("", f"{waited} in no capture given")

    def _compared(self, stage: Stage, site: Site, note: Books, *, dropped: bool) -> None:
        """Hold the books against the recorded ones, which are gone on from where they are others."""
        others = [each for each in stage.unlike(note.accounts) if each[0] not in self._unsure and not dropped]
        for name, key, recorded, recomputed in others:
            self._differs(Difference(name, "", 0, f"books.{key}", recorded, recomputed, self._place))
        if others or self._unsure or dropped:
            stage.put(site, note)
            self._unsure.clear()
            self._after_gap = None

    @property
    def _place(self) -> Place:
        return Place(self._file, self._number)

    def _differs(self, difference: Difference) -> None:
        self.report.of(difference.account).different += 1
        self.report.first = self.report.first or difference

    def _surplus(self) -> None:
        """Tell of records that were made again although the capture has none such."""
        made = self._stage.made.intervals if self._stage else ()
        for body in made:
            place = (str(body["account"]), str(body["start"]), int(body["revision"]))
            self._differs(Difference(*place, "record", None, "a record", self._place))
        if made and self._stage:
            self._stage.made.intervals.clear()

    def _interval(self, note: Interval) -> None:
        record, stage = note.record, self._stage
        account = str(record["account"])
        counts = self.report.of(account)
        if stage is None:
            counts.unknown += 1
            self.report.unknown[self._why] += 1
            return
        if note.now_ns is None:
            body = stage.made.intervals.popleft() if stage.made.intervals else None
        else:
            self._surplus()
            body = stage.close_next(account, note.now_ns)
        whole: dict[str, Any] = completed(body, record) if body else {}
        if whole:
            self._published.add(whole)
        if whole.get("hash") == record["hash"]:
            counts.identical += 1
        elif account in self._unsure:
            counts.unknown += 1
            self.report.unknown[self._unsure[account]] += 1
        else:
            key, recorded, recomputed = first_difference(record, whole) or ("hash", record["hash"], whole["hash"])
            if not whole:
                key, recorded, recomputed = "record", "a record", None
            place = (account, str(record["start"]), int(record["revision"]))
            self._differs(Difference(*place, key, recorded, recomputed, self._place))
