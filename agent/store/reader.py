"""The store read by another process than the one that owns it; nothing is ever written."""

import sqlite3
import urllib.parse
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

from agent.record import INTERVAL, Record
from agent.store.dead_letter import DeadLetter, count_refused, select_refused
from agent.store.inventory import dropped_by
from agent.store.journal import of_account
from agent.store.place import expect_file
from agent.store.schema import (
    APPLICATION_ID,
    SCHEMA_VERSION,
    Row,
    StoreError,
    chained_rows,
    check_order,
    from_rows,
    read_inventory,
    read_settled,
    select_intervals,
    select_records,
)
from agent.store.settled import Lane, Settled
from agent.store.status import SinkStatus, StoreStatus

_Result = TypeVar("_Result")
_AT_ONCE = 1000


def read_intervals(
    path: Path, start_ns: int, end_ns: int, account: str | None = None, *, kind: str = INTERVAL
) -> list[Record]:
    """Return the intervals or roll-ups that start in [start_ns, end_ns) (Unix, ns), as they were booked.

    Raises StoreError when there is no readable store.
    """
    found = _reading(path, lambda connection: select_intervals(connection, kind, start_ns, end_ns))
    return of_account(found, account)


def read_chained(
    path: Path, after: int = 0, *, on_damaged: Callable[[int], object] = lambda _: None
) -> Iterator[Record]:
    """Yield every intact record of the chain behind a number in order, a few in memory at a time.

    `on_damaged` is told the number of each that is not as it was written. Raises StoreError when there is no readable
    store.
    """
    while rows := _reading(path, partial(_chained_behind, after)):
        intact, rotten = from_rows(rows)
        for record in rotten:
            on_damaged(record.seq)
        yield from intact
        after = rows[-1][0]


def read_head(path: Path) -> str:
    """Return the hash of the last record of the chain by the books of the store, `GENESIS` before the first.

    Raises StoreError when there is no readable store.
    """
    return _reading(path, lambda connection: read_inventory(connection).chain)


def _chained_behind(after: int, connection: sqlite3.Connection) -> list[Row]:
    rows = chained_rows(connection, after, _AT_ONCE)
    check_order(rows, after)
    return rows


def read_status(path: Path) -> StoreStatus:
    """Return the figures of the store's last commit; raise StoreError when there is no readable store."""
    return _reading(path, lambda connection: _status(connection, path))


def read_dead_letters(path: Path, sink: str | None = None) -> list[DeadLetter]:
    """Return the dead letters of one sink, or of all, oldest first; raise StoreError when none can be read."""
    return _reading(path, lambda connection: select_refused(connection, sink))


def _status(connection: sqlite3.Connection, path: Path) -> StoreStatus:
    inventory = read_inventory(connection)
    refused = count_refused(connection)
    sinks = {}
    for sink, lanes in read_settled(connection).items():
        rows = [row for lane, settled in lanes.items() for row in _oldest(connection, lane, settled)]
        seq, time_ns = min(((row[0], row[3]) for row in rows), default=(None, None))
        sinks[sink] = SinkStatus(lanes[Lane.NORMAL].cursor, seq, time_ns, refused.get(sink, 0))
    path = path.resolve()
    log = path.with_name(path.name + "-wal")
    return StoreStatus(
        bytes=path.stat().st_size + (log.stat().st_size if log.exists() else 0),
        committed_seq=inventory.seq,
        commits=inventory.commits,
        records={kind: count for kind, count in inventory.records.items() if count},
        dropped=dropped_by(inventory.dropped, 0),
        dropped_for=dropped_by(inventory.dropped, 1),
        sinks=sinks,
    )


def _oldest(connection: sqlite3.Connection, lane: Lane, settled: Settled) -> list[Row]:
    low, high = settled.hole(0)
    while not (rows := select_records(connection, lane, low, (1 << 62) if high is None else high, 1)) and high:
        low, high = settled.hole(high)
    return rows


def _reading(path: Path, read: Callable[[sqlite3.Connection], _Result]) -> _Result:
    if not path.exists():
        raise StoreError(f"{path}: there is no store yet: start the agent first, or check [store] path")
    expect_file(path, path)
    path = path.resolve()  # the log is beside the file itself
    # A closed store has no log, and where its folder may not be written only `immutable` opens it.
    quiet = not path.with_name(path.name + "-wal").exists()
    uri = f"file:{urllib.parse.quote(str(path.absolute()))}?{'immutable=1' if quiet else 'mode=ro'}"
    try:
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=5)
        try:
            owner, version = (
                connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
            )
            if (owner, version) != (APPLICATION_ID, SCHEMA_VERSION):
                raise StoreError(f"{path}: is no store of this energy-agent: check [store] path")
            return read(connection)
        finally:
            connection.close()
    except (sqlite3.Error, OSError, ValueError) as error:
        raise StoreError(f"{path}: cannot be read ({error}): check the file and its rights") from error
