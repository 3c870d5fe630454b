"""The store's one SQLite file: its tables, its size, and every statement that touches them.

Invariants:
- One connection, used from one thread. Writers of WAL files in two connections are never safe with old SQLite.
- A transaction is open only inside `commit`, so whatever else reads, reads what was committed.
- File and write-ahead log together stay within the maximum size: room is made before rows are inserted.
- Dropped first is the oldest telemetry, then windows, then events, then intervals every sink has, then intervals.
- `ledger` changes only with a commit; it is in the file, in the same transaction as what it counts.
"""

import sqlite3
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from agent.record import INTERVAL, Record
from agent.store.backlog import Batch
from agent.store.losses import Losses
from agent.store.schema import (
    APPLICATION_ID,
    COLUMNS,
    LANES,
    SCHEMA_VERSION,
    Ledger,
    count_refused,
    create,
    lane,
    read_ledger,
    select_after,
    select_intervals,
)

_PAGE = 4096
_SMALLEST = 512 << 10
_SLACK = 0.01
"""Part of the maximum that is freed at once, so that not every commit of a full store drops."""
_OTHER_PAGES = 32
"""Pages of a commit beside its rows: inner pages, free lists, cursors, the ledger."""
_LEAST_SLACK = 8
"""Pages freed at once even in a small store: each freeing costs a gap record."""
_CHUNK = 256
"""Rows dropped between two looks at the free pages."""
_DEAD_LETTERS = 1000
"""Records kept that a receiver refused for good; the oldest go first."""
_ROW_AGE_NS = 25 * 3600 * 10**9
"""Rows of the ring are of use for the longest window, a day."""
_ROWS_SHARE = 4
"""Rows of the ring may take this part of the file."""


class StoreError(Exception):
    """Raised when the store cannot be used; the text names path, cause and remedy."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that a sink refused for good."""

    sink: str
    reason: str
    record: Record


class Database:
    """An open store file."""

    def __init__(self, path: Path, *, max_size: int, sinks: Sequence[str]) -> None:
        """Open or create the file; raise sqlite3.Error, or StoreError when it is another program's."""
        if max_size < _SMALLEST:
            raise StoreError(f"{path}: a store of {max_size} bytes is too small: set max_size to '512KiB' or more")
        self._wal = path.with_name(path.name + "-wal")
        self._sinks = tuple(sinks)
        checkpoint = min(1000, max_size // (64 * _PAGE))
        # The log may hold what one checkpoint leaves and the largest commit, whose rows may fill half a page each.
        log = checkpoint + 2 * queue_bytes(max_size) // _PAGE + _OTHER_PAGES
        self._max_pages = max_size // _PAGE - log
        self._connection = sqlite3.connect(path, isolation_level=None, timeout=5)
        try:
            self._prepare(path, checkpoint)
            self.ledger = read_ledger(self._connection)
            self.cursors = dict(self._connection.execute("SELECT sink, seq FROM cursor"))
            self.states: dict[str, bytes] = dict(self._connection.execute("SELECT name, value FROM state"))
        except BaseException:
            self._connection.close()
            raise
        self._pruned = 0

    def close(self) -> None:
        """Close the file; its log is merged into it."""
        self._connection.close()

    @property
    def size(self) -> int:
        """Bytes of the file and its log."""
        try:
            log = self._wal.stat().st_size
        except FileNotFoundError:
            log = 0
        return self._pragma("page_count") * _PAGE + log

    def commit(self, batch: Batch, cursors: Mapping[str, int], refused: Sequence[DeadLetter]) -> Losses:
        """Write a batch, cursors and refused records in one transaction; return what had to be dropped for it."""
        ledger = replace(
            self.ledger,
            seq=max(batch.seq, self.ledger.seq),
            epoch=batch.epoch,
            chain=batch.chain,
            records=Counter(self.ledger.records),
            dropped=Counter(self.ledger.dropped),
            losses=Losses(),
            commits=self.ledger.commits + 1,
        )
        with self._transaction():
            self._prune(ledger, cursors, _CHUNK)
            self._make_room(ledger, _pages(batch, refused), cursors)
            for name in LANES:
                rows = [
                    (record.seq, record.kind, record.key, record.time_ns, record.payload)
                    for record in batch.records
                    if lane(record.kind) == name
                ]
                self._connection.executemany(f"INSERT INTO {name}_record ({COLUMNS}) VALUES (?, ?, ?, ?, ?)", rows)  # noqa: S608  # our own names
            ledger.records.update(record.kind for record in batch.records)
            self._connection.executemany("REPLACE INTO state VALUES (?, ?)", batch.states.items())
            self._save_rows(batch.rows)
            self._connection.executemany("REPLACE INTO cursor VALUES (?, ?)", cursors.items())
            self._set_aside(refused)
            self._connection.execute("REPLACE INTO meta VALUES ('ledger', ?)", (ledger.text(),))
        self.ledger = ledger
        self.cursors.update(cursors)
        return ledger.losses

    def after(self, seq: int, limit: int) -> list[Record]:
        """Return the oldest records behind `seq`."""
        return select_after(self._connection, seq, limit)

    def refused(self) -> dict[str, int]:
        """Return how many refused records are kept, by sink."""
        return count_refused(self._connection)

    def intervals(self, start_ns: int, end_ns: int) -> list[Record]:
        """Return the interval records that start in [start_ns, end_ns), in the order they were booked."""
        return select_intervals(self._connection, start_ns, end_ns)

    def rows(self, after_ns: int, limit: int) -> list[tuple[int, bytes]]:
        """Return the oldest rows of the ring behind `after_ns`."""
        chosen = "SELECT time_ns, value FROM ring_row WHERE time_ns > ? ORDER BY time_ns LIMIT ?"
        return self._connection.execute(chosen, (after_ns, limit)).fetchall()

    def _prepare(self, path: Path, checkpoint: int) -> None:
        owner, version = self._pragma("application_id"), self._pragma("user_version")
        tables = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if tables and owner != APPLICATION_ID:
            raise StoreError(f"{path}: is another program's database: name another file as [store] path")
        if version > SCHEMA_VERSION:
            raise StoreError(f"{path}: was written by a newer energy-agent: install that, or name another file")
        if not tables:
            # Must stand before the first table; it lets a file shrink that was allowed more before.
            self._connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        for setting in (
            "journal_mode = WAL",
            "synchronous = FULL",
            f"wal_autocheckpoint = {checkpoint}",
            f"journal_size_limit = {checkpoint * _PAGE}",
            "secure_delete = OFF",  # Debian's default writes every page that is freed once more
            "temp_store = MEMORY",
            "cache_size = -2000",
        ):
            self._connection.execute(f"PRAGMA {setting}").fetchall()
        if version < SCHEMA_VERSION:
            with self._transaction():
                create(self._connection)

    def _pragma(self, name: str) -> int:
        return int(self._connection.execute(f"PRAGMA {name}").fetchone()[0])

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            # SQLite has already rolled back after a full or failing disk.
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def _floor(self, cursors: Mapping[str, int]) -> int | None:
        """Return the number up to which every sink has everything, None without sinks."""
        known = {**self.cursors, **cursors}
        return min((known.get(sink, 0) for sink in self._sinks), default=None)

    def _prune(self, ledger: Ledger, cursors: Mapping[str, int], worth: int) -> None:
        """Remove what every sink has when there is enough of it; intervals stay."""
        floor = self._floor(cursors)
        if floor is None or floor - self._pruned < worth:
            return
        for name in LANES[:-1]:
            self._delete(ledger, name, floor)
        self._pruned = floor

    def _make_room(self, ledger: Ledger, pages: int, cursors: Mapping[str, int]) -> None:
        goal = self._max_pages - pages
        if self._used_pages() > goal:
            self._prune(ledger, cursors, 1)
        if self._used_pages() > goal:
            goal -= max(int(self._max_pages * _SLACK), _LEAST_SLACK)
        floor = self._floor(cursors)
        everything = 1 << 62
        steps = [(name, everything) for name in LANES[:-1]]
        steps += [(INTERVAL, everything if floor is None else floor), (INTERVAL, everything)]
        for name, limit in steps:
            while (surplus := self._used_pages() - goal) > 0:
                oldest = f"SELECT {COLUMNS} FROM {name}_record WHERE seq <= ? ORDER BY seq LIMIT ?"  # noqa: S608  # our own names
                rows = [Record(*row) for row in self._connection.execute(oldest, (limit, min(surplus, _CHUNK)))]
                if not rows:
                    break
                ledger.dropped.update(self._delete(ledger, name, rows[-1].seq))
                ledger.losses.add_records(rows, "store full")
        surplus = self._pragma("page_count") - self._max_pages
        if surplus > 0:
            self._connection.execute(f"PRAGMA incremental_vacuum({min(surplus, _OTHER_PAGES)})").fetchall()

    def _used_pages(self) -> int:
        return self._pragma("page_count") - self._pragma("freelist_count")

    def _delete(self, ledger: Ledger, name: str, through: int) -> Counter[str]:
        kinds: Counter[str] = Counter(
            dict(
                self._connection.execute(
                    f"SELECT kind, count(*) FROM {name}_record WHERE seq <= ? GROUP BY kind",  # noqa: S608  # our own names
                    (through,),
                )
            )
        )
        self._connection.execute(f"DELETE FROM {name}_record WHERE seq <= ?", (through,))  # noqa: S608  # our own names
        ledger.records.subtract(kinds)
        return kinds

    def _save_rows(self, rows: Mapping[int, bytes]) -> None:
        """Insert rows of the ring; the oldest go when they are too old or take more than their part of the file."""
        if not rows:
            return
        self._connection.executemany("REPLACE INTO ring_row VALUES (?, ?)", rows.items())
        oldest_ns = max(rows) - _ROW_AGE_NS
        self._connection.execute("DELETE FROM ring_row WHERE time_ns < ?", (oldest_ns,))
        kept = (self._max_pages * _PAGE // _ROWS_SHARE) // max(map(len, rows.values()), default=1)
        newest = "SELECT time_ns FROM ring_row ORDER BY time_ns DESC LIMIT 1 OFFSET ?"
        self._connection.execute(f"DELETE FROM ring_row WHERE time_ns <= ({newest})", (max(kept, 1),))  # noqa: S608  # our own text

    def _set_aside(self, refused: Sequence[DeadLetter]) -> None:
        now = time.time_ns()
        self._connection.executemany(
            f"INSERT INTO dead_letter (sink, reason, refused_ns, {COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608  # our own names
            [
                (letter.sink, letter.reason, now, *(getattr(letter.record, name) for name in Record.__slots__))
                for letter in refused
            ],
        )
        if refused:
            self._connection.execute(
                "DELETE FROM dead_letter WHERE id <= (SELECT max(id) FROM dead_letter) - ?", (_DEAD_LETTERS,)
            )


def queue_bytes(max_size: int) -> int:
    """Return how many bytes may wait in memory, and so in one commit, for a store of `max_size` bytes."""
    return min(16 << 20, max(min(128 << 10, max_size // 8), max_size // 32))


def _pages(batch: Batch, refused: Sequence[DeadLetter]) -> int:
    """Return an upper estimate of the pages a batch needs."""
    sizes = [len(record.payload) + len(record.key) + 40 for record in batch.records]
    sizes += [len(letter.record.payload) + len(letter.reason) + 80 for letter in refused]
    sizes += [len(value) for values in (batch.states, batch.rows) for value in values.values()]
    pages = sum(1 / (_PAGE // size) if size < _PAGE else size // (_PAGE - 100) + 2 for size in sizes)
    return int(pages) + _OTHER_PAGES
