"""Entries on their way into the books: booked in order, or, for times already told of, as revisions.

Invariants:

- What an entry changes, and that it was taken, are saved in one transaction; taken twice it changes nothing.
- An entry lies wholly behind all that was entered before, or wholly before the end of it: then it is added there.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from itertools import pairwise
from typing import Any

from agent import bodies
from agent.book import AccountBook
from agent.bookkeeper import Bookkeeper
from agent.config import SiteConfig
from agent.corrections.amend import next_revision, start_ns
from agent.interval_body import entered_body, reading_body
from agent.ledger import Event, Ledger
from agent.metering.amount import QUANTA_PER_UNIT, Delta, Reading, Rule, quanta
from agent.metering.slot import course
from agent.metering.tally import MANUAL, Tally
from agent.output.entry import Entry, refusal
from agent.record import rfc3339
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

    def keep(self, config: SiteConfig, ledger: Ledger) -> None:
        """Go on with a configuration and its ledger."""
        self._config, self._ledger = config, ledger

    async def take(self, entry: Entry) -> Outcome:
        """Book an entry; raise StoreError when the store cannot be read or written."""
        book = self._ledger.books.get(entry.account)
        now_ns = self._scribe.keeper.now_ns()
        problem = refusal(entry, book.account if book else None, self._config)
        if not problem and entry.end_ns > now_ns:
            problem = "the period is not over yet: enter it when it is"
        if problem or book is None or not isinstance(book.source, Tally):
            return False, problem, 0
        if entry.id in self._taken():
            return True, "this was entered before", 0
        while self._bookkeeper.close_due(now_ns):
            await self._store.flush()
        last = book.source.last
        if last is None or last.time_ns <= entry.start_ns:
            return self._in_order(book, book.source, entry, now_ns)
        return await self._late(book, entry, last.time_ns, now_ns)

    def _in_order(self, book: AccountBook, source: Tally, entry: Entry, now_ns: int) -> Outcome:
        if entry.amount < 0:
            return False, "an amount below zero can only correct what was entered before", 0
        with self._store.transaction():
            delta = source.enter(entry.start_ns, entry.end_ns, entry.quanta, entry.declaration(now_ns))
            self._book(book, delta, entry, now_ns, late=False)
        return True, f"{entry.amount:.15g} {book.account.unit} entered", 0

    async def _late(self, book: AccountBook, entry: Entry, entered_ns: int, now_ns: int) -> Outcome:
        records = await self._records(entry.start_ns, entry.end_ns, entry.account)
        if problem := _refused(book, entry, entered_ns, records):
            return False, problem, 0
        start = Reading(entry.start_ns, 0, 0.0, doubt=MANUAL)
        end = Reading(entry.end_ns, 0, entry.amount, doubt=MANUAL)
        delta = Delta(start, end, entry.quanta, False, Rule.MANUAL, entry.declaration(now_ns))
        with self._store.transaction():
            for body, share in amended(records, delta):
                book.corrected(start_ns(body), body["revision"], share)
                self._bookkeeper.append(book.account, start_ns(body), body)
            self._book(book, delta, entry, now_ns, late=True)
        text = f"{entry.amount:.15g} {book.account.unit} added to what was entered: {len(records)} intervals revised"
        return True, text, len(records)

    def _book(self, book: AccountBook, delta: Delta, entry: Entry, now_ns: int, *, late: bool) -> None:
        boot = self._ledger.timeline.now.boot
        at = Reading(now_ns, time.monotonic_ns(), delta.end.value, boot=boot, doubt=MANUAL)
        if grown := book.enter(delta, at, late=late):
            self._ledger.spread(book, grown)
        period = f"{rfc3339(entry.start_ns)} to {rfc3339(entry.end_ns)}"
        amount = f"{entry.amount:.15g} {book.account.unit}"
        text = f"{entry.author} enters {amount} for {period} ({entry.reason})"
        self._bookkeeper.tell(Event(entry.account, book.account.key, now_ns, "entered", text))
        taken = [*self._taken(), entry.id][-_REMEMBERED:]
        self._store.save_state(SAVED, pack(entries=taken))
        self._bookkeeper.save_book(book)

    def _taken(self) -> list[str]:
        state = self._store.load_state(SAVED)
        return list(unpack(state)["entries"]) if state else []


def _refused(book: AccountBook, entry: Entry, entered_ns: int, records: Sequence[Body]) -> str:
    """Return why an entry cannot be added to the records of its time, empty when it can."""
    if entry.end_ns > entered_ns:
        what = f"'{entry.account}' is entered up to {rfc3339(entered_ns)}"
        return f"{what}: begin there, or end there to add to what was entered"
    whole = bool(records) and start_ns(records[0]) == entry.start_ns and records[-1]["end"] == rfc3339(entry.end_ns)
    if not whole or any(before["end"] != after["start"] for before, after in pairwise(records)):
        return f"'{entry.account}' has no records of all of this time: its account begins with its first entry"
    if book.settled_ns < entry.end_ns:
        return "the intervals of this time are not settled yet: ask again later"
    return ""


def amended(records: Sequence[Body], delta: Delta) -> list[tuple[Body, int]]:
    """Return the next revision of each record of a time with its share [quanta] of what was entered for all of it."""
    found, before = [], 0
    declared = delta.declared
    step = {
        "rule": str(delta.rule),
        "amount": delta.quanta / QUANTA_PER_UNIT,
        "since": rfc3339(delta.since_ns),
        "start": reading_body(delta.start, None),
        "end": reading_body(delta.end, None),
        **entered_body(declared),
    }
    reason = f"entered: {declared.reason} ({declared.author})" if declared else "entered"
    for record in records:
        reached = course(delta, delta.since_ns, start_ns({"start": record["end"]}))
        share, before = reached - before, reached
        amount = (quanta(record["amount"]) + share) / QUANTA_PER_UNIT
        part = record["estimated"] * abs(record["amount"]) + abs(share) / QUANTA_PER_UNIT
        evidence = record["evidence"]
        body = next_revision(record, reason) | {
            "amount": amount,
            "coverage": 1.0,
            "estimated": bodies.share(part, amount),
            "quality": MANUAL,
            "evidence": {
                **evidence,
                "rules": sorted({*evidence["rules"], str(delta.rule)}),
                "decisions": [*evidence.get("decisions", ()), step],
            },
        }
        found.append((body, share))
    return found
