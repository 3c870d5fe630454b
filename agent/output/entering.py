"""Entries on their way into the books: booked in order, or, for times already told of, as revisions.

Invariants:

- What an entry changes, and that it was taken, are saved in one transaction; taken twice it changes nothing.
- An entry lies wholly behind all that was entered before, or wholly before the end of it: then it is added there.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from itertools import pairwise
from typing import Any

from agent.books.book import AccountBook
from agent.books.bookkeeper import Bookkeeper
from agent.books.ledger import Ledger
from agent.config import SiteConfig
from agent.counted import counted
from agent.metering.totaliser import Totaliser
from agent.output.entry import Entry, refusal
from agent.output.entry_booking import EntryBooking, beyond
from agent.record import rfc3339, start_of
from agent.saved import pack, unpack
from agent.scribe import Scribe

SAVED = "entries"
"""Name under which the store keeps which entries were taken."""
_REMEMBERED = 500

Body = dict[str, Any]
Records = Callable[[int, int, str | None], Awaitable[list[Body]]]
"""Returns the interval records in force that start in a time (wall clock, ns) of one account."""
Outcome = tuple[bool, str, int]
"""Whether an entry was taken, what to tell, and how many records were revised."""


class Entries:
    """Takes entries for the outputs of a ledger."""

    def __init__(self, scribe: Scribe, bookkeeper: Bookkeeper, records: Records) -> None:
        self._scribe, self._store = scribe, scribe.store
        self._bookkeeper = bookkeeper
        self._records = records
        self._booking = EntryBooking(bookkeeper, scribe.tape)

    def keep(self, config: SiteConfig, ledger: Ledger) -> None:
        """Go on with a configuration and its ledger."""
        self._config, self._ledger = config, ledger
        self._booking.keep(ledger)

    async def take(self, entry: Entry) -> Outcome:
        """Book an entry; raise StoreError when the store cannot be read or written."""
        book = self._ledger.books.get(entry.account)
        now_ns = self._scribe.keeper.now_ns()
        problem = refusal(entry, book.account if book else None, self._config)
        if not problem and entry.end_ns > now_ns:
            problem = "the period is not over yet: enter it when it is"
        if problem or book is None or not isinstance(book.source, Totaliser):
            return False, problem, 0
        if entry.id in self._taken():
            return True, "this was entered before", 0
        while self._bookkeeper.close_due(now_ns):
            await self._store.flush()
        last = book.source.last
        if last is None or last.time_ns <= entry.start_ns:
            if problem := _refused_in_order(entry, book.source):
                return False, problem, 0
            with self._store.transaction():
                self._booking.in_order(entry, now_ns, time.monotonic_ns())
                self._remember(entry)
            return True, f"{entry.amount:.15g} {book.account.unit} entered", 0
        records = await self._records(entry.start_ns, entry.end_ns, entry.account)
        problem = _refused(book, entry, last.time_ns, records) or beyond(entry, book.source, records)
        if problem:
            return False, problem, 0
        with self._store.transaction():
            self._booking.late(entry, now_ns, time.monotonic_ns(), records)
            self._remember(entry)
        added = f"{entry.amount:.15g} {book.account.unit} added to what was entered"
        return True, f"{added}: {counted(len(records), 'interval', 'intervals')} revised", len(records)

    def _remember(self, entry: Entry) -> None:
        self._store.save_state(SAVED, pack(entries=[*self._taken(), entry.id][-_REMEMBERED:]))

    def _taken(self) -> list[str]:
        state = self._store.load_state(SAVED)
        return list(unpack(state)["entries"]) if state else []


def _refused_in_order(entry: Entry, source: Totaliser) -> str:
    """Return why an entry cannot be booked behind all others, empty when it can."""
    if entry.amount < 0:
        return "an amount below zero can only correct what was entered before"
    return beyond(entry, source, None)


def _refused(book: AccountBook, entry: Entry, entered_ns: int, records: Sequence[Body]) -> str:
    """Return why an entry cannot be added to the records of its time, empty when it can."""
    if entry.end_ns > entered_ns:
        what = f"'{entry.account}' is entered up to {rfc3339(entered_ns)}"
        return f"{what}: begin there, or end there to add to what was entered"
    whole = bool(records) and start_of(records[0]) == entry.start_ns and records[-1]["end"] == rfc3339(entry.end_ns)
    if not whole or any(before["end"] != after["start"] for before, after in pairwise(records)):
        return f"'{entry.account}' has no records of all of this time: its account begins with its first entry"
    if book.settled_ns < entry.end_ns:
        return "the intervals of this time are not settled yet: ask again later"
    return ""
