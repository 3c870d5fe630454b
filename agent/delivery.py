"""From a configuration to what delivers its records."""

from agent.board import Board
from agent.config import SiteConfig
from agent.forward import Forwarder
from agent.sinks.influx import InfluxSink
from agent.sinks.mqtt import MqttSink
from agent.store import Store


def forwarders(config: SiteConfig, store: Store, board: Board) -> list[Forwarder]:
    """Return what delivers to each sink of a configuration."""
    folder = config.path.parent
    sinks: list[MqttSink | InfluxSink] = []
    if config.mqtt:
        sinks.append(MqttSink(config.mqtt, site=config.site.name, board=board, folder=folder))
    if config.influx:
        sinks.append(InfluxSink(config.influx, folder=folder))
    return [Forwarder(store, sink) for sink in sinks]
