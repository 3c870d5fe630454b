"""What stands in the store's file: its tables, and the questions asked by more than one process."""

import itertools
import json
import secrets
import sqlite3
import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson

from agent.record import ALARM, CHAINED, FIGURE, INTERVAL, OF_ACCOUNT, ROLLUP, TELEMETRY, WINDOW, Record
from agent.store.guard import record_sum, value_sum
from agent.store.inventory import Inventory
from agent.store.settled import Lane, Lanes, Settled

LOOK_S = 2.0
"""Longest look through a file at its opening; enough for the largest store unless the disk is slow."""
APPLICATION_ID = 0x656E6167
SCHEMA_VERSION = 2
TABLES = ("telemetry", "window", "event", "alarm", "interval")
"""Classes of records in the order in which they are dropped; each is a table of its own, so that dropping the
oldest of a class removes whole pages and needs no index."""
_TABLE_OF = {
    TELEMETRY: TELEMETRY,
    ALARM: ALARM,
    **dict.fromkeys((WINDOW, FIGURE), WINDOW),
    **dict.fromkeys((ROLLUP, *CHAINED), INTERVAL),
}
"""Figures are kept as long as windows; roll-ups and all that is chained as long as intervals; others as events."""
LANE_OF = {name: Lane.URGENT if name == ALARM else Lane.NORMAL for name in TABLES}
"""The lane of each table."""

COLUMNS = "seq, kind, key, time_ns, payload, crc"
_RECORD = (
    "seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, key TEXT NOT NULL, time_ns INTEGER NOT NULL, "
    "payload BLOB NOT NULL, crc INTEGER NOT NULL"
)
_CURSOR = (
    "sink TEXT, lane TEXT, seq INTEGER NOT NULL, ranges TEXT NOT NULL, crc INTEGER NOT NULL, PRIMARY KEY (sink, lane)"
)
_REFUSED = "id INTEGER PRIMARY KEY, sink TEXT NOT NULL, reason TEXT NOT NULL, refused_ns INTEGER NOT NULL"


class StoreError(Exception):
    """Raised when the store cannot be used; the text names path, cause and remedy."""


class DiskError(StoreError):
    """Raised when the disk is at fault, which may pass; `reason` is the cause alone."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}: check the disk and the rights")
        self.reason = reason


Row = tuple[Any, Any, Any, Any, Any, Any]
"""The columns of a record; in a damaged file each may be anything."""


def check_owner(connection: sqlite3.Connection, path: Path, tables: Collection[str]) -> None:
    """Raise StoreError for a file that is not of this agent, sqlite3.DatabaseError for ours with a damaged header."""
    owner, version = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version"))
    if (owner, version) == (APPLICATION_ID, SCHEMA_VERSION):
        return
    if {"meta", "cursor", "ring_row"} <= set(tables) and read_inventory(connection).version == SCHEMA_VERSION:
        raise sqlite3.DatabaseError("its header is damaged")
    if owner != APPLICATION_ID:
        raise StoreError(f"{path}: is another program's database: name another file as [store] path")
    age = "a newer" if version > SCHEMA_VERSION else "an older"
    raise StoreError(f"{path}: was written by {age} energy-agent: install that, or name another file")


def look_through(connection: sqlite3.Connection) -> None:
    """Raise sqlite3.DatabaseError when the file's trees are not in order, as far as can be seen in `LOOK_S`.

    What stands in the wrong place is not found by whoever looks for it in the right one, and no error says so.
    """
    # Most of the work is done inside one instruction of SQLite's, where no progress handler is called.
    end = threading.Timer(LOOK_S, connection.interrupt)
    end.start()
    try:
        found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        found = "ok"
    finally:
        end.cancel()
        end.join()
    if found != "ok":
        raise sqlite3.DatabaseError(" ".join(str(found).split()))


def table(kind: str) -> str:
    """Return the class, and table, of a kind of record."""
    return _TABLE_OF.get(kind, "event")


def lane_of(kind: str) -> Lane:
    """Return the lane of a kind of record."""
    return LANE_OF[table(kind)]


def to_row(record: Record) -> Row:
    """Return a record as stored."""
    return (record.seq, record.kind, record.key, record.time_ns, record.payload, record_sum(record))


def from_rows(rows: Iterable[Row]) -> tuple[list[Record], list[Record]]:
    """Return the records that are as they were written, and those that are not."""
    intact: list[Record] = []
    rotten: list[Record] = []
    for seq, kind, key, time_ns, payload, crc in rows:
        record = Record(seq, kind, key, time_ns, payload)
        as_written = isinstance(payload, bytes) and record_sum(record) == crc
        (intact if as_written else rotten).append(record)
    return intact, rotten


def renumbered(record: Record, crc: object) -> Record | None:
    """Return a record whose number alone was damaged with the one it was written with, None for any other."""
    try:
        told = replace(record, seq=orjson.loads(record.payload)["seq"])
        return told if record_sum(told) == crc else None
    except (ValueError, KeyError, TypeError):
        return None


def select_records(connection: sqlite3.Connection, lane: Lane, low: int, high: int, limit: int) -> list[Row]:
    """Return the oldest rows of a lane in (low, high]."""
    # SQLite merges the ordered tables; nothing is sorted.
    parts = " UNION ALL ".join(
        f"SELECT {COLUMNS} FROM {name}_record WHERE seq > :low AND seq <= :high"  # noqa: S608  # our own names
        for name, its_lane in LANE_OF.items()
        if its_lane is lane
    )
    found = connection.execute(f"{parts} ORDER BY seq LIMIT :limit", {"low": low, "high": high, "limit": limit})
    return found.fetchall()


def check_order(rows: Sequence[Row], low: int) -> None:
    """Raise sqlite3.DatabaseError unless numbers rise from above `low`: in a damaged tree they may not, for ever."""
    numbers = [row[0] for row in rows]
    if numbers and (numbers != sorted(numbers) or numbers[0] <= low):
        raise sqlite3.DatabaseError("its records are out of order")


def select_chained(connection: sqlite3.Connection, after: int, limit: int) -> list[Record]:
    """Return the oldest intact records of the chain behind number `after`."""
    while rows := chained_rows(connection, after, limit):
        check_order(rows, after)
        intact = from_rows(rows)[0]
        if intact:
            return intact
        after = rows[-1][0]
    return []


def chained_rows(connection: sqlite3.Connection, after: int, limit: int) -> list[Row]:
    """Return the oldest rows of the chain behind number `after`."""
    rows = connection.execute(
        f"SELECT {COLUMNS} FROM interval_record WHERE seq > ? AND {_of_kinds(CHAINED)} ORDER BY seq LIMIT ?",  # noqa: S608  # our own names
        (after, limit),
    )
    return rows.fetchall()


def select_intervals(connection: sqlite3.Connection, kind: str, start_ns: int, end_ns: int) -> list[Record]:
    """Return the intact intervals or roll-ups that start in [start_ns, end_ns), in the order they were booked."""
    rows = connection.execute(
        f"SELECT {COLUMNS} FROM interval_record WHERE time_ns >= ? AND time_ns < ? AND {_of_kinds(_asked(kind))} "  # noqa: S608  # our own names
        "ORDER BY seq",
        (start_ns, end_ns),
    )
    return from_rows(rows)[0]


def select_first_intervals(
    connection: sqlite3.Connection, kind: str, start_ns: int, end_ns: int, limit: int
) -> list[Record]:
    """Return the first intact intervals or roll-ups that start in [start_ns, end_ns), by start and number."""
    rows = connection.execute(
        f"SELECT {COLUMNS} FROM interval_record WHERE time_ns >= ? AND time_ns < ? AND {_of_kinds(_asked(kind))} "  # noqa: S608  # our own names
        "ORDER BY time_ns, seq",
        (start_ns, end_ns),
    )
    intact = (record for row in rows for record in from_rows([row])[0])
    return list(itertools.islice(intact, limit))


def _asked(kind: str) -> tuple[str, ...]:
    return (INTERVAL, ROLLUP) if kind == OF_ACCOUNT else (kind,)


def _of_kinds(kinds: Iterable[str]) -> str:
    return "kind IN ({})".format(", ".join(f"'{kind}'" for kind in sorted(kinds)))


def read_states(connection: sqlite3.Connection) -> dict[str, bytes]:
    """Return the states by name; raise sqlite3.DatabaseError when one is not what was written."""
    found = connection.execute("SELECT name, value, crc FROM state").fetchall()
    for name, value, crc in found:
        if value_sum(name, value) != crc:
            raise sqlite3.DatabaseError("a state is damaged")
    return {name: value for name, value, _ in found}


def create(connection: sqlite3.Connection) -> None:
    """Create the tables in an empty file, inside a transaction."""
    for name in TABLES:
        connection.execute(f"CREATE TABLE {name}_record ({_RECORD})")
    refused = _RECORD.replace("INTEGER PRIMARY KEY", "INTEGER NOT NULL")
    for statement in (
        f"CREATE TABLE dead_letter ({_REFUSED}, {refused})",
        "CREATE INDEX interval_time ON interval_record (time_ns)",
        "CREATE TABLE state (name TEXT PRIMARY KEY, value BLOB NOT NULL, crc INTEGER NOT NULL)",
        "CREATE TABLE ring_row (time_ns INTEGER PRIMARY KEY, value BLOB NOT NULL, crc INTEGER NOT NULL)",
        f"CREATE TABLE cursor ({_CURSOR}) WITHOUT ROWID",
        "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL, crc INTEGER NOT NULL) WITHOUT ROWID",
        f"PRAGMA application_id = {APPLICATION_ID}",
        f"PRAGMA user_version = {SCHEMA_VERSION}",
    ):
        connection.execute(statement)
    write_inventory(connection, Inventory(epoch=secrets.token_hex(6), version=SCHEMA_VERSION))


def write_inventory(connection: sqlite3.Connection, inventory: Inventory) -> None:
    """Put an inventory in place of the one before it."""
    text = inventory.text()
    connection.execute("REPLACE INTO meta VALUES ('ledger', ?, ?)", (text, value_sum("ledger", text)))


def read_inventory(connection: sqlite3.Connection) -> Inventory:
    """Return the inventory; raise sqlite3.DatabaseError when there is none that is as it was written."""
    row = connection.execute("SELECT value, crc FROM meta WHERE name = 'ledger'").fetchone()
    if row is None or not isinstance(row[0], str) or value_sum("ledger", row[0]) != row[1]:
        raise sqlite3.DatabaseError("its inventory is damaged")
    return Inventory.parse(row[0])


def write_settled(connection: sqlite3.Connection, settled: Mapping[str, Lanes]) -> None:
    """Put what sinks need no more in place of what stood there."""
    rows = [
        (sink, lane, one.cursor, orjson.dumps(one.kept).decode())
        for sink, lanes in settled.items()
        for lane, one in lanes.items()
    ]
    guarded = [(*row, value_sum("{} {} {}".format(*row), row[3])) for row in rows]
    connection.executemany("REPLACE INTO cursor VALUES (?, ?, ?, ?, ?)", guarded)


def read_settled(connection: sqlite3.Connection) -> dict[str, Lanes]:
    """Return what each sink needs no more; raise sqlite3.DatabaseError when nobody can say."""
    found: dict[str, Lanes] = {}
    for sink, lane, seq, ranges, crc in connection.execute("SELECT sink, lane, seq, ranges, crc FROM cursor"):
        if not isinstance(ranges, str) or value_sum(f"{sink} {lane} {seq}", ranges) != crc:
            raise sqlite3.DatabaseError("a cursor is damaged")
        lanes = found.setdefault(sink, {one: Settled() for one in Lane})
        lanes[Lane(lane)] = Settled(seq, [(low, high) for low, high in json.loads(ranges)])
    return found
