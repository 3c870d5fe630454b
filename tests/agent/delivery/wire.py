"""A store without file and thread, and a receiver at the end of a wire: both move when a test says so."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from agent.record import TELEMETRY, Record
from agent.sinks import SinkRejected, SinkUnavailable
from agent.store import Lane
from agent.store.backlog import Backlog
from agent.store.batch import Batch
from agent.store.delivery import Deliveries
from agent.store.schema import lane_of

SINK = "fake"
REFUSED = 0x99


class Deck:
    """The store's own queue and accounts; what a commit takes is kept in a list."""

    def __init__(self) -> None:
        self.now = 10**18
        self.committed_seq = 0
        self.degraded = False
        self.dead: set[int] = set()
        self._backlog = Backlog(max_bytes=1 << 30, site="works")
        self._deliveries = Deliveries([SINK], self._backlog)
        self._kept: list[Record] = []
        self._batch: Batch | None = None
        self._calls: list[Callable[[], None]] = []
        """What the thread is asked for while it commits."""
        self._offers: list[Callable[[Record, bool], None]] = []
        self._pulse = 0
        self._pulsed = asyncio.Event()

    @property
    def last_seq(self) -> int:
        return self._backlog.seq

    def now_ns(self) -> int | None:
        return self.now

    def append(self, kind: str, key: str) -> Record:
        record = self._backlog.append(kind, key, self.now, {})
        for offer in self._offers if kind == TELEMETRY else ():
            offer(record, record.seq <= self._backlog.promised)
        return record

    @property
    def committing(self) -> bool:
        return self._batch is not None

    def take(self) -> None:
        """Begin a commit, unless one has begun."""
        self._batch = self._batch or self._backlog.take()

    def commit(self) -> None:
        """End the commit that has begun."""
        if batch := self._batch:
            self._batch, self.degraded = None, False
            self._kept += batch.records
            self._backlog.promised = batch.promised
            self._deliveries.committed(self.committed_seq, batch.seq, {record.kind for record in batch.records})
            self.committed_seq = batch.seq
            self._backlog.recover()
            self._beat()

    def fail(self) -> None:
        """Let the commit that has begun fail."""
        if batch := self._batch:
            self._batch, self.degraded = None, True
            self._backlog.put_back(batch)
            self._backlog.degrade()
            self._beat()

    def _beat(self) -> None:
        calls, self._calls = self._calls, []
        for call in calls:
            call()
        self._pulse += 1
        self._pulsed.set()
        self._pulsed = asyncio.Event()

    def unsettled(self, sink: str) -> int:
        return self._deliveries.unsettled(sink, self.last_seq)

    async def news(self, seen: int) -> int:
        while self._pulse == seen:
            await self._pulsed.wait()
        return self._pulse

    def ahead(self, offer: Callable[[Record, bool], None]) -> Callable[[], None]:
        self._offers.append(offer)
        self._backlog.promising = True

        def end() -> None:
            self._offers.remove(offer)
            self._backlog.promising = False

        return end

    def given(self, sink: str, numbers: Sequence[int]) -> None:
        self._submit(lambda: self._deliveries.given(sink, numbers))

    async def peek(
        self, sink: str, limit: int, *, lane: Lane = Lane.NORMAL, after: int = 0, through: int | None = None
    ) -> list[Record]:
        if not self.degraded and self._deliveries.has_all(sink, lane, self.committed_seq):
            return []
        found: list[Record] = []
        await self._done(
            lambda: found.extend(
                self._deliveries.peek(sink, lane, after=after, limit=limit, through=through, source=self)
            )
        )
        return found

    def after(self, lane: Lane, low: int, high: int | None, limit: int) -> list[Record]:
        found = [record for record in self._kept if low < record.seq <= (high or self.committed_seq)]
        return [record for record in found if lane_of(record.kind) is lane][:limit]

    async def acknowledge(self, sink: str, seq: int) -> None:
        await self._done(lambda: self._deliveries.acknowledge(sink, seq))

    async def set_aside(self, sink: str, record: Record, reason: str) -> None:
        self.dead.add(record.seq)
        await self._done(lambda: self._deliveries.set_aside(sink, record, reason))

    def _submit(self, call: Callable[[], None]) -> None:
        """Do something once no commit is under way."""
        if self._batch:
            self._calls.append(call)
        else:
            call()

    async def _done(self, call: Callable[[], None]) -> None:
        """Do it unless whoever asked has gone, and wait for it."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def run() -> None:
            if not done.cancelled():
                call()
                done.set_result(None)

        self._submit(run)
        await done
        await asyncio.sleep(0)


@dataclass
class FarReceiver:
    """A sink that takes single records, too, and what is under way to it.

    `begin` is told of each connection, `put` of each record sent, `arrived` of each that the receiver has.
    """

    begin: Callable[[], None]
    put: Callable[[Record], None]
    arrived: Callable[[Record], None]
    name: str = SINK
    room: int = 4
    wire: deque[tuple[Record, asyncio.Future[int]]] = field(default_factory=deque)
    on_room: Callable[[], None] = lambda: None
    given_up: set[int] = field(default_factory=set)
    """Numbers refused in a batch, which is for good."""
    _batch: list[tuple[int, asyncio.Future[int]]] = field(default_factory=list)
    _free: asyncio.Event = field(default_factory=asyncio.Event)
    _cut: asyncio.Future[bool] | None = None
    _queued: bool = False

    def wants(self, record: Record) -> bool:  # noqa: ARG002  # it takes all
        return True

    def credentials(self) -> object:
        return None

    @asynccontextmanager
    async def session(self) -> AsyncIterator["FarReceiver"]:
        await asyncio.sleep(0)
        self._cut, self._queued, self._batch = asyncio.get_running_loop().create_future(), False, []
        self.begin()
        try:
            yield self
        finally:
            self.wire.clear()
            self._cut = None

    @property
    def accepted_through(self) -> int:
        seq = 0
        for number, answer in self._batch:
            if not answer.done() or answer.cancelled() or answer.result():
                break
            seq = number
        return seq

    async def send(self, records: Sequence[Record]) -> None:
        self._batch = []
        for record in records:
            while len(self.wire) >= self.room:
                self._queued = True
                await self._free.wait()
                self._queued = False
            self._batch.append((record.seq, self._send(record)))
        refused = [seq for seq, answer in self._batch if await answer]
        if refused:
            raise SinkRejected(dict.fromkeys(refused, "refused"))

    def offer(self, record: Record) -> asyncio.Future[int] | None:
        return None if self._queued or self._cut is None or len(self.wire) >= self.room else self._send(record)

    def took(self, answer: int) -> bool:
        return answer != REFUSED

    def _send(self, record: Record) -> asyncio.Future[int]:
        self.put(record)
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.wire.append((record, answer))
        return answer

    def answer(self, count: int, code: int = 0) -> None:
        """Let the oldest arrive, and be answered; tell of the room they leave."""
        for _ in range(min(count, len(self.wire))):
            record, answer = self.wire.popleft()
            if code != REFUSED:
                self.arrived(record)
            elif any(number == record.seq for number, _ in self._batch):
                self.given_up.add(record.seq)
            if not answer.done():
                answer.set_result(code)
        self._free.set()
        self._free = asyncio.Event()
        self.on_room()

    def cut(self, arrive: int, *, unsaid: bool) -> None:
        """End the connection; of what is under way the oldest arrive, but no answer to them does."""
        if self._cut and not self._cut.done():
            for record, _ in list(self.wire)[:arrive]:
                self.arrived(record)
            self._cut.set_result(unsaid)

    async def watch(self) -> None:
        assert self._cut is not None
        raise SinkUnavailable("cut", unsaid=await asyncio.shield(self._cut))
