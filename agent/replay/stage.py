"""The accounts while a capture is played: everything a running agent does with them, without lines and clocks.

Invariants:

- What a note tells is done when it comes, as it was done in the agent: note by note, exchange by exchange.
- A poll is booked at once while the time is known and none waits; else it waits, as it did in the agent.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from agent.books.book import AccountBook
from agent.books.bookkeeper import Bookkeeper
from agent.books.ledger import Ledger
from agent.books.taking_up import take_up
from agent.config.reload import difference
from agent.corrections.amending import Amending
from agent.corrections.taken_back import rests_on
from agent.metering.amount import Declaration, Reading
from agent.output.entry import Entry
from agent.output.entry_booking import EntryBooking
from agent.polling.doubt import unvouched
from agent.replay.polls import Polls, UnknownPollError
from agent.replay.shelf import Made
from agent.replay.site import Site
from agent.replay.verdict import first_difference
from agent.store import FOUND
from agent.tape.books import essence, put
from agent.tape.notes import (
    Begun,
    Books,
    Clock,
    Declared,
    Entered,
    Explained,
    Found,
    Learned,
    Noted,
    Polled,
    Received,
    Released,
    Reweighed,
    Withdrawn,
)
from agent.timekeeping.waiting import Held, Waiting
from drivers.frame import Frame

Body = dict[str, Any]


class Stage:
    """The accounts of a site, going on from books as they stood."""

    def __init__(self, site: Site, books: Books) -> None:
        self.made = Made(site.config.site.name)
        self.in_force: Callable[[Sequence[Body]], Sequence[Body]] = _as_noted
        """Gives the records to be corrected in place of those that were."""
        self._does: Mapping[type[Noted], Callable[[Any], None]] = {
            Clock: self._clock,
            Begun: self._begun,
            Learned: self._learned,
            Polled: self._polled,
            Released: self._released,
            Received: self._received,
            Declared: self._declared,
            Explained: self._explained,
            Withdrawn: self._withdrawn,
            Reweighed: self._reweighed,
            Entered: self._entered,
            Found: self._found,
        }
        self.begin(site, books)

    def begin(self, site: Site, books: Books) -> None:
        """Go on from the books of another run."""
        self.polls = Polls(site.config)
        self.waiting = Waiting()
        self.put(site, books)

    def put(self, site: Site, books: Books) -> None:
        """Go on from books of this run, in the midst of whatever polls there are."""
        self._site, self._start_ns, self._boot = site, books.start_ns, books.boot
        ledger = site.ledger(books.start_ns, books.boot)
        put(ledger, books.accounts, books.declared)
        self._go_on(ledger, books)

    def reload(self, site: Site, books: Books) -> None:
        """Become an agent of another configuration, as a running one does."""
        former, self._site = self._site, site
        others = former.library.sets() != site.library.sets()
        if difference(former.config, site.config, other_factors=others).ledger:
            ledger = site.ledger(self._start_ns, self._boot)
            states = {f"account/{name}": state.encode() for name, (state, _) in books.accounts.items()}
            ledger.take_over(self.ledger, states.get)
        else:
            ledger = self.ledger
        sections = {device.name: device for device in former.config.devices}
        kept = [
            device.name
            for device in site.config.devices
            if sections.get(device.name) == device
            and former.config.profiles[device.name].digest == site.config.profiles[device.name].digest
        ]
        self.waiting.keep_only(kept)
        under_way = self.polls.under_way  # lines that have not changed go on
        self.polls = Polls(site.config)
        self.polls.under_way = under_way
        self._go_on(ledger, books)

    def _go_on(self, ledger: Ledger, books: Books) -> None:
        self.ledger = ledger
        self.begun = books.begun
        self.ledger.clock_right, self._vouched = books.right, books.vouched
        self.bookkeeper = Bookkeeper(ledger, self.made)
        self._amending = Amending(self.bookkeeper, self.made.tape)
        self._entering = EntryBooking(self.bookkeeper, self.made.tape)
        self._amending.keep(ledger)
        self._entering.keep(ledger)
        for device, (holes, max_registers) in books.learned.items():
            self.polls.learn(device, holes, max_registers)

    def apply(self, note: Noted) -> None:
        """Do what a note tells, which is neither of books nor of an interval; raise UnknownPollError."""
        if do := self._does.get(type(note)):
            do(note)

    def _clock(self, note: Clock) -> None:
        self.ledger.clock_right, self._vouched = note.right, note.vouched

    def _begun(self, _: Begun) -> None:
        self.begun = True

    def marked(self, line: str, unit: int, cadence: int) -> None:
        """Take the frame of a poll that its exchanges alone tell of; raise UnknownPollError."""
        self._framed(self.polls.plain(line, unit, cadence), None)

    def _polled(self, note: Polled) -> None:
        place = (note.line, note.unit, note.cadence)
        if note.stranger:
            held = self.polls.stranger(*place)
        elif note.asked is None:
            held = self.polls.plain(*place)
        else:
            held = self.polls.asked(*place, note.asked)
        self._framed(held, note.time_ns)

    def _framed(self, held: Held, time_ns: int | None) -> None:
        if self.begun and not self.waiting:
            self.book(held.frame, time_ns)
        else:
            self.waiting.add(held)

    def _released(self, note: Released) -> None:
        if not self.waiting:
            raise UnknownPollError("a poll that waited for the time is in no capture given")
        self.book(self.waiting.take().frame, note.time_ns)

    def book(self, frame: Frame, time_ns: int | None = None) -> None:
        """Book a frame, with its own time or another one [ns]."""
        if time_ns is not None:
            frame = replace(frame, time_ns=time_ns)
        if not self._vouched:
            frame = unvouched(frame)
        self.ledger.book(frame)  # the checks book nothing

    def unbooked(self) -> Iterator[str]:
        """Yield of each account what was wrong with readings that could not be booked since it was last asked."""
        found = self.ledger.troubles.found
        while found:
            yield ": ".join(found.popitem())

    def _received(self, note: Received) -> None:
        self.ledger.receive(note.output, Reading.restored(note.reading))

    def _learned(self, note: Learned) -> None:
        self.polls.learn(note.device, note.holes, note.max_registers)

    def _declared(self, note: Declared) -> None:
        self.ledger.declare([Declaration(*each) for each in note.declarations])

    def _explained(self, note: Explained) -> None:
        book = self.ledger.books[note.account]
        late = next((each for each in book.changes_explained if each.declaration.id == note.declaration), None)
        if late and (records := self.in_force(note.records)):
            self._amending.explain(book, late, records)

    def _withdrawn(self, note: Withdrawn) -> None:
        declared = Declaration(*note.declaration)
        records = self.in_force(note.records)
        if found := rests_on(declared, records):
            self._amending.take_back(self.ledger.books[declared.account], found, note.reason, measured=note.measured)

    def _reweighed(self, note: Reweighed) -> None:
        self._amending.reweigh(self.ledger.books[note.account], self.in_force(note.records), note.reason)

    def _entered(self, note: Entered) -> None:
        entry, moment = Entry(*note.entry), (note.time_ns, note.monotonic_ns)
        if note.records is None:
            self._entering.in_order(entry, *moment)
        else:
            self._entering.late(entry, *moment, self.in_force(note.records))

    def _found(self, note: Found) -> None:
        self.made.store.save_state(f"{FOUND}account/{note.account}", note.state.encode())
        take_up(self.made.store, self.ledger, lambda: self._site.ledger(self._start_ns, self._boot))

    def close_next(self, account: str, now_ns: int) -> Body | None:
        """Close the interval of an account that is due next; return its record, None when none is due."""
        self.made.keeper.time_ns = now_ns
        if account not in self.ledger.books:
            return None
        self.bookkeeper.close_next(account, now_ns)
        return self.made.intervals.popleft() if self.made.intervals else None

    def close_due(self, now_ns: int) -> Iterator[Body]:
        """Close all intervals that are due by a time; yield their records, and any made before."""
        self.made.keeper.time_ns = now_ns
        more = True
        while more:
            more = self.bookkeeper.close_due(now_ns)
            yield from self.made_meanwhile()

    def made_meanwhile(self) -> Iterator[Body]:
        """Yield the records made since they were last taken."""
        while self.made.intervals:
            yield self.made.intervals.popleft()

    def unlike(self, accounts: Mapping[str, Sequence[Any]]) -> Iterator[tuple[str, str, Any, Any]]:
        """Yield the accounts whose books are not those of a copy: the first key, what the copy has there, and they."""
        copy = self._site.ledger(self._start_ns, self._boot)
        put(copy, accounts, ())
        for name, book in self.ledger.books.items():
            if found := first_difference(_settled(copy.books[name]), _settled(book)):
                yield (name, *found)


def _settled(book: AccountBook) -> dict[str, Any]:
    """Return what a book comes to once it has let go of what is done with, which it does when it is asked."""
    book.due(0)
    return essence(book.state())


def _as_noted(records: Sequence[Body]) -> Sequence[Body]:
    return records
