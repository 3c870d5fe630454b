"""How far a long command is: one line that moves on a terminal, and a line now and then elsewhere."""

import sys
import time
from types import TracebackType
from typing import Self

from agent.commands.phrases import span_text

_EVERY_S = 15.0
_REDRAW_S = 0.1
_LEAST_S = 2.0


class Progress:
    """Shows done of all, and how long it will still take, on standard error: what is printed stays clean."""

    def __init__(self, text: str, *, last: bool = True) -> None:
        """`last` says that nothing else of unknown length follows: else no time left is told."""
        self._text, self._last = text, last
        self._terminal = sys.stderr.isatty()
        self._began = time.monotonic()
        self._drawn = self._began if not self._terminal else 0.0
        self._open = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()

    def at(self, done: int, whole: int, note: str = "") -> None:
        """Show how far it is."""
        now = time.monotonic()
        if now - self._drawn < (_REDRAW_S if self._terminal else _EVERY_S):
            return
        self._drawn = now
        took = now - self._began
        known = self._last and done and took > _LEAST_S
        left = f", about {span_text(took / done * (whole - done))} left" if known else ""
        line = f"{self._text}: {done} of {whole}{left}{', ' + note if note else ''}"
        sys.stderr.write(f"\r\x1b[K{line[:79]}" if self._terminal else f"{line}\n")
        sys.stderr.flush()
        self._open = self._terminal

    def clear(self) -> None:
        """Take the moving line away, so that something else can be printed."""
        if self._open:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._open = False
