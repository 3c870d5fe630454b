"""The receivers that one suite is run against: each can be started, crashed, and asked what it has."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import pytest

from agent.board import Board
from agent.record import Record
from agent.sections.influx import InfluxConfig
from agent.sections.mqtt import MqttConfig
from agent.sinks import Session, Sink, SinkUnavailable
from agent.sinks.influx import InfluxSink
from agent.sinks.mqtt import MqttSink
from tests.servers import Subscriber, mosquitto, victoria_metrics

Values = dict[int, list[float]]
"""Each value received for a record, by `seq`: two for one that came twice."""


class Receiver(ABC):
    """A receiver with its sink."""

    sink: Sink
    ordered = True
    """Whether it tells in which order and how often records came."""

    def precisely(self, expected: dict[int, float]) -> object:
        """Return what `expected` must be equal to after this receiver has kept it."""
        return expected

    @abstractmethod
    async def start(self) -> None: ...

    @abstractmethod
    async def crash(self) -> None: ...

    @abstractmethod
    async def received(self) -> Values: ...


class MemoryReceiver(Receiver):
    """A sink without any network: the shortest one that keeps the contract."""

    name = "memory"

    def __init__(self) -> None:
        self.sink = self
        self.accepted_through = 0
        self._up = False
        self._values: Values = {}

    async def start(self) -> None:
        self._up = True

    async def crash(self) -> None:
        self._up = False

    async def received(self) -> Values:
        return self._values

    def wants(self, record: Record) -> bool:
        return record.kind == "telemetry"

    def credentials(self) -> object:
        return None

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        self._check()
        yield self

    async def send(self, records: Sequence[Record]) -> None:
        for record in records:
            self._check()
            value = orjson.loads(record.payload)["values"]["x"]
            self._values.setdefault(record.seq, []).append(value)
            self.accepted_through = record.seq
            await asyncio.sleep(0)

    async def watch(self) -> None:
        while True:
            self._check()
            await asyncio.sleep(0)

    def _check(self) -> None:
        if not self._up:
            raise SinkUnavailable("down")


class MqttReceiver(Receiver):
    """A Mosquitto, and a subscriber in a process of its own."""

    def __init__(self, folder: Path) -> None:
        # Unlimited, so that the broker has written to the subscriber before it acknowledges to us; the subscriber
        # in turn acknowledges nothing, because one that finds it cannot drops what it has not read.
        self._broker = mosquitto(folder, settings="max_inflight_messages 0\nmax_queued_messages 0")
        self.sink = MqttSink(MqttConfig(url=self._broker.url), site="works", board=Board(), folder=folder)
        self._subscribers: list[Subscriber] = []

    async def start(self) -> None:
        self._broker.server.start()
        subscriber = self._broker.subscriber("energy/works/hall/meter/telemetry", qos=0)
        self._subscribers.append(await subscriber.__aenter__())

    async def crash(self) -> None:
        self._broker.server.kill()
        await self._subscribers[-1].until_quiet()
        await self._subscribers[-1].__aexit__()

    async def received(self) -> Values:
        values: Values = {}
        for subscriber in self._subscribers:
            for message in subscriber.messages:
                body = orjson.loads(message.payload)
                values.setdefault(body["seq"], []).append(body["values"]["x"])
        return values


class InfluxReceiver(Receiver):
    """A VictoriaMetrics behind the InfluxDB v2 API."""

    ordered = False

    def __init__(self, folder: Path) -> None:
        self._database = victoria_metrics(folder)
        self.sink = InfluxSink(InfluxConfig(url=self._database.url, org="works"), folder=folder)

    def precisely(self, expected: dict[int, float]) -> object:
        return pytest.approx(expected, rel=1e-11)  # it keeps twelve decimal digits

    async def start(self) -> None:
        self._database.server.start()

    async def crash(self) -> None:
        # It acknowledges what it holds in memory for a second: killed, it would lose that by its own doing.
        self._database.server.stop()

    async def received(self) -> Values:
        seqs, xs = (self._database.by_time(f"telemetry_{name}") for name in ("seq", "x"))
        return {int(seq): [xs[when]] for when, seq in seqs.items()}
