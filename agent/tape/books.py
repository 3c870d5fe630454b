"""The books of a ledger as a tape has them: from such a copy another ledger goes on alike, bit for bit.

What the rolling windows need is left out; the amounts of intervals do not depend on it.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from agent.books.ledger import Ledger
from agent.metering.amount import Declaration

_OF_WINDOWS = frozenset({"as_of", "in_row", "outages"})


def copied(ledger: Ledger) -> dict[str, Sequence[Any]]:
    """Return state and memory of each book."""
    return {name: [book.state().decode(), book.memory()] for name, book in ledger.books.items()}


def put(ledger: Ledger, accounts: Mapping[str, Sequence[Any]], declared: Sequence[Sequence[Any]]) -> None:
    """Let the books of an empty ledger go on from a copy; raise UnreadableError for one that is damaged."""
    ledger.declare([Declaration(*each) for each in declared])
    for name, book in ledger.books.items():
        if name in accounts:
            state, memory = accounts[name]
            book.restore(state.encode())
            book.remember(memory)


def essence(state: bytes) -> dict[str, Any]:
    """Return of a saved state what the amounts of intervals depend on, and the sums of all that was booked."""
    fields: dict[str, Any] = json.loads(state)
    return {name: value for name, value in fields.items() if name not in _OF_WINDOWS}
