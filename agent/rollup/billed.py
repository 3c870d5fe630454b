"""Interval records on their way into the months of the tariffs, each by what it changed.

Invariants:

- What an interval adds is saved in the transaction in which it is recorded. A revision is noted there, and counted
  later by the difference to the revision before it in the store, in one transaction with the note's end: never twice.
"""

import logging
from collections.abc import Mapping
from typing import Any

import orjson

from agent.books.ledger import Ledger
from agent.metering.amount import NS_PER_S, millionths
from agent.record import end_of, start_of
from agent.rollup.total import Part
from agent.saved import UnreadableError, pack, unpack
from agent.store import Store
from agent.tariff.book import Booked

_log = logging.getLogger(__name__)

_STATE = "billed"
_NS_PER_US = NS_PER_S // 1_000_000


class Billed:
    """Keeps the months of a ledger's tariffs up with the interval records."""

    def __init__(self, store: Store, ledger: Ledger) -> None:
        self._store, self._ledger = store, ledger
        self._waiting: list[tuple[str, int, int]] = []

    def keep(self, ledger: Ledger) -> None:
        """Go on with another ledger."""
        self._ledger = ledger

    def restore(self) -> None:
        """Take up the revisions that an earlier run has noted."""
        if state := self._store.load_state(_STATE):
            try:
                waiting = unpack(state)["waiting"]
                self._waiting = [(str(account), int(start), int(revision)) for account, start, revision in waiting]
            except (UnreadableError, KeyError, TypeError, ValueError) as error:
                _log.error("the saved state '%s' cannot be read: %s; months keep what they have", _STATE, error)

    def note(self, account: str, body: Mapping[str, Any]) -> None:
        """Count an interval record, or note a revision, in the transaction in which it is appended."""
        books = self._ledger.tariffs.books.values()
        if not any(account in {book.tariff.meter, *book.tariff.reactive} for book in books):
            return
        if body["revision"]:
            self._waiting.append((account, start_of(body), body["revision"]))
            self._save()
        else:
            self._ledger.tariffs.add(_booked(account, body, None))

    async def turn(self) -> bool:
        """Count one revision that was noted; return whether there was one. Raises StoreError."""
        if not self._waiting:
            return False
        account, start, revision = self._waiting[0]
        await self._store.flush()
        bodies = [orjson.loads(record.payload) for record in await self._store.intervals(start, start + 1, account)]
        of_revision = {body["revision"]: body for body in bodies if body["revision"] <= revision}
        former = of_revision.get(max((each for each in of_revision if each < revision), default=-1))
        with self._store.transaction():
            self._waiting.pop(0)
            if revision in of_revision and former:
                self._ledger.tariffs.add(_booked(account, of_revision[revision], former))
            else:
                _log.error("%s of %s: what was there before is no more kept; its month stays as it is", account, start)
            for name, state in self._ledger.tariffs.unsaved():
                self._store.save_state(name, state)
            self._save()
        return True

    def _save(self) -> None:
        self._store.save_state(_STATE, pack(waiting=self._waiting))


def _booked(account: str, body: Mapping[str, Any], former: Mapping[str, Any] | None) -> Booked:
    """Return what a record adds to the one before it."""
    amount, estimated, measured_ns = _figures(body)
    before = _figures(former) if former else (0, 0, 0)
    return Booked(
        account,
        start_of(body),
        end_of(body),
        amount - before[0],
        estimated - before[1],
        measured_ns - before[2],
    )


def _figures(body: Mapping[str, Any]) -> tuple[int, int, int]:
    """Return amount, its estimated part and the measured time [ns] of a record."""
    part = Part.of({"seq": 0, **body})
    return millionths(body["amount"]), part.estimated, part.measured_us * _NS_PER_US
