"""Room in the store's file: which records leave it, and in which order.

Invariants:
- What every sink has goes first, what stands with the intervals excepted: roll-ups and all that is chained. Dropped
  then is the oldest telemetry, then windows, then health, then alarms, then intervals every sink has, then intervals.
- Whatever leaves is counted in the inventory; what a receiver may miss is among its losses as well.
"""

import sqlite3
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from agent.record import INTERVAL, KINDS, Record
from agent.store.inventory import Inventory
from agent.store.schema import COLUMNS, LANE_OF, TABLES
from agent.store.settled import Lane, Lanes, Settled, common
from agent.store.sizes import OTHER_PAGES, PAGE

_SLACK = 0.01
"""Part of the maximum that is freed at once, so that not every commit of a full store drops."""
_LEAST_SLACK = 8
"""Pages freed at once even in a small store: each freeing costs a gap record."""
_CHUNK = 256
"""Rows dropped between two looks at the free pages."""
_EVERYTHING = (0, 1 << 62)


class Room:
    """The pages of an open file, `most` at most; all but the figures only within a transaction."""

    def __init__(self, connection: sqlite3.Connection, most: int) -> None:
        self._connection = connection
        self._most = most
        self._pruned = {name: Settled() for name in TABLES}

    @property
    def size(self) -> int:
        """What the file's pages may take [bytes]."""
        return self._most * PAGE

    @property
    def taken(self) -> int:
        """What they take, free ones included [bytes]."""
        return self._pragma("page_count") * PAGE

    @property
    def nearly_full(self) -> bool:
        """Whether little more can be written without dropping something."""
        return self._used() * 10 > self._most * 8

    def make(self, inventory: Inventory, needed: int, settled: Mapping[str, Lanes]) -> None:
        """Make room for `needed` pages."""
        self._prune(inventory, settled, _CHUNK)
        taken, used = self._pages()
        if used > self._most - needed:
            self._free(inventory, needed, settled)
            taken, _ = self._pages()
        surplus = taken - self._most
        if surplus > 0:
            self._connection.execute(f"PRAGMA incremental_vacuum({min(surplus, OTHER_PAGES)})").fetchall()

    def _free(self, inventory: Inventory, needed: int, settled: Mapping[str, Lanes]) -> None:
        """Remove what every sink has, and the oldest, until there is room for `needed` pages and some more."""
        goal = self._most - needed
        self._prune(inventory, settled, 1)
        if self._used() > goal:
            goal -= max(int(self._most * _SLACK), _LEAST_SLACK)
        delivered = common(lanes[LANE_OF[INTERVAL]] for lanes in settled.values())
        for name in TABLES[:-1]:
            self._drop_oldest(inventory, name, _EVERYTHING, goal)
        for span in delivered:
            self._drop_oldest(inventory, INTERVAL, span, goal, delivered=True)
        self._drop_oldest(inventory, INTERVAL, _EVERYTHING, goal)

    def drop_damaged(self, inventory: Inventory, damaged: Mapping[int, Record]) -> None:
        """Remove records that are not what was written, by the number they stand at."""
        for number, record in damaged.items():
            for name in TABLES:
                gone = self._connection.execute(f"DELETE FROM {name}_record WHERE seq = ?", (number,))  # noqa: S608  # our own names
                if gone.rowcount:
                    kind = record.kind if record.kind in KINDS else name
                    inventory.drop([replace(record, kind=kind)], "damaged in the file")

    def _prune(self, inventory: Inventory, settled: Mapping[str, Lanes], worth: int) -> None:
        """Remove what every sink has where there is enough of it; intervals stay."""
        ranges = {lane: common(lanes[lane] for lanes in settled.values()) for lane in Lane}
        for name in TABLES[:-1]:
            pruned = self._pruned[name]
            fresh = [span for span in ranges[LANE_OF[name]] if span[1] - span[0] - pruned.within(*span) >= worth]
            for low, high in fresh:
                inventory.records.subtract(self._delete(name, low, high))
                pruned.add(low, high)

    def _drop_oldest(
        self, inventory: Inventory, name: str, span: tuple[int, int], goal: int, *, delivered: bool = False
    ) -> None:
        """Remove the oldest records of a table within a span of numbers, as long as more than `goal` pages are used."""
        low, high = span
        oldest = f"SELECT {COLUMNS} FROM {name}_record WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?"  # noqa: S608  # our own names
        while (surplus := self._used() - goal) > 0:
            rows = self._connection.execute(oldest, (low, high, min(surplus, _CHUNK))).fetchall()
            if not rows:
                return
            if not self._delete(name, low, rows[-1][0]).total():
                raise sqlite3.DatabaseError("its records are out of order")
            records = [Record(*row[:-1]) for row in rows]
            if delivered and not low:
                inventory.let_go(records, "delivered, no room to keep it")
            elif delivered:  # behind something older that stays: a hole in the chain, which has to be told
                inventory.drop(records, "delivered, no room to keep it")
            else:
                inventory.drop(records, "store full")

    def _delete(self, name: str, low: int, high: int) -> Counter[str]:
        where = f"FROM {name}_record WHERE seq > ? AND seq <= ?"
        kinds = dict(self._connection.execute(f"SELECT kind, count(*) {where} GROUP BY kind", (low, high)))
        self._connection.execute(f"DELETE {where}", (low, high))
        return Counter(kinds)

    def _used(self) -> int:
        return self._pages()[1]

    def _pages(self) -> tuple[int, int]:
        """Return how many pages the file has, and how many of them are used."""
        taken = self._pragma("page_count")
        return taken, taken - self._pragma("freelist_count")

    def _pragma(self, name: str) -> int:
        return int(self._connection.execute(f"PRAGMA {name}").fetchone()[0])
