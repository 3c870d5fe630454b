"""The state of the running agent as JSON-able figures, part by part."""

import os
import resource
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from agent import __version__
from agent.alarms.desk import AlarmDesk
from agent.books import bodies
from agent.books.columns import AMOUNT
from agent.books.ledger import Ledger
from agent.config import SiteConfig
from agent.polling.doubt import FRESH_CADENCES, reserved
from agent.polling.polled import DeviceState, PolledDevice
from agent.polling.poller import LinePoller
from agent.record import rfc3339
from agent.sections import DeviceSection
from agent.store import Store
from agent.timekeeping import Timekeeper
from agent.timekeeping.waiting import Waiting
from drivers.reading import Quality

_INTERVAL_KEYS = ("start", "end", "revision", "amount", "energy_kwh", "co2_kg", "unverified", "coverage", "estimated",
                  "quality")  # fmt: skip


def run(config: SiteConfig, keeper: Timekeeper, waiting: Waiting, elapsed_s: float) -> dict[str, Any]:
    """Return what runs, since when, by which clock, and what it costs."""
    return {
        "site": config.site.name,
        "version": __version__,
        "started": rfc3339(keeper.started_ns),
        "uptime_s": round(elapsed_s, 3),
        "clock_synchronised": keeper.clocks.synchronised,
        "clock": clock(keeper, waiting),
        "configuration": config.digest,
        "process": process(),
    }


_BALANCE_KEYS = ("metered_amount", "rest_amount", "rest_percent", "disagreement_amount", "missing")


def process() -> dict[str, Any]:
    """Return what the agent costs: processor time [s] and resident memory [bytes]."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    with open("/proc/self/statm", encoding="ascii") as statm:  # noqa: PTH123 -- a kernel file, read as one line
        resident_pages = int(statm.read().split()[1])
    return {
        "pid": os.getpid(),
        "cpu_s": round(usage.ru_utime + usage.ru_stime, 3),
        "resident_bytes": resident_pages * resource.getpagesize(),
    }


def clock(keeper: Timekeeper, waiting: Waiting) -> dict[str, Any]:
    """Return what is known of the time: whether it is, how far the wall clock is off it, how often that was set."""
    return {
        "known": keeper.believed,
        "astray_s": round(keeper.astray_ns / 1e9, 6),
        "steps": keeper.steps,
        "behind_records": keeper.behind,
        "frames_waiting": len(waiting),
        "frames_given_up": waiting.given_up,
    }


def line(poller: LinePoller, elapsed_s: float) -> dict[str, Any]:
    """Return how a line is doing; `utilisation` is the share of the time since the start it was busy.

    `planned_utilisation` is what `check` would say of it now, with what was learned of its devices.
    """
    late = poller.lateness
    return {
        "line": poller.line.name,
        "url": poller.line.endpoint.url,
        "up": not poller.down_reason,
        "reason": poller.reason,
        "planned_utilisation": round(poller.planned_load, 4),
        "skipped_share": round(poller.overload.share, 4),
        "utilisation": round(poller.line.stats.busy_ns / 1e9 / elapsed_s, 4),
        "lateness_mean_ms": round(late.total_s / late.count * 1000, 3) if late.count else 0.0,
        "lateness_p99_ms": late.quantile_ms(0.99),
        "lateness_max_ms": round(late.maximum_s * 1000, 3),
        "lateness_sum_s": round(late.total_s, 6),
        "lateness_buckets_ms": late.buckets,
        **asdict(poller.line.stats),
    }


def device(section: DeviceSection, polled: PolledDevice) -> dict[str, Any]:
    """Return a device's state and its latest values."""
    state: dict[str, Any] = {
        "device": polled.name,
        "area": section.area,
        "line": section.line,
        "unit": polled.unit,
        "profile": section.profile,
        "kind": polled.profile.kind,
        "state": str(polled.state),
        "since": rfc3339(polled.since_ns) if polled.since_ns else None,
        "reason": polled.reason,
        "polls": polled.polls,
        "failures": polled.failures,
        "skipped": polled.skipped,
        "pause_ms": round(polled.pacing.pause_s * 1000),
        "missing": polled.learned.missing(polled.profile),
    }
    if polled.frames and polled.state is not DeviceState.OFFLINE:
        state |= _values(polled)
    return state


def _values(polled: PolledDevice) -> dict[str, Any]:
    """Return the latest of all values, whatever cadence they are read at, and the time of the newest."""
    keys = bodies.TelemetryKeys(polled.profile)
    found: dict[str, Any] = {"values": {}, "quality": {}}
    for index, frame in sorted(polled.frames.items(), key=lambda item: item[1].time_ns):
        fresh_ns = FRESH_CADENCES * polled.cadences[index].every_s * 1e9
        if time.monotonic_ns() - frame.monotonic_ns > fresh_ns:
            frame = reserved(frame, Quality.STALE)  # noqa: PLW2901 -- the same frame, as it is by now
        latest = bodies.telemetry("", "", frame, keys)
        found["time"] = latest["time"]
        for part in ("values", "quality"):
            found[part] |= latest.get(part, {})
    return found


def accounts(ledger: Ledger, latest: Mapping[str, bodies.Body]) -> list[dict[str, Any]]:
    """Return what each account and output has booked since the start, its last reading and its last interval."""
    found = []
    for name, book in ledger.books.items():
        entry: dict[str, Any] = {
            "account": name,
            "device": book.account.device,
            "carrier": book.account.carrier,
            "amount": float(book.columns.present[AMOUNT]),
            "unit": book.account.unit,
            "refused": book.source.refused,
        }
        if book.last is not None:
            entry |= {"time": rfc3339(book.last.time_ns), "reading": book.last.value}
        if interval := latest.get(name):
            entry["interval"] = {key: interval[key] for key in _INTERVAL_KEYS if key in interval}
        found.append(entry)
    return found


def worked_out(latest: Mapping[str, bodies.Body]) -> list[dict[str, Any]]:
    """Return the last interval of each virtual account and balance since the start."""
    keys = (*_INTERVAL_KEYS, *_BALANCE_KEYS)
    return [
        {"account": name, "unit": body["unit"], "interval": {key: body[key] for key in keys if key in body}}
        for name, body in latest.items()
    ]


def store(opened: Store) -> dict[str, Any]:
    """Return the store's own figures."""
    return asdict(opened.status())


def alarms(desk: AlarmDesk) -> list[dict[str, Any]]:
    """Return the active alarms, longest first."""
    return [
        {
            "key": alarm.key,
            "name": alarm.name,
            "severity": str(alarm.severity),
            "since": rfc3339(alarm.since_ns),
            "text": alarm.text,
            "text_zh": alarm.text_zh,
        }
        for alarm in desk.active()
    ]


def health(state: dict[str, Any]) -> dict[str, Any]:
    """Return what the agent publishes of itself once a minute: its figures, without the devices' values."""
    line_keys = ("line", "up", "utilisation", "requests", "replies", "exceptions", "timeouts", "bad_replies",
                 "reconnects", "lateness_p99_ms")  # fmt: skip
    device_keys = ("device", "area", "state", "polls", "failures", "skipped")
    sink_keys = ("sink", "connected", "acknowledged", "errors", "rejected", "pending")
    store_keys = ("bytes", "committed_seq", "records", "dropped", "degraded")
    capture_keys = ("mode", "files", "bytes", "exchanges", "dropped", "trouble")
    return {
        "uptime_s": state["uptime_s"],
        "process": state["process"],
        "lines": [{key: entry[key] for key in line_keys} for entry in state["lines"]],
        "devices": [{key: entry[key] for key in device_keys} for entry in state["devices"]],
        "sinks": [{key: entry[key] for key in sink_keys} for entry in state["sinks"]],
        "store": {key: state["store"][key] for key in store_keys},
        "capture": {key: state["capture"][key] for key in capture_keys},
        "records": state["records"],
    }
