"""From a configuration to what delivers: and to the alarm of a receiver that waits for an operator."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from agent.alarms.alarm import Alarm
from agent.alarms.desk import AlarmDesk
from agent.board import Board
from agent.delivery.build import end_alarms_of_others, forwarders
from agent.store import Store
from tests.agent.frames import configured

CONFIG = """[site]
name = "works"

[[line]]
name = "hall"
url = "tcp://127.0.0.1:1"

[[device]]
name = "fan-1"
area = "hall"
line = "hall"
unit = 1
profile = "generic/vfd-motor"
rated_power = "30 kW"

[mqtt]
url = "mqtt://127.0.0.1:1"
username = "works"
password_file = "nowhere"

[influx]
url = "http://127.0.0.1:1"
"""


@dataclass
class Desk:
    said: list[Alarm] = field(default_factory=list)

    def restate(self, alarm: Alarm) -> None:
        self.said.append(alarm)


async def test_a_sink_that_waits_for_an_operator_raises_its_alarm_and_one_that_waits_for_a_network_does_not(
    tmp_path: Path,
) -> None:
    desk, store = Desk(), Store(tmp_path / "store.db", max_size=1 << 20, commit_every_s=0.05, sinks=("mqtt", "influx"))
    await store.open()
    store.append("telemetry", "hall/fan-1", 1, {"site": "works", "values": {"x": 1.0}})
    found = forwarders(configured(tmp_path, CONFIG), store, Board(), cast("AlarmDesk", desk))
    tasks = [asyncio.create_task(forwarder.run()) for forwarder in found]
    async with asyncio.timeout(10):
        while not all(forwarder.status()["errors"] for forwarder in found):  # noqa: ASYNC110  # there is no event for it
            await asyncio.sleep(0.01)
    for task in tasks:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await store.close()

    assert [forwarder.sink.name for forwarder in found] == ["mqtt", "influx"]
    assert [(alarm.key, alarm.name, alarm.active) for alarm in desk.said] == [("agent", "delivery_mqtt", True)]
    assert "password_file nowhere cannot be read" in desk.said[0].text


def test_the_alarm_of_a_sink_that_is_no_more_configured_ends(tmp_path: Path) -> None:
    desk, store = Desk(), Store(tmp_path / "store.db", max_size=1 << 20, commit_every_s=1, sinks=("mqtt",))
    alone = configured(tmp_path, CONFIG.partition("[influx]")[0])

    end_alarms_of_others(forwarders(alone, store, Board(), cast("AlarmDesk", desk)), cast("AlarmDesk", desk))

    assert [(alarm.name, alarm.active) for alarm in desk.said] == [("delivery_influx", False)]
