"""From the store to a receiver: peek, send, acknowledge; one task per sink.

Invariants:
- The cursor moves only over what the receiver has acknowledged, what it refused for good and was set aside, and
  what it is not meant to get.
- Records go oldest first. After a failure the same records go again: at least once, never out of order.
- Pauses grow with each failure up to a bound, are jittered, and are kept on the monotonic clock.
- One log line when the receiver is lost, one when it is back; everything else is counted.
"""

import asyncio
import logging
import random
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Protocol

from agent.record import Record
from agent.sinks import Session, Sink, SinkRejected, SinkUnavailable, together

_LOG = logging.getLogger(__name__)
_BATCH = 500
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 10.0


class Outbox(Protocol):
    """What a forwarder needs of the store."""

    @property
    def last_seq(self) -> int:
        """Number of the record appended last."""

    def settled_seq(self, sink: str) -> int:
        """Return where the sink's cursor stands."""

    async def news(self, seen: int) -> int:
        """Wait for a pulse after `seen`; return the latest."""

    async def peek(self, sink: str, limit: int) -> list[Record]:
        """Return the oldest unacknowledged records."""

    async def acknowledge(self, sink: str, seq: int) -> None:
        """Move the sink's cursor."""

    async def set_aside(self, sink: str, record: Record, reason: str) -> None:
        """Keep a record that was refused."""


class Forwarder:
    """Delivers the store's records to one sink for as long as it runs."""

    def __init__(
        self,
        store: Outbox,
        sink: Sink,
        *,
        first_pause_s: float = _FIRST_PAUSE_S,
        longest_pause_s: float = _LONGEST_PAUSE_S,
    ) -> None:
        self.sink = sink
        self._store = store
        self._first_pause_s = first_pause_s
        self._longest_pause_s = longest_pause_s
        self._failures = 0
        self._sent = self._acknowledged = self._errors = self._rejected = 0
        self._settled_seq = 0
        self._up_since: float | None = None
        self._lost = False
        self._last_error = ""

    @property
    def connected(self) -> bool:
        """Whether the receiver has acknowledged something since the last failure."""
        return self._up_since is not None

    @property
    def pending(self) -> int:
        """Records not yet settled with the receiver, at most; exact once it has caught up."""
        return self._store.last_seq - self._settled_seq

    def status(self) -> dict[str, object]:
        """Return the counters as JSON values."""
        return {
            "sink": self.sink.name,
            "connected": self.connected,
            "connected_s": round(time.monotonic() - self._up_since, 1) if self._up_since is not None else 0.0,
            "sent": self._sent,
            "acknowledged": self._acknowledged,
            "errors": self._errors,
            "rejected": self._rejected,
            "pending": self.pending,
            "last_error": self._last_error,
        }

    async def run(self) -> None:
        """Deliver until cancelled."""
        self._settled_seq = max(self._settled_seq, self._store.settled_seq(self.sink.name))
        while True:
            try:
                async with self.sink.session() as session:
                    await together(partial(self._drain, session), session.watch)
            except SinkUnavailable as error:
                self._failed(error)
                await asyncio.sleep(self._pause_s(error))

    async def _drain(self, session: Session) -> None:
        pulse = -1
        while True:
            batch = await self._store.peek(self.sink.name, _BATCH)
            if batch:
                await self._deliver(session, batch)
            else:
                pulse = await self._store.news(pulse)

    async def _deliver(self, session: Session, batch: Sequence[Record]) -> None:
        wanted = [record for record in batch if self.sink.wants(record)]
        self._sent += len(wanted)
        rejected: Mapping[int, str] = {}
        if wanted:
            try:
                await session.send(wanted)
            except SinkRejected as error:
                rejected = error.rejected
            except (SinkUnavailable, asyncio.CancelledError):
                # What was acknowledged before the failure is not sent again; small links get on this way.
                await self._settle([record for record in wanted if record.seq <= session.accepted_through])
                raise
            self._succeeded()
        for record in wanted:
            if record.seq in rejected:
                await self._refuse(record, rejected[record.seq])
        self._acknowledged -= len(batch) - len(wanted) + len(rejected)
        await self._settle(batch)

    async def _settle(self, records: Sequence[Record]) -> None:
        if records:
            self._acknowledged += len(records)
            self._settled_seq = max(self._settled_seq, records[-1].seq)
            await self._store.acknowledge(self.sink.name, records[-1].seq)

    async def _refuse(self, record: Record, reason: str) -> None:
        if not self._rejected:
            _LOG.error("%s: refused record %d (%s): %s; set aside", self.sink.name, record.seq, record.kind, reason)
        self._rejected += 1
        self._last_error = reason
        await self._store.set_aside(self.sink.name, record, reason)

    def _succeeded(self) -> None:
        self._failures = 0
        if self._up_since is None:
            self._up_since = time.monotonic()
            if self._lost:
                self._lost = False
                _LOG.warning("%s: back, %d records to deliver", self.sink.name, self.pending)

    def _failed(self, error: SinkUnavailable) -> None:
        self._errors += 1
        self._failures += 1
        self._up_since = None
        if not self._lost or self._last_error != error.reason:
            _LOG.warning("%s: unavailable: %s; records are kept", self.sink.name, error.reason)
        self._lost = True
        self._last_error = error.reason

    def _pause_s(self, error: SinkUnavailable) -> float:
        if error.retry_after_s is not None:
            return error.retry_after_s * random.uniform(1.0, 1.1)  # noqa: S311  # spreads reconnects, guards nothing
        longest = min(self._longest_pause_s, self._first_pause_s * 2.0 ** min(self._failures - 1, 16))
        return longest * random.uniform(0.5, 1.0)  # noqa: S311  # spreads reconnects, guards nothing
