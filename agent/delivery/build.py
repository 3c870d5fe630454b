"""From a configuration to what delivers its records."""

import asyncio
import time
from collections.abc import Sequence
from functools import partial

from agent.alarms.alarm import Alarm, Severity
from agent.alarms.desk import AlarmDesk
from agent.board import Board
from agent.config import SINKS, SiteConfig
from agent.delivery.forward import Forwarder
from agent.record import AGENT
from agent.sinks import Sink
from agent.sinks.influx import InfluxSink
from agent.sinks.mqtt import MqttSink
from agent.store import Store


def forwarders(config: SiteConfig, store: Store, board: Board, alarms: AlarmDesk) -> list[Forwarder]:
    """Return what delivers to each sink of a configuration."""
    folder = config.path.parent
    sinks: list[Sink] = []
    if config.mqtt:
        sinks.append(MqttSink(config.mqtt, site=config.site.name, board=board, folder=folder))
    if config.influx:
        sinks.append(InfluxSink(config.influx, folder=folder))
    return [Forwarder(store, sink, alarm=partial(_tell, alarms, sink.name)) for sink in sinks]


def end_alarms_of_others(present: Sequence[Forwarder], alarms: AlarmDesk) -> None:
    """End the alarms of sinks that an earlier run had and this one has not: nobody else would."""
    for name in {*SINKS} - {forwarder.sink.name for forwarder in present}:
        _tell(alarms, name, "")


async def delivered(senders: Sequence[Forwarder], patience_s: float) -> None:
    """Wait until those that are connected have delivered everything, but no longer than `patience_s`."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline and any(each.pending for each in senders if each.connected):  # noqa: ASYNC110  # seconds at most, on the way out
        await asyncio.sleep(0.05)


def _tell(alarms: AlarmDesk, sink: str, reason: str) -> None:
    """Raise or end the alarm of a sink that waits for an operator."""
    alarms.restate(
        Alarm(
            AGENT,
            f"delivery_{sink}",
            bool(reason),
            Severity.WARNING,
            time.time_ns(),
            f"nothing is delivered, records are kept: {reason}" if reason else f"records are delivered to {sink} again",
            f"{sink} 停止投递，数据保留在本地（{reason}）" if reason else f"{sink} 已恢复投递",  # noqa: RUF001 -- Chinese punctuation
        )
    )
