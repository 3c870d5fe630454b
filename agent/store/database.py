"""The store's one SQLite file: its tables, its size, and every statement that touches them.

Invariants:
- One connection, used from one thread. Writers of WAL files in two connections are never safe with old SQLite.
- A transaction is open only inside `commit`, so whatever else reads, reads what was committed.
- File and write-ahead log together stay within the maximum size: room is made before rows are inserted.
- What every sink has goes first, what stands with the intervals excepted: roll-ups and all that is chained. Dropped
  then is the oldest telemetry, then windows, then health, then alarms, then intervals every sink has, then intervals.
- A record leaves the file as it entered it or not at all: its checksum is looked at whenever it is read.
- `inventory` changes only with a commit; it is in the file, in the same transaction as what it counts.
"""

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from agent.record import INTERVAL, KINDS, Record
from agent.store.backlog import Batch
from agent.store.dead_letter import DeadLetter, count_refused, insert_refused
from agent.store.guard import value_sum
from agent.store.inventory import Inventory
from agent.store.losses import Losses
from agent.store.place import inode, sync, unlocked
from agent.store.ring_rows import save_ring, select_ring
from agent.store.schema import (
    COLUMNS,
    LANE_OF,
    TABLES,
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
from agent.store.settled import Lane, Lanes, Settled, common
from agent.store.sizes import OTHER_PAGES, PAGE, SMALLEST, pages, queue_bytes

_SLACK = 0.01
"""Part of the maximum that is freed at once, so that not every commit of a full store drops."""
_LEAST_SLACK = 8
"""Pages freed at once even in a small store: each freeing costs a gap record."""
_CHUNK = 256
"""Rows dropped between two looks at the free pages."""
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
        self._wal = path.with_name(path.name + "-wal")
        checkpoint = min(1000, max_size // (64 * PAGE))
        # The log may hold what one checkpoint leaves and the largest commit, whose rows may fill half a page each.
        log = checkpoint + 2 * queue_bytes(max_size) // PAGE + OTHER_PAGES
        self._max_pages = max_size // PAGE - log
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
        self._pruned = {name: Settled() for name in TABLES}
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
        return self._pragma("page_count") * PAGE + log

    @property
    def rotten(self) -> bool:
        """Whether records were found that are not what was written; the next commit drops them."""
        return bool(self._rotten)

    def is_at(self, path: Path) -> bool:
        """Whether a path leads to what is written to."""
        return inode(path) == self._inodes[0]

    def logs_beside(self, path: Path) -> bool:
        """Whether the log beside a path is the one that is written to."""
        return inode(path.with_name(path.name + "-wal")) == self._inodes[1]

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
        return self._used_pages() * 10 > self._max_pages * 8

    def commit(self, batch: Batch, settled: Mapping[str, Lanes], refused: Sequence[DeadLetter]) -> Losses:
        """Write a batch, what sinks have, and refused records in one transaction; return what had to be dropped."""
        inventory = self.inventory.following(batch.seq, batch.epoch, batch.chain, batch.untold)
        inventory.dropped.update(batch.dropped)
        with self._transaction():
            self._drop_rotten(inventory)
            self._prune(inventory, settled, _CHUNK)
            self._make_room(inventory, pages(batch, refused), settled)
            for name in TABLES:
                rows = [to_row(record) for record in batch.records if table(record.kind) == name]
                self._connection.executemany(
                    f"INSERT INTO {name}_record ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)",  # noqa: S608  # our own names
                    rows,
                )
            inventory.records.update(record.kind for record in batch.records)
            self._connection.executemany(
                "REPLACE INTO state VALUES (?, ?, ?)",
                [(name, value, value_sum(name, value)) for name, value in batch.states.items()],
            )
            save_ring(self._connection, batch.rows, self._max_pages * PAGE // _ROWS_SHARE)
            write_settled(self._connection, settled)
            insert_refused(self._connection, refused)
            write_inventory(self._connection, inventory)
        self.inventory = inventory
        self._rotten = {}
        return inventory.losses

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
        return count_refused(self._connection)

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

    def _prune(self, inventory: Inventory, settled: Mapping[str, Lanes], worth: int) -> None:
        """Remove what every sink has where there is enough of it; intervals stay."""
        for name in TABLES[:-1]:
            ranges = common(lanes[LANE_OF[name]] for lanes in settled.values())
            fresh = [span for span in ranges if span[1] - span[0] - self._pruned[name].within(*span) >= worth]
            for low, high in fresh:
                inventory.records.subtract(self._delete(name, low, high))
                self._pruned[name].add(low, high)

    def _make_room(self, inventory: Inventory, needed: int, settled: Mapping[str, Lanes]) -> None:
        goal = self._max_pages - needed
        if self._used_pages() > goal:
            self._prune(inventory, settled, 1)
        if self._used_pages() > goal:
            goal -= max(int(self._max_pages * _SLACK), _LEAST_SLACK)
        everything = (0, 1 << 62)
        delivered = common(lanes[LANE_OF[INTERVAL]] for lanes in settled.values())
        steps = [(name, everything, False) for name in TABLES[:-1]]
        steps += [(INTERVAL, span, True) for span in delivered]
        for name, (low, high), settled_by_all in [*steps, (INTERVAL, everything, False)]:
            while (surplus := self._used_pages() - goal) > 0:
                oldest = f"SELECT {COLUMNS} FROM {name}_record WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?"  # noqa: S608  # our own names
                rows = self._connection.execute(oldest, (low, high, min(surplus, _CHUNK))).fetchall()
                if not rows:
                    break
                if not self._delete(name, low, rows[-1][0]).total():
                    raise sqlite3.DatabaseError("its records are out of order")
                records = [Record(*row[:-1]) for row in rows]
                if settled_by_all and not low:
                    inventory.let_go(records, "delivered, no room to keep it")
                elif settled_by_all:  # behind something older that stays: a hole in the chain, which has to be told
                    inventory.drop(records, "delivered, no room to keep it")
                else:
                    inventory.drop(records, "store full")
        surplus = self._pragma("page_count") - self._max_pages
        if surplus > 0:
            self._connection.execute(f"PRAGMA incremental_vacuum({min(surplus, OTHER_PAGES)})").fetchall()

    def _drop_rotten(self, inventory: Inventory) -> None:
        for number, record in self._rotten.items():
            for name in TABLES:
                gone = self._connection.execute(f"DELETE FROM {name}_record WHERE seq = ?", (number,))  # noqa: S608  # our own names
                if gone.rowcount:
                    kind = record.kind if record.kind in KINDS else name
                    inventory.drop([replace(record, kind=kind)], "damaged in the file")

    def _used_pages(self) -> int:
        return self._pragma("page_count") - self._pragma("freelist_count")

    def _delete(self, name: str, low: int, high: int) -> Counter[str]:
        where = f"FROM {name}_record WHERE seq > ? AND seq <= ?"
        kinds = dict(self._connection.execute(f"SELECT kind, count(*) {where} GROUP BY kind", (low, high)))
        self._connection.execute(f"DELETE {where}", (low, high))
        return Counter(kinds)


def _tables(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
