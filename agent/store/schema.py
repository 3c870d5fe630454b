"""What stands in the store's file: its tables, its ledger, and the questions asked by more than one process."""

import json
import secrets
import sqlite3
from collections import Counter
from dataclasses import dataclass, field

from agent.record import INTERVAL, TELEMETRY, WINDOW, Record
from agent.store.chain import GENESIS
from agent.store.losses import Losses

APPLICATION_ID = 0x656E6167
SCHEMA_VERSION = 2
LANES = ("telemetry", "window", "event", "interval")
"""Classes of records in the order in which they are dropped; each is a table of its own, so that dropping the
oldest of a class removes whole pages and needs no index."""

COLUMNS = "seq, kind, key, time_ns, payload"
_RECORD = (
    "seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, key TEXT NOT NULL, time_ns INTEGER NOT NULL, payload BLOB NOT NULL"
)
_REFUSED = "id INTEGER PRIMARY KEY, sink TEXT NOT NULL, reason TEXT NOT NULL, refused_ns INTEGER NOT NULL"


@dataclass(frozen=True, slots=True)
class Ledger:
    """What the file knows about itself without counting rows."""

    epoch: str
    seq: int = 0
    chain: str = GENESIS
    records: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    losses: Losses = field(default_factory=Losses)
    commits: int = 0

    def text(self) -> str:
        """Return the ledger as stored."""
        content = {name: getattr(self, name) for name in ("epoch", "seq", "chain", "records", "dropped", "commits")}
        return json.dumps({**content, "losses": self.losses.state()})

    @classmethod
    def parse(cls, text: str) -> "Ledger":
        """Return a ledger as it was stored."""
        found = json.loads(text)
        return cls(
            epoch=found["epoch"],
            seq=found["seq"],
            chain=found["chain"],
            records=Counter(found["records"]),
            dropped=Counter(found["dropped"]),
            losses=Losses.restored(found["losses"]),
            commits=found["commits"],
        )


def lane(kind: str) -> str:
    """Return the class, and table, of a kind of record."""
    return kind if kind in (TELEMETRY, WINDOW, INTERVAL) else "event"


def select_after(connection: sqlite3.Connection, seq: int, limit: int) -> list[Record]:
    """Return the oldest records behind `seq`."""
    # SQLite merges the four ordered tables; nothing is sorted.
    parts = " UNION ALL ".join(f"SELECT {COLUMNS} FROM {name}_record WHERE seq > :seq" for name in LANES)  # noqa: S608  # our own names
    rows = connection.execute(f"{parts} ORDER BY seq LIMIT :limit", {"seq": seq, "limit": limit})
    return [Record(*row) for row in rows]


def count_refused(connection: sqlite3.Connection) -> dict[str, int]:
    """Return how many refused records are kept, by sink."""
    return dict(connection.execute("SELECT sink, count(*) FROM dead_letter GROUP BY sink"))


def select_intervals(connection: sqlite3.Connection, start_ns: int, end_ns: int) -> list[Record]:
    """Return the interval records that start in [start_ns, end_ns), in the order they were booked."""
    rows = connection.execute(
        f"SELECT {COLUMNS} FROM interval_record WHERE time_ns >= ? AND time_ns < ? ORDER BY seq",  # noqa: S608  # our own names
        (start_ns, end_ns),
    )
    return [Record(*row) for row in rows]


def create(connection: sqlite3.Connection) -> None:
    """Create the tables that an empty file, or one of an older agent, lacks; inside a transaction."""
    for name in LANES:
        connection.execute(f"CREATE TABLE IF NOT EXISTS {name}_record ({_RECORD})")
    refused = _RECORD.replace("INTEGER PRIMARY KEY", "INTEGER NOT NULL")
    connection.execute(f"CREATE TABLE IF NOT EXISTS dead_letter ({_REFUSED}, {refused})")
    for statement in (
        "CREATE INDEX IF NOT EXISTS interval_time ON interval_record (time_ns)",
        "CREATE TABLE IF NOT EXISTS state (name TEXT PRIMARY KEY, value BLOB NOT NULL)",
        "CREATE TABLE IF NOT EXISTS ring_row (time_ns INTEGER PRIMARY KEY, value BLOB NOT NULL)",
        "CREATE TABLE IF NOT EXISTS cursor (sink TEXT PRIMARY KEY, seq INTEGER NOT NULL)",
        "CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
        f"PRAGMA application_id = {APPLICATION_ID}",
        f"PRAGMA user_version = {SCHEMA_VERSION}",
    ):
        connection.execute(statement)
    ledger = Ledger(epoch=secrets.token_hex(6))
    connection.execute("INSERT OR IGNORE INTO meta VALUES ('ledger', ?)", (ledger.text(),))


def read_ledger(connection: sqlite3.Connection) -> Ledger:
    """Return the ledger; raise sqlite3.DatabaseError when there is none."""
    row = connection.execute("SELECT value FROM meta WHERE name = 'ledger'").fetchone()
    try:
        return Ledger.parse(row[0])
    except (TypeError, ValueError, KeyError) as error:
        raise sqlite3.DatabaseError(f"its ledger cannot be read ({error})") from error
