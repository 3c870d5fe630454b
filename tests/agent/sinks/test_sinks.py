"""One suite for every sink: what the store holds arrives, whatever happens to the receiver."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

from agent.delivery.forward import Forwarder
from agent.sinks import Session, Sink
from agent.store import Store
from tests.agent.sinks.receivers import InfluxReceiver, MemoryReceiver, MqttReceiver, Receiver

RECEIVERS: dict[str, Callable[[Path], Receiver]] = {
    "memory": lambda _: MemoryReceiver(),
    "mqtt": MqttReceiver,
    "influx": InfluxReceiver,
}


class Gate:
    """Lets a sink connect only while it is open, so that a restarted receiver is ready before records come."""

    def __init__(self, sink: Sink) -> None:
        self.name = sink.name
        self.wants = sink.wants
        self.credentials = sink.credentials
        self.open = asyncio.Event()
        self._sink = sink

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        await self.open.wait()
        async with self._sink.session() as session:
            yield session


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.integration) for name in RECEIVERS])
async def receiver(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Receiver]:
    made = RECEIVERS[request.param](tmp_path)
    yield made
    await made.crash()


@asynccontextmanager
async def forwarding(path: Path, receiver: Receiver) -> AsyncIterator[tuple[Store, Forwarder, Gate]]:
    """Run store and forwarder for the block."""
    store = Store(path / "store.db", max_size=64 << 20, commit_every_s=0.01, sinks=(receiver.sink.name,))
    await store.open()
    gate = Gate(receiver.sink)
    forwarder = Forwarder(store, gate, first_pause_s=0.05, longest_pause_s=0.2)
    task = asyncio.create_task(forwarder.run())
    try:
        yield store, forwarder, gate
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await store.close()


def append(store: Store, count: int) -> dict[int, float]:
    """Append telemetry a millisecond apart; return the value of each `seq`."""
    start = time.time_ns() // 10**9 * 10**9
    expected = {}
    for _ in range(count):
        value = (store.last_seq + 1) / 7
        body = {"site": "works", "area": "hall", "device": "meter", "values": {"x": value}}
        record = store.append("telemetry", "hall/meter", start + store.last_seq * 10**6, body)
        expected[record.seq] = value
    return expected


async def until(condition: Callable[[], bool | Awaitable[bool]]) -> None:
    async with asyncio.timeout(30):
        while True:
            holds = condition()
            if holds if isinstance(holds, bool) else await holds:
                return
            await asyncio.sleep(0.02)


async def arrived(receiver: Receiver, count: int) -> bool:
    return len(await receiver.received()) >= count


def more_than(forwarder: Forwarder, acknowledged: object) -> bool:
    return forwarder.status()["acknowledged"] != acknowledged


async def test_every_record_arrives_once_in_order_and_to_the_bit(receiver: Receiver, tmp_path: Path) -> None:
    await receiver.start()
    async with forwarding(tmp_path, receiver) as (store, forwarder, gate):
        gate.open.set()
        expected = append(store, 700)
        await until(lambda: forwarder.pending == 0)
        await until(lambda: arrived(receiver, 700))
        found = await receiver.received()

        assert {seq: values[0] for seq, values in found.items()} == receiver.precisely(expected)
        assert forwarder.status()["acknowledged"] == 700
        if receiver.ordered:
            assert list(found) == sorted(expected)
            assert all(len(values) == 1 for values in found.values())


async def test_records_wait_for_a_receiver_that_is_not_there_yet(receiver: Receiver, tmp_path: Path) -> None:
    async with forwarding(tmp_path, receiver) as (store, forwarder, gate):
        gate.open.set()
        expected = append(store, 50)
        await until(lambda: forwarder.status()["errors"] != 0)
        assert not forwarder.connected
        assert store.unsettled(receiver.sink.name) == 50

        gate.open.clear()
        await receiver.start()
        gate.open.set()
        await until(lambda: forwarder.pending == 0)
        await until(lambda: arrived(receiver, 50))

        assert (await receiver.received()).keys() == expected.keys()


async def test_a_crash_of_the_receiver_loses_nothing(receiver: Receiver, tmp_path: Path) -> None:
    await receiver.start()
    async with forwarding(tmp_path, receiver) as (store, forwarder, gate):
        gate.open.set()
        expected: dict[int, float] = {}
        for _ in range(3):
            expected |= append(store, 1500)
            await until(partial(more_than, forwarder, forwarder.status()["acknowledged"]))
            gate.open.clear()
            await receiver.crash()
            expected |= append(store, 100)
            await until(lambda: not forwarder.connected)
            await store.flush()
            acknowledged = store.last_seq - forwarder.pending
            await receiver.start()
            # What counts as delivered has been received, not only been sent.
            await until(partial(arrived, receiver, acknowledged))
            assert set(range(1, acknowledged + 1)) <= (await receiver.received()).keys()
            gate.open.set()
        await until(lambda: forwarder.pending == 0)
        await until(lambda: arrived(receiver, 4800))

        found = await receiver.received()
        assert {seq: values[0] for seq, values in found.items()} == receiver.precisely(expected)
        assert all(len(set(values)) == 1 for values in found.values())


async def test_a_restart_of_the_agent_goes_on_where_it_was(receiver: Receiver, tmp_path: Path) -> None:
    await receiver.start()
    async with forwarding(tmp_path, receiver) as (store, forwarder, gate):
        gate.open.set()
        expected = append(store, 300)
        await until(lambda: forwarder.pending == 0)
        gate.open.clear()
    async with forwarding(tmp_path, receiver) as (store, forwarder, gate):
        expected |= append(store, 300)
        gate.open.set()
        await until(lambda: forwarder.pending == 0)
        await until(lambda: arrived(receiver, 600))

        found = await receiver.received()
        assert found.keys() == expected.keys()
        assert forwarder.status()["acknowledged"] == 300
