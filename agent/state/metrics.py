"""The agent's figures in Prometheus text form.

Names are `energy_agent_`, what it is about, and the unit. What only grows is a counter and ends with `_total`;
it may begin anew with the agent, which Prometheus takes into account.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from agent.state.exposition import Family, Labels, histogram, single, written

_LINE_COUNTERS = {
    "requests": ("requests", "Requests sent"),
    "replies": ("replies", "Replies accepted"),
    "exceptions": ("exceptions", "Modbus exceptions received"),
    "timeouts": ("timeouts", "Requests without reply"),
    "bad_replies": ("bad_replies", "Replies refused because they do not fit their request"),
    "reconnects": ("reconnects", "Connections opened anew"),
    "bytes_sent": ("sent_bytes", "Bytes sent"),
    "bytes_received": ("received_bytes", "Bytes received"),
}
"""By key of the state: name and help of the metric."""
_DEVICE_COUNTERS = {
    "polls": ("polls", "Polls made"),
    "failures": ("failed_polls", "Polls without any accepted reply"),
    "skipped": ("skipped_polls", "Polls left out because the line was busy"),
}
_SINK_COUNTERS = {
    "sent": ("sent_records", "Records sent, repeats included"),
    "acknowledged": ("acknowledged_records", "Records the receiver has acknowledged"),
    "errors": ("errors", "Attempts that failed"),
    "rejected": ("rejected_records", "Records the receiver refused for good"),
}
_ANSWERS = frozenset({"online", "degraded"})
_NS = 1e9

State = Mapping[str, Any]
Samples = Iterable[tuple[Sequence[str], float]]


def _families(state: State) -> Iterator[Family]:
    yield from _agent(state)
    yield from _lines(state["lines"])
    yield from _devices(state["devices"])
    yield from _accounts(state["accounts"], state["intervals_closed"])
    yield from _sinks(state["sinks"], state["store"]["sinks"])
    yield from _store(state["store"])
    yield from _capture(state["capture"])


def _agent(state: State) -> Iterator[Family]:
    process = state["process"]
    what = ("configuration", "site", "version")
    about = [(tuple(state[name] for name in what), 1.0)]
    yield _gauge("info", "What runs, and for which plant", about, *what)
    yield _gauge("uptime_seconds", "Time since the agent started", [((), state["uptime_s"])])
    yield _gauge("resident_memory_bytes", "Resident memory", [((), process["resident_bytes"])])
    yield _counter("cpu_seconds", "Processor time used", [((), process["cpu_s"])])
    yield _gauge("stalled_loops", "Loops that must turn and do not", [((), len(state["stalled"]))])
    yield from _clock(state["clock_synchronised"], state["clock"])
    kinds = [((kind,), count) for kind, count in state["records"].items() if kind not in {"frames", "values"}]
    yield _counter("records", "Records written", kinds, "kind")
    yield _counter("frames", "Polls whose outcome was booked", [((), state["records"]["frames"])])
    yield _counter("values", "Values read", [((), state["records"]["values"])])
    names = [((alarm["key"], alarm["name"], alarm["severity"]), 1) for alarm in state["alarms"]]
    yield _gauge("alarm_active", "Conditions that are so now", names, "key", "alarm", "severity")


def _clock(synchronised: bool | None, clock: State) -> Iterator[Family]:  # noqa: FBT001 -- what the kernel says
    if synchronised is not None:
        yield _gauge("clock_synchronised", "Whether the machine's clock is synchronised", [((), synchronised)])
    yield _gauge("clock_known", "Whether the time is known and records are made", [((), clock["known"])])
    text = "How far the machine's clock is ahead of the times of records"
    yield _gauge("clock_astray_seconds", text, [((), clock["astray_s"])])
    yield _counter("clock_steps", "How often the machine's clock was set", [((), clock["steps"])])
    text = "Whether the time is earlier than what earlier runs have recorded"
    yield _gauge("clock_behind_records", text, [((), clock["behind_records"])])
    yield _gauge("clock_waiting_frames", "Polls that wait for the time to be known", [((), clock["frames_waiting"])])
    text = "Polls that could not be kept until the time was known"
    yield _counter("clock_given_up_frames", text, [((), clock["frames_given_up"])])


def _lines(lines: Sequence[State]) -> Iterator[Family]:
    yield from _counters("line", lines, _LINE_COUNTERS)
    yield _gauge("line_up", "Whether the line is connected", _each("line", lines, "up"), "line")
    text = "Share of the time since the start the line was busy"
    yield _gauge("line_utilisation_ratio", text, _each("line", lines, "utilisation"), "line")
    busy = [((line["line"],), line["busy_ns"] / _NS) for line in lines]
    yield _counter("line_busy_seconds", "Time the line was busy", busy, "line")
    late = [
        ((("line", line["line"]),), _bounds(counts), counts, line["lateness_sum_s"])
        for line in lines
        for counts in [line["lateness_buckets_ms"]]
    ]
    yield histogram("energy_agent_line_poll_lateness_seconds", "How long after they were due polls began", late)


def _bounds(counts: Sequence[int]) -> list[float]:
    """Return the bounds [s] of polls counted by powers of two: below 1 ms, 2 ms, 4 ms ... and all others."""
    return [2**exponent / 1000 for exponent in range(len(counts) - 1)]


def _devices(devices: Sequence[State]) -> Iterator[Family]:
    yield from _counters("device", devices, _DEVICE_COUNTERS)
    answers = [((device["device"],), float(device["state"] in _ANSWERS)) for device in devices]
    yield _gauge("device_up", "Whether the device answers", answers, "device")


def _accounts(accounts: Sequence[State], closed: Mapping[str, int]) -> Iterator[Family]:
    amounts = [((entry["account"], entry["unit"]), entry["amount"]) for entry in accounts]
    yield _counter("account_amount", "What was booked, in the unit of the label", amounts, "account", "unit")
    text = "Readings that could not be booked: no number, or not later than the one before"
    yield _counter("account_refused_readings", text, _each("account", accounts, "refused"), "account")
    yield _counter("account_intervals", "Interval records made", [((k,), v) for k, v in closed.items()], "account")


def _sinks(sinks: Sequence[State], backlogs: Mapping[str, State]) -> Iterator[Family]:
    yield from _counters("sink", sinks, _SINK_COUNTERS)
    yield _gauge("sink_connected", "Whether the receiver can be reached", _each("sink", sinks, "connected"), "sink")
    yield _gauge("sink_pending_records", "Records not yet acknowledged", _each("sink", sinks, "pending"), "sink")
    text = "Size of those records, judged by the mean of the ones seen last"
    yield _gauge("sink_pending_bytes", text, _each("sink", sinks, "pending_bytes"), "sink")
    ages = [((name,), _age_s(backlog["oldest_ns"])) for name, backlog in backlogs.items()]
    text = "Age of the oldest record the receiver has not acknowledged; 0 when it has all"
    yield _gauge("sink_oldest_unacknowledged_seconds", text, ages, "sink")
    letters = [((name,), backlog["dead_letters"]) for name, backlog in backlogs.items()]
    yield _gauge("sink_dead_letters", "Refused records kept aside", letters, "sink")


def _age_s(time_ns: int | None) -> float:
    return 0.0 if time_ns is None else max(0.0, time.time() - time_ns / _NS)


def _store(store: State) -> Iterator[Family]:
    yield _gauge("store_bytes", "Size of the store's file with its log", [((), store["bytes"])])
    kept = [((kind,), count) for kind, count in store["records"].items()]
    yield _gauge("store_records", "Records in the store", kept, "kind")
    dropped = [((kind,), count) for kind, count in store["dropped"].items()]
    yield _counter("store_dropped_records", "Records dropped before they were delivered", dropped, "kind")
    reasons = [((reason,), count) for reason, count in store["dropped_for"].items()]
    yield _counter("store_dropped_records_by_reason", "The same records by reason", reasons, "reason")
    yield _counter("store_commits", "Commits the store has seen", [((), store["commits"])])
    text = "Whether the store cannot be written at the moment"
    yield _gauge("store_degraded", text, [((), float(bool(store["degraded"])))])


def _capture(capture: State) -> Iterator[Family]:
    yield _gauge("capture_files", "Files of raw exchanges on disk", [((), capture["files"])])
    yield _gauge("capture_bytes", "Size of these files", [((), capture["bytes"])])
    yield _gauge("capture_waiting_items", "Exchanges and notes that wait to be written", [((), capture["waiting"])])
    yield _counter("capture_exchanges", "Exchanges captured", [((), capture["exchanges"])])
    yield _counter("capture_dropped", "Exchanges and notes that could not be captured", [((), capture["dropped"])])
    yield _counter("capture_removed_files", "Files removed to keep within the size", [((), capture["removed"])])
    text = "Whether nothing can be captured at the moment"
    yield _gauge("capture_degraded", text, [((), float(bool(capture["trouble"])))])


def _each(label: str, entries: Sequence[State], key: str) -> Samples:
    return [((entry[label],), float(entry[key])) for entry in entries]


def _counters(label: str, entries: Sequence[State], counters: Mapping[str, tuple[str, str]]) -> Iterator[Family]:
    for key, (name, text) in counters.items():
        yield _counter(f"{label}_{name}", text, _each(label, entries, key), label)


def _gauge(name: str, text: str, samples: Samples, *labels: str) -> Family:
    return single("gauge", f"energy_agent_{name}", text, _labelled(labels, samples))


def _counter(name: str, text: str, samples: Samples, *labels: str) -> Family:
    return single("counter", f"energy_agent_{name}_total", text, _labelled(labels, samples))


def _labelled(labels: Sequence[str], samples: Samples) -> Iterator[tuple[Labels, float]]:
    for values, value in samples:
        yield tuple(zip(labels, values, strict=True)), value


def exposition(state: State) -> bytes:
    """Return a snapshot of the agent in Prometheus text form."""
    return written(_families(state))
