"""How fast a backlog reaches a broker, and what a device's day weighs on the link."""

import asyncio
import gzip
import tempfile
import time
from pathlib import Path

import aiomqtt
import uvloop
import zstandard

from agent.board import Board
from agent.delivery.forward import Forwarder
from agent.sections.mqtt import MqttConfig
from agent.sinks.mqtt import MqttSink
from agent.store import Store
from tests.bench.row import Row
from tests.servers import running_mosquitto

_RECORDS = 20_000
_WINDOW = 20
_DAY_S, _EVERY_S = 86_400, 10
_NOW_NS = 1_790_000_000_000_000_000
_KEYS = [f"quantity_{number}_kw" for number in range(20)]
_MQTT_OVERHEAD = 9 + 20 + 40
"""Headers and properties of a message, and headers of TCP and IP where each goes in a packet of its own [bytes]."""


def _body(number: int) -> dict[str, object]:
    return {
        "schema": "energy-agent/telemetry/1",
        "site": "bench",
        "area": "hall",
        "device": "meter-1",
        "time": "2026-09-21T13:33:20.000000Z",
        "values": {key: round((number % 977 + at) * 1.37, 3) for at, key in enumerate(_KEYS)},
    }


async def _drained(port: int, folder: Path) -> tuple[float, float]:
    """Return how many records of a backlog are acknowledged each second, and each second of processor time."""
    store = Store(folder / "store.db", max_size=1 << 30, commit_every_s=1.0, sinks=["mqtt"], site="bench")
    await store.open()
    try:
        for number in range(_RECORDS):
            store.append("telemetry", "hall/meter-1", _NOW_NS + number, _body(number))
        await store.flush()
        sink = MqttSink(MqttConfig(url=f"mqtt://127.0.0.1:{port}"), site="bench", board=Board(), folder=folder)
        forwarder = Forwarder(store, sink)
        began, cpu = time.perf_counter(), time.process_time()
        task = asyncio.create_task(forwarder.run())
        while forwarder.status()["acknowledged"] != _RECORDS and time.perf_counter() - began < 60:  # noqa: ASYNC110 -- it tells nobody
            await asyncio.sleep(0.005)
        took_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert forwarder.status()["acknowledged"] == _RECORDS, forwarder.status()
    finally:
        await store.close()
    return _RECORDS / took_s, _RECORDS / cpu_s


async def _bare(port: int, payload: bytes) -> tuple[float, float]:
    """Return the same of aiomqtt alone, with messages of this size and a window of its own."""
    async with aiomqtt.Client("127.0.0.1", port, max_inflight_messages=_WINDOW) as client:
        client.pending_calls_threshold = _RECORDS
        room = asyncio.Semaphore(_WINDOW)

        async def publish() -> None:
            async with room:
                await client.publish("bench/hall/meter-1/telemetry", payload, qos=1)

        began, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*(publish() for _ in range(_RECORDS // 2)))
        return _RECORDS // 2 / (time.perf_counter() - began), _RECORDS // 2 / (time.process_time() - cpu)


def rows() -> list[Row]:
    """Return every figure of this module."""
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        payload = uvloop.run(_payload(folder))
        with running_mosquitto(folder, settings="max_queued_messages 0") as broker:
            drained = uvloop.run(_drained(broker.port, folder))
            bare = uvloop.run(_bare(broker.port, payload))
    beside = "bare aiomqtt"
    return [
        Row("drained_to_mosquitto_per_s", drained[0], "1/s", bare[0], beside, target=8_000.0),
        Row("drained_to_mosquitto_per_cpu_s", drained[1], "1/s", bare[1], beside),
        *_weights(payload),
    ]


async def _payload(folder: Path) -> bytes:
    store = Store(folder / "one.db", max_size=1 << 30, commit_every_s=1.0, sinks=[], site="bench")
    await store.open()
    try:
        return store.append("telemetry", "hall/meter-1", _NOW_NS, _body(1)).payload
    finally:
        await store.close()


def _weights(payload: bytes) -> list[Row]:
    """Return what a device's day weighs on the link, as sent and in what a compact encoding would make of it [MB]."""
    messages = _DAY_S // _EVERY_S
    bodies = [str(_body(number)).encode() for number in range(100)]
    topic = len("energy/bench/hall/meter-1/telemetry")
    packed = 8 + 4 + 20 * 4 + 6
    each = {
        "json": len(payload) + topic,
        "json_zstd_batches_of_100": len(zstandard.compress(b"".join(bodies))) / 100 * len(payload) / len(bodies[1]),
        "json_gzip_batches_of_100": len(gzip.compress(b"".join(bodies), 6)) / 100 * len(payload) / len(bodies[1]),
        "float32_and_a_time": packed + topic,
    }
    return [Row(f"device_day_{name}_mb", (size + _MQTT_OVERHEAD) * messages / 1e6, "MB") for name, size in each.items()]
