"""The store's one SQLite file: its tables, its size, and every statement that touches them.

Invariants:
- One connection, used from one thread. Writers of WAL files in two connections are never safe with old SQLite.
- A transaction is open only inside `commit`, so whatever else reads, reads what was committed.
- File and write-ahead log together stay within the maximum size: room is made before rows are inserted.
- A record leaves the file as it entered it or not at all: its checksum is looked at whenever it is read.
- `inventory` changes only with a commit; it is in the file, in the same transaction as what it counts.
"""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

from agent.record import Record
from agent.store.batch import Batch
from agent.store.dead_letter import DeadLetter, count_refused, insert_refused
from agent.store.guard import value_sum
from agent.store.losses import Losses
from agent.store.place import inode, log_of, sync, unlocked
from agent.store.ring_rows import save_ring, select_ring
from agent.store.room import Room
from agent.store.schema import (
    COLUMNS,
    Row,
    StoreError,
    check_order,
    check_owner,
    create,
    from_rows,
    look_through,
    read_inventory,
    read_settled,
    read_states,
    renumbered,
    select_chained,
    select_first_intervals,
    select_intervals,
    select_records,
    table,
    to_row,
    write_inventory,
    write_settled,
)
from agent.store.settled import Lane, Lanes
from agent.store.sizes import OTHER_PAGES, PAGE, SMALLEST, pages, queue_bytes

_PART = 1024
"""Pages copied between two signs of life: few enough for the slowest disk."""
_ROWS_SHARE = 4
"""Rows of the ring may take this part of the file."""


class Database:
    """An open store file."""

    def __init__(self, path: Path, *, max_size: int, writable: bool = True) -> None:
        """Open or create the file, or open it to read only; raise sqlite3.Error, or StoreError for another program's.

        `path` has no symbolic links in it: SQLite puts the log beside the file itself.
        """
        if max_size < SMALLEST:
            raise StoreError(f"{path}: a store of {max_size} bytes is too small: set max_size to '512KiB' or more")
        self.writable = writable
        self._wal = log_of(path)
        checkpoint = min(1000, max_size // (64 * PAGE))
        # The log may hold what one checkpoint leaves and the largest commit, whose rows may fill half a page each.
        log = checkpoint + 2 * queue_bytes(max_size) // PAGE + OTHER_PAGES
        self._connection = sqlite3.connect(path, isolation_level=None, timeout=5) if writable else unlocked(path)
        self._connection.text_factory = partial(str, encoding="utf-8", errors="replace")  # a flipped bit is no crash
        try:
            if writable:
                self._prepare(path, checkpoint)
            elif tables := _tables(self._connection):
                check_owner(self._connection, path, tables)
            self.inventory = read_inventory(self._connection)
            self.settled = read_settled(self._connection)
            self.states = read_states(self._connection)
        except BaseException:
            self._connection.close()
            raise
        self._inodes = inode(path), inode(self._wal)
        self._room = Room(self._connection, max_size // PAGE - log)
        self._refused: dict[str, int] | None = None
        self._rotten: dict[int, Record] = {}
        """Damaged records by the number they stand at, which may be damaged as well."""

    def close(self) -> None:
        """Close the file; its log is merged into it."""
        self._connection.close()

    @property
    def size(self) -> int:
        """Bytes of the file and its log."""
        try:
            log = self._wal.stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            log = 0
        return self._room.taken + log

    @property
    def rotten(self) -> bool:
        """Whether records were found that are not what was written; the next commit drops them."""
        return bool(self._rotten)

    def is_at(self, path: Path) -> bool:
        """Whether a path leads to what is written to."""
        return inode(path) == self._inodes[0]

    def logs_beside(self, path: Path) -> bool:
        """Whether the log beside a path is the one that is written to."""
        return inode(log_of(path)) == self._inodes[1]

    def copy_to(self, path: Path, alive: Callable[[], None]) -> None:
        """Write everything committed to a new file; call `alive` whenever another part of it is on the disk."""

        def on_disk(_status: int, _left: int, _pages: int) -> None:
            sync(path)
            alive()

        with closing(sqlite3.connect(path)) as copy:
            copy.execute("PRAGMA synchronous = OFF")  # each part is waited for here; what is half done is not used
            copy.execute("PRAGMA journal_mode = OFF")
            self._connection.backup(copy, pages=_PART, progress=on_disk)
        with closing(sqlite3.connect(path)) as copy:
            copy.execute("PRAGMA journal_mode = WAL")

    def patient(self, *, patient: bool) -> None:
        """Let commits wait for the disk, as they should; or not, for what is still elsewhere."""
        self._connection.execute(f"PRAGMA synchronous = {'FULL' if patient else 'NORMAL'}")

    @property
    def nearly_full(self) -> bool:
        """Whether little more can be written without dropping something."""
        return self._room.nearly_full

    def commit(self, batch: Batch, settled: Mapping[str, Lanes], refused: Sequence[DeadLetter]) -> Losses:
        """Write a batch, what sinks have, and refused records in one transaction; return what had to be dropped."""
        inventory = self.inventory.following(batch)
        inventory.dropped.update(batch.dropped)
        with self._transaction():
            self._room.drop_damaged(inventory, self._rotten)
            self._room.make(inventory, pages(batch, refused), settled)
            self._insert(batch)
            inventory.records.update([record.kind for record in batch.records])
            save_ring(self._connection, batch.rows, self._room.size // _ROWS_SHARE)
            write_settled(self._connection, settled)
            insert_refused(self._connection, refused)
            write_inventory(self._connection, inventory)
        self.inventory = inventory
        self._rotten = {}
        if refused:
            self._refused = None
        return inventory.losses

    def _insert(self, batch: Batch) -> None:
        """Write the records and states of a batch."""
        rows: dict[str, list[Row]] = {}
        for record in batch.records:
            rows.setdefault(table(record.kind), []).append(to_row(record))
        for name, its_rows in rows.items():
            insert = f"INSERT INTO {name}_record ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)"  # noqa: S608  # our own names
            self._connection.executemany(insert, its_rows)
        if batch.states:
            states = [(name, value, value_sum(name, value)) for name, value in batch.states.items()]
            self._connection.executemany("REPLACE INTO state VALUES (?, ?, ?)", states)

    def after(self, lane: Lane, low: int, high: int | None, limit: int) -> list[Record]:
        """Return the oldest intact records of a lane in (low, high]."""
        while True:
            rows = select_records(self._connection, lane, low, (1 << 62) if high is None else high, limit)
            check_order(rows, low)
            intact, rotten = from_rows(rows)
            sums = {row[0]: row[-1] for row in rows}
            self._rotten.update({record.seq: renumbered(record, sums[record.seq]) or record for record in rotten})
            if intact or not rows:
                return intact
            low = rows[-1][0]

    def refused(self) -> dict[str, int]:
        """Return how many refused records are kept, by sink."""
        if self._refused is None:  # only a commit here changes it: whoever discards them has no agent beside him
            self._refused = count_refused(self._connection)
        return self._refused

    def intervals(self, kind: str, start_ns: int, end_ns: int) -> list[Record]:
        """Return intervals or roll-ups that start in [start_ns, end_ns), in the order they were booked."""
        return select_intervals(self._connection, kind, start_ns, end_ns)

    def first_intervals(self, kind: str, start_ns: int, end_ns: int, limit: int) -> list[Record]:
        """Return the first intervals or roll-ups that start in [start_ns, end_ns), by start and number."""
        return select_first_intervals(self._connection, kind, start_ns, end_ns, limit)

    def chained(self, after: int, limit: int) -> list[Record]:
        """Return the oldest intact records of the chain behind number `after`."""
        return select_chained(self._connection, after, limit)

    def rows(self, after_ns: int, limit: int) -> list[tuple[int, bytes]]:
        """Return the oldest intact rows of the ring behind `after_ns`."""
        return select_ring(self._connection, after_ns, limit)

    def _prepare(self, path: Path, checkpoint: int) -> None:
        tables = _tables(self._connection)
        if tables:
            check_owner(self._connection, path, tables)
        if not tables:
            # Both must stand before the first table. An SQLite may be built with other pages than all sums here are
            # made for; the second lets a file shrink that was allowed more before.
            self._connection.execute(f"PRAGMA page_size = {PAGE}")
            self._connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        for setting in (
            "journal_mode = WAL",
            "synchronous = FULL",
            f"wal_autocheckpoint = {checkpoint}",
            f"journal_size_limit = {checkpoint * PAGE}",
            "secure_delete = OFF",  # Debian's default writes every page that is freed once more
            "temp_store = MEMORY",
            "cache_size = -2000",
        ):
            self._connection.execute(f"PRAGMA {setting}").fetchall()
        if tables:
            look_through(self._connection)
        else:
            with self._transaction():
                create(self._connection)

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


def _tables(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
