"""The books on their way into the store: intervals that are due, what the counters noticed, what a restart needs.

Invariants:

- An interval leaves the books only once it is appended, and the books are saved in the same transaction: a crash in
  between loses nothing and records nothing twice. What the counters noticed goes with the books that gave it up.
- A turn appends no more than the store's queue has room for, so that none of it has to make way.
- An account whose books fail keeps none of the others from being closed and saved.
"""

import contextlib
import logging
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from agent.books import bodies
from agent.books.book import AccountBook
from agent.books.interval_body import interval_body, reading_body
from agent.books.kept_bodies import BodiesByName
from agent.books.ledger import LAYOUTS, Event, Ledger
from agent.books.recording import Recording
from agent.metering.amount import Reading
from agent.metering.history import Moment
from agent.metering.interval import ClosedInterval
from agent.plant import Account
from agent.record import event_body
from agent.saved import ASIDE

_log = logging.getLogger(__name__)

MOST_RECORDS = 256
"""Intervals closed in one turn, over all accounts."""
_SHARE = 32
"""Intervals of one account closed before it is the next one's turn."""


class Bookkeeper:
    """Records the intervals of a ledger, and saves its books together with them."""

    def __init__(self, ledger: Ledger, scribe: Recording) -> None:
        self._scribe = scribe
        self.keep(ledger)
        self.latest_intervals = BodiesByName()
        """The record of the youngest closed interval of each account and output, in its latest revision."""
        self.intervals_closed: Counter[str] = Counter()
        """Interval records by account, in all their revisions."""
        self.intervals_revised: Counter[str] = Counter()
        """Those of them that are revisions."""
        self._failing: set[str] = set()
        self._begun: set[str] = set()
        self.followers: list[Callable[[str, bodies.Body], None]] = []
        """Told of each interval record, by account, in the transaction in which it is appended."""

    def keep(self, ledger: Ledger) -> None:
        """Go on with another ledger."""
        self._ledger = ledger
        self._order = deque(ledger.books.values())
        self._unbegun = [*ledger.books]
        self._layouts_saved = False

    @property
    def unsaved_begin(self) -> bool:
        """Whether an account was read whose first reading of this run is not saved yet.

        Without its first reading nobody could tell after a crash what a new account has counted since.
        """
        books = self._ledger.books
        self._unbegun = [name for name in self._unbegun if name not in self._begun]
        return any(books[name].last is not None for name in self._unbegun)

    def close_due(self, now_ns: int) -> bool:
        """Record intervals that are due, as many as there is room for; return whether more may be due.

        Then the store is to be flushed before the next turn. The accounts take turns, and who had to wait is first
        in the next one.
        """
        records, room = MOST_RECORDS, self._scribe.store.room // 2
        waiting = len(self._order)
        while waiting:
            if records <= 0 or room <= 0:
                return True
            book = self._order[0]
            self._order.rotate(-1)
            closed, used = self._close(book, now_ns, min(records, _SHARE), room)
            waiting = len(self._order) if closed == _SHARE else waiting - 1
            records, room = records - closed, room - used
        return False

    def close_next(self, name: str, now_ns: int) -> bool:
        """Record the one interval of an account that is due next by a time; return whether there was one."""
        return bool(self._close(self._ledger.books[name], now_ns, 1, self._scribe.store.room)[0])

    def _close(self, book: AccountBook, now_ns: int, most: int, room: int) -> tuple[int, int]:
        """Record intervals of an account together with the books they leave behind; return how many, and bytes."""
        closed = used = 0
        if not self._has_news(book, now_ns):
            return 0, 0
        with self._guarded(book), self._scribe.store.transaction():
            try:
                while closed < most and used < room and (interval := book.due(now_ns)):
                    used += self._record(book, interval, now_ns)
                    book.close(interval)
                    closed += 1
            finally:
                self.save_book(book)
        return closed, used

    def _has_news(self, book: AccountBook, now_ns: int) -> bool:
        """Whether an account has something to record, which it also has where it fails."""
        try:
            if book.events or book.due(now_ns) is not None:
                return True
        except Exception:  # noqa: BLE001  # it fails again where that is told of
            return True
        self._failing.discard(book.account.name)
        return False

    @contextlib.contextmanager
    def _guarded(self, book: AccountBook) -> Iterator[None]:
        """Keep what fails for one account from the others, and tell of it once."""
        name = book.account.name
        try:
            yield
        except Exception:  # noqa: BLE001  # whatever it is, it is that of one account
            if name not in self._failing:
                self._failing.add(name)
                _log.exception("the books of %s cannot be closed or saved; what is due stays in them", name)
        else:
            self._failing.discard(name)

    def _record(self, book: AccountBook, interval: ClosedInterval, now_ns: int) -> int:
        account, ledger = book.account, self._ledger
        weight = ledger.conversions.at(account, interval.start_ns)
        certificates = ledger.conversions.certificates(account, interval.start_ns) if interval.green_quanta else ()
        body = interval_body(self._scribe.site, account, ledger.point_of(account), interval, weight, certificates)
        body |= ledger.tariffs.priced(account.name, interval.start_ns, interval.quanta)
        return self.append(account, interval.start_ns, body, now_ns)

    def evidence(self, account: Account, start: Reading, end: Reading) -> bodies.Body:
        """Return the readings before and after a step of an account as records show them."""
        point = self._ledger.point_of(account)
        return {"start": reading_body(start, point), "end": reading_body(end, point)}

    def append(self, account: Account, start_ns: int, body: bodies.Body, now_ns: int | None = None) -> int:
        """Append the record of an interval that was due at a time, or a correction of one; return its size [bytes]."""
        payload = self._scribe.record("interval", account.key, start_ns, body)
        self._scribe.tape.interval(payload, now_ns)
        self.intervals_closed[account.name] += 1
        if body["revision"]:
            self.intervals_revised[account.name] += 1
        former = self.latest_intervals.get(account.name)
        if former is None or body["start"] >= former["start"]:
            self.latest_intervals[account.name] = body
        for follow in self.followers:
            follow(account.name, body)
        return len(payload)

    def save_book(self, book: AccountBook) -> None:
        """Save the books of an account, and tell what its counter noticed."""
        account = book.account
        for event in book.events:
            told = Event(account.name, account.key, event.time_ns, str(event.rule), event.text)
            self.tell(told)
        book.events = []
        self._scribe.store.save_state(*self._ledger.state(account.name))
        if book.last is not None:
            self._begun.add(account.name)
        for name, state in self._ledger.tariffs.unsaved():
            self._scribe.store.save_state(name, state)

    def tell(self, event: Event) -> None:
        """Record something noticed."""
        account = {"account": event.account} if event.account else {}
        body = event_body(self._scribe.site, event.time_ns, **account, rule=event.rule, text=event.text)
        self._scribe.record("event", event.key, event.time_ns, body)

    def save(self, row_at: Moment | None = None) -> None:
        """Save the state of every account that has changed, so that a restart continues where this run was.

        Once a minute with the row of the ring, which belongs to the books of that very moment.
        """
        store = self._scribe.store
        with store.transaction():
            if self._scribe.keeper.believed:
                for name, kept, event in self._ledger.take_unread():
                    store.save_state(f"{ASIDE}{name}", kept)
                    self.tell(replace(event, time_ns=self._scribe.keeper.now_ns()))
            if row_at:
                store.save_row(row_at.time_ns, self._ledger.saved_row(row_at))
            if not self._layouts_saved:
                self._layouts_saved = True
                store.save_state(LAYOUTS, self._ledger.layouts_state())
            for book in self._ledger.books.values():
                if book.changed or book.events:
                    with self._guarded(book):
                        self.save_book(book)

    def restore_windows(self, stored: Mapping[int, bytes], now: Moment, *, trusted: bool) -> None:
        """Refill the windows from the rows of earlier runs, and save with them what restored books add."""
        left = self._ledger.left_rows(stored)
        self._ledger.refill({**stored, **left}.items(), now, trusted=trusted)
        with self._scribe.store.transaction():
            for time_ns, row in left.items():
                self._scribe.store.save_row(time_ns, row)
            self.save()
