"""The capture of a running agent: every exchange to disk while `[capture] mode = "full"`, nothing while it is off.

Invariants:
- All callbacks run in the thread of the lines: what the thread of the writer has to tell waits for `look` or `close`.
- Another directory or size takes effect at the reload: the capture before is closed beside it.
- `keep` may wait for the disk, in the thread of the store, and a capture that was replaced is closed in a thread of its
  own; all else is called in the thread of the lines.
- A capture that is replaced is among those that are closed before it is the present one no more, and until it is
  closed: `keep`, which looks at the present one first, passes none over.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any

from agent import __version__
from agent.alarms.alarm import Alarm, Severity
from agent.config import SiteConfig
from agent.record import AGENT
from agent.timekeeping import Timekeeper
from agent.timekeeping.clock import boot_id
from drivers.capture import NAMES_KEPT, CaptureWriter, Closed, Note, Removed, Status
from drivers.reading import Exchange

_CLOCKS = {True: "synchronised", False: "unsynchronised", None: "not stated"}
_PATIENCE_S = 3.0
"""How long a commit may wait for all captures together: far longer than a disk takes that does not hang."""


class Capturing:
    """Hands exchanges and notes to a writer, if there is one."""

    def __init__(self, config: SiteConfig, keeper: Timekeeper) -> None:
        self.writer: CaptureWriter | None = None
        """The present writer; None while capture is off."""
        self.on_opened: Callable[[], Iterable[Note]] = tuple
        """Asked for the notes that a file begins with."""
        self.on_closed: Callable[[Closed], None] = _ignore
        self.on_removed: Callable[[Removed], None] = _ignore
        self._keeper = keeper
        self._told: deque[Closed | Removed] = deque()
        self._names: deque[str] = deque(maxlen=NAMES_KEPT)
        self._closing: list[CaptureWriter] = []
        self._running = False
        self._take_over(config)

    def configure(self, config: SiteConfig) -> None:
        """Go on with the lines of another configuration, in a file of its own."""
        before = self.writer
        if config.capture != self._section and before is not None:
            self._closing.append(before)
            self.writer = None
            before.end()
            threading.Thread(target=self._close, args=(before,), name="capture-closing", daemon=True).start()
            before = None
        self._take_over(config, before)

    def _close(self, writer: CaptureWriter) -> None:
        try:
            writer.close()
        finally:
            self._closing.remove(writer)

    def _take_over(self, config: SiteConfig, writer: CaptureWriter | None = None) -> None:
        self._section = config.capture
        if config.capture.mode == "off":
            return
        self.writer = writer or CaptureWriter(
            config.capture_folder,
            site=config.site.name,
            version=__version__,
            boot_id=boot_id(),
            max_size=config.capture.max_size,
            on_opened=self._opened,
            on_closed=self._told.append,
            on_removed=self._told.append,
        )
        self.writer.share(self._names)
        self.writer.clock = self._clock
        self.writer.configure(config.digest, {line.name: line.endpoint for line in config.lines})
        if writer is None and self._running:
            self.writer.start()

    def start(self) -> None:
        """Begin to write."""
        self._running = True
        if self.writer is not None:
            self.writer.start()

    async def close(self) -> None:
        """Write what waits and close the file."""
        if self.writer is not None:
            self.writer.end()
            await asyncio.to_thread(self.writer.close)
        self._tell()

    def exchange(self, exchange: Exchange) -> None:
        """Capture an exchange."""
        if self.writer is not None:
            self.writer.exchange(exchange)

    def keep(self) -> None:
        """Wait until the disk has all that recorded intervals stand on, or it is lost and told of; not for ever."""
        until = time.monotonic() + _PATIENCE_S
        present = self.writer
        writers = [*([present] if present is not None else []), *self._closing]
        for writer in writers:
            writer.ask()
        for writer in writers:
            writer.keep(max(0.0, until - time.monotonic()))

    def look(self) -> Alarm:
        """Say beside what follows how the clocks are, tell of closed files, and return the alarm `capture`."""
        if self.writer is not None:
            self.writer.clock = self._clock
            self.writer.look()
        self._tell()
        trouble = self.status.trouble
        return Alarm(
            AGENT,
            "capture",
            bool(trouble),
            Severity.WARNING,
            time.time_ns(),
            f"{trouble}, so this time cannot be recomputed: check the disk"
            if trouble
            else "capture is as it should be",
            f"原始报文未能保存（{trouble}），此段时间将无法复算，请检查磁盘" if trouble else "原始报文保存正常",  # noqa: RUF001 -- Chinese punctuation
        )

    @property
    def status(self) -> Status:
        """Figures of the writer; all zero while capture is off."""
        return self.writer.status if self.writer is not None else Status()

    def figures(self) -> dict[str, Any]:
        """Return what the agent says of its capture."""
        return {"mode": self._section.mode, **asdict(self.status)}

    @property
    def _clock(self) -> str:
        return _CLOCKS[self._keeper.clocks.synchronised] if self._keeper.believed else "unknown"

    def _opened(self) -> Iterable[Note]:
        return self.on_opened()

    def _tell(self) -> None:
        while self._told:
            file = self._told.popleft()
            if isinstance(file, Closed):
                self.on_closed(file)
            else:
                self.on_removed(file)


def _ignore(_file: object) -> None:
    pass
