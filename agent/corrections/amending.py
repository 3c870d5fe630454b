"""Corrections as they are booked: what the records of an account become, and what its books know of that.

Invariants:

- Nothing here waits or reads the store: the records to be corrected are given, as they are in force.
- Whoever calls does it within one transaction.
"""

from collections.abc import Sequence

from agent.books.book import AccountBook
from agent.books.bookkeeper import Bookkeeper
from agent.books.ledger import Ledger
from agent.corrections.amend import Body, explained, reweighed
from agent.corrections.taken_back import Resting, taken_back
from agent.counted import counted
from agent.metering.amount import millionths
from agent.metering.declared import Late
from agent.record import start_of
from agent.tape import Tape
from agent.tape.notes import Explained, Reweighed, Withdrawn


class Amending:
    """Corrects records of a ledger's accounts."""

    def __init__(self, bookkeeper: Bookkeeper, tape: Tape) -> None:
        self._bookkeeper, self._tape = bookkeeper, tape

    def keep(self, ledger: Ledger) -> None:
        """Go on with a ledger."""
        self._ledger = ledger

    def explain(self, book: AccountBook, late: Late, records: Sequence[Body]) -> None:
        """Book what is known of a change by now into the records in which it was booked as unknown."""
        self._tape.note(Explained(book.account.name, late.declaration.id, records))
        delta, booked = self._ledger.explain(book, late)
        evidence = self._bookkeeper.evidence(book.account, delta.start, delta.end)
        for body, share in explained(
            records, delta, booked, lambda at: self._ledger.conversions.at(book.account, at), evidence=evidence
        ):
            self._append(book, body, share)
        self._bookkeeper.save_book(book)

    def take_back(self, book: AccountBook, resting: Resting, reason: str, *, measured: bool) -> None:
        """Book what rests on a declaration as unknown again; the records count it as `measured` or as estimated."""
        declared = resting.declaration
        self._tape.note(Withdrawn(declared.state(), reason, measured, resting.records))
        if grown := book.take_back(declared, resting.change, resting.quanta, measured=measured):
            self._ledger.spread(book, grown)
        weigh = self._ledger.conversions.at
        for body, share in taken_back(resting, lambda at: weigh(book.account, at), reason, measured=measured):
            self._append(book, body, -share)
        self._bookkeeper.save_book(book)

    def _append(self, book: AccountBook, body: Body, share: int) -> None:
        at_ns = start_of(body)
        body |= self._ledger.tariffs.priced(book.account.name, at_ns, millionths(body["amount"]))
        book.corrected(at_ns, body["revision"], share)
        self._bookkeeper.append(book.account, at_ns, body)

    def reweigh(self, book: AccountBook, records: Sequence[Body], reason: str) -> int:
        """Weigh records by the factors now in force; return how many say something else by that."""
        found = [
            body
            for record in records
            if (body := reweighed(record, self._ledger.conversions.at(book.account, start_of(record)), reason))
        ]
        if found:
            self._tape.note(Reweighed(book.account.name, reason, records))
        for body in found:
            book.corrected(start_of(body), body["revision"])
            self._bookkeeper.append(book.account, start_of(body), body)
        self._bookkeeper.save_book(book)
        return len(found)


def revised_text(intervals: int) -> str:
    """Return that so many intervals are revised."""
    return counted(intervals, "interval revised", "intervals revised")
