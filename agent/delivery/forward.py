"""From the store to a receiver: peek, send, acknowledge; one task per sink, three lanes.

Values go ahead of them, see `agent.delivery.ahead`, where the receiver takes single records. What is left:

- Urgent: alarms, ahead of everything.
- Live: once the oldest values that wait are no longer fresh, what was committed after that moment goes in a lane of
  its own. Should the link not even carry that, the lane starts anew behind what is no longer fresh in it.
- Backlog: the rest, oldest first. It takes turns with the live lane, so neither starves the other; where it meets
  what the live lane has delivered it passes over it, and at the end there is one lane again.

Invariants:
- The store settles only what the receiver has acknowledged, what it refused for good and was set aside, and what it
  is not meant to get. The lanes choose what goes next, never what counts as delivered.
- In each lane records go oldest first. After a failure the same records go again: at least once. A subscriber that
  needs one order for all lanes finds it in `seq` and time.
- A batch is as large as the link carries in half a second, so that no lane waits long for another.
- A record that ends every connection it is sent on, where nobody says why, is found out and set aside, see `Suspicion`.
- Pauses grow with each failure up to a bound, are jittered, and are kept on the monotonic clock. A credential that is
  replaced ends one, so that rotation needs no restart and no patience.
- One log line when the receiver is lost, one when it is back; everything else is counted. An alarm stands while only
  an operator can help, until something is acknowledged again.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from agent.delivery.ahead import Ahead
from agent.delivery.outbox import Outbox
from agent.delivery.pace import Pace
from agent.delivery.suspicion import Suspicion
from agent.record import ALARM, FIGURE, TELEMETRY, WINDOW, Record
from agent.sinks import Session, Sink, SinkRejected, SinkUnavailable, together
from agent.store import Lane

_LOG = logging.getLogger(__name__)
_MOST = 1000
"""Records of the largest batch."""
_LEAST = 8
"""Records of the smallest batch."""
_FRESH_S = 5.0
"""Values older than this when they are about to be sent let newer ones pass."""
_FIRST_PAUSE_S = 0.5
_LOOK_S = 1.0
_LONGEST_PAUSE_S = 10.0
_ENDS_CONNECTIONS = "the receiver closes the connection each time it is sent, and only then, perhaps for its size"


class Forwarder:
    """Delivers the store's records to one sink for as long as it runs."""

    def __init__(
        self,
        store: Outbox,
        sink: Sink,
        *,
        first_pause_s: float = _FIRST_PAUSE_S,
        longest_pause_s: float = _LONGEST_PAUSE_S,
        alarm: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`alarm` is told why only an operator can help, until then of every failure, and "" when that has passed."""
        self.sink = sink
        self._store = store
        self._first_pause_s = first_pause_s
        self._longest_pause_s = longest_pause_s
        self._failures = 0
        self._sent = self._acknowledged = self._errors = self._rejected = 0
        self._pace = Pace(_LEAST, 64, _MOST)
        self._mean_bytes = 0.0
        self._live_after: int | None = None
        self._suspicion = Suspicion()
        self._ahead = Ahead(store, sink.name, on_answered=self._answered, careful=lambda: bool(self._suspicion.careful))
        self._under_way: list[Record] = []
        self._sent_at = 0.0
        self._up_since: float | None = None
        self._lost = False
        self._last_error = ""
        self._alarm = alarm
        self._held = False
        self._calm = False
        """Whether the alarm is known to have ended: that of an earlier run may still stand."""

    @property
    def connected(self) -> bool:
        """Whether the receiver has acknowledged something since the last failure."""
        return self._up_since is not None

    @property
    def pending(self) -> int:
        """Records not yet settled with the receiver, at most; exact once it has caught up."""
        return self._store.unsettled(self.sink.name)

    def status(self) -> dict[str, object]:
        """Return the counters as JSON values."""
        pending = self.pending
        return {
            "sink": self.sink.name,
            "connected": self.connected,
            "connected_s": round(time.monotonic() - self._up_since, 1) if self._up_since is not None else 0.0,
            "sent": self._sent,
            "acknowledged": self._acknowledged,
            "errors": self._errors,
            "rejected": self._rejected,
            "pending": pending,
            "pending_bytes": round(pending * self._mean_bytes),  # judged by the records seen last
            "last_error": self._last_error,
        }

    async def run(self) -> None:
        """Deliver until cancelled."""
        while True:
            credentials = self.sink.credentials()
            self._weigh(await self._store.peek(self.sink.name, _LEAST))
            try:
                async with self.sink.session() as session:
                    await together(partial(self._drain, session), session.watch)
            except SinkUnavailable as error:
                self._failed(error)
                await self._judge(error)
                await self._pause(self._pause_s(error), credentials)

    async def _drain(self, session: Session) -> None:
        if self._suspicion.suspect:
            await self._try(session, self._suspicion.suspect)
        pulse = -1
        with self._ahead.on(session):
            while True:
                if not await self._turn(session):
                    pulse = await self._store.news(pulse)

    def _answered(self, taken: Sequence[Record], refused: int) -> None:
        """Note what the receiver said of values that went ahead."""
        self._sent += len(taken) + refused
        self._acknowledged += len(taken)
        self._errors += refused
        self._weigh(taken)
        if taken:
            self._succeeded()

    async def _try(self, session: Session, suspect: Record) -> None:
        """Send a record that is suspected of ending connections, and nothing else, when this one has stayed idle."""
        await asyncio.sleep(self._suspicion.calm_s)
        lane = Lane.URGENT if suspect.kind == ALARM else Lane.NORMAL
        found = await self._store.peek(self.sink.name, 1, lane=lane, after=suspect.seq - 1)
        if [record.seq for record in found] == [suspect.seq]:
            await self._deliver(session, found)
        else:
            self._suspicion.acquit()  # it had to make room meanwhile

    async def _judge(self, error: SinkUnavailable) -> None:
        """Set aside the record that is convicted by the end of a connection, if one is."""
        under_way = sorted([*self._under_way, *self._ahead.unanswered()], key=lambda record: record.seq)
        self._under_way = []
        if not error.unsaid:
            return
        sent_at = max(self._sent_at, self._ahead.sent_at)
        convicted = self._suspicion.ended(under_way, after_s=time.monotonic() - sent_at)
        if convicted:
            await self._refuse(convicted, _ENDS_CONNECTIONS)
            await self._settle([convicted])

    async def _turn(self, session: Session) -> bool:
        """Send a batch of each lane; return whether there was anything to send."""
        name, sent = self.sink.name, False
        while urgent := await self._store.peek(name, self._at_once, lane=Lane.URGENT):
            sent = True
            await self._deliver(session, urgent)
        through = await self._ahead.settled()
        if self._live_after is not None:
            live = await self._store.peek(name, most := self._at_once, after=self._live_after, through=through)
            if len(live) >= most and _stale(live, self._store.now_ns()):
                self._live_begins()
            else:
                sent = bool(live) or sent
                await self._deliver(session, live)
                self._passed(live, most, through)
        backlog = await self._store.peek(name, most := self._at_once, through=through)
        self._weigh(backlog)
        if not backlog or (self._live_after is not None and backlog[0].seq > self._live_after):
            self._live_after = None
        elif self._live_after is None and len(backlog) >= most and _stale(backlog, self._store.now_ns()):
            self._live_begins()
        if backlog:
            sent = True
            await self._deliver(session, backlog)
        if self._live_after is None:
            self._passed(backlog, most, through)
        return sent

    def _live_begins(self) -> None:
        """Let what comes from now on go by a lane of its own."""
        self._live_after = self._store.committed_seq
        self._ahead.passed(self._live_after)

    def _passed(self, found: Sequence[Record], most: int, through: int | None) -> None:
        """Note how far the lane is that newer values go by, from what it had to send of `most` at once."""
        last = found[-1].seq if found else 0
        self._ahead.passed(last if len(found) == most else max(last, through or 0))

    @property
    def _at_once(self) -> int:
        """How many records the next batch may have."""
        return 1 if self._suspicion.careful else self._pace.size

    def _weigh(self, records: Sequence[Record]) -> None:
        if records:
            self._mean_bytes = sum(len(record.payload) for record in records) / len(records)

    async def _deliver(self, session: Session, batch: Sequence[Record]) -> None:
        wanted = [record for record in batch if self.sink.wants(record)]
        self._sent += len(wanted)
        rejected: Mapping[int, str] = {}
        if wanted:
            try:
                started = self._sent_at = time.monotonic()
                await session.send(wanted)
                self._pace.answered(len(batch), started)
            except SinkRejected as error:
                rejected = error.rejected
            except (SinkUnavailable, asyncio.CancelledError):
                # What was acknowledged before the failure is not sent again; small links get on this way.
                self._pace.slower()
                taken = [record for record in wanted if record.seq <= session.accepted_through]
                self._under_way = wanted[len(taken) :]
                self._suspicion.acknowledged(taken)
                self._acknowledged += len(taken)
                await self._settle(taken)
                raise
            self._suspicion.acknowledged(wanted)
            self._succeeded()
        for record in wanted:
            if record.seq in rejected:
                await self._refuse(record, rejected[record.seq])
        self._acknowledged += len(wanted) - len(rejected)
        await self._settle(batch)

    async def _settle(self, records: Sequence[Record]) -> None:
        if records:
            await self._store.acknowledge(self.sink.name, records[-1].seq)

    async def _refuse(self, record: Record, reason: str) -> None:
        if not self._rejected:
            _LOG.error("%s: refused record %d (%s): %s; set aside", self.sink.name, record.seq, record.kind, reason)
        self._rejected += 1
        self._last_error = reason
        await self._store.set_aside(self.sink.name, record, reason)

    def _succeeded(self) -> None:
        self._failures = 0
        if not self._calm:
            self._calm, self._held = True, False
            self._alarm("")
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
        if error.hold:
            self._calm, self._held = False, True
        if self._held:
            self._alarm(error.reason)

    async def _pause(self, pause_s: float, credentials: object) -> None:
        """Wait; but no longer when a credential was replaced since it was read, which may be what was wanted."""
        end = time.monotonic() + pause_s
        while (left_s := end - time.monotonic()) > 0 and self.sink.credentials() == credentials:  # noqa: ASYNC110  # files send no events
            await asyncio.sleep(min(left_s, _LOOK_S))

    def _pause_s(self, error: SinkUnavailable) -> float:
        if error.retry_after_s is not None:
            return error.retry_after_s * random.uniform(1.0, 1.1)  # noqa: S311  # spreads reconnects, guards nothing
        longest = min(self._longest_pause_s, self._first_pause_s * 2.0 ** min(self._failures - 1, 16))
        return longest * random.uniform(0.5, 1.0)  # noqa: S311  # spreads reconnects, guards nothing


def _stale(records: Sequence[Record], now_ns: int | None) -> bool:
    """Whether a batch begins with values nobody would call fresh; while the time is not known, none come to be."""
    values = (record.time_ns for record in records if record.kind in (TELEMETRY, WINDOW, FIGURE))
    oldest_ns = next(values, None)
    return oldest_ns is not None and now_ns is not None and now_ns - oldest_ns > _FRESH_S * 1e9
