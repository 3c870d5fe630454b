"""That an alarm reaches a real broker ahead of everything that waits."""

import asyncio
import contextlib
import time
from pathlib import Path

import orjson
import pytest

from agent.alarms.alarm import Severity
from agent.alarms.desk import AlarmDesk
from agent.board import Board
from agent.delivery.forward import Forwarder
from agent.figure import Figure
from agent.scribe import Scribe
from agent.sections.mqtt import MqttConfig
from agent.sinks.mqtt import MqttSink
from agent.store import Store
from agent.timekeeping import Clocks, Timekeeper
from agent.warning.desk import Warnings
from tests.agent.frames import DEVICES, SITE, configured
from tests.servers import running_mosquitto

BACKLOG = 4000
ALARM = """
[[alarm]]
name = "overload"
device = "fan-1"
figure = "motor_load_rate"
above = 110
for = "0s"
severity = "critical"
"""
TOPIC = "energy/works/boiler-house/fan-1/alarm/overload"


@pytest.mark.integration
async def test_an_alarm_passes_a_backlog_on_its_way_to_the_broker_and_is_acknowledged(tmp_path: Path) -> None:
    config = configured(tmp_path, SITE + DEVICES + ALARM)
    board = Board()
    store = Store(tmp_path / "store.db", max_size=64 << 20, commit_every_s=60, sinks=["mqtt"], site="works")
    keeper = Timekeeper(lambda: Clocks(time.time_ns(), time.monotonic_ns(), time.monotonic_ns(), synchronised=True))
    keeper.look()
    scribe = Scribe(store, site="works", keeper=keeper)
    warnings = Warnings(scribe, AlarmDesk(scribe, board))
    warnings.configure(config)
    await store.open()
    try:
        then_ns = time.time_ns() - 7200 * 10**9
        for number in range(BACKLOG):
            store.append("telemetry", "boiler-house/fan-1", then_ns + number, {"values": {"x": number}})
        await store.flush()
        now_ns = time.time_ns()
        figure = Figure("motor_load_rate", "boiler-house/fan-1", "15min", now_ns, "%", 118.0)
        warnings.figures([figure], time.monotonic_ns(), now_ns)
        await store.flush()
        with running_mosquitto(tmp_path) as broker:
            sink = MqttSink(MqttConfig(url=broker.url), site="works", board=board, folder=tmp_path)
            async with broker.subscriber("energy/works/#") as subscriber:
                task = asyncio.create_task(Forwarder(store, sink).run())
                messages = await subscriber.until(lambda messages: len(messages) >= BACKLOG + 2)
                async with asyncio.timeout(10):
                    while store.unsettled("mqtt"):  # noqa: ASYNC110  # the store signals nothing of it
                        await asyncio.sleep(0.05)
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        places = [index for index, message in enumerate(messages) if message.topic == TOPIC]
        assert len(places) == 2, "retained, and once as a record"
        assert places == [0, 1], "nothing of the backlog goes before it"
        told = orjson.loads(messages[places[1]].payload)
        assert (told["severity"], told["value"], told["limit"]) == (str(Severity.CRITICAL), 118.0, 110.0)
        assert store.unsettled("mqtt") == 0
    finally:
        await store.close()
