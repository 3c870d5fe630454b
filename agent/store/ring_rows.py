"""The rows of the ring of windows in the store's file."""

import itertools
import sqlite3
from collections.abc import Mapping

from agent.store.guard import value_sum

_ROW_AGE_NS = 25 * 3600 * 10**9
"""Rows of the ring are of use for the longest window, a day."""


def select_ring(connection: sqlite3.Connection, after_ns: int, limit: int) -> list[tuple[int, bytes]]:
    """Return the oldest intact rows of the ring behind `after_ns`."""
    chosen = "SELECT time_ns, value, crc FROM ring_row WHERE time_ns > ? ORDER BY time_ns"
    intact = (row[:2] for row in connection.execute(chosen, (after_ns,)) if value_sum(*row[:2]) == row[2])
    return list(itertools.islice(intact, limit))


def save_ring(connection: sqlite3.Connection, rows: Mapping[int, bytes], room: int) -> None:
    """Insert rows of the ring; the oldest go when they are too old, or take more than `room` bytes together."""
    if not rows:
        return
    connection.executemany(
        "REPLACE INTO ring_row VALUES (?, ?, ?)",
        [(time_ns, row, value_sum(time_ns, row)) for time_ns, row in rows.items()],
    )
    connection.execute("DELETE FROM ring_row WHERE time_ns < ?", (max(rows) - _ROW_AGE_NS,))
    kept = room // max(1, *map(len, rows.values()))
    newest = "SELECT time_ns FROM ring_row ORDER BY time_ns DESC LIMIT 1 OFFSET ?"
    connection.execute(f"DELETE FROM ring_row WHERE time_ns <= ({newest})", (max(kept, 1),))  # noqa: S608  # our own text
