"""Books of an earlier run that turn up while the agent runs: what they left open is booked, and what was counted since.

A store that could not be read at the start may be readable later. By then this run has books of its own, which go on;
those of the run before are only read. What they had in no interval yet, and what the counter went on by between their
last reading and the first of the books that go on, is booked as estimated with the next reading, so nothing is lost.

Should several runs have ended before they could do that, each has left the books that it found beside its own, deeper
by one: what the oldest left goes to those that followed, and so on to the books that go on.
"""

import logging
from collections.abc import Callable, Mapping
from typing import NamedTuple

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


class _Former(NamedTuple):
    """Books of an earlier run, where they are kept, and as which state."""

    place: str
    state: bytes
    book: AccountBook


def take_up(store: Shelf, ledger: Ledger, empty: Callable[[], Ledger], tape: Tape = NO_TAPE) -> list[str]:
    """Book what the found states of accounts left, and forget them; return the names of these accounts.

    `empty` gives an empty ledger of the same configuration. A state of which nothing can be told yet
    stays where it is; one that cannot be read is set aside and told of.
    """
    states = {name: state for name, state in store.load_states(FOUND).items() if state}
    found = {name: chain for name in ledger.books if states and (chain := _chain(states, name))}
    if not found:
        return []
    scratch = [empty() for _ in range(max(map(len, found.values())))]
    with store.transaction():
        return [name for name, chain in found.items() if _taken(store, ledger, name, chain, scratch, tape)]


def _chain(states: Mapping[str, bytes], name: str) -> list[tuple[str, bytes]]:
    """Return the found states of an account with their names, the newest first."""
    chain, found = [], f"{_ACCOUNT}{name}"
    while state := states.get(found):
        chain.append((found, state))
        found = f"{FOUND}{found}"
    return chain


def _taken(
    store: Shelf, ledger: Ledger, name: str, chain: list[tuple[str, bytes]], scratch: list[Ledger], tape: Tape
) -> bool:
    """Let each found state of an account go to the books that followed it; whether its own got something."""
    found = _restored(store, ledger, name, chain, scratch)
    for depth in reversed(range(len(found))):
        place, state, former = found[depth]
        heir = found[depth - 1].book if depth else ledger.books[name]
        try:
            delta = _left(heir, former)
        except _UNUSABLE as error:
            _leave(store, ledger, name, place, state, error)
            continue
        if delta is None:
            continue
        store.save_state(place, b"")  # first: whatever fails now, it is booked no second time
        if depth:
            heir.intervals.add(delta)
            found[depth - 1] = found[depth - 1]._replace(state=heir.state())
            store.save_state(*found[depth - 1][:2])
            continue
        tape.note(Found(name, state.decode()))
        _book(ledger, heir, delta)
        store.save_state(*ledger.state(name))
        return True
    return False


def _restored(
    store: Shelf, ledger: Ledger, name: str, chain: list[tuple[str, bytes]], scratch: list[Ledger]
) -> list[_Former]:
    """Return the books of found states; those of a run that has read nothing make room for the ones before."""
    kept: list[tuple[bytes, AccountBook]] = []
    places: list[str] = []
    for (place, state), each in zip(chain, scratch, strict=False):
        book = each.books[name]
        try:
            book.restore(state)
        except _UNUSABLE as error:
            _leave(store, ledger, name, place, state, error)
            break
        places.append(place)
        if book.source.last:
            kept.append((state, book))
    for at, place in enumerate(places if len(kept) < len(places) else ()):
        store.save_state(place, kept[at][0] if at < len(kept) else b"")
    return [_Former(places[at], *each) for at, each in enumerate(kept)]


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


def _leave(store: Shelf, ledger: Ledger, name: str, found: str, state: bytes, error: Exception) -> None:
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
