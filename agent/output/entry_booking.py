"""Entries as they are booked, in order or into records already told of, which are given as they are in force.

Whoever calls does it within one transaction.
"""

from collections.abc import Sequence
from typing import Any

from agent.books import bodies
from agent.books.book import AccountBook
from agent.books.bookkeeper import Bookkeeper
from agent.books.interval_body import entered_body, reading_body
from agent.books.ledger import Event, Ledger
from agent.corrections.amend import next_revision
from agent.metering.amount import LARGEST, QUANTA_PER_UNIT, Delta, Reading, Rule, bookable, millionths
from agent.metering.slot import course
from agent.metering.totaliser import MANUAL, Totaliser
from agent.output.entry import Entry
from agent.record import end_of, rfc3339, start_of
from agent.tape import Tape
from agent.tape.notes import Entered

Body = dict[str, Any]


class EntryBooking:
    """Books what was entered for the outputs of a ledger, as of a moment of both clocks [ns]."""

    def __init__(self, bookkeeper: Bookkeeper, tape: Tape) -> None:
        self._bookkeeper, self._tape = bookkeeper, tape

    def keep(self, ledger: Ledger) -> None:
        """Go on with a ledger."""
        self._ledger = ledger

    def in_order(self, entry: Entry, time_ns: int, monotonic_ns: int) -> None:
        """Book an entry of a time behind all that was entered before."""
        self._tape.note(Entered(entry.state(), time_ns, monotonic_ns, None))
        book = self._ledger.books[entry.account]
        if isinstance(book.source, Totaliser):
            delta = book.source.enter(entry.start_ns, entry.end_ns, entry.quanta, entry.declaration(time_ns))
            self._book(book, delta, entry, Reading(time_ns, monotonic_ns, delta.end.value), late=False)

    def late(self, entry: Entry, time_ns: int, monotonic_ns: int, records: Sequence[Body]) -> None:
        """Add an entry to the records of its time."""
        book = self._ledger.books[entry.account]
        start = Reading(entry.start_ns, 0, 0.0, doubt=MANUAL)
        end = Reading(entry.end_ns, 0, entry.amount, doubt=MANUAL)
        delta = Delta(start, end, entry.quanta, False, Rule.MANUAL, entry.declaration(time_ns))
        found = amended(records, delta)
        self._tape.note(Entered(entry.state(), time_ns, monotonic_ns, records))
        for body, share in found:
            book.corrected(start_of(body), body["revision"], share)
            self._bookkeeper.append(book.account, start_of(body), body)
        self._book(book, delta, entry, Reading(time_ns, monotonic_ns, delta.end.value), late=True)

    def _book(self, book: AccountBook, delta: Delta, entry: Entry, at: Reading, *, late: bool) -> None:
        boot = self._ledger.timeline.now.boot
        at = Reading(at.time_ns, at.monotonic_ns, at.value, boot=boot, doubt=MANUAL)
        if grown := book.enter(delta, at, late=late):
            self._ledger.spread(book, grown)
        period = f"{rfc3339(entry.start_ns)} to {rfc3339(entry.end_ns)}"
        amount = f"{entry.amount:.15g} {book.account.unit}"
        text = f"{entry.author} enters {amount} for {period} ({entry.reason})"
        self._bookkeeper.tell(Event(entry.account, book.account.key, at.time_ns, "entered", text))
        self._bookkeeper.save_book(book)


def beyond(entry: Entry, source: Totaliser, records: Sequence[Body] | None) -> str:
    """Return why an entry, in order or for `records` in force, comes to more than can be booked; empty if not."""
    held = source.holds(entry.quanta)
    if records is not None:
        held = bookable(sum(each["amount"] for each in records) + entry.amount)
    what = "for this time" if records is not None else "in all"
    return "" if held else f"what is entered {what} would come to more than ±{LARGEST:g}: check the amount"


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
        reached = course(delta, delta.since_ns, end_of(record))
        share, before = reached - before, reached
        amount = (millionths(record["amount"]) + share) / QUANTA_PER_UNIT
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
