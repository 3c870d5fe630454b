"""Corrections on their way into the store: what people declare of meters, and intervals weighed anew.

Invariants:

- A corrected interval is a new revision; its record, the books and what was asked for are saved in one transaction.
- Only settled intervals are corrected: those that the books are not going to revise by themselves.
- A request is answered once what it led to is committed; taken twice it changes nothing the second time.
- A request that fails is answered with why, and keeps nothing else from going on.
"""

import asyncio
import hashlib
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson

from agent.books.book import AccountBook
from agent.books.bookkeeper import Bookkeeper
from agent.books.ledger import Event, Ledger
from agent.carbon.factors import FactorLibrary
from agent.config import SiteConfig
from agent.corrections.amend import Body, in_force
from agent.corrections.amending import Amending, revised_text
from agent.corrections.refusal import refusal, unbookable
from agent.corrections.request import Inbox, Request, RequestError, Revise, Withdrawal, told
from agent.corrections.withdrawing import Withdrawing
from agent.metering.amount import NS_PER_S, Declaration, Reading
from agent.metering.declared import NEAR_NS, Late
from agent.output.entering import Entries
from agent.output.entry import Entry
from agent.record import AGENT, end_of, rfc3339, start_of
from agent.saved import UnreadableError, pack, unpack
from agent.scribe import Scribe
from agent.store import StoreError
from agent.tape.notes import Declared
from drivers.value import frozen

_log = logging.getLogger(__name__)

SAVED = "declarations"
"""Name under which the store keeps what was declared by command."""
_MOST_DECLARATIONS = 500
_DAY_NS = 86_400 * NS_PER_S
_READ = 500
"""Intervals of each account read in one go."""
_WRITE = 50
"""Records written before the lines have a turn again."""


@frozen
class Answer:
    """What became of a request, in one line."""

    done: bool
    text: str
    revised: int = 0


class Corrections:
    """Takes requests for the store at a path, and corrects what is recorded in it."""

    def __init__(self, path: Path, scribe: Scribe, bookkeeper: Bookkeeper) -> None:
        self._inbox = Inbox(path)
        self._scribe, self._store = scribe, scribe.store
        self._bookkeeper = bookkeeper
        self._amending = Amending(bookkeeper, scribe.tape)
        self._entries = Entries(scribe, bookkeeper, self._records)
        self._withdrawing = Withdrawing(self._store, bookkeeper, self._amending, self._know)
        self._factors = ""
        self._left: set[str] = set()

    def keep(self, config: SiteConfig, ledger: Ledger) -> None:
        """Go on with a configuration and its ledger."""
        self._ledger, self._factors = ledger, fingerprint(config, ledger.conversions.library)
        self._amending.keep(ledger)
        self._entries.keep(config, ledger)
        self._withdrawing.keep(ledger)
        self._at_once_ns = round(config.interval.length) * NS_PER_S * _READ

    def restore(self) -> None:
        """Let the ledger know what was declared by command in earlier runs."""
        if state := self._store.load_state(SAVED):
            try:
                self._ledger.declare([Declaration(*each) for each in unpack(state)["declarations"]])
            except (UnreadableError, KeyError, TypeError) as error:
                _log.error("what was declared of meters by command cannot be read: %s", error)

    async def turn(self) -> None:
        """Take what was asked for, and correct what can be corrected by now."""
        for name, request in await self._inbox.asked():
            try:
                found = await self._serve(request)
                await self._store.flush()
            except StoreError as error:
                found = Answer(False, f"the store cannot be written: {error}: ask again later")
            except Exception as error:  # noqa: BLE001  # whatever is wrong with one request keeps no other from being served
                _log.exception("request %s cannot be served", name)
                found = Answer(False, f"this cannot be done ({error!r}): see the agent's log")
            try:
                body = {"done": found.done, "text": found.text, "revised": found.revised}
                await self._inbox.answer(name, body)
            except OSError as error:
                _log.error("request %s cannot be answered: %s", name, error)
        for book in [*self._ledger.books.values()]:
            for late in book.late:
                try:
                    await self._explain(book, late)
                except StoreError as error:
                    self._tell_once(late, f"{error}; it is tried again")

    async def _serve(self, request: Request | RequestError) -> Answer:
        if isinstance(request, RequestError):
            return Answer(False, str(request))
        _log.info("%s", told(request))
        if isinstance(request, Entry):
            return Answer(*await self._entries.take(request))
        if isinstance(request, Withdrawal):
            return Answer(*await self._withdrawing.take(request))
        return await self._revise(request) if isinstance(request, Revise) else self._declare(request)

    def _declare(self, declared: Declaration) -> Answer:
        book = self._ledger.books.get(declared.account)
        if book is None:
            return Answer(False, f"the agent has no account '{declared.account}'")
        if problem := refusal(declared.account, book.account):
            return Answer(False, problem[0])
        if wrong := unbookable(declared):
            return Answer(False, wrong)
        known = self._ledger.declared
        if any(each.id == declared.id for each in known):
            return Answer(True, "this was declared before")
        every = (*known, declared)[-_MOST_DECLARATIONS:]
        with self._store.transaction():
            what = "" if declared.last is None else f"last reading {declared.last:.15g}, "
            text = f"{declared.author} declares: {what}first reading {declared.first:.15g} ({declared.reason})"
            key = book.account.key
            self._bookkeeper.tell(Event(declared.account, key, declared.time_ns, "declared", text))
            self._know(every)
        return Answer(True, self._outlook(book, declared))

    def _know(self, every: Sequence[Declaration]) -> None:
        """Save what is declared by command, and let the ledger know; within a transaction."""
        states = [each.state() for each in every]
        self._store.save_state(SAVED, pack(declarations=states))
        self._scribe.tape.note(Declared(states))
        self._ledger.declare(every)

    def _outlook(self, book: AccountBook, declared: Declaration) -> str:
        """Return what a declaration is going to do."""
        for late in book.changes_explained:
            if late.declaration.id == declared.id:
                amount = f"{quanta_text(late.quanta)} {book.account.source.unit.symbol}"
                return f"taken: {amount} that were not known are booked as soon as their intervals are closed"
        objected = book.objection(declared)
        if objected is None:
            return _awaited(declared, book.source.last)
        change, why = objected
        since = rfc3339(change.last.time_ns if change.last else change.first.time_ns)
        return (
            f"taken, but it does not explain {why}: that change lies between {since} and "
            f"{rfc3339(change.first.time_ns)}; declare again what is meant for it"
        )

    async def _explain(self, book: AccountBook, late: Late) -> None:
        """Correct the intervals of a change that is known by now."""
        first = late.change.first
        since_ns = late.change.last.time_ns if late.change.last else late.declaration.time_ns
        records = await self._records(since_ns - 2 * _DAY_NS, first.time_ns + 1, book.account.name)
        touched = [each for each in records if since_ns < end_of(each)] or records[-1:]
        with_first = [each for each in touched if start_of(each) < first.time_ns] or touched[:1]
        if late not in book.late:
            return
        if not with_first:
            self._tell_once(late, f"the intervals of {book.account.name} in which it changed are not in the store")
            return
        with self._store.transaction():
            self._amending.explain(book, late, with_first)

    async def _revise(self, asked: Revise) -> Answer:
        if asked.factors != self._factors:
            text = (
                "the agent runs with another configuration or other factor files than these: reload or restart it first"
            )
            return Answer(False, text)
        revised, left = 0, 0
        reason = f"factor_change: {asked.reason} ({asked.author})"
        ledger = self._ledger
        for since_ns in range(asked.start_ns, asked.end_ns, self._at_once_ns):
            until_ns = min(asked.end_ns, since_ns + self._at_once_ns)
            records = await self._records(since_ns, until_ns, asked.account or None)
            for book, some in self._own(records):
                if ledger is not self._ledger:
                    return Answer(False, "the configuration was changed meanwhile: ask again", revised)
                with self._store.transaction():
                    settled = [each for each in some if end_of(each) <= book.settled_ns]
                    left += len(some) - len(settled)
                    revised += self._amending.reweigh(book, settled, reason)
                await asyncio.sleep(0)
        text = revised_text(revised) + (f", {left} not settled yet: ask again later" if left else "")
        with self._store.transaction():
            told = f"{text}: {reason}"
            self._bookkeeper.tell(Event(asked.account, AGENT, self._scribe.keeper.now_ns(), "revised", told))
        return Answer(True, text, revised)

    def _own(self, records: list[Body]) -> Iterator[tuple[AccountBook, list[Body]]]:
        for name, book in self._ledger.books.items():
            own = [each for each in records if each["account"] == name and each["unit"] == book.account.unit]
            for begin in range(0, len(own) if book.account.carrier else 0, _WRITE):
                yield book, own[begin : begin + _WRITE]

    async def _records(self, since_ns: int, until_ns: int, account: str | None) -> list[Body]:
        """Return the records in force that start in a time; all that was appended before is committed."""
        await self._store.flush()
        found: dict[str, list[dict[str, Any]]] = {}
        for record in await self._store.intervals(since_ns, until_ns, account):
            body = orjson.loads(record.payload)
            found.setdefault(body["account"], []).append(body)
        return [body for own in found.values() for body in in_force(own)]

    def _tell_once(self, late: Late, text: str) -> None:
        if late.declaration.id not in self._left:
            self._left.add(late.declaration.id)
            _log.error("what %s declared is not booked: %s", late.declaration.author, text)


def _awaited(declared: Declaration, last: Reading | None) -> str:
    """Return what a declaration waits for that explains nothing yet, and until when."""
    at = rfc3339(declared.time_ns)
    if declared.last is None:
        if last is None:
            return f"taken: it is booked with the first reading, if that is later than {at} and no less than declared"
        return "taken, but it explains nothing: the account has begun, and not from this reading; it is never booked"
    until_ns = declared.time_ns + NEAR_NS
    step = f"the counter to go from {declared.last:.15g} or less to {declared.first:.15g} or more"
    if last is not None and last.time_ns > until_ns:
        return f"taken, but within a day of {at} nobody saw {step}: it is never booked"
    return f"taken: it waits for {step} until {rfc3339(until_ns)} and is booked then; after that it never is"


def fingerprint(config: SiteConfig, library: FactorLibrary) -> str:
    """Return what tells the configuration and all factor sets from others."""
    content = [config.digest, *sorted(f"{each.id} {each.version}" for each in library.sets())]
    return hashlib.sha256("\n".join(content).encode()).hexdigest()


def quanta_text(amount: int) -> str:
    """Return an amount as people write it."""
    return f"{amount / 1_000_000:.15g}"
