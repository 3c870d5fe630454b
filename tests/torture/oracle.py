"""What was committed, read from a copy of the store's file, without the agent's code.

A copy, because to read a log that was left behind SQLite recovers it, and that must not happen to the original.
"""

import json
import shutil
import sqlite3
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.soak.books import open_quanta
from tests.torture.receivers import Identity

_QUANTA = 1_000_000


@dataclass(slots=True)
class Committed:
    """What stood in the file at one moment."""

    epoch: str = ""
    last_seq: int = 0
    records: dict[Identity, bytes] = field(default_factory=dict)
    kinds: dict[Identity, str] = field(default_factory=dict)
    states: dict[str, bytes] = field(default_factory=dict)
    dead: list[tuple[str, int]] = field(default_factory=list)
    """Sink and number of each record that was set aside."""
    settled: dict[str, list[tuple[str, int, int]]] = field(default_factory=dict)
    """For each sink the numbers it is believed to have: lane, and (after, through]."""

    def believed(self, sink: str) -> set[int]:
        """Return the records that count as delivered to a sink, by number; alarms have a lane of their own."""
        alarms = {seq for (_, seq), kind in self.kinds.items() if kind == "alarm"}
        found: set[int] = set()
        for lane, after, through in self.settled.get(sink, ()):
            numbers = set(range(after + 1, through + 1))
            found |= numbers & alarms if lane == "alarms" else numbers - alarms
        return found - {seq for name, seq in self.dead if name == sink}

    def waiting(self, sink: str) -> set[Identity]:
        """Return the records that the file keeps and that the sink is not believed to have."""
        done = self.believed(sink) | {seq for name, seq in self.dead if name == sink}
        return {identity for identity in self.records if identity[1] not in done}


def committed(store: Path) -> Committed:
    """Read the store; raise sqlite3.Error when it cannot be."""
    with tempfile.TemporaryDirectory(prefix="oracle-", dir=store.parent.parent) as folder:
        copy = Path(folder) / "copy.db"
        for suffix in ("", "-wal"):
            source = store.with_name(store.name + suffix)
            if source.exists():
                shutil.copyfile(source, copy.with_name(copy.name + suffix))
        connection = sqlite3.connect(copy)
        try:
            return _read(connection)
        finally:
            connection.close()


def _read(connection: sqlite3.Connection) -> Committed:
    found = Committed()
    found.states = dict(connection.execute("SELECT name, value FROM state"))
    for sink, lane, seq, ranges in connection.execute("SELECT sink, lane, seq, ranges FROM cursor"):
        spans = found.settled.setdefault(sink, [])
        spans += [(lane, after, through) for after, through in [(0, seq), *json.loads(ranges)]]
    found.dead = connection.execute("SELECT sink, seq FROM dead_letter").fetchall()
    for table in record_tables(connection):
        for seq, kind, payload in connection.execute(f"SELECT seq, kind, payload FROM {table}"):  # noqa: S608 -- the file's own names
            identity = (str(json.loads(payload).get("epoch", "")), int(seq))
            found.records[identity], found.kinds[identity] = payload, kind
    ledger = json.loads(connection.execute("SELECT value FROM meta WHERE name = 'ledger'").fetchone()[0])
    found.epoch, found.last_seq = ledger["epoch"], ledger["seq"]
    return found


def record_tables(connection: sqlite3.Connection) -> list[str]:
    """Return the tables that hold records by their number."""
    names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    return [name for name in names if name.endswith("_record")]


def conservation(intervals: list[dict[str, Any]], states: dict[str, bytes]) -> tuple[list[str], int]:
    """Return what does not add up, and how many accounts were looked at.

    For each account the latest revisions and what is still open must equal the last counter minus the first, to the
    last quantum, and no interval may be recorded twice in one revision.
    """
    problems = []
    times = Counter((r["account"], r["start"], r["revision"]) for r in intervals)
    problems += [
        f"{name} from {start}, revision {n}: recorded {k} times" for (name, start, n), k in times.items() if k > 1
    ]
    latest: dict[str, dict[str, dict[str, Any]]] = {}
    for record in sorted(intervals, key=lambda record: record["revision"]):
        latest.setdefault(record["account"], {})[record["start"]] = record
    for account, found in latest.items():
        book = json.loads(states[f"account/{account}"])
        opened = found[min(found)]["evidence"]
        first = (opened.get("open") or opened["open_next"])["value"]
        last = book["source"]["last"][2]
        rest = open_quanta(book["intervals"])
        booked = sum(round(record["amount"] * _QUANTA) for record in found.values()) + rest
        expected = round(last * _QUANTA) - round(first * _QUANTA)
        if booked != expected:
            problems.append(f"{account}: booked {booked / _QUANTA}, the counter went on by {expected / _QUANTA}")
    return problems, len(latest)
