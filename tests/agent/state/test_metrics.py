import re
import time
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from agent.service import Agent
from agent.state.metrics import exposition
from tests.agent.frames import DEVICES, SITE, configured

Samples = dict[tuple[str, ...], float]


@pytest.fixture
def state(tmp_path: Path) -> dict[str, Any]:
    """Return the state of an agent with one device online, a broker that lags behind and a store that was full."""
    state = Agent(configured(tmp_path, SITE + DEVICES)).snapshot()
    state["devices"][0] |= {"state": "degraded", "polls": 40, "failures": 2, "skipped": 1}
    state["lines"][0] |= {
        "requests": 80,
        "timeouts": 3,
        "utilisation": 0.25,
        "busy_ns": 2_500_000_000,
        "lateness_buckets_ms": [5, 3, 1, *[0] * 12, 2],
        "lateness_sum_s": 40.5,
    }
    state["records"] |= {"telemetry": 12, "frames": 50}
    state["accounts"][0] |= {"amount": 1.25, "refused": 4}
    state["intervals_closed"]["fan-1/electricity"] = 6
    state["store"] |= {
        "bytes": 4096,
        "dropped": {"telemetry": 9, "window": 3},
        "dropped_for": {"store full": 12},
        "sinks": {
            "mqtt": {"cursor": 1, "oldest_seq": 2, "oldest_ns": time.time_ns() - 90 * 10**9, "dead_letters": 2},
            "influx": {"cursor": 9, "oldest_seq": None, "oldest_ns": None, "dead_letters": 0},
        },
    }
    state["capture"] |= {"files": 3, "bytes": 9000, "exchanges": 70, "dropped": 4, "removed": 2, "trouble": "full"}
    state["sinks"] = [
        {
            "sink": "mqtt",
            "connected": True,
            "acknowledged": 5,
            "errors": 1,
            "rejected": 2,
            "pending": 3,
            "pending_bytes": 900,
            "sent": 8,
        }
    ]
    state["alarms"] = [{"key": "boiler-house/fan-1", "name": "comm_lost", "severity": "warning"}]
    return state


@pytest.fixture
def samples(state: dict[str, Any]) -> Samples:
    """Return what Prometheus would read."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(exposition(state).decode())
        for sample in family.samples
    }


def test_devices_count_their_polls_and_say_whether_they_answer(samples: Samples) -> None:
    assert samples["energy_agent_device_up", "fan-1"] == 1.0
    assert samples["energy_agent_device_up", "boiler-1"] == 0.0
    assert samples["energy_agent_device_polls_total", "fan-1"] == 40.0
    assert samples["energy_agent_device_failed_polls_total", "fan-1"] == 2.0
    assert samples["energy_agent_device_skipped_polls_total", "fan-1"] == 1.0


def test_lines_count_requests_and_time_outs_and_say_how_busy_they_are(samples: Samples) -> None:
    assert samples["energy_agent_line_requests_total", "hall"] == 80.0
    assert samples["energy_agent_line_timeouts_total", "hall"] == 3.0
    assert samples["energy_agent_line_utilisation_ratio", "hall"] == 0.25
    assert samples["energy_agent_line_busy_seconds_total", "hall"] == 2.5
    assert samples["energy_agent_line_up", "hall"] == 1.0


def test_lateness_is_a_histogram_with_cumulative_buckets_in_seconds(samples: Samples) -> None:
    name = "energy_agent_line_poll_lateness_seconds"
    buckets = {float(key[1]): value for key, value in samples.items() if key[0] == f"{name}_bucket"}

    assert [buckets[bound] for bound in (0.001, 0.002, 0.004, 16.384, float("inf"))] == [5, 8, 9, 9, 11]
    assert len(buckets) == 16
    assert samples[f"{name}_count", "hall"] == 11
    assert samples[f"{name}_sum", "hall"] == 40.5


def test_sinks_say_what_they_have_and_what_waits(samples: Samples) -> None:
    assert samples["energy_agent_sink_acknowledged_records_total", "mqtt"] == 5.0
    assert samples["energy_agent_sink_pending_records", "mqtt"] == 3.0
    assert samples["energy_agent_sink_pending_bytes", "mqtt"] == 900.0
    assert samples["energy_agent_sink_errors_total", "mqtt"] == 1.0
    assert samples["energy_agent_store_dropped_records_by_reason_total", "store full"] == 12.0
    assert samples["energy_agent_sink_rejected_records_total", "mqtt"] == 2.0
    assert samples["energy_agent_sink_connected", "mqtt"] == 1.0
    assert samples["energy_agent_sink_dead_letters", "mqtt"] == 2.0


def test_the_age_of_what_waits_longest_is_there_for_each_sink(samples: Samples) -> None:
    assert 90.0 <= samples["energy_agent_sink_oldest_unacknowledged_seconds", "mqtt"] < 1000.0
    assert samples["energy_agent_sink_oldest_unacknowledged_seconds", "influx"] == 0.0


def test_records_accounts_store_and_process_are_there(samples: Samples) -> None:
    assert samples["energy_agent_records_total", "telemetry"] == 12.0
    assert samples[("energy_agent_frames_total",)] == 50.0
    assert ("energy_agent_records_total", "frames") not in samples
    assert samples["energy_agent_account_amount_total", "fan-1/electricity", "kWh"] == 1.25
    assert samples["energy_agent_account_refused_readings_total", "fan-1/electricity"] == 4.0
    assert samples["energy_agent_account_intervals_total", "fan-1/electricity"] == 6.0
    assert samples["energy_agent_store_dropped_records_total", "window"] == 3.0
    assert samples["energy_agent_store_dropped_records_by_reason_total", "store full"] == 12.0
    assert samples[("energy_agent_store_bytes",)] == 4096.0
    assert samples[("energy_agent_resident_memory_bytes",)] > 1e6
    assert samples[("energy_agent_cpu_seconds_total",)] > 0
    assert samples["energy_agent_alarm_active", "comm_lost", "boiler-house/fan-1", "warning"] == 1.0


def test_the_capture_tells_its_size_and_what_it_lacks(samples: Samples) -> None:
    names = ("files", "bytes", "exchanges_total", "dropped_total", "removed_files_total", "degraded")
    assert [samples[(f"energy_agent_capture_{name}",)] for name in names] == [3, 9000, 70, 4, 2, 1]


def test_names_and_types_keep_the_conventions(state: dict[str, Any]) -> None:
    text = exposition(state).decode()
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))

    for name, kind in kinds.items():
        assert re.fullmatch(r"energy_agent_[a-z_]+[a-z]", name)
        assert (kind == "counter") == name.endswith("_total"), name
        assert not re.search(r"_(ms|ns|kb|mb|percent)(_|$)", name), "base units only"
    assert kinds["energy_agent_line_poll_lateness_seconds"] == "histogram"
    assert len(re.findall(r"^# HELP \S+ \S", text, re.MULTILINE)) == len(kinds)
