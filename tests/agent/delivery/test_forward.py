import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from agent.delivery.forward import Forwarder
from agent.record import Record
from agent.sinks import SinkRejected, SinkUnavailable
from agent.store import Lane
from agent.store.settled import Settled


def records(first: int, last: int, kind: str = "telemetry", *, key: str = "hall/meter") -> list[Record]:
    return [Record(seq, kind, key, seq, b"{}") for seq in range(first, last + 1)]


class Shelf:
    """A store in memory."""

    def __init__(self, kept: list[Record]) -> None:
        self.kept = kept
        self.settled: dict[Lane, Settled] = {lane: Settled() for lane in Lane}
        self.lent = (Lane.NORMAL, 0)
        self.refused: list[tuple[int, str]] = []
        self.uncommitted = 0
        """How many of the last records are not committed."""
        self.unpromised = False
        """Whether what comes may not go to receivers before it is committed."""
        self.offers: list[Callable[[Record, bool], None]] = []
        self.off_ns = 0
        """How far the wall clock, which the time is not taken from, is behind."""

    @property
    def cursor(self) -> int:
        """The last number before the first that is not settled."""
        return min(settled.cursor for settled in self.settled.values())

    @property
    def last_seq(self) -> int:
        return self.kept[-1].seq if self.kept else 0

    @property
    def committed_seq(self) -> int:
        return self.last_seq - self.uncommitted

    def now_ns(self) -> int | None:
        return time.time_ns() + self.off_ns

    def unsettled(self, sink: str) -> int:
        assert sink == "fake"
        return max(settled.missing(self.last_seq) for settled in self.settled.values())

    def append(self, *more: Record) -> None:
        """Take records that are not committed, and offer the values."""
        self.kept += more
        self.uncommitted += len(more)
        for record in more:
            for offer in self.offers if record.kind == "telemetry" else ():
                offer(record, not self.unpromised)

    async def news(self, seen: int) -> int:
        await asyncio.sleep(0.001)
        return seen + 1

    def ahead(self, offer: Callable[[Record, bool], None]) -> Callable[[], None]:
        self.offers.append(offer)
        return lambda: self.offers.remove(offer)

    def given(self, sink: str, numbers: Sequence[int]) -> None:
        assert sink == "fake"
        for number in numbers:
            assert number <= self.committed_seq
            self.settled[Lane.NORMAL].add(number - 1, number)

    async def peek(
        self, sink: str, limit: int, *, lane: Lane = Lane.NORMAL, after: int = 0, through: int | None = None
    ) -> list[Record]:
        assert sink == "fake"
        low, high = self.settled[lane].hole(after)
        committed = self.committed_seq
        high = min(high or committed, committed, committed if through is None else through)
        self.lent = (lane, low)
        within = [record for record in self.kept if low < record.seq <= high]
        found = [record for record in within if (record.kind == "alarm") == (lane is Lane.URGENT)]
        if not found and high > low:
            self.settled[lane].add(low, high)
            return await self.peek(sink, limit, lane=lane, after=after, through=through)
        return found[:limit]

    async def acknowledge(self, sink: str, seq: int) -> None:
        assert sink == "fake"
        self.settled[self.lent[0]].add(self.lent[1], seq)

    async def set_aside(self, sink: str, record: Record, reason: str) -> None:
        assert sink == "fake"
        self.refused.append((record.seq, reason))


Behaviour = Callable[["Receiver", Sequence[Record]], None]


@dataclass
class Receiver:
    """A sink whose answers a test scripts; each batch uses one behaviour, then all is taken."""

    script: list[Behaviour] = field(default_factory=list)
    received: list[int] = field(default_factory=list)
    sessions: int = 0
    accepted_through: int = 0
    refuse: Exception | None = None
    cut: asyncio.Event = field(default_factory=asyncio.Event)
    name: str = "fake"
    file: int = 1

    def wants(self, record: Record) -> bool:
        return record.kind != "health"

    def credentials(self) -> object:
        return self.file

    @asynccontextmanager
    async def session(self) -> AsyncIterator["Receiver"]:
        self.sessions += 1
        if self.refuse:
            raise self.refuse
        yield self

    async def send(self, batch: Sequence[Record]) -> None:
        self.accepted_through = 0
        if self.script:
            self.script.pop(0)(self, batch)
        else:
            self.take(batch)

    def take(self, batch: Sequence[Record]) -> None:
        self.received += [record.seq for record in batch]
        self.accepted_through = batch[-1].seq

    async def watch(self) -> None:
        await self.cut.wait()
        self.cut.clear()
        raise SinkUnavailable("cut", unsaid=True)


def unavailable_after(count: int) -> Behaviour:
    def behave(receiver: Receiver, batch: Sequence[Record]) -> None:
        if count:
            receiver.take(batch[:count])
        raise SinkUnavailable("busy")

    return behave


def rejecting(*seqs: int) -> Behaviour:
    def behave(receiver: Receiver, batch: Sequence[Record]) -> None:
        receiver.take([record for record in batch if record.seq not in seqs])
        raise SinkRejected(dict.fromkeys(seqs, "poisoned"))

    return behave


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):  # only what never comes is too late
        while not condition():  # noqa: ASYNC110  # what is waited for has no event
            await asyncio.sleep(0.001)


async def delivered(shelf: Shelf, receiver: Receiver, until_seq: int | None = None) -> Forwarder:
    forwarder = Forwarder(shelf, receiver, first_pause_s=0.001, longest_pause_s=0.005)
    task = asyncio.create_task(forwarder.run())
    await until(lambda: shelf.cursor >= (until_seq or shelf.last_seq))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    return forwarder


async def test_everything_arrives_once_and_in_order() -> None:
    shelf, receiver = Shelf(records(1, 1234)), Receiver()
    forwarder = await delivered(shelf, receiver)

    assert receiver.received == list(range(1, 1235))
    assert forwarder.status() | {"connected_s": 0.0} == {
        "sink": "fake",
        "connected": True,
        "connected_s": 0.0,
        "sent": 1234,
        "acknowledged": 1234,
        "errors": 0,
        "rejected": 0,
        "pending": 0,
        "pending_bytes": 0,
        "last_error": "",
    }


async def test_what_was_not_acknowledged_is_sent_again_and_nothing_else() -> None:
    shelf, receiver = Shelf(records(1, 10)), Receiver([unavailable_after(4), unavailable_after(0)])
    forwarder = await delivered(shelf, receiver)

    assert receiver.received == list(range(1, 11))
    assert receiver.sessions == 3
    assert forwarder.status()["errors"] == 2
    assert forwarder.status()["acknowledged"] == 10


async def test_the_cursor_stays_while_nothing_is_acknowledged() -> None:
    shelf, receiver = Shelf(records(1, 10)), Receiver([unavailable_after(0)] * 10_000)
    forwarder = Forwarder(shelf, receiver, first_pause_s=0.001, longest_pause_s=0.001)
    task = asyncio.create_task(forwarder.run())
    await until(lambda: receiver.sessions >= 3)

    assert shelf.cursor == 0
    assert not forwarder.connected
    assert forwarder.pending == 10
    task.cancel()


async def test_a_poisoned_record_is_set_aside_and_holds_nothing_back() -> None:
    shelf, receiver = Shelf(records(1, 10)), Receiver([rejecting(3, 7)])
    forwarder = await delivered(shelf, receiver)

    assert shelf.refused == [(3, "poisoned"), (7, "poisoned")]
    assert receiver.received == [1, 2, 4, 5, 6, 8, 9, 10]
    assert forwarder.status()["rejected"] == 2
    assert forwarder.status()["acknowledged"] == 8


async def test_what_a_sink_does_not_want_is_passed_over() -> None:
    shelf, receiver = Shelf([*records(1, 3), *records(4, 9, "health"), *records(10, 11)]), Receiver()
    forwarder = await delivered(shelf, receiver)

    assert receiver.received == [1, 2, 3, 10, 11]
    assert forwarder.status()["acknowledged"] == 5
    assert forwarder.pending == 0


async def test_a_connection_lost_while_idle_is_made_anew() -> None:
    shelf, receiver = Shelf(records(1, 3)), Receiver()
    forwarder = Forwarder(shelf, receiver, first_pause_s=0.001, longest_pause_s=0.001)
    task = asyncio.create_task(forwarder.run())
    await until(lambda: shelf.cursor == 3)
    receiver.cut.set()
    await until(lambda: receiver.sessions == 2)
    shelf.kept += records(4, 5)
    await until(lambda: shelf.cursor == 5)
    task.cancel()

    assert receiver.received == [1, 2, 3, 4, 5]
    assert forwarder.status()["last_error"] == "cut"


async def test_loss_and_return_are_each_told_once(caplog: pytest.LogCaptureFixture) -> None:
    shelf, receiver = Shelf(records(1, 3)), Receiver([unavailable_after(0)] * 6)
    await delivered(shelf, receiver)

    told = [record.getMessage() for record in caplog.records]
    assert told == ["fake: unavailable: busy; records are kept", "fake: back, 3 records to deliver"]


async def test_an_alarm_stands_from_when_only_an_operator_can_help_until_something_is_taken() -> None:
    said: list[str] = []
    shelf, receiver = Shelf(records(1, 10)), Receiver(refuse=SinkUnavailable("no network"))
    forwarder = Forwarder(shelf, receiver, first_pause_s=0.001, longest_pause_s=0.001, alarm=said.append)
    task = asyncio.create_task(forwarder.run())
    await until(lambda: receiver.sessions > 3)
    assert said == []

    receiver.refuse = SinkUnavailable("wrong password", hold=True)
    await until(lambda: bool(said))
    receiver.file, receiver.refuse = 2, None
    await until(lambda: shelf.cursor == 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert said == ["wrong password", ""]


async def test_an_alarm_that_stands_says_why_nothing_is_delivered_now() -> None:
    said: list[str] = []
    shelf, receiver = Shelf(records(1, 10)), Receiver(refuse=SinkUnavailable("wrong password", hold=True))
    forwarder = Forwarder(shelf, receiver, first_pause_s=0.001, longest_pause_s=0.001, alarm=said.append)
    task = asyncio.create_task(forwarder.run())
    await until(lambda: bool(said))
    sessions = receiver.sessions
    receiver.file, receiver.refuse = 2, SinkUnavailable("busy")
    await until(lambda: receiver.sessions > sessions + 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert said[:2] == ["wrong password", "busy"]


async def test_the_alarm_of_an_earlier_run_ends_with_the_first_success() -> None:
    said: list[str] = []
    shelf = Shelf(records(1, 10))
    task = asyncio.create_task(Forwarder(shelf, Receiver(), alarm=said.append).run())
    await until(lambda: shelf.cursor == 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert said == [""]


async def test_what_waits_is_weighed_even_when_the_receiver_was_never_there() -> None:
    shelf = Shelf([Record(seq, "telemetry", "hall/meter", seq, b"x" * 300) for seq in range(1, 101)])
    forwarder = Forwarder(shelf, Receiver(refuse=SinkUnavailable("away")))
    task = asyncio.create_task(forwarder.run())
    await until(lambda: bool(forwarder.status()["errors"]))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert forwarder.status()["pending_bytes"] == 30_000


async def test_pauses_grow_to_a_bound_and_obey_the_receiver() -> None:
    forwarder = Forwarder(Shelf([]), Receiver(), first_pause_s=1, longest_pause_s=8)
    bounds = []
    for _ in range(30):
        forwarder._failed(SinkUnavailable("busy"))
        bounds.append(forwarder._pause_s(SinkUnavailable("busy")))

    for pause, longest in zip(bounds, [1, 2, 4, 8, 8, 8, *[8] * 24], strict=True):
        assert longest / 2 <= pause <= longest
    assert len(set(bounds)) > 20
    assert 60 <= forwarder._pause_s(SinkUnavailable("hold", retry_after_s=60)) <= 66


async def test_a_new_credential_ends_the_longest_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.delivery.forward._LOOK_S", 0.01)
    shelf, receiver = Shelf(records(1, 3)), Receiver(refuse=SinkUnavailable("wrong password", retry_after_s=3600))
    task = asyncio.create_task(Forwarder(shelf, receiver).run())
    await until(lambda: receiver.sessions == 1)
    await asyncio.sleep(0.05)
    assert receiver.sessions == 1
    receiver.file, receiver.refuse = 2, None
    await until(lambda: shelf.cursor == 3)
    task.cancel()

    assert receiver.sessions == 2


async def test_pauses_begin_anew_after_a_success() -> None:
    forwarder = Forwarder(Shelf(records(1, 1)), Receiver(), first_pause_s=1, longest_pause_s=60)
    for _ in range(10):
        forwarder._failed(SinkUnavailable("busy"))
    await forwarder._deliver(Receiver(), records(1, 1))
    forwarder._failed(SinkUnavailable("busy"))

    assert forwarder._pause_s(SinkUnavailable("busy")) <= 1


async def test_a_bug_in_a_sink_is_not_mistaken_for_an_outage() -> None:
    def broken(_receiver: Receiver, _batch: Sequence[Record]) -> None:
        raise KeyError("bug")

    with pytest.RaisesGroup(KeyError):
        async with asyncio.timeout(5):
            await Forwarder(Shelf(records(1, 2)), Receiver([broken])).run()


async def test_cancelling_keeps_what_was_acknowledged() -> None:
    shelf, receiver = Shelf(records(1, 10)), Receiver()
    stuck = asyncio.Event()

    async def send(batch: Sequence[Record]) -> None:
        receiver.take(batch[:6])
        stuck.set()
        await asyncio.Event().wait()

    receiver.send = send  # type: ignore[method-assign]
    task = asyncio.create_task(Forwarder(shelf, receiver).run())
    await stuck.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert shelf.cursor == 6
