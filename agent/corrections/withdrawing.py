"""Withdrawals: what was declared of a counter is taken back, and what was booked on its strength is revised.

Invariants:

- What was recorded stays; each interval concerned gets a revision that says who took the declaration back, and why.
- What cannot be taken back stays booked, and whoever asks is told so.
"""

from collections.abc import Callable, Sequence

import orjson

from agent.books.book import AccountBook
from agent.books.bookkeeper import Bookkeeper
from agent.books.ledger import Event, Ledger
from agent.corrections.amend import WITHDRAWN, Body, in_force
from agent.corrections.amending import Amending, revised_text
from agent.corrections.refusal import refusal
from agent.corrections.request import Withdrawal
from agent.corrections.taken_back import Resting, counted_as_measured, for_good, rests_on
from agent.metering.amount import NS_PER_S, QUANTA_PER_UNIT, Declaration
from agent.metering.counter import Counter
from agent.metering.declared import NEAR_NS
from agent.record import rfc3339
from agent.store import Store

Outcome = tuple[bool, str, int]
"""Whether a declaration was taken back, what to tell, and how many records were revised."""
Know = Callable[[Sequence[Declaration]], None]
"""Saves what is declared by command, and lets the ledger know; within a transaction."""
_DAY_NS = 86_400 * NS_PER_S
_AT_ONCE_NS = 8 * _DAY_NS


class Withdrawing:
    """Takes back what was declared of the counters of a ledger."""

    def __init__(self, store: Store, bookkeeper: Bookkeeper, amending: Amending, know: Know) -> None:
        self._store, self._bookkeeper, self._amending, self._know = store, bookkeeper, amending, know

    def keep(self, ledger: Ledger) -> None:
        """Go on with a ledger."""
        self._ledger = ledger

    async def take(self, asked: Withdrawal) -> Outcome:
        """Take a declaration back; raise StoreError when the store cannot be read or written."""
        declared, ledger = asked.declaration, self._ledger
        book = ledger.books.get(asked.account)
        if book is None or (problem := self._refusal(asked, book)):
            return False, problem if book else f"the agent has no account '{asked.account}'", 0
        if isinstance(book.source, Counter) and any(each.id == declared.id for each in book.source.declared.pending):
            with self._store.transaction():
                self._forget(asked, book, 0)
            return True, "withdrawn: nothing was booked on its strength", 0
        resting, revisions = await self._resting(book, declared)
        if ledger is not self._ledger:
            return False, "the configuration was changed meanwhile: ask again", 0
        problem = _lasting(resting, revisions, book) if resting else self._not_found(asked)
        if problem or resting is None:
            return False, problem, 0
        measured = counted_as_measured(resting, revisions, book.account.gap_after_s)
        return self._revise(asked, book, resting, measured=measured)

    def _refusal(self, asked: Withdrawal, book: AccountBook) -> str:
        """Return why nothing of this account can be taken back by command, empty where it can."""
        if problem := refusal(asked.account, book.account):
            return problem[0]
        if any(each.id == asked.declaration.id for each in self._ledger.configured):
            where = "it stands in the configuration, as [[replacement]] or [[initial_reading]]"
            return f"{where}: remove that table, reload the agent (SIGHUP), and ask again"
        return ""

    def _not_found(self, asked: Withdrawal) -> str:
        """Return why no interval rests on what is to be taken back."""
        if any(each.id == asked.declaration.id for each in self._ledger.declared):
            where = "the intervals that rest on it are not in the store: they are not closed yet, or not kept any more"
            return f"{where}: what was booked stays; ask again later if it is new"
        what = f"'{asked.account}' has no such declaration at {rfc3339(asked.time_ns)}, or it was withdrawn before"
        return f"{what}: give --at, --last and --first as they were given"

    async def _resting(self, book: AccountBook, declared: Declaration) -> tuple[Resting | None, list[Body]]:
        """Return the intervals that rest on a declaration, if any, and all revisions of those around them.

        They are looked for from its time on.
        """
        until_ns = book.settled_ns + _DAY_NS if declared.last is None else declared.time_ns + 2 * NEAR_NS
        for since_ns in range(declared.time_ns - 2 * NEAR_NS, until_ns, _AT_ONCE_NS):
            some = rests_on(declared, in_force(await self._revisions(book, since_ns, since_ns + _AT_ONCE_NS)))
            if some:
                begun_ns = min(some.since_ns, some.change.first.time_ns)
                every = await self._revisions(book, begun_ns - 2 * _DAY_NS, some.change.first.time_ns + _DAY_NS)
                return rests_on(declared, in_force(every)), every
        return None, []

    async def _revisions(self, book: AccountBook, since_ns: int, until_ns: int) -> list[Body]:
        """Return all revisions of the intervals that start in a time."""
        await self._store.flush()
        found = await self._store.intervals(since_ns, until_ns, book.account.name)
        return [orjson.loads(each.payload) for each in found]

    def _revise(self, asked: Withdrawal, book: AccountBook, resting: Resting, *, measured: bool) -> Outcome:
        revised = len(resting.records)
        with self._store.transaction():
            self._forget(asked, book, revised)
            self._amending.take_back(book, resting, f"{WITHDRAWN}: {asked.reason} ({asked.author})", measured=measured)
        amount = f"{resting.quanta / QUANTA_PER_UNIT:.15g} {book.account.source.unit.symbol}"
        text = f"withdrawn: {amount} are unknown again, {revised_text(revised)}"
        return True, f"{text}; declare what is right if you know it", revised

    def _forget(self, asked: Withdrawal, book: AccountBook, revised: int) -> None:
        """Take a declaration off the list, and tell of it."""
        self._know([each for each in self._ledger.declared if each.id != asked.declaration.id])
        first = f"{asked.first:.15g} ({asked.reason}): {revised_text(revised)}"
        told = f"{asked.author} takes back: first reading {first}"
        if asked.last is not None:
            told = f"{asked.author} takes back: last reading {asked.last:.15g}, first reading {first}"
        self._bookkeeper.tell(Event(asked.account, book.account.key, asked.time_ns, "withdrawn", told))


def _lasting(resting: Resting, revisions: Sequence[Body], book: AccountBook) -> str:
    """Return why what was booked stays, at least for now; empty where it can be taken back."""
    if resting.change.first.time_ns >= book.settled_ns:
        return "the intervals that rest on it are not settled yet: ask again later"
    why = f"it was booked in another unit than {book.account.unit}"
    if all(each["unit"] == book.account.unit for each in resting.records):
        why = for_good(resting, revisions)
    return f"{why}: what was booked stays" if why else ""
