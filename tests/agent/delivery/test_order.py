"""Whatever happens to store and connection, a receiver gets each value, and those of a device in their order."""

import asyncio
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.delivery import ahead as before_commits
from agent.delivery import forward, suspicion
from agent.delivery.forward import Forwarder
from agent.delivery.pace import Pace
from agent.record import ALARM, TELEMETRY, WINDOW, Record
from agent.sinks.mqtt import MqttSink
from agent.sinks.mqtt.connection import Connection
from agent.store import backlog
from tests.agent.delivery.test_forward import until
from tests.agent.delivery.wire import REFUSED, Deck, FarReceiver
from tests.agent.sinks.mqtt_sinks import sink_of
from tests.agent.store.stores import opened
from tests.servers import running_mosquitto

Step = tuple[tuple[Any, ...], int]

DEVICES = ("hall/fan", "hall/meter", "hall/pump")
_LONG = 50
"""Turns of the loop after which nothing happens any more by itself."""
_ROUNDS = 200

STEP = st.one_of(
    st.tuples(st.just("value"), st.just(DEVICES[0])),
    st.tuples(st.just("value"), st.just(DEVICES[0])),
    st.tuples(st.just("value"), st.sampled_from(DEVICES)),
    st.tuples(st.just("value"), st.sampled_from(DEVICES)),
    st.tuples(st.just("other"), st.sampled_from((ALARM, WINDOW))),
    st.tuples(st.just("take")),
    st.tuples(st.just("commit")),
    st.tuples(st.just("fail")),
    st.tuples(st.just("answer"), st.integers(1, 4)),
    st.tuples(st.just("refuse"), st.integers(1, 4)),
    st.tuples(st.just("cut"), st.integers(0, 4), st.booleans()),
    st.tuples(st.just("room"), st.integers(0, 6)),
    st.tuples(st.just("age")),
    st.tuples(st.just("calm")),
)
STEPS = st.lists(st.tuples(STEP, st.sampled_from((0, 0, 1, 5, 10))), max_size=60)
"""What happens, and for how many turns the loop runs behind it."""


@contextmanager
def small() -> Iterator[None]:
    """Make every bound small, so that short stories meet it, and let nothing wait for a clock."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backlog, "_LEAST_PROMISED", 3)
        patch.setattr(before_commits, "_MOST", 4)
        patch.setattr(suspicion, "_CALM_S", 0.0)
        patch.setattr(suspicion, "_CALMER", 0)
        yield


class Story:
    """One sink's deliveries, and what is known of each record."""

    def __init__(self) -> None:
        self.deck = Deck()
        self.receiver = FarReceiver(self.begin, self.put, self.arrived)
        self.forwarder = Forwarder(self.deck, self.receiver, first_pause_s=0, longest_pause_s=0)
        self.forwarder._pace = Pace(1, 2, 4)
        self.forwarder._ahead._pace = Pace(1, 2, 4)
        self.records: list[Record] = []
        self.had: set[int] = set()
        self.answered: set[int] = set()
        """Numbers that were answered on this connection."""
        self.kept_back: set[int] = set()
        """Numbers that wait for a disk which had failed: what comes meanwhile goes from memory."""
        self.from_memory: set[int] = set()
        """Numbers that may go without the file, and once more if a commit takes them as they are acknowledged."""
        self.fresh = True
        """Whether nothing that waits lets newer values pass for its age."""
        self.wrong: list[str] = []

    def begin(self) -> None:
        self.answered.clear()

    def put(self, record: Record) -> None:
        """Look at what is sent: no repeat on one connection, no value before an older one."""
        under_way = {sent.seq for sent, _ in self.receiver.wire}
        if record.seq in (self.answered | under_way) - self.from_memory:
            self.wrong.append(f"{record.seq} went twice")
        if record.kind == TELEMETRY and self.fresh and record.seq not in self.had:
            older = {each.seq for each in self.records if each.key == record.key and each.seq < record.seq}
            if missing := older - self.had - under_way - self.given_up - self.kept_back:
                self.wrong.append(f"{record.seq} overtook {sorted(missing)}")

    @property
    def given_up(self) -> set[int]:
        """Numbers that were refused for good, or set aside for the connections they ended."""
        return self.receiver.given_up | self.deck.dead

    def arrived(self, record: Record) -> None:
        self.had.add(record.seq)

    def value(self, key: str) -> None:
        self.append(TELEMETRY, key)

    def other(self, kind: str) -> None:
        self.append(kind, "hall/other")

    def append(self, kind: str, key: str) -> None:
        self.records.append(record := self.deck.append(kind, key))
        if self.deck.degraded:
            self.from_memory.add(record.seq)

    def goes_ahead(self, key: str) -> bool:
        """Whether a value is sent before its commit begins."""
        self.value(key)
        sent = bool(self.receiver.wire)
        self.answer(1)
        return sent

    def take(self) -> None:
        self.deck.take()

    def commit(self) -> None:
        self.deck.commit()

    def fail(self) -> None:
        if self.deck.committing:
            self.kept_back |= {record.seq for record in self.records} - self.had
        self.deck.fail()

    def answer(self, count: int) -> None:
        self.answered |= {record.seq for record, _ in list(self.receiver.wire)[:count]}
        self.receiver.answer(count)

    def refuse(self, count: int) -> None:
        self.receiver.answer(count, REFUSED)

    def cut(self, arrive: int, unsaid: bool) -> None:  # noqa: FBT001  # drawn
        self.receiver.cut(arrive, unsaid=unsaid)

    def room(self, count: int) -> None:
        self.receiver.room = count

    def age(self) -> None:
        self.deck.now += 10**10
        self.fresh = False

    async def turns(self, count: int) -> None:
        for _ in range(count):
            await asyncio.sleep(0)

    async def calm(self) -> None:
        """Let everything go well until all is delivered."""
        self.receiver.room = 100
        for _ in range(_ROUNDS):
            self.deck.take()
            self.deck.commit()
            self.answer(100)
            await self.turns(_LONG)
            if not self.forwarder.pending and not self.receiver.wire:
                break
        else:
            pytest.fail("not everything is delivered")
        self.deck.take()
        self.deck.commit()  # which promises numbers
        await self.turns(_LONG)
        self.fresh = True


async def told(steps: list[Step]) -> None:
    """Tell a story and check its end: all is delivered, and new values go ahead of their commit."""
    story = Story()
    task = asyncio.create_task(story.forwarder.run())
    try:
        await story.calm()
        for (name, *how), count in steps:
            if asyncio.iscoroutine(done := getattr(story, name)(*how)):
                await done
            await story.turns(count)
        await story.calm()
        assert story.had | story.deck.dead == {record.seq for record in story.records}
        ahead = [key for key in DEVICES if story.goes_ahead(key)]
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    assert story.wrong == []
    assert ahead == [*DEVICES]


@given(steps=STEPS)
@settings(max_examples=500, deadline=None)
def test_every_value_arrives_and_none_before_an_older_one_of_its_device(steps: list[Step]) -> None:
    with small():
        asyncio.run(told(steps))


def cut(connection: Connection) -> None:
    """End a connection as a broker does that closes it."""
    connected: Any = connection._client.socket()
    connected.shutdown(socket.SHUT_RDWR)


@pytest.mark.integration
async def test_a_subscriber_gets_the_values_of_each_device_in_their_order_however_often_the_agent_is_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Connection] = []

    def make(sink: MqttSink, connect: Callable[[MqttSink], Connection] = MqttSink._connection) -> Connection:
        made.append(connect(sink))
        return made[-1]

    monkeypatch.setattr(MqttSink, "_connection", make)
    monkeypatch.setattr(forward, "_FRESH_S", 60.0)
    with running_mosquitto(tmp_path, settings="max_queued_messages 0") as broker:
        async with (
            opened(tmp_path / "store.db", commit_every_s=0.2) as store,
            broker.subscriber("energy/works/+/+/telemetry") as subscriber,
        ):
            forwarder = Forwarder(store, sink_of(broker.url, tmp_path), first_pause_s=0.05, longest_pause_s=0.05)
            task = asyncio.create_task(forwarder.run())
            for number in range(1, 241):
                for device in DEVICES:
                    store.append(TELEMETRY, device, time.time_ns(), {})
                await asyncio.sleep(0.005)
                if number % 60 == 0:
                    await until(lambda: forwarder.connected)
                    cut(made[-1])
            await until(lambda: not forwarder.pending)
            await subscriber.until_quiet()
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    assert len(made) == 5
    came = [(message.topic, orjson.loads(message.payload)["seq"]) for message in subscriber.messages]
    assert {number for _, number in came} == {*range(1, 721)}
    for device in DEVICES:
        first = [*dict.fromkeys(number for topic, number in came if topic == f"energy/works/{device}/telemetry")]
        assert first == sorted(first)
