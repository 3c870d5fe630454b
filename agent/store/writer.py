"""The thread that owns the store's file.

Invariants:
- Only this thread touches the file. Others put records into the backlog, or submit a call and wait for its future.
- A commit takes the whole backlog: within `commit_every_s` of its first record, within a quarter of that after a
  calm; at once when much waits or when asked to flush. What sinks have acknowledged waits for the next commit.
- A commit that fails puts its batch back and is tried again; meanwhile the store is *degraded*, with a reason, and
  fresh records are served from memory.
- A damaged file is renamed, never deleted or written to; the sequence goes on in a fresh one.
"""

import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

from agent.record import AGENT, EVENT, Record, rfc3339
from agent.store.backlog import Backlog
from agent.store.database import Database, DeadLetter, StoreError, queue_bytes
from agent.store.file import StoreFile, damaged, reason_of
from agent.store.losses import Losses
from agent.store.status import SinkStatus, StoreStatus

_LOG = logging.getLogger(__name__)
_Result = TypeVar("_Result")
_RETRY_S = 2.0
"""Pause between attempts to write to a file that cannot be written."""


class Writer:
    """Owns the database and its thread."""

    def __init__(self, path: Path, *, max_size: int, commit_every_s: float, sinks: Sequence[str], site: str) -> None:
        self.backlog = Backlog(max_bytes=queue_bytes(max_size), site=site)
        self.status = StoreStatus()
        self.on_pulse: Callable[[], None] = lambda: None
        self._path = path
        self._file = StoreFile(path, max_size=max_size, sinks=sinks)
        self._commit_every_ns = int(commit_every_s * 1e9)
        self._sinks = tuple(sinks)
        self._site = site
        self._calls: deque[Callable[[], None]] = deque()
        self._stopping = False
        self._retry_ns = 0
        self._committed_ns = -self._commit_every_ns
        self._degraded = ""
        self._cursors: dict[str, int] = {}
        self._touched: set[str] = set()
        self._touched_ns = 0
        self._refused: list[DeadLetter] = []
        self._lent_live: dict[str, list[int]] = {}
        self._live: dict[str, set[int]] = {sink: set() for sink in sinks}
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._database: Database

    def start(self) -> None:
        """Start the thread and open the file; raise StoreError when it cannot be used."""
        opened = self.submit(self._open)
        self._thread.start()
        try:
            opened.result()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Commit what waits, close the file and end the thread."""
        with self.backlog.changed:
            self._stopping = True
            self.backlog.changed.notify()
        self._thread.join()

    def submit(self, call: Callable[[], _Result]) -> Future[_Result]:
        """Run `call` in the thread; return the future of its result."""
        future: Future[_Result] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(call())
            except Exception as error:  # noqa: BLE001  # the waiter gets it, whatever it is
                future.set_exception(error)

        with self.backlog.changed:
            self._calls.append(run)
            self.backlog.changed.notify()
        return future

    def flush(self) -> None:
        """Commit everything that waits (in the thread); raise StoreError when that fails."""
        self._commit()
        if self._degraded:
            raise StoreError(f"{self._path}: {self._degraded}")

    def peek(self, sink: str, limit: int) -> list[Record]:
        """Return the oldest records the sink has not acknowledged (in the thread)."""
        delivered = self._live[sink]
        records: list[Record] = []
        while not records:
            rows = self._read(lambda: self._database.after(self._cursors[sink], limit))
            records = [record for record in rows if record.seq not in delivered]
            if not rows:
                break
            if not records:
                self._move(sink, rows[-1].seq)
        live = [] if records else self.backlog.live(delivered, limit)
        self._lent_live[sink] = [record.seq for record in live]
        return records or live

    def acknowledge(self, sink: str, seq: int) -> None:
        """Note that the sink has what it peeked, up to `seq` (in the thread)."""
        lent = self._lent_live.get(sink)
        if not lent:
            self._move(sink, seq)
            return
        # What was read from memory says nothing about lower numbers, so the cursor stays.
        self._live[sink].update(number for number in lent if number <= seq)
        everywhere = set.intersection(*self._live.values())
        self.backlog.discard(everywhere)
        for name in self._sinks:
            self._live[name] -= everywhere

    def set_aside(self, sink: str, record: Record, reason: str) -> None:
        """Keep a record that a sink refused for good (in the thread)."""
        self._refused.append(DeadLetter(sink, reason, record))
        self._touch(sink)

    def intervals(self, start_ns: int, end_ns: int) -> list[Record]:
        """Return committed interval records (in the thread)."""
        return self._read(lambda: self._database.intervals(start_ns, end_ns))

    def rows(self, after_ns: int, limit: int) -> list[tuple[int, bytes]]:
        """Return committed rows of the ring (in the thread)."""
        return self._read(lambda: self._database.rows(after_ns, limit))

    def _move(self, sink: str, seq: int) -> None:
        if seq > self._cursors[sink]:
            self._cursors[sink] = seq
            self._touch(sink)
            self._live[sink] = {number for number in self._live[sink] if number > seq}

    def _touch(self, sink: str) -> None:
        if not self._touched:
            self._touched_ns = time.monotonic_ns()
        self._touched.add(sink)

    def _run(self) -> None:
        while True:
            with self.backlog.changed:
                while not (self._calls or self._stopping or (pause := self._pause_s()) <= 0):
                    self.backlog.changed.wait(None if pause == float("inf") else pause)
                calls, self._calls = self._calls, deque()
            for call in calls:
                call()
            if self._stopping:
                break
            if self._pause_s() <= 0:
                self._commit()
        self._finish()

    def _pause_s(self) -> float:
        """Return how long the thread may sleep [s]; 0 or less when a commit is due."""
        if self.backlog.empty and not self._touched:
            return float("inf")
        now = time.monotonic_ns()
        if self._degraded:
            return (self._retry_ns - now) / 1e9
        if self.backlog.losses or self.backlog.crowded:
            return 0
        dues = [self._touched_ns + self._commit_every_ns] if self._touched else []
        if not self.backlog.empty:
            # A quarter gathers what comes together; three quarters keep commits as rare as the interval promises,
            # and let them follow the beat of the polls instead of the moment of the start.
            quarter_ns = self._commit_every_ns // 4
            dues.append(max(self.backlog.first_ns + quarter_ns, self._committed_ns + 3 * quarter_ns))
        return (min(dues) - now) / 1e9

    def _open(self) -> None:
        self._database = self._file.open()
        ledger = self._database.ledger
        self.backlog.seq, self.backlog.chain, self.backlog.epoch = ledger.seq, ledger.chain, ledger.epoch
        self.backlog.states = self._database.states
        self.backlog.losses = ledger.losses
        self._cursors = {sink: self._database.cursors.get(sink, 0) for sink in self._sinks}
        if self._file.set_aside:
            self._report_damage()
        self._refresh()

    def _report_damage(self) -> None:
        now = time.time_ns()
        body: dict[str, object] = {
            "schema": "energy-agent/event/1",
            "time": rfc3339(now),
            "name": "store_damaged",
            "text": f"the store was damaged; it was set aside as {self._file.set_aside} and a new one started",
        }
        self.backlog.append(EVENT, AGENT, now, {"site": self._site, **body} if self._site else body)

    def _replace(self, cause: sqlite3.Error) -> None:
        """Go on in a fresh file after damage was found while running."""
        lost = Losses()
        first, last = min(self._cursors.values(), default=0) + 1, self._database.ledger.seq
        if first <= last:
            lost.add(first, last, {}, "store file damaged")
        self._database.close()
        self._database = self._file.replace(cause)
        self._touched.update(self._sinks)
        with self.backlog.changed:
            for name, value in self.backlog.states.items():
                self.backlog.save(name, value)
        self.backlog.lose(lost)
        self._report_damage()

    def _read(self, read: Callable[[], list[_Result]]) -> list[_Result]:
        try:
            return read()
        except sqlite3.Error as error:
            if not damaged(error):
                self._degrade(reason_of(error))
                return []
            self._recreate(error)
            return []

    def _recreate(self, error: sqlite3.Error) -> None:
        try:
            self._replace(error)
        except (sqlite3.Error, StoreError) as again:
            self._degrade(f"damaged, and no new file can be made ({again})")

    def _commit(self) -> None:
        self._committed_ns = time.monotonic_ns()
        batch = self.backlog.take()
        cursors = {sink: self._cursors[sink] for sink in self._touched}
        try:
            losses = self._database.commit(batch, cursors, self._refused)
        except sqlite3.Error as error:
            self.backlog.put_back(batch)
            if damaged(error):
                self._recreate(error)
            else:
                self._degrade(reason_of(error))
        else:
            self.backlog.lose(losses)
            self._refused, self._touched = [], set()
            self._recover()
        self._refresh()
        self.on_pulse()

    def _degrade(self, reason: str) -> None:
        self._retry_ns = time.monotonic_ns() + int(_RETRY_S * 1e9)
        if not self._degraded:
            _LOG.error("%s: %s; values are delivered live only until it can be written again", self._path, reason)
            self.backlog.degrade()
        self._degraded = reason

    def _recover(self) -> None:
        if self._degraded:
            _LOG.warning("%s: can be written again", self._path)
            self.backlog.recover()
        self._degraded = ""

    def _refresh(self) -> None:
        ledger = self._database.ledger
        dropped = ledger.dropped + self.backlog.dropped
        try:
            refused = self._database.refused()
            sinks = {sink: self._sink_status(sink, refused.get(sink, 0)) for sink in self._sinks}
            size = self._database.size
        except (sqlite3.Error, OSError) as error:
            self._degrade(reason_of(error))
            sinks, size = self.status.sinks, self.status.bytes
        self.status = StoreStatus(
            bytes=size,
            committed_seq=ledger.seq,
            commits=ledger.commits,
            records={kind: count for kind, count in ledger.records.items() if count},
            dropped=dict(dropped),
            sinks=sinks,
            degraded=self._degraded,
            set_aside=self._file.set_aside,
        )

    def _sink_status(self, sink: str, dead_letters: int) -> SinkStatus:
        cursor = self._cursors[sink]
        oldest = self._database.after(cursor, 1)
        if not oldest:
            return SinkStatus(cursor, None, None, dead_letters)
        return SinkStatus(cursor, oldest[0].seq, oldest[0].time_ns, dead_letters)

    def _finish(self) -> None:
        if not self._file.locked:
            return
        if not (self.backlog.empty and not self._touched):
            self._commit()
        if not self.backlog.empty and not self._degraded:
            self._commit()  # the gap record of what the last commit dropped
        if not self.backlog.empty:
            _LOG.error("%s: %s; what was not committed is lost", self._path, self._degraded)
        self._database.close()
        self._file.close()
