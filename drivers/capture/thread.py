"""The thread that owns the files of a capture.

Invariants:
- It takes what is queued at least once a second, and hands it to the system in one write.
- When the disk fails it drops what is queued, counted, until it is asked to open a file and can.
- Closed files are compressed in small steps with rests between, never before what is queued.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from contextlib import suppress
from enum import IntEnum
from pathlib import Path

from drivers.capture.files import CaptureFiles, OpenFile
from drivers.capture.items import Closed, Removed

_LOG = logging.getLogger(__name__)

_WAKE_S = 1.0
_SYNC_S = 5.0
"""Loss window of a power cut."""
_LEFT_S = 2.0
"""Time for compressing on the way out; what is not done by then is done at the next start."""
_COMPRESS_AGAIN_S = 60.0


class Kind(IntEnum):
    """What an item of the queue is."""

    EXCHANGE = 0
    NOTE = 1
    AGAIN = 2
    """An exchange that stands in the file before too."""
    HEAD = 3
    """The beginning of the next file."""


Item = tuple[Kind, bytes, int]
"""Kind, bytes, and the time (Unix, ns)."""


class WriterThread:
    """Writes what others put into its queue; `taken` and `lost` count up."""

    def __init__(
        self,
        files: CaptureFiles,
        *,
        on_closed: Callable[[Closed], None],
        on_removed: Callable[[Removed], None],
    ) -> None:
        self.queue: deque[Item] = deque()
        self.wake = threading.Event()
        self.taken = 0
        """Bytes taken out of the queue so far."""
        self.lost = [0, 0]
        """Exchanges and notes that could not be written."""
        self.gap = False
        """Whether something was lost that the capture has yet to tell of."""
        self.trouble = ""
        self.removed = 0
        self.gone: deque[Removed] = deque()
        """Files removed of which the capture has yet to tell."""
        self.files = files
        self._on_closed = on_closed
        self._on_removed = on_removed
        self._stopping = False
        self._synced = self._compress_at = 0.0
        self._steps: Generator[Closed | None] | None = None
        self._thread = threading.Thread(target=self._run, name="capture-writer", daemon=True)

    def start(self) -> None:
        """Start; the directory is looked through by the thread."""
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """Write what is queued, close the file and end."""
        self._stopping = True
        self.wake.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            self.files.take_up()
        except OSError as error:
            self._fail(error)
        while not self._stopping:
            self.wake.wait(self._rest_s())
            self.wake.clear()
            self._write_queued()
            self._sync()
            self._compress_a_little()
        self._write_queued()
        self._finish()

    def _rest_s(self) -> float:
        """Return how long to sleep [s]: while there is something to compress, about as long as a step takes."""
        return 0.02 if self.files.waiting and time.monotonic() >= self._compress_at else _WAKE_S

    def _write_queued(self) -> None:
        """Write everything that is queued, files opened where the queue says so."""
        batch: list[Item] = []
        while self.queue:
            item = self.queue.popleft()
            self.taken += len(item[1])
            if item[0] is Kind.HEAD:
                self._write(batch)
                batch = []
                self._open(item)
            else:
                batch.append(item)
        self._write(batch)

    def _open(self, item: Item) -> None:
        _, head, time_ns = item
        try:
            removed = self.files.open(time_ns)
            self.files.write(head)
        except OSError as error:
            self._fail(error)
            return
        if self.trouble:
            _LOG.warning("%s: captures again", self._place)
        self.trouble = ""
        self.removed += len(removed)
        self.gone.extend(removed)
        for file in removed:
            self._on_removed(file)

    def _write(self, batch: list[Item]) -> None:
        current = self.files.current
        if current is None or not batch:
            self._lose(batch)
            return
        try:
            self.files.write(b"".join([item[1] for item in batch]))
        except OSError as error:
            self._lose(batch)
            self._fail(error)
        else:
            _count(current, batch)

    def _lose(self, batch: list[Item]) -> None:
        for kind, _, _ in batch:
            if kind in (Kind.EXCHANGE, Kind.NOTE):
                self.lost[kind] += 1
        self.gap = self.gap or bool(batch)

    def _sync(self) -> None:
        now = time.monotonic()
        if now < self._synced + _SYNC_S:
            return
        self._synced = now
        try:
            self.files.sync()
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        """Tell of a failing disk, once; close what is open."""
        if not self.trouble:
            self.trouble = f"nothing is captured: {error.strerror or error}"
            _LOG.error(
                "%s: %s; the lines are read on, and capturing is tried again now and then", self._place, self.trouble
            )
        with suppress(OSError):  # told already
            self.files.close()

    @property
    def _place(self) -> Path:
        return self.files.directory

    def _compress_a_little(self) -> None:
        if time.monotonic() < self._compress_at:
            return
        try:
            self._steps = self._steps or self.files.compress()
            closed = next(self._steps, None)
        except OSError as error:
            self._steps = None
            self._compress_at = time.monotonic() + _COMPRESS_AGAIN_S
            _LOG.warning("%s: closed captures stay uncompressed for now: %s", self._place, error.strerror or error)
            return
        if closed:
            self._on_closed(closed)
        if not self.files.waiting:
            self._steps = None

    def _finish(self) -> None:
        try:
            self.files.close()
        except OSError as error:
            self._fail(error)
        until = time.monotonic() + _LEFT_S
        self._compress_at = 0.0
        while self.files.waiting and not self._compress_at and time.monotonic() < until:
            self._compress_a_little()
        if self._steps is not None:
            self._steps.close()


def _count(current: OpenFile, batch: list[Item]) -> None:
    times = [time_ns for kind, _, time_ns in batch if kind is Kind.EXCHANGE]
    if times:
        current.exchanges += len(times)
        current.first_ns = current.first_ns or times[0]
        current.last_ns = max(current.last_ns, *times)
