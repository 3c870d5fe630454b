"""What is still readable of a damaged file goes into the one that takes its place.

Invariants:
- The damaged file is only read. What comes out of it is kept only if its checksum says it is what was written.
- Intervals come first, then alarms and events, then the rest, each newest first: when time or room runs out, it is
  the oldest values that stay behind.
- What every sink has is left out, intervals excepted.
- The new file knows what is to be told, and up to which number values went ahead: nobody else does after a power cut.
"""

import sqlite3
import time
import urllib.parse
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import field, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import orjson

from agent.record import CHAINED, INTERVAL, Record
from agent.store.batch import Batch
from agent.store.database import Database
from agent.store.guard import value_sum
from agent.store.inventory import Inventory
from agent.store.repair import repaired
from agent.store.schema import COLUMNS, LANE_OF, TABLES, Row, from_rows, read_inventory, read_settled, renumbered
from agent.store.settled import Lanes, common
from agent.store.told import Told, Untold
from drivers.value import mutable

LONGEST_S = 5.0
DAMAGED = "store file damaged"
_CHUNK = 250
_CHUNK_BYTES = 16 << 10
_HOPELESS = 20_000
"""Failed reads in a row after which a table is given up."""
_BEYOND = 1 << 53
"""Above every number a store can reach."""
_MARGIN = 100_000
"""Records there may be behind the last that can be read."""


@mutable
class Salvage:
    """What was kept of a damaged file, and what is known to be lost."""

    kept: Counter[str] = field(default_factory=Counter)
    states: dict[str, bytes] = field(default_factory=dict)
    settled: dict[str, Lanes] = field(default_factory=dict)
    untold: Untold = field(default_factory=Untold)
    """That, and what the damaged file had still to tell; the new one knows it as well."""


def salvage(
    source: Path, into: Database, *, inventory: Inventory | None, text: Callable[[Counter[str]], str]
) -> Salvage:
    """Copy what is readable within `LONGEST_S`; `inventory` is that of the last commit where it is known.

    `text` tells of the damage in an event, given what was kept.
    """
    copy = _Copy(into, inventory, text)
    into.patient(patient=False)
    if not _copied(source, copy):
        with suppress(OSError), repaired(source) as another:
            if another:
                _copied(another, copy)
    into.patient(patient=True)
    copy.finish()
    return copy.found


def _copied(source: Path, copy: "_Copy") -> bool:
    """Copy from a file; return whether SQLite takes it for one of its own."""
    uri = f"file:{urllib.parse.quote(str(source.absolute()))}?mode=ro"
    try:
        with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
            connection.text_factory = partial(str, encoding="utf-8", errors="replace")
            connection.execute("PRAGMA writable_schema = ON")  # SQLite reads no file that was cut short otherwise
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
            if not tables >= {f"{name}_record" for name in TABLES}:
                return False
            copy.run(connection)
            return True
    except (sqlite3.Error, UnicodeDecodeError):
        return False


class _Copy:
    """One salvage."""

    def __init__(self, into: Database, inventory: Inventory | None, text: Callable[[Counter[str]], str]) -> None:
        self.found = Salvage()
        self._text = text
        self._into = into
        self._epoch = inventory.epoch if inventory else into.inventory.epoch
        self._earlier = inventory.untold if inventory else Untold()
        self._known = inventory
        self._deadline = time.monotonic() + LONGEST_S
        self._last_chained: Record | None = None
        self._last_seq = 0
        self._passed: Counter[str] = Counter()

    def run(self, connection: sqlite3.Connection) -> None:
        """Copy everything from a connection to the damaged file."""
        if self._known is None:
            with suppress(sqlite3.Error, ValueError):
                known = read_inventory(connection)
                self.found.untold.merge(known.untold)
                self.found.untold.merge(Untold(known.in_doubt))
                self._known = replace(known, seq=known.promised)
        with suppress(sqlite3.Error, ValueError):
            self.found.settled = read_settled(connection)
        self.found.states = {str(name): value for name, value in _values(connection, "state", "name")}
        self._write(states=self.found.states)
        last_seq = self._known.seq if self._known else _last_seq(connection)
        for name in reversed(TABLES):
            self._copy_table(connection, name, last_seq)
        for time_ns, row in _values(connection, "ring_row", "time_ns"):
            if self._at_the_end():
                break
            self._write(rows={int(time_ns): row})

    def finish(self) -> None:
        """Let the new file go on where the old one ended, and say what did not come along."""
        known, lost = self._known, self.found.untold.losses
        seq = max(self._last_seq, known.seq if known else 0)
        chain = known.chain if known else self._into.inventory.chain
        if known is None and self._last_chained:
            chain = orjson.loads(self._last_chained.payload)["hash"]
        gone = known.records - self.found.kept - self._passed if known else Counter[str]()
        if seq and (gone or known is None):
            floor = min((one.cursor for lanes in self.found.settled.values() for one in lanes.values()), default=0)
            if known is None or gone.keys() & CHAINED:
                floor = 0  # the chain stays for good, so what receivers have can be missing in it as well
            lost.add(min(floor + 1, seq), seq, gone, DAMAGED)
        dropped = Counter({f"{kind}: {DAMAGED}": count for kind, count in gone.items()})
        batch = Batch(seq, self._epoch, chain, dropped=dropped + (known.dropped if known else Counter()))
        batch.promised = max(seq, known.promised if known else 0)
        self.found.untold.events.append(Told(time.monotonic_ns(), "store_damaged", self._text(self.found.kept)))
        batch.untold = self._earlier.copy()
        batch.untold.merge(self.found.untold)
        lost.merge(self._into.commit(batch, self.found.settled, ()))

    def _copy_table(self, connection: sqlite3.Connection, name: str, last_seq: int) -> None:
        spans = common(lanes[LANE_OF[name]] for lanes in self.found.settled.values()) if name != INTERVAL else []
        chunk: list[Record] = []
        for record in self._records(connection, name, last_seq):
            self._last_seq = max(self._last_seq, record.seq)
            if name == INTERVAL and record.kind in CHAINED and self._last_chained is None:
                self._last_chained = record
            if any(low < record.seq <= high for low, high in spans):
                self._passed[record.kind] += 1
                continue
            chunk.append(record)
            if sum(len(one.payload) for one in chunk) > _CHUNK_BYTES or len(chunk) == _CHUNK:
                self._write(chunk)
                chunk = []
        self._write(chunk)

    def _records(self, connection: sqlite3.Connection, name: str, last_seq: int) -> Iterator[Record]:
        """Yield the intact records of a table once: newest first, and behind the first damage what else is found."""
        seen: set[int] = set()
        for row in _rows(connection, name, last_seq, self._at_the_end):
            intact, rotten = from_rows([row])
            record = intact[0] if intact else renumbered(rotten[0], row[-1])
            if record and record.seq not in seen:
                seen.add(record.seq)
                yield record
            if self._at_the_end():
                return

    def _at_the_end(self) -> bool:
        return time.monotonic() > self._deadline or self._into.nearly_full

    def _write(
        self,
        records: Sequence[Record] = (),
        states: Mapping[str, bytes] = MappingProxyType({}),
        rows: Mapping[int, bytes] = MappingProxyType({}),
    ) -> None:
        inventory = self._into.inventory
        batch = Batch(0, inventory.epoch, inventory.chain, list(records), dict(states), rows=dict(rows))
        self.found.untold.losses.merge(self._into.commit(batch, {}, ()))
        self.found.kept.update(record.kind for record in records)


def _values(connection: sqlite3.Connection, table: str, key: str) -> Iterator[tuple[Any, bytes]]:
    """Yield the intact named values of a table, last first, as far as they can be read."""
    chosen = f"SELECT {key}, value, crc FROM {table} ORDER BY {key} DESC"  # noqa: S608  # our own names
    with suppress(sqlite3.Error, UnicodeDecodeError):
        for name, value, crc in connection.execute(chosen):
            if isinstance(value, bytes) and value_sum(name, value) == crc:
                yield name, value


def _last_seq(connection: sqlite3.Connection) -> int:
    """Return a number that no record exceeds, close to the last where that can be read."""
    found = []
    for name in TABLES:
        with suppress(sqlite3.Error, UnicodeDecodeError):
            found.append(connection.execute(f"SELECT max(seq) FROM {name}_record").fetchone()[0] or 0)  # noqa: S608  # our own names
    return max(found) + _MARGIN if any(found) else _BEYOND


def _rows(connection: sqlite3.Connection, name: str, last_seq: int, enough: Callable[[], bool]) -> Iterator[Row]:
    """Yield the rows of a table that can be read in any way, some more than once."""
    chosen = f"SELECT {COLUMNS} FROM {name}_record"  # noqa: S608  # our own names
    try:
        yield from connection.execute(f"{chosen} ORDER BY seq DESC")
    except (sqlite3.Error, UnicodeDecodeError):
        yield from _halved(connection, chosen, last_seq, enough)
        with suppress(sqlite3.Error, UnicodeDecodeError):
            yield from connection.execute(f"{chosen} ORDER BY seq")


def _halved(connection: sqlite3.Connection, chosen: str, last_seq: int, enough: Callable[[], bool]) -> Iterator[Row]:
    """Yield rows in pieces, newest first; halve what cannot be read until it stands alone."""
    ranges, failures = [(0, last_seq)], 0
    while ranges and failures < _HOPELESS and not enough():
        low, high = ranges.pop()
        try:
            rows = connection.execute(
                f"{chosen} WHERE seq > ? AND seq <= ? ORDER BY seq DESC LIMIT {_CHUNK}", (low, high)
            ).fetchall()
        except (sqlite3.Error, UnicodeDecodeError):
            failures += 1
            middle = (low + high) // 2
            ranges += [(low, middle), (middle, high)] if high - low > 1 else []
            continue
        failures = 0
        yield from rows
        # A damaged number is no place to go on from, and may end a piece early.
        numbers = [record.seq for record in from_rows(rows)[0]]
        if numbers and min(numbers) - 1 > low:
            ranges.append((low, min(numbers) - 1))
