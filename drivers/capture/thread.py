"""The thread that owns the files of a capture.

Invariants:
- It takes what is queued at least once a second, between the beats of the lines, or when it is woken, and hands it to
  the system in few writes. It encodes a few exchanges at a time, so that the lines never wait for the interpreter.
- It has the disk keep what it wrote every few seconds, and whenever somebody waits for that.
- When the disk fails it drops what is queued, counted, until it is asked to open a file and can.
- Closed files are compressed between the beats too, in small steps with rests between, never before what is queued.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import field

from drivers.capture.encoder import Encoder
from drivers.capture.files import CaptureFiles
from drivers.capture.items import Closed, Removed
from drivers.capture.progress import Progress
from drivers.reading import Exchange
from drivers.value import frozen, mutable

_log = logging.getLogger(__name__)

_BEAT_S = 1.0
"""Lines ask their devices at whole seconds of the wall clock, and are busy for a while: nothing is done then."""
_WRITE_FROM_S = 0.85
"""Behind the beat: once what is done in the middle between two beats is over."""
_COMPRESS_FROM_S, _COMPRESS_UNTIL_S = 0.5, 0.95
_REST_S = 0.02
"""Between two steps of compressing, about as long as one takes."""
_AT_ONCE = 256
"""Exchanges encoded before others have the interpreter: a millisecond at most."""
_MOST_PARTS = 2048
"""Exchanges and notes written at once: about a megabyte."""
_SYNC_S = 5.0
"""Loss window of a power cut."""
_LEFT_S = 2.0
"""Time for compressing on the way out; what is not done by then is done at the next start."""
_COMPRESS_AGAIN_S = 60.0


@frozen
class Head:
    """The beginning of the next file, at a time (Unix, ns), and what encodes all that follows; files are numbered."""

    number: int
    encoder: Encoder
    site: str
    configuration: str
    version: str
    time_ns: int


Taken = tuple[Exchange, str, int | None, bool]
"""An exchange, the state of the clocks, the cadence it is booked by, and whether the file before has it too."""
Item = Taken | bytes | Head
"""What waits to be written; notes are encoded already."""


@mutable
class _Batch:
    """Blocks that go to the disk together."""

    parts: list[bytes] = field(default_factory=list)
    times_ns: list[int] = field(default_factory=list)
    """Of its exchanges, without those of the file before."""
    notes: int = 0


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
        """Items taken out of the queue so far."""
        self.lost = [0, 0]
        """Exchanges and notes that could not be written."""
        self.gap = False
        """Whether something was lost that the capture has yet to tell of."""
        self.full = 0
        """Number of the last file that has reached its length."""
        self.trouble = ""
        self.removed = 0
        self.gone: deque[Removed] = deque()
        """Files removed of which the capture has yet to tell."""
        self.files = files
        self.progress = Progress(files.directory)
        """How much of what was taken is on the disk, or lost."""
        self._on_closed = on_closed
        self._on_removed = on_removed
        self._encoder: Encoder | None = None
        self._number = 0
        self._stopping = False
        self._synced = self._compress_at = 0.0
        self._steps: Generator[Closed | None] | None = None
        self._thread = threading.Thread(target=self._run, name="capture-writer", daemon=True)

    def start(self) -> None:
        """Start; the directory is looked through by the thread."""
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """Write what is queued, close the file and end; whoever has waited for that in vain does not wait again."""
        again, self._stopping = self._stopping, True
        self.wake.set()
        self._thread.join(0 if again else timeout_s)
        self.progress.end()

    def _run(self) -> None:
        try:
            self._work()
        except Exception:  # noqa: BLE001 - whatever it is, the lines are read on
            _log.exception("%s: the writer of captures has failed", self.files.directory)
            self.trouble = "nothing is captured any more: the writer has failed, see the log and start anew"
        finally:
            self.progress.end()

    def _work(self) -> None:
        try:
            for _ in self.files.take_up():
                if self.wake.is_set():
                    self._keep()
                time.sleep(0)  # the lines are read meanwhile
        except OSError as error:
            self._fail(error)
        while not self._stopping:
            self.wake.wait(self._rest_s())
            self._keep()
            self._compress_a_little()
        self._write_queued()
        self._finish()

    def _keep(self) -> None:
        """Write what is queued, and have the disk keep it when it is time."""
        self.wake.clear()
        self._write_queued()
        self._sync()

    def _rest_s(self) -> float:
        """Return how long to sleep [s]: until the lines have asked, at most for a second."""
        since_beat_s = time.time() % _BEAT_S
        if self.files.waiting and time.monotonic() >= self._compress_at:
            calm = _COMPRESS_FROM_S <= since_beat_s < _COMPRESS_UNTIL_S
            return _REST_S if calm else (_COMPRESS_FROM_S - since_beat_s) % _BEAT_S
        return (_WRITE_FROM_S - since_beat_s) % _BEAT_S

    def _write_queued(self) -> None:
        """Write everything that is queued, files opened where the queue says so."""
        batch = _Batch()
        while self.queue:
            batch = self._take(min(len(self.queue), _AT_ONCE), batch)
            if len(batch.parts) > _MOST_PARTS:
                self._write(batch)
                batch = _Batch()
            time.sleep(0)  # the lines have the interpreter in between
        self._write(batch)

    def _take(self, count: int, batch: _Batch) -> _Batch:
        """Add so many things that are queued to a batch; return the one that goes on, for a file begins anew."""
        popleft = self.queue.popleft
        for _ in range(count):
            item = popleft()
            self.taken += 1
            if isinstance(item, tuple):
                exchange, clock, cadence, again = item
                if self._encoder is not None:
                    batch.parts.append(self._encoder.exchange(exchange, clock, cadence, again=again))
                if not again:
                    batch.times_ns.append(exchange.time_ns)
            elif isinstance(item, bytes):
                batch.parts.append(item)
                batch.notes += 1
            else:
                self._write(batch)
                batch = _Batch()
                self._open(item)
        return batch

    def _open(self, head: Head) -> None:
        self._encoder, self._number = head.encoder, head.number
        blocks = head.encoder.begin(site=head.site, configuration=head.configuration, version=head.version)
        try:
            removed = self.files.open(head.time_ns)
            self.files.write(blocks)
        except OSError as error:
            self._fail(error)
        else:
            if self.trouble:
                _log.warning("%s: captures again", self.files.directory)
            self.trouble = ""
            self.removed += len(removed)
            self.gone.extend(removed)
            for file in removed:
                self._on_removed(file)

    def _write(self, batch: _Batch) -> None:
        current = self.files.current
        if not batch.parts:
            return
        if current is None or not self.files.has_room:
            self._lose(batch)
            return
        try:
            self.files.write(b"".join(batch.parts))
        except OSError as error:
            self._lose(batch)
            self._fail(error)
            return
        if current.size > self.files.file_limit:
            self.full = self._number
        if batch.times_ns:
            current.exchanges += len(batch.times_ns)
            current.first_ns = current.first_ns or batch.times_ns[0]
            current.last_ns = max(current.last_ns, *batch.times_ns)

    def _lose(self, batch: _Batch) -> None:
        self.lost[0] += len(batch.times_ns)
        self.lost[1] += batch.notes
        self.gap = True

    def _sync(self) -> None:
        now = time.monotonic()
        if now < self._synced + _SYNC_S and not self.progress.asked:
            return
        self._synced = now
        try:
            self.files.sync()
        except OSError as error:
            self._fail(error)
        self.progress.reached(self.taken)

    def _fail(self, error: OSError) -> None:
        """Tell of a failing disk, once; close what is open."""
        if not self.trouble:
            self.trouble = f"nothing is captured: {error.strerror or error}"
            _log.error(
                "%s: %s; the lines are read on, and capturing is tried again now and then",
                self.files.directory,
                self.trouble,
            )
        with suppress(OSError):  # told already
            self.files.close()

    def _compress_a_little(self) -> None:
        if time.monotonic() < self._compress_at:
            return
        try:
            self._steps = self._steps or self.files.compress()
            closed = next(self._steps, None)
        except OSError as error:
            self._steps = None
            self._compress_at = time.monotonic() + _COMPRESS_AGAIN_S
            _log.warning(
                "%s: closed captures stay uncompressed for now: %s", self.files.directory, error.strerror or error
            )
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
        self.progress.reached(self.taken)
        until = time.monotonic() + _LEFT_S
        self._compress_at = 0.0
        while self.files.waiting and not self._compress_at and time.monotonic() < until:
            self._compress_a_little()
        if self._steps is not None:
            self._steps.close()
