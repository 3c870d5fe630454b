"""Sinks of MQTT for a test, and how a connection of one is refused."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import orjson
import pytest

from agent.board import Board
from agent.record import Record
from agent.sections.mqtt import MqttConfig
from agent.sinks import SinkUnavailable
from agent.sinks.mqtt import MqttSink
from agent.sinks.mqtt.session import MqttSession
from tests.agent.sinks.broker_stub import StubBroker


def record(seq: int, kind: str = "telemetry", key: str = "hall/meter", **body: object) -> Record:
    return Record(seq, kind, key, seq, orjson.dumps({"seq": seq, **body}))


def sink_of(url: str, folder: Path, board: Board | None = None, **settings: str) -> MqttSink:
    config = MqttConfig.from_file({"url": url, **settings})
    return MqttSink(config, site="works", board=board or Board(), folder=folder)


def stub_sink(broker: StubBroker, folder: Path, **settings: str) -> MqttSink:
    return sink_of(f"mqtt://127.0.0.1:{broker.port}", folder, None, **settings)


async def refusal(sink: MqttSink) -> SinkUnavailable:
    """Return how a connection attempt fails."""
    with pytest.raises(SinkUnavailable) as caught:
        async with asyncio.timeout(20), sink.session():
            pass
    return caught.value


@asynccontextmanager
async def watched(session: MqttSession) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(session.watch())
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, SinkUnavailable):
            await task
