"""What delivery needs of the store."""

from collections.abc import Callable, Sequence
from typing import Protocol

from agent.record import Record
from agent.store import Lane


class Outbox(Protocol):
    """Committed records, lent lane by lane, and what is given ahead of its commit."""

    @property
    def last_seq(self) -> int:
        """Number given out last."""

    @property
    def committed_seq(self) -> int:
        """Number of the record committed last."""

    def now_ns(self) -> int | None:
        """Return the time now (Unix, ns); None while it is not known."""

    def unsettled(self, sink: str) -> int:
        """Return how many records the sink still needs, at most."""

    async def news(self, seen: int) -> int:
        """Wait for a pulse after `seen`; return the latest."""

    def ahead(self, offer: Callable[[Record, bool], None]) -> Callable[[], None]:
        """Let `offer` be called with all values, and whether they may go before their commit; return what ends it."""

    def given(self, sink: str, numbers: Sequence[int]) -> None:
        """Settle what was given ahead, acknowledged and committed."""

    async def peek(
        self, sink: str, limit: int, *, lane: Lane = Lane.NORMAL, after: int = 0, through: int | None = None
    ) -> list[Record]:
        """Return the oldest unacknowledged records of a lane in (after, through]."""

    async def acknowledge(self, sink: str, seq: int) -> None:
        """Settle what was peeked last, up to `seq`."""

    async def set_aside(self, sink: str, record: Record, reason: str) -> None:
        """Keep a record that was refused."""
