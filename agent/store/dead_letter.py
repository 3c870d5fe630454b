"""Dead letters: records that a receiver refused for good, kept with the reason until somebody has looked."""

import sqlite3
import time
from collections.abc import Sequence

from agent.record import Record
from agent.store.schema import COLUMNS, from_rows, to_row
from drivers.value import frozen

MOST = 1000
"""Records kept; the oldest go first."""


@frozen
class DeadLetter:
    """A record that a sink refused for good, at `refused_ns` (Unix, ns)."""

    sink: str
    reason: str
    record: Record
    refused_ns: int = 0


def insert_refused(connection: sqlite3.Connection, refused: Sequence[DeadLetter]) -> None:
    """Add dead letters; the oldest go when there are too many."""
    if not refused:
        return
    now = time.time_ns()  # the wall clock's word is better than none for whoever looks at the list
    connection.executemany(
        f"INSERT INTO dead_letter (sink, reason, refused_ns, {COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608  # our own names
        [(letter.sink, letter.reason, letter.refused_ns or now, *to_row(letter.record)) for letter in refused],
    )
    connection.execute("DELETE FROM dead_letter WHERE id <= (SELECT max(id) FROM dead_letter) - ?", (MOST,))


def select_refused(connection: sqlite3.Connection, sink: str | None) -> list[DeadLetter]:
    """Return the intact dead letters of one sink, or of all, oldest first."""
    chosen = f"SELECT sink, reason, refused_ns, {COLUMNS} FROM dead_letter WHERE ? IN (sink, '') ORDER BY id"  # noqa: S608  # our own names
    return [
        DeadLetter(name, reason, record, refused_ns)
        for name, reason, refused_ns, *row in connection.execute(chosen, (sink or "",))
        for record in from_rows([(row[0], row[1], row[2], row[3], row[4], row[5])])[0]
    ]


def count_refused(connection: sqlite3.Connection) -> dict[str, int]:
    """Return how many dead letters are kept, by sink."""
    return dict(connection.execute("SELECT sink, count(*) FROM dead_letter GROUP BY sink"))


def delete_refused(connection: sqlite3.Connection, sink: str | None) -> int:
    """Delete the dead letters of one sink, or of all; return how many."""
    return connection.execute("DELETE FROM dead_letter WHERE ? IN (sink, '')", (sink or "",)).rowcount
