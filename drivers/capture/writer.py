"""Writes exchanges and notes as they come, without ever making the line wait.

Invariants:
- `exchange`, `booked` and `note` are called by one thread, that of the lines. They put into a queue and no more; a
  thread of the writer encodes, and owns the files.
- The order in the file is the order of the calls; only the last exchange of each line waits for whether its poll is
  booked, until the next thing of that line or any note.
- The queue is bounded. What finds no room, or no disk, is counted, and a note `dropped` stands where it is missing.
- A file begins with what `on_opened` gives and with the exchanges of polls under way, marked as told `again`, so that
  a replay can start there. What `on_opened` gives stands behind a gap too.
- A disk that fails is told of once, and tried again now and then.
- `keep` waits for the disk, in whatever other thread has something that stands on what was captured.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from drivers.capture.encoder import Encoder, note_blocks
from drivers.capture.files import CaptureFiles
from drivers.capture.items import Closed, Note, Removed, Status
from drivers.capture.thread import Head, Item, WriterThread
from drivers.endpoint import Endpoint
from drivers.reading import Exchange

_HOUR_NS = 3600 * 1_000_000_000
_MOST_WAITING = 30_000
"""Exchanges and notes; with their bytes some 25 MB."""
_HURRY = 4000
_AROUND = 350
"""Bytes that stand around request and reply in a file, about; the thread says it where they are many more."""
_RETRY_S = 10.0
_CLOSE_S = 5.0
_EXCHANGES, _NOTES = 0, 1
DROPPED, REMOVED = "dropped", "removed"
"""Kinds of the notes that the writer itself makes."""


def _nothing(_told: object) -> None:
    pass


def _no_notes() -> Iterable[Note]:
    return ()


class CaptureWriter:
    """Captures the exchanges of lines into a directory.

    `on_opened` is called in the thread of the lines and returns the notes that a file begins with; `on_closed` and
    `on_removed` are called in the thread of the writer.
    """

    def __init__(
        self,
        directory: Path,
        *,
        site: str,
        version: str,
        boot_id: str,
        max_size: int,
        on_opened: Callable[[], Iterable[Note]] = _no_notes,
        on_closed: Callable[[Closed], None] = _nothing,
        on_removed: Callable[[Removed], None] = _nothing,
    ) -> None:
        self.clock = "unknown"
        """State of the clocks as it stands beside each packet."""
        self.on_opened = on_opened
        self._site, self._version, self._boot_id = site, version, boot_id
        files = CaptureFiles(directory, site, max_size)
        self._thread = WriterThread(files, on_closed=on_closed, on_removed=on_removed)
        self._file_limit = files.file_limit
        self._encoder = Encoder({}, boot_id)
        self._configuration = ""
        self._lines: frozenset[str] = frozenset()
        self._held: dict[str, Exchange] = {}
        self._under_way: dict[str, list[Exchange]] = {}
        self._put = self._bytes = self._looked = self._number = self._from_ns = self._until_ns = 0
        self._opened = self._gap = False
        self._retry_at = 0.0
        self._counts = [0, 0]
        self._refused = [0, 0]
        self._told = (0, 0)

    def share(self, used: deque[str]) -> None:
        """Give no file a name of `used`, and put in those given: call it before the start.

        Writers that share it never give two files one name, whatever their directories.
        """
        self._thread.files.used = used

    def start(self) -> None:
        """Start the thread; files that runs before left open are compressed by and by."""
        self._thread.start()

    def configure(self, configuration: str, lines: Mapping[str, Endpoint]) -> None:
        """Go on in a new file with the lines of a configuration, which is named by its digest."""
        self._flush()
        self._encoder = Encoder(lines, self._boot_id)
        self._configuration, self._lines = configuration, frozenset(lines)
        self._under_way.clear()
        self._until_ns = 0

    def end(self) -> None:
        """Put everything that waits into the queue: the last call in the thread of the lines."""
        self._flush()

    def close(self) -> None:
        """Write what waits and close the file; it is compressed now if that is soon done, else at the next start.

        May wait for the disk, and be called in another thread once `end` was.
        """
        self._flush()
        self._thread.stop(_CLOSE_S)

    def exchange(self, exchange: Exchange) -> None:
        """Capture an exchange; raise ValueError if its line is none of the configuration."""
        if exchange.line not in self._lines:
            raise ValueError(f"line {exchange.line} is not configured to be captured")
        held = self._held.get(exchange.line)
        if held is not None:
            self._write(held, None)
        self._held[exchange.line] = exchange

    def booked(self, line: str, cadence: int) -> None:
        """Mark the last exchange of a line: the poll that it ended was booked at once, as it stands."""
        held = self._held.pop(line, None)
        if held is not None:
            self._write(held, cadence)

    def note(self, note: Note) -> None:
        """Capture a note behind everything that came before it."""
        self._flush()
        if self._ready(note.time_ns, _NOTES):
            self._note(note)

    def hasten(self) -> None:
        """Have all that waits written at once, for `keep` to wait for; the last exchange of a line may be held."""
        self._thread.progress.due = self._put
        self._thread.wake.set()

    def ask(self) -> None:
        """Have the disk keep what was hastened, for a `keep` that comes once others were asked too."""
        self._thread.progress.ask(self._thread.wake)

    def keep(self, timeout_s: float) -> bool:
        """Wait until the disk has what was hastened, or it is lost and told of; return whether that is so.

        For one other thread. One that has waited in vain is not kept waiting again until what it waited for has come.
        """
        return self._thread.progress.wait(self._thread.wake, timeout_s)

    def look(self) -> None:
        """Begin a new file if the present one would be full before long: called every second, between the beats.

        What a file begins with takes a while to put together, and lines that ask their devices would wait for it.
        """
        soon = self._bytes + 2 * (self._bytes - self._looked)
        self._looked = self._bytes
        if soon > self._file_limit and self._until_ns and not self._thread.trouble:
            now_ns = time.time_ns()
            self._open(now_ns)
            self._begin(now_ns)

    @property
    def status(self) -> Status:
        """Figures of now."""
        thread = self._thread
        return Status(
            files=thread.files.count,
            bytes=thread.files.bytes,
            exchanges=self._counts[_EXCHANGES] - thread.lost[_EXCHANGES],
            notes=self._counts[_NOTES] - thread.lost[_NOTES],
            dropped=sum(self._lost()),
            removed=thread.removed,
            waiting=self._put - thread.taken,
            trouble=thread.trouble,
        )

    def _flush(self) -> None:
        held, self._held = self._held, {}
        for exchange in held.values():
            self._write(exchange, None)

    def _write(self, exchange: Exchange, cadence: int | None) -> None:
        if not self._ready(exchange.time_ns, _EXCHANGES):
            return
        self._counts[_EXCHANGES] += 1
        self._bytes += _AROUND + len(exchange.request) + len(exchange.reply)
        self._queue((exchange, self.clock, cadence, False))
        if cadence is not None:
            if self._under_way:
                self._under_way.pop(exchange.line, None)
        elif exchange.poll:
            under_way = self._under_way.get(exchange.line)
            if under_way is not None and _same_poll(under_way[0], exchange):
                under_way.append(exchange)
            else:
                self._under_way[exchange.line] = [exchange]

    def _note(self, note: Note) -> None:
        blocks = note_blocks(note, self._boot_id)
        self._counts[_NOTES] += 1
        self._bytes += len(blocks)
        self._queue(blocks)

    def _queue(self, item: Item) -> None:
        thread = self._thread
        self._put += 1
        thread.queue.append(item)
        if self._put - thread.taken > _HURRY and not thread.wake.is_set():
            thread.wake.set()

    def _ready(self, time_ns: int, kind: int) -> bool:
        """Make sure that a file is open that an item of this time belongs to; count the item where that fails."""
        thread = self._thread
        if thread.trouble:
            if time.monotonic() >= self._retry_at:
                self._retry_at = time.monotonic() + _RETRY_S
                self._open(time_ns)
        elif self._put - thread.taken < _MOST_WAITING:
            full = self._bytes > self._file_limit or thread.full == self._number
            if full or not self._from_ns <= time_ns < self._until_ns:
                self._open(time_ns)
                self._begin(time_ns)
            elif self._gap or thread.gap or thread.gone:
                self._begin(time_ns)
            return True
        self._gap = True
        self._refused[kind] += 1
        return False

    def _open(self, time_ns: int) -> None:
        """Begin a file."""
        # An exchange that was held may be of the hour before; a clock set back by more begins a new file.
        hour_ns = time_ns - time_ns % _HOUR_NS
        self._bytes, self._from_ns, self._until_ns = 0, hour_ns - _HOUR_NS, hour_ns + _HOUR_NS
        self._number += 1
        self._queue(Head(self._number, self._encoder, self._site, self._configuration, self._version, time_ns))
        self._opened = True
        if self._thread.trouble:
            self._thread.wake.set()

    def _begin(self, time_ns: int) -> None:
        """Tell what is missing, and at the beginning of a file or behind a gap what a replay needs to go on."""
        thread = self._thread
        monotonic_ns = time.monotonic_ns()
        lost = self._lost()
        if lost != self._told:
            exchanges, notes = lost[0] - self._told[0], lost[1] - self._told[1]
            self._note(Note(DROPPED, time_ns, monotonic_ns, {"exchanges": exchanges, "notes": notes}))
            self._told = lost
        while thread.gone:
            file = thread.gone.popleft()
            self._note(Note(REMOVED, time_ns, monotonic_ns, {"file": file.path.name, "bytes": file.size}))
        if not (self._opened or self._gap or thread.gap):
            return
        for note in self.on_opened():
            self._note(note)
        if self._opened and not (self._gap or thread.gap):
            for poll in self._under_way.values():
                for exchange in poll:
                    self._queue((exchange, self.clock, None, True))
        self._opened = self._gap = thread.gap = False
        self._looked = self._bytes

    def _lost(self) -> tuple[int, int]:
        lost, refused = self._thread.lost, self._refused
        return lost[0] + refused[0], lost[1] + refused[1]


def _same_poll(one: Exchange, other: Exchange) -> bool:
    return one.poll == other.poll and one.unit == other.unit
