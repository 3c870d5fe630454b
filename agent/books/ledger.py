"""The accounts of the plant: frames in, rolling windows and interval records out.

Invariants:

- Only this module books. A frame is taken in the order it was read; nothing here looks at a clock, so the same
  frames and ticks give the same records, bit for bit.
- A row of the ring holds, for every account side by side, what has been booked since it began: amount,
  measured seconds, estimated amount, CO2 (location) and CO2 (market). Energy and kgce follow
  from amounts, so they need no column: see `agent.books.weights`.
- A row is saved only together with the books of all accounts. So a restart finds rows and books that belong
  together, and the windows of an agent that was restarted are those of one that ran on and read nothing.
- A delta is weighed with the factor of the day it ends on; an interval with the factor of the day it starts on.
"""

import itertools
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field

import numpy as np
import numpy.typing as npt

from agent.books import rows
from agent.books.agreement import CounterChecks
from agent.books.book import AccountBook
from agent.books.columns import AMOUNT, COLUMNS, Growth
from agent.books.conversions import Conversions
from agent.books.troubles import Troubles
from agent.carbon.factors import FactorLibrary
from agent.config import SiteConfig
from agent.metering.amount import NS_PER_S, Declaration, Delta, Reading
from agent.metering.declared import Late
from agent.metering.history import Moment, SavedRow, Timeline, lay_out
from agent.metering.window import MINUTE_NS, Windows
from agent.plant import Account
from agent.record import AGENT
from agent.saved import UnreadableError, pack, set_aside, unpack
from agent.tariff.book import TariffBooks
from agent.tariff.build import tariffs
from drivers.frame import Frame
from drivers.point import Point
from drivers.value import frozen

_log = logging.getLogger(__name__)

LAYOUTS = "windows"
"""Name under which the store keeps whose columns the rows of the ring are."""
_WINDOWS_ANEW = "the windows begin anew"


@frozen
class Event:
    """Something an engineer or auditor must be able to find: a reset, a refused reading, a state that was damaged.

    `account` is empty where it concerns all of them.
    """

    account: str
    key: str
    time_ns: int
    rule: str
    text: str


@frozen
class WindowFigures:
    """Differences over one span: `values[kind, account]` with the kinds of `books.columns`, and its length [s]."""

    span: str
    span_s: float
    elapsed_s: float
    values: npt.NDArray[np.float64]
    doubts: Mapping[int, str] = field(default_factory=dict)
    """What is in doubt about readings within the span (`uncertain:stale`), by account."""


class Ledger:
    """All accounts and outputs of a plant, and their rolling windows."""

    def __init__(self, config: SiteConfig, library: FactorLibrary, *, start_ns: int, boot_id: str = "") -> None:
        self.plant = config.plant()
        self.start_ns = start_ns
        self._profiles = config.profiles
        self.conversions = Conversions(config, library)
        tracked = (*self.plant.accounts, *self.plant.outputs)
        self.row = np.zeros((COLUMNS, len(tracked)))
        self.books = {
            account.name: AccountBook(
                account, config, self.conversions, self.row[:, index], start_ns=start_ns, boot_id=boot_id
            )
            for index, account in enumerate(tracked)
        }
        self.declared: tuple[Declaration, ...] = ()
        """What was declared of counters by command; the configuration's own come first."""
        zone = config.site.zone
        self.configured = (
            *(replaced.declaration(zone) for replaced in config.replacements),
            *(begun.declaration(zone) for begun in config.initial_readings),
        )
        self.declare(())
        self.checks = CounterChecks(config, self.books)
        self.position = {account.name: index for index, account in enumerate(tracked)}
        self._by_device: dict[str, list[AccountBook]] = {}
        for book in self.books.values():
            self._by_device.setdefault(book.account.device, []).append(book)
        self._spans = config.windows.spans_s
        self.windows = Windows(
            self.row.size,
            tick_s=config.windows.tick,
            spans_s=tuple(self._spans.values()),
            by_minute=[self.column(AMOUNT, name) for name in config.load_factors],
        )
        self.names = [[account.name, account.unit] for account in tracked]
        self.layouts: dict[str, rows.Names] = {}
        self.tariffs = TariffBooks(tariffs(config.tariffs, config.calendar, config.site.zone))
        self.timeline = Timeline(Moment(start_ns, 0, boot_id), trusted=False)
        self.clock_right = False
        """Whether somebody vouches for the times of frames: the machine's clock is synchronised."""
        self._unread: list[tuple[str, bytes, Event]] = []
        self.troubles = Troubles()
        self._ticked_ns = 0

    def declare(self, declarations: Sequence[Declaration]) -> None:
        """Take up what was declared by command in place of what was before."""
        self.declared = tuple(declarations)
        for name, book in self.books.items():
            book.declare([each for each in (*self.configured, *self.declared) if each.account == name])

    def point_of(self, account: Account) -> Point | None:
        """Return the point an account is read from, None when no device is."""
        return self._profiles[account.device].point(account.source.name) if account.feed == "read" else None

    def column(self, kind: int, account: str) -> int:
        """Return where a kind of an account stands in the flat row of the windows."""
        return kind * len(self.position) + self.position[account]

    def take(self, frame: Frame) -> None:
        """Book everything a frame says, and let the checks see it."""
        self.book(frame)
        self.checks.take(frame)

    def book(self, frame: Frame) -> None:
        """Book everything a frame says; what fails for one account keeps none of the others from being booked."""
        for book in self._by_device.get(frame.device, ()):
            with self.troubles.guard(book, frame.time_ns):
                for grown in book.take(frame, right=self.clock_right):
                    self.spread(book, grown)

    def receive(self, name: str, reading: Reading) -> None:
        """Book what another system says of an output."""
        with self.troubles.guard(self.books[name], reading.time_ns):
            for grown in self.books[name].receive(reading, right=self.clock_right):
                self.spread(self.books[name], grown)

    def spread(self, book: AccountBook, grown: Growth) -> None:
        """Give the windows what grew unseen, over the time it took."""
        end_ns = self.timeline.at(grown.end)
        if end_ns is not None:
            columns = rows.columns_of(self.position[book.account.name], len(self.position))
            self.windows.spread(columns, grown.columns, self.timeline.at(grown.start), end_ns)

    def explain(self, book: AccountBook, late: Late) -> tuple[Delta, int]:
        """Book what is known by now of a change that was booked as unknown; see `AccountBook.explain`."""
        delta, quanta, grown = book.explain(late)
        if grown:
            self.spread(book, grown)
        return delta, quanta

    def tick(self, monotonic_ns: int) -> bool:
        """Write one row of the ring; return whether it is one that is to be saved."""
        self._ticked_ns = monotonic_ns
        return self.windows.tick(monotonic_ns, self.row.reshape(-1))

    def figures(self) -> Iterator[WindowFigures]:
        """Yield the differences over each span."""
        for span, span_s in self._spans.items():
            elapsed_s, difference = self.windows.difference(span_s)
            since_ns = self._ticked_ns - round(span_s * NS_PER_S)
            doubts = {
                self.position[name]: doubt for name, book in self.books.items() if (doubt := book.doubt_since(since_ns))
            }
            yield WindowFigures(span, span_s, elapsed_s, difference.reshape(self.row.shape), doubts)

    def states(self) -> Iterator[tuple[str, bytes]]:
        """Yield (name, state) of every account."""
        for name, book in self.books.items():
            yield _state_name(name), book.state()

    def state(self, name: str) -> tuple[str, bytes]:
        """Return under which name the books of an account are saved, and their state, which counts as saved."""
        book = self.books[name]
        state = book.state()
        book.changed = False
        return _state_name(name), state

    def restore(self, load: Callable[[str], bytes | None]) -> None:
        """Continue the books of an earlier run; an account whose state cannot be read begins anew."""
        for name, book in self.books.items():
            state = load(_state_name(name))
            if state is not None:
                try:
                    book.restore(state)
                except UnreadableError as error:
                    self.leave(_state_name(name), state, error, f"account {name} begins anew", book.account)
        for name, (unread, why) in self.tariffs.restore(load).items():
            self.leave(name, unread, why, "the months of this tariff begin anew")
        layouts = load(LAYOUTS)
        if layouts is not None:
            try:
                self.layouts = rows.layouts_of(unpack(layouts))
            except UnreadableError as error:
                self.leave(LAYOUTS, layouts, error, _WINDOWS_ANEW)

    def leave(self, name: str, state: bytes, error: UnreadableError, what: str, account: Account | None = None) -> None:
        """Have a state that cannot be read set aside and told of, with what follows from that."""
        text = f"the saved state '{name}' cannot be read: {error}; it is set aside, and {what}"
        _log.error("%s", text)
        key = account.key if account else AGENT
        event = Event(account.name if account else "", key, self.start_ns, "unreadable", text)
        self._unread.append((name.partition(" ")[0], set_aside(state, error), event))

    def take_unread(self) -> list[tuple[str, bytes, Event]]:
        """Return and forget the states that could not be read: name, what to keep of each, and what to tell."""
        unread, self._unread = self._unread, []
        return unread

    def layouts_state(self) -> bytes:
        """Return whose columns the saved rows are, those of the present accounts included."""
        self.layouts = rows.remembered(self.layouts, self.names)
        return pack(layouts=self.layouts)

    def saved_row(self, moment: Moment) -> bytes:
        """Return the present row to be saved with all books, with every outage since the row before it."""
        stored = rows.encode(rows.digest(self.names), moment, self.row, self._outages(self.books))
        for book in self.books.values():
            book.put_in_row()
        return stored

    def left_rows(self, stored: Iterable[int]) -> dict[int, bytes]:
        """Return what restored books have and no row has, as rows by wall time [ns] beside those `stored`.

        Each account's columns are what they are since its last reading, which may be long ago. The rows are to be
        saved with all books.
        """
        taken = set(stored)
        groups: dict[tuple[str, int], list[str]] = {}
        for name, book in self.books.items():
            as_of = book.columns.as_of
            if as_of and not book.columns.in_row:
                groups.setdefault((as_of.boot, as_of.monotonic_ns // MINUTE_NS), []).append(name)
        found = {}
        for names in groups.values():
            newest = max(
                (moment for name in names if (moment := self.books[name].columns.as_of)),
                key=lambda each: each.monotonic_ns,
            )
            columns = [self.position[name] for name in names]
            row = np.full_like(self.row, np.nan)
            row[:, columns] = self.row[:, columns]
            time_ns = next(at_ns for at_ns in itertools.count(newest.time_ns) if at_ns not in taken)
            taken.add(time_ns)
            found[time_ns] = rows.encode(rows.digest(self.names), newest, row, self._outages(names))
            for name in names:
                self.books[name].put_in_row()
        return found

    def refill(self, stored: Iterable[tuple[int, bytes]], now: Moment, *, trusted: bool) -> None:
        """Put the rows of earlier runs before those of this one.

        `stored` are (wall time [ns], row). While the wall clock is not `trusted`, only rows of this boot are; the
        others can be put there later.
        """
        reader, present, span_s = self._reader, self.row.reshape(-1), max(self._spans.values())
        known, unread = rows.decoded(stored, reader)
        if unread:
            self.leave(f"row (and {len(unread) - 1} more)", *unread[0], _WINDOWS_ANEW)
        self.timeline = Timeline(now, trusted=trusted, saved=[row.moment for row in known])
        by_minute = present[reader.by_minute]
        if outages := [reader.outage(position, grown) for position, grown in self._outages(self.books)]:
            known.append(SavedRow(now, present, tuple(outages), by_minute))
        sparse = self.windows.sparse
        self.windows.refill(*lay_out(known, self.timeline, span_s=span_s, current=present, sparse=sparse))
        if len(by_minute):
            narrowed = [row.narrowed(reader.by_minute) for row in known]
            self.windows.refill_minutes(*lay_out(narrowed, self.timeline, span_s=span_s, current=by_minute))

    def needed(self, stored: Iterable[tuple[int, bytes]], now_ns: int) -> dict[int, bytes]:
        """Return of rows (wall time [ns], row), oldest first, what windows need; in another thread, if need be."""
        after_ns, grain_ns = self.windows.sparse
        return rows.thinned(stored, self._reader, before_ns=now_ns - after_ns, grain_ns=grain_ns)

    def take_over(self, former: "Ledger", load: Callable[[str], bytes | None]) -> None:
        """Go on with the books and windows of a ledger that another configuration has ended.

        Books of accounts it did not have are taken up from where an earlier configuration left them.
        """
        states = dict(former.states()) | dict(former.tariffs.states())
        self.declare(former.declared)
        self.restore(lambda name: states.get(name) or load(name))
        self.layouts, self.timeline = former.layouts, former.timeline
        sources = np.array([former.names.index(name) if name in former.names else -1 for name in self.names])
        offsets = np.arange(COLUMNS)[:, None]
        columns = np.where(sources < 0, -1, offsets * len(former.books) + sources).reshape(-1)
        self.windows.take_over(former.windows, columns, self.row.reshape(-1))
        for name, book in self.books.items():
            if name in former.books:
                book.last = former.books[name].last
                book.events = former.books[name].events

    @property
    def _reader(self) -> rows.Reader:
        return rows.Reader(self.layouts, self.names, self.windows.by_minute)

    def _outages(self, names: Iterable[str]) -> list[tuple[int, Growth]]:
        return [(self.position[name], grown) for name in names for grown in self.books[name].columns.outages]


def _state_name(account: str) -> str:
    return f"account/{account}"
