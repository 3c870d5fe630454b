"""The thread that owns the store's file.

Invariants:
- Only this thread touches the file. Others put records into the backlog, or submit a call and wait for its future.
- A commit takes the whole backlog: within `commit_every_s` of its first record, within a quarter of that after a
  calm; at once when much waits or when asked to flush. What sinks have acknowledged waits for the next commit.
- What others have to do before records are committed is done once it is known which: nothing is added behind that.
- A commit that fails puts its batch back and is tried again; meanwhile fresh records are served from memory.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

from agent.record import Record
from agent.store.backlog import Backlog
from agent.store.batch import Batch
from agent.store.database import Database
from agent.store.delivery import Deliveries, Latest, Source
from agent.store.file import FILE_ERRORS
from agent.store.inventory import dropped_by
from agent.store.schema import StoreError
from agent.store.settled import Lane
from agent.store.sizes import queue_bytes
from agent.store.status import SinkStatus, StoreStatus
from agent.store.told import Stamp
from agent.store.upkeep import TROUBLES, Upkeep

_LOG = logging.getLogger(__name__)
_Result = TypeVar("_Result")


class Writer:
    """Owns the database and its thread."""

    def __init__(
        self, path: Path, *, max_size: int, commit_every_s: float, sinks: Sequence[str], site: str, stamp: Stamp
    ) -> None:
        self.backlog = Backlog(max_bytes=queue_bytes(max_size), site=site, stamp=stamp)
        self.status = StoreStatus()
        self.found_seq = 0
        self.on_pulse: Callable[[], None] = lambda: None
        self.on_taken: Callable[[], None] = lambda: None
        """Called in the thread between what a commit takes and the commit; must not raise, nor wait for ever.

        Meanwhile no call that was submitted is answered: no sink peeks or acknowledges.
        """
        self._path = path
        self._commit_every_ns = int(commit_every_s * 1e9)
        self.deliveries = Deliveries(sinks, self.backlog)
        self._upkeep = Upkeep(path, max_size=max_size, backlog=self.backlog, deliveries=self.deliveries)
        self._upkeep.alive = self._beat
        self._calls: deque[Callable[[], None]] = deque()
        self._stopping = self._opened = False
        self._committed_ns = -self._commit_every_ns
        self._busy_ns = 0
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)

    def start(self) -> None:
        """Start the thread and open the file; raise StoreError for one that is not to be used."""
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
        if not (self.backlog.empty or self._upkeep.degraded):
            self._commit()  # what found the file damaged has to go into the new one
        if self._upkeep.degraded:
            raise StoreError(f"{self._path}: {self._upkeep.degraded}")

    def peek(self, sink: str, lane: Lane, after: int, limit: int, through: int | None) -> list[Record]:
        """Return the oldest records of a lane in (after, through] the sink has not acknowledged (in the thread)."""
        return self.deliveries.peek(sink, lane, after=after, limit=limit, through=through, source=self)

    @property
    def committed_seq(self) -> int:
        """Number of the record committed last."""
        return self._upkeep.inventory.seq

    @property
    def stuck_s(self) -> float:
        """How long nothing has come of what the thread does now [s]; 0 while it waits for something to do."""
        began_ns = self._busy_ns
        return (time.monotonic_ns() - began_ns) / 1e9 if began_ns else 0.0

    def after(self, lane: Lane, low: int, high: int | None, limit: int) -> list[Record] | None:
        """Return the oldest committed records of a lane in (low, high]; None when the file cannot be read."""
        found = self._read(lambda database: database.after(lane, low, high, limit))
        if self._upkeep.database and self._upkeep.database.rotten:
            self.deliveries.touch()
        return found

    def intervals(self, kind: str, start_ns: int, end_ns: int) -> list[Record]:
        """Return committed interval records (in the thread); raise StoreError when they cannot be read."""
        return self._must_read(lambda database: database.intervals(kind, start_ns, end_ns))

    def first_intervals(self, kind: str, start_ns: int, end_ns: int, limit: int) -> list[Record]:
        """Return the first committed interval records (in the thread); raise StoreError when they cannot be read."""
        return self._must_read(lambda database: database.first_intervals(kind, start_ns, end_ns, limit))

    def chained(self, after: int, limit: int) -> list[Record]:
        """Return committed records of the chain (in the thread); raise StoreError when they cannot be read."""
        return self._must_read(lambda database: database.chained(after, limit))

    def rows(self, after_ns: int, limit: int) -> list[tuple[int, bytes]]:
        """Return committed rows of the ring (in the thread); raise StoreError when they cannot be read."""
        return self._must_read(lambda database: database.rows(after_ns, limit))

    def _run(self) -> None:
        while True:
            self._busy_ns = 0
            with self.backlog.changed:
                while not (self._calls or self._stopping or (pause := self._pause_s()) <= 0):
                    self.backlog.changed.wait(None if pause == float("inf") else pause)
                calls, self._calls = self._calls, deque()
            for call in calls:
                self._beat()
                call()
            if self._stopping:
                break
            if self._pause_s() <= 0:
                self._beat()
                self._commit()
        self._finish()

    def _beat(self) -> None:
        self._busy_ns = time.monotonic_ns()

    def _open(self) -> None:
        self._upkeep.open()
        self._opened = True
        self.found_seq = self.committed_seq
        self._refresh(self)

    def _pause_s(self) -> float:
        """Return how long the thread may sleep [s]; 0 or less when a commit is due."""
        now = time.monotonic_ns()
        if self._upkeep.degraded:
            return (self._upkeep.retry_ns - now) / 1e9
        if self.backlog.empty and not self.deliveries.touched_ns:
            return float("inf")
        if self.backlog.telling or self.backlog.crowded:
            return 0
        dues = [self.deliveries.touched_ns + self._commit_every_ns] if self.deliveries.touched_ns else []
        if not self.backlog.empty:
            # A quarter gathers what comes together; three quarters keep commits as rare as the interval promises,
            # and let them follow the beat of the polls instead of the moment of the start.
            quarter_ns = self._commit_every_ns // 4
            dues.append(max(self.backlog.first_ns + quarter_ns, self._committed_ns + 3 * quarter_ns))
        return (min(dues) - now) / 1e9

    def _read(self, read: Callable[[Database], list[_Result]]) -> list[_Result] | None:
        """Return what `read` finds, None when the file cannot be read."""
        if self._upkeep.database is None:
            return None
        try:
            return read(self._upkeep.database)
        except FILE_ERRORS as error:
            self._upkeep.failed(error)
            return None

    def _must_read(self, read: Callable[[Database], list[_Result]]) -> list[_Result]:
        """Return what `read` finds; raise StoreError when the file cannot be read."""
        found = self._read(read)
        if found is None:
            reason = self._upkeep.degraded or f"was damaged and set aside as {self._upkeep.set_aside}: ask again"
            raise StoreError(f"{self._path}: {reason}")
        return found

    def _commit(self) -> None:
        self._committed_ns = time.monotonic_ns()
        batch: Batch | None = None
        source: Source = self
        try:
            database = self._upkeep.ready()
            before = database.inventory.seq
            batch = self.backlog.take()
            self.on_taken()
            losses = database.commit(batch, self.deliveries.settled, self.deliveries.refused)
        except TROUBLES as error:
            if batch:
                self.backlog.put_back(batch)
            self._upkeep.failed(error)
        else:
            self.backlog.promised = batch.promised
            self.backlog.lose(losses)
            self.deliveries.committed(before, batch.seq, {record.kind for record in batch.records})
            self._upkeep.committed(database.inventory)
            source = Latest(self, before, batch.records)
        self._refresh(source)
        self.on_pulse()

    def _refresh(self, source: Source) -> None:
        upkeep, inventory = self._upkeep, self._upkeep.inventory
        dropped = inventory.dropped + self.backlog.dropped
        try:
            refused = upkeep.database.refused() if upkeep.database else {}
            sinks = {sink: self._sink_status(sink, refused.get(sink, 0), source) for sink in self.deliveries.settled}
            size = upkeep.database.size if upkeep.database else 0
        except (*FILE_ERRORS, OSError) as error:
            upkeep.degrade(error)
            sinks, size = self.status.sinks, self.status.bytes
        self.status = StoreStatus(
            bytes=size,
            committed_seq=inventory.seq,
            commits=inventory.commits,
            records={kind: count for kind, count in inventory.records.items() if count},
            dropped=dropped_by(dropped, 0),
            dropped_for=dropped_by(dropped, 1),
            sinks=sinks,
            degraded=upkeep.degraded,
            set_aside=upkeep.set_aside,
            displaced=upkeep.displaced,
        )

    def _sink_status(self, sink: str, dead_letters: int, source: Source) -> SinkStatus:
        cursor, oldest = self.deliveries.settled[sink][Lane.NORMAL].cursor, self.deliveries.oldest(sink, source)
        if oldest is None:
            return SinkStatus(cursor, None, None, dead_letters)
        return SinkStatus(cursor, oldest.seq, oldest.time_ns, dead_letters)

    def _finish(self) -> None:
        if not self._opened:
            return
        self.backlog.promising = False
        if not self.backlog.empty or self.deliveries.touched_ns or self._upkeep.promises:
            self._commit()
        if not self.backlog.empty and not self._upkeep.degraded:
            self._commit()  # the gap record of what the last commit dropped
        if not self.backlog.empty:
            _LOG.error("%s: %s; what was not committed is lost", self._path, self._upkeep.degraded)
        self._upkeep.close()
