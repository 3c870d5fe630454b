"""The agent's figures in Prometheus text form."""

from collections.abc import Iterable, Iterator
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

_LINE_COUNTERS = {
    "requests": "Requests sent",
    "replies": "Replies accepted",
    "exceptions": "Modbus exceptions received",
    "timeouts": "Requests without reply",
    "bad_replies": "Replies refused because they do not fit their request",
    "reconnects": "Connections opened anew",
}
_DEVICE_COUNTERS = {
    "polls": "Polls made",
    "failures": "Polls without any accepted reply",
    "skipped": "Polls left out because the line was busy",
}
_SINK_COUNTERS = {
    "acknowledged": "Records the receiver has acknowledged",
    "errors": "Attempts that failed",
    "rejected": "Records the receiver refused for good",
}


class _Snapshot(Collector):
    def __init__(self, state: dict[str, Any]) -> None:
        self._state = state

    def collect(self) -> Iterator[Metric]:
        state = self._state
        yield _gauge("energy_agent_uptime_seconds", "Time since the agent started", [((), state["uptime_s"])])
        process = state["process"]
        yield _gauge("energy_agent_resident_bytes", "Resident memory", [((), process["resident_bytes"])])
        yield _counter("energy_agent_cpu_seconds", "Processor time used", (), [((), process["cpu_s"])])
        yield _counter(
            "energy_agent_records", "Records written", ("kind",), [((k,), v) for k, v in state["records"].items()]
        )
        yield from _family("line", state["lines"], _LINE_COUNTERS)
        yield from _family("device", state["devices"], _DEVICE_COUNTERS)
        yield from _family("sink", state["sinks"], _SINK_COUNTERS)
        yield _gauge(
            "energy_agent_line_up",
            "Whether the line is connected",
            [((line["line"],), float(line["up"])) for line in state["lines"]],
            ("line",),
        )
        yield _gauge(
            "energy_agent_line_utilisation_ratio",
            "Share of time the line was busy",
            [((line["line"],), line["utilisation"]) for line in state["lines"]],
            ("line",),
        )
        yield _gauge(
            "energy_agent_device_up",
            "Whether the device answers",
            [((entry["device"],), float(entry["state"] in {"online", "degraded"})) for entry in state["devices"]],
            ("device",),
        )
        yield _gauge(
            "energy_agent_sink_connected",
            "Whether the receiver can be reached",
            [((entry["sink"],), float(entry["connected"])) for entry in state["sinks"]],
            ("sink",),
        )
        yield _gauge(
            "energy_agent_sink_pending_records",
            "Records not yet acknowledged",
            [((entry["sink"],), entry["pending"]) for entry in state["sinks"]],
            ("sink",),
        )
        yield _gauge("energy_agent_store_bytes", "Size of the store", [((), state["store"]["bytes"])])
        yield _counter(
            "energy_agent_account",
            "What each account has booked since the start, in its own unit",
            ("account", "unit"),
            [((entry["account"], entry["unit"]), entry["amount"]) for entry in state["accounts"]],
        )


Samples = Iterable[tuple[tuple[str, ...], float]]


def _gauge(name: str, text: str, samples: Samples, labels: tuple[str, ...] = ()) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=labels)
    for values, value in samples:
        family.add_metric(values, value)
    return family


def _counter(name: str, text: str, labels: tuple[str, ...], samples: Samples) -> CounterMetricFamily:
    family = CounterMetricFamily(name, text, labels=labels)
    for values, value in samples:
        family.add_metric(values, value)
    return family


def _family(label: str, entries: list[dict[str, Any]], counters: dict[str, str]) -> Iterator[Metric]:
    for key, text in counters.items():
        yield _counter(
            f"energy_agent_{label}_{key}", text, (label,), [((entry[label],), entry[key]) for entry in entries]
        )


def exposition(state: dict[str, Any]) -> bytes:
    """Return a snapshot of the agent in Prometheus text form."""
    registry = CollectorRegistry()
    registry.register(_Snapshot(state))
    return generate_latest(registry)
