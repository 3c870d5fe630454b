"""The thread that owns the store's file.

Invariants:
- Only this thread touches the file. Others put records into the backlog, or submit a call and wait for its future.
- A commit takes the whole backlog: within `commit_every_s` of its first record, within a quarter of that after a
  calm; at once when much waits or when asked to flush. What sinks have acknowledged waits for the next commit.
- A commit that fails puts its batch back and is tried again; meanwhile the store is *degraded*, with a reason, and
  fresh records are served from memory.
- A damaged file is renamed and never written to; the sequence goes on in a fresh one, with what was readable.
"""

import logging
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

from agent.record import AGENT, EVENT, Record
from agent.store.backlog import Backlog
from agent.store.database import Database, queue_bytes
from agent.store.delivery import Deliveries
from agent.store.file import FILE_ERRORS, StoreFile, damaged, reason_of
from agent.store.ledger import dropped_by
from agent.store.losses import Losses
from agent.store.schema import StoreError
from agent.store.settled import Lane
from agent.store.status import SinkStatus, StoreStatus
from agent.store.trouble import damage_event, damage_text

_LOG = logging.getLogger(__name__)
_Result = TypeVar("_Result")
_RETRY_S = 2.0
"""Pause between attempts to write to a file that cannot be written."""
_REPLACE_S = 60.0
"""A file that is damaged again within this time is not replaced: the disk is the culprit."""


class Writer:
    """Owns the database and its thread."""

    def __init__(self, path: Path, *, max_size: int, commit_every_s: float, sinks: Sequence[str], site: str) -> None:
        self.backlog = Backlog(max_bytes=queue_bytes(max_size), site=site)
        self.status = StoreStatus()
        self.on_pulse: Callable[[], None] = lambda: None
        self._path = path
        self._file = StoreFile(path, max_size=max_size)
        self._commit_every_ns = int(commit_every_s * 1e9)
        self.deliveries = Deliveries(sinks, self.backlog)
        self._site = site
        self._calls: deque[Callable[[], None]] = deque()
        self._stopping = False
        self._retry_ns = 0
        self._replaced_ns = -int(_REPLACE_S * 1e9)
        self._committed_ns = -self._commit_every_ns
        self._degraded = ""
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
        if not (self.backlog.empty or self._degraded):
            self._commit()  # what found the file damaged has to go into the new one
        if self._degraded:
            raise StoreError(f"{self._path}: {self._degraded}")

    def peek(self, sink: str, lane: Lane, after: int, limit: int) -> list[Record]:
        """Return the oldest records of a lane behind `after` that the sink has not acknowledged (in the thread)."""
        return self.deliveries.peek(sink, lane, after=after, limit=limit, source=self)

    @property
    def committed_seq(self) -> int:
        """Number of the record committed last."""
        return self._database.ledger.seq

    def after(self, lane: Lane, low: int, high: int | None, limit: int) -> list[Record] | None:
        """Return the oldest committed records of a lane in (low, high]; None when the file cannot be read."""
        found = self._read(lambda: self._database.after(lane, low, high, limit))
        if self._database.rotten:
            self.deliveries.touch()
        return found

    def intervals(self, start_ns: int, end_ns: int) -> list[Record]:
        """Return committed interval records (in the thread)."""
        return self._read(lambda: self._database.intervals(start_ns, end_ns)) or []

    def first_intervals(self, start_ns: int, end_ns: int, limit: int) -> list[Record]:
        """Return the first committed interval records (in the thread); raise StoreError when they cannot be read."""
        found = self._read(lambda: self._database.first_intervals(start_ns, end_ns, limit))
        if found is None:
            reason = self._degraded or f"was damaged and set aside as {self._file.set_aside}: ask again"
            raise StoreError(f"{self._path}: {reason}")
        return found

    def rows(self, after_ns: int, limit: int) -> list[tuple[int, bytes]]:
        """Return committed rows of the ring (in the thread)."""
        return self._read(lambda: self._database.rows(after_ns, limit)) or []

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
        if self.backlog.empty and not self.deliveries.touched_ns:
            return float("inf")
        now = time.monotonic_ns()
        if self._degraded:
            return (self._retry_ns - now) / 1e9
        if self.backlog.losses or self.backlog.crowded:
            return 0
        dues = [self.deliveries.touched_ns + self._commit_every_ns] if self.deliveries.touched_ns else []
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
        salvage = self._file.salvage
        self.backlog.states = self._database.states | salvage.states
        self.backlog.losses = ledger.losses
        self.backlog.lose(salvage.lost)
        self.deliveries.restore(self._database.settled | salvage.settled)
        if self._file.set_aside:
            self._report_damage()
        if (noted := self._file.noted(ledger.epoch)) > ledger.seq:
            self._begin_again(ledger.seq, noted)
        self._refresh()

    def _report_damage(self) -> None:
        self._report(damage_text(self._file.set_aside, self._file.salvage.kept))

    def _begin_again(self, found: int, noted: int) -> None:
        """Count on behind numbers that receivers may have seen and the file has forgotten."""
        self.backlog.epoch, self.backlog.seq = secrets.token_hex(6), noted
        lost = Losses()
        lost.add(found + 1, noted, {}, "commits lost by the disk")
        self.backlog.lose(lost)
        self._report(f"the store has lost its last commits, records {found + 1} to {noted}: check the disk")

    def _report(self, text: str) -> None:
        now = time.time_ns()
        self.backlog.append(EVENT, AGENT, now, damage_event(self._site, now, text))

    def _replace(self, cause: Exception) -> None:
        """Go on in a fresh file after damage was found while running."""
        self._database.close()
        self._database = self._file.replace(cause, self._database.ledger)
        self._replaced_ns = time.monotonic_ns()
        self.deliveries.touch()
        with self.backlog.changed:
            for name, value in self.backlog.states.items():
                self.backlog.save(name, value)
        self.backlog.lose(self._file.salvage.lost)
        self._report_damage()

    def _read(self, read: Callable[[], list[_Result]]) -> list[_Result] | None:
        """Return what `read` finds, None when the file cannot be read."""
        try:
            return read()
        except FILE_ERRORS as error:
            if not damaged(error):
                self._degrade(reason_of(error))
            else:
                self._recreate(error)
            return None

    def _recreate(self, error: Exception) -> None:
        if time.monotonic_ns() - self._replaced_ns < _REPLACE_S * 1e9:
            self._degrade(f"damaged again ({error}): check the disk")
            return
        try:
            self._replace(error)
        except (*FILE_ERRORS, StoreError) as again:
            self._degrade(f"damaged, and no new file can be made ({again})")

    def _commit(self) -> None:
        self._committed_ns = time.monotonic_ns()
        batch = self.backlog.take()
        try:
            losses = self._database.commit(batch, self.deliveries.settled, self.deliveries.refused)
        except FILE_ERRORS as error:
            self.backlog.put_back(batch)
            if damaged(error):
                self._recreate(error)
            else:
                self._degrade(reason_of(error))
        else:
            self.backlog.lose(losses)
            self._file.note(self._database.ledger.epoch, self._database.ledger.seq)
            self.deliveries.committed()
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
            sinks = {sink: self._sink_status(sink, refused.get(sink, 0)) for sink in self.deliveries.settled}
            size = self._database.size
        except (*FILE_ERRORS, OSError) as error:
            self._degrade(reason_of(error))
            sinks, size = self.status.sinks, self.status.bytes
        self.status = StoreStatus(
            bytes=size,
            committed_seq=ledger.seq,
            commits=ledger.commits,
            records={kind: count for kind, count in ledger.records.items() if count},
            dropped=dropped_by(dropped, 0),
            dropped_for=dropped_by(dropped, 1),
            sinks=sinks,
            degraded=self._degraded,
            set_aside=self._file.set_aside,
        )

    def _sink_status(self, sink: str, dead_letters: int) -> SinkStatus:
        cursor, oldest = self.deliveries.settled[sink][Lane.NORMAL].cursor, self.deliveries.oldest(sink, self)
        if oldest is None:
            return SinkStatus(cursor, None, None, dead_letters)
        return SinkStatus(cursor, oldest.seq, oldest.time_ns, dead_letters)

    def _finish(self) -> None:
        if not self._file.locked:
            return
        if not self.backlog.empty or self.deliveries.touched_ns:
            self._commit()
        if not self.backlog.empty and not self._degraded:
            self._commit()  # the gap record of what the last commit dropped
        if not self.backlog.empty:
            _LOG.error("%s: %s; what was not committed is lost", self._path, self._degraded)
        self._database.close()
        self._file.close()
