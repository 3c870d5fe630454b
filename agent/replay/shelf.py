"""What stands in for store and time where captured exchanges are booked again: a shelf in memory, and what was made."""

import contextlib
from collections import deque
from contextlib import AbstractContextManager
from typing import Any

from agent.tape import NO_TAPE, Tape

_ROOM = 1 << 40


class MemoryShelf:
    """States by name; rows of the rolling windows are not kept, for no interval depends on them."""

    def __init__(self) -> None:
        self.states: dict[str, bytes] = {}

    @property
    def room(self) -> int:
        """As much as anybody asks for."""
        return _ROOM

    def transaction(self) -> AbstractContextManager[object]:
        """Return a block like any other."""
        return contextlib.nullcontext()

    def save_state(self, name: str, value: bytes) -> None:
        """Keep a state."""
        self.states[name] = value

    def load_state(self, name: str) -> bytes | None:
        """Return the state kept last."""
        return self.states.get(name)

    def load_states(self, prefix: str) -> dict[str, bytes]:
        """Return the states kept last whose names begin so."""
        return {name: value for name, value in self.states.items() if name.startswith(prefix)}

    def save_row(self, time_ns: int, row: bytes) -> None:
        """Keep nothing."""


class ReplayedTime:
    """The time as the capture tells it."""

    believed = True

    def __init__(self) -> None:
        self.time_ns = 0

    def now_ns(self) -> int:
        """Return the time told last (Unix, ns)."""
        return self.time_ns


class Made:
    """Takes the records that are made again: those of intervals wait in `intervals`, still without their places."""

    def __init__(self, site: str) -> None:
        self.site = site
        self.store = MemoryShelf()
        self.keeper = ReplayedTime()
        self.tape: Tape = NO_TAPE
        self.intervals: deque[dict[str, Any]] = deque()

    def record(self, kind: str, key: str, time_ns: int, body: dict[str, Any]) -> bytes:  # noqa: ARG002 -- as a Scribe
        """Take a record; what is no interval is told of elsewhere."""
        if kind == "interval":
            self.intervals.append(body)
        return b""
