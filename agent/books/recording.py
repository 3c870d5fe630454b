"""What those who book need of the store and of whoever writes records, be that a running agent or a replay."""

from contextlib import AbstractContextManager
from typing import Any, Protocol

from agent.tape import Tape


class Shelf(Protocol):
    """Where states and rows are kept."""

    @property
    def room(self) -> int:
        """How many bytes of records may still be appended before the next commit."""
        ...

    def transaction(self) -> AbstractContextManager[object]:
        """Return a block whose records and states are kept together."""
        ...

    def save_state(self, name: str, value: bytes) -> None:
        """Keep a state."""
        ...

    def load_state(self, name: str) -> bytes | None:
        """Return the state kept last."""
        ...

    def load_states(self, prefix: str) -> dict[str, bytes]:
        """Return the states kept last whose names begin so."""
        ...

    def save_row(self, time_ns: int, row: bytes) -> None:
        """Keep a row of the ring of windows at its time (Unix, ns)."""
        ...


class TimeSource(Protocol):
    """Who knows the time."""

    @property
    def believed(self) -> bool:
        """Whether the time is known."""
        ...

    def now_ns(self) -> int:
        """Return the time now (Unix, ns)."""
        ...


class Recording(Protocol):
    """Who writes records of one site."""

    site: str

    @property
    def store(self) -> Shelf:
        """Where states are kept."""
        ...

    @property
    def keeper(self) -> TimeSource:
        """Who knows the time."""
        ...

    @property
    def tape(self) -> Tape:
        """Told what the records depend on."""
        ...

    def record(self, kind: str, key: str, time_ns: int, body: dict[str, Any]) -> bytes:
        """Write a record; return it as receivers see it."""
        ...
