"""Books of an earlier run that turn up while the agent runs: what they left open is booked, and what was counted since.

A store that could not be read at the start may be readable later. By then this run has books of its own, which go on;
those of the run before are only read. What they had in no interval yet, and what the counter went on by between their
last reading and the first of the books that go on, is booked as estimated with the next reading, so nothing is lost.
"""

import logging
from collections.abc import Callable

from agent.books.book import AccountBook
from agent.books.ledger import Ledger
from agent.books.recording import Shelf
from agent.metering.amount import QUANTA_PER_UNIT, Delta, Noticed, Rule
from agent.metering.counter import Counter
from agent.metering.interval import IntervalBook
from agent.saved import ASIDE, UnreadableError, set_aside
from agent.store import FOUND
from agent.tape import NO_TAPE, Tape
from agent.tape.notes import Found

_log = logging.getLogger(__name__)

_ACCOUNT = f"{FOUND}account/"
_UNUSABLE = (UnreadableError, KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError)


def take_up(store: Shelf, ledger: Ledger, empty: Callable[[], Ledger], tape: Tape = NO_TAPE) -> list[str]:
    """Book what the found states of accounts left, and forget them; return the names of these accounts.

    `empty` gives an empty ledger of the same configuration. A state of which nothing can be told yet
    stays where it is; one that cannot be read is set aside and told of.
    """
    states = {name.removeprefix(_ACCOUNT): state for name, state in store.load_states(_ACCOUNT).items() if state}
    known = {name: state for name, state in states.items() if name in ledger.books}
    if not known:
        return []
    taken, scratch = [], empty()
    with store.transaction():
        for name, state in known.items():
            book, delta = ledger.books[name], None
            try:
                scratch.books[name].restore(state)
                delta = _left(book, scratch.books[name])
            except _UNUSABLE as error:
                _leave(store, ledger, name, state, error)
            if delta:
                tape.note(Found(name, state.decode()))
                store.save_state(f"{_ACCOUNT}{name}", b"")  # first: whatever fails now, it is booked no second time
                _book(ledger, book, delta)
                store.save_state(*ledger.state(name))
                taken.append(name)
    return taken


def _left(book: AccountBook, former: AccountBook) -> Delta | None:
    """Return what a former book left and what was counted until the other began, None when that cannot be told."""
    if not (isinstance(book.intervals, IntervalBook) and isinstance(former.intervals, IntervalBook)):
        return None
    first, last = book.intervals.origin, former.source.last
    if first is None or last is None or last.time_ns > first.time_ns:
        return None
    between = former.source.book(first)
    if isinstance(former.source, Counter) and not between:
        return None  # a reading that is held until the next ones explain it
    quanta = former.intervals.pending_quanta + sum(delta.quanta for delta in between)
    return Delta(last, first, quanta, measured=False, rule=Rule.GAP)


def _leave(store: Shelf, ledger: Ledger, name: str, state: bytes, error: Exception) -> None:
    found = f"{_ACCOUNT}{name}"
    if not isinstance(error, UnreadableError):
        error = UnreadableError(f"it holds something else ({error!r})")
    store.save_state(f"{ASIDE}{found}", set_aside(state, error))
    store.save_state(found, b"")
    what = f"what the run before left open of account {name} is not booked"
    ledger.leave(found, state, error, what, ledger.books[name].account)


def _book(ledger: Ledger, book: AccountBook, delta: Delta) -> None:
    end_ns = delta.end.time_ns
    book.intervals.add(delta)
    book.columns.add(delta, delta.quanta, 0, ledger.conversions.at(book.account, end_ns))
    amount = f"{delta.quanta / QUANTA_PER_UNIT:.15g} {book.account.unit}"
    text = (
        f"the books of the run before were found: {amount} that they left open, or that was counted until the present"
    )
    book.events = [*book.events, Noticed(end_ns, Rule.GAP, f"{text} ones began, are booked as estimated")]
    book.changed = True
    _log.warning("%s: %s ones began, are booked as estimated", book.account.name, text)
