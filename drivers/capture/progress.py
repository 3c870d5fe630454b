"""How far a capture has come to the disk, and who waits for it.

Invariants:
- The thread of the lines says what is due, that of the writer what it has done; one other thread waits.
- Whoever has waited in vain is not kept waiting again until what he waited for has come.
"""

import logging
import threading
from pathlib import Path

_log = logging.getLogger(__name__)


class Progress:
    """Counts what of a queue is on the disk, or lost and told of."""

    def __init__(self, directory: Path) -> None:
        self.due = 0
        """How much of the queue something else stands on."""
        self._directory = directory
        self._done = self._asked = 0
        self._changed = threading.Condition()
        self._late = self._over = False

    @property
    def asked(self) -> bool:
        """Whether somebody waits for what is not on the disk yet."""
        return self._done < self._asked

    def ask(self, wake: threading.Event) -> int:
        """Ask for what is due, and return how much that is; `wake` is set where the writer has something to do."""
        due = self.due
        with self._changed:
            if self._done < due:
                self._asked = due
                wake.set()
        return due

    def wait(self, wake: threading.Event, timeout_s: float) -> bool:
        """Ask for what is due, and wait until it is on the disk, or lost and told of; return whether it is."""
        due = self.ask(wake)
        with self._changed:
            if not self._changed.wait_for(lambda: self._over or self._done >= due, 0 if self._late else timeout_s):
                self._tell_late()
            return self._done >= due

    def _tell_late(self) -> None:
        if not self._late:
            self._late = True
            _log.warning(
                "%s: what intervals stand on is not on the disk in time; until it is, they are recorded without",
                self._directory,
            )

    def reached(self, done: int) -> None:
        """Take note that so much of the queue is on the disk, or lost and told of."""
        with self._changed:
            self._done = done
            if self._late and not self.asked:
                self._late = False
                _log.warning("%s: what intervals stand on is on the disk again", self._directory)
            self._changed.notify_all()

    def end(self) -> None:
        """Take note that no more will come: nobody is to wait for it."""
        with self._changed:
            self._over = True
            self._changed.notify_all()
