from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from agent.metrics import exposition
from agent.service import Agent
from tests.agent.frames import DEVICES, SITE, configured

Samples = dict[tuple[str, ...], float]


@pytest.fixture
def samples(tmp_path: Path) -> Samples:
    """Return what Prometheus would read from an agent with one device online and a broker that lags behind."""
    state = Agent(configured(tmp_path, SITE + DEVICES)).snapshot()
    state["devices"][0] |= {"state": "degraded", "polls": 40, "failures": 2, "skipped": 1}
    state["lines"][0] |= {"requests": 80, "timeouts": 3, "utilisation": 0.25}
    state["records"]["telemetry"] = 12
    state["accounts"][0]["amount"] = 1.25
    state["store"]["bytes"] = 4096
    state["sinks"] = [
        {"sink": "mqtt", "connected": True, "acknowledged": 5, "errors": 1, "rejected": 2, "pending": 3, "sent": 8}
    ]
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(exposition(state).decode())
        for sample in family.samples
    }


def test_devices_count_their_polls_and_say_whether_they_answer(samples: Samples) -> None:
    assert samples["energy_agent_device_up", "fan-1"] == 1.0
    assert samples["energy_agent_device_up", "boiler-1"] == 0.0
    assert samples["energy_agent_device_polls_total", "fan-1"] == 40.0
    assert samples["energy_agent_device_failures_total", "fan-1"] == 2.0
    assert samples["energy_agent_device_skipped_total", "fan-1"] == 1.0


def test_lines_count_requests_and_time_outs_and_say_how_busy_they_are(samples: Samples) -> None:
    assert samples["energy_agent_line_requests_total", "hall"] == 80.0
    assert samples["energy_agent_line_timeouts_total", "hall"] == 3.0
    assert samples["energy_agent_line_utilisation_ratio", "hall"] == 0.25
    assert samples["energy_agent_line_up", "hall"] == 1.0


def test_sinks_say_what_they_have_and_what_waits(samples: Samples) -> None:
    assert samples["energy_agent_sink_acknowledged_total", "mqtt"] == 5.0
    assert samples["energy_agent_sink_pending_records", "mqtt"] == 3.0
    assert samples["energy_agent_sink_rejected_total", "mqtt"] == 2.0
    assert samples["energy_agent_sink_connected", "mqtt"] == 1.0


def test_records_accounts_store_and_process_are_there(samples: Samples) -> None:
    assert samples["energy_agent_records_total", "telemetry"] == 12.0
    assert samples["energy_agent_account_total", "fan-1/electricity", "kWh"] == 1.25
    assert samples[("energy_agent_store_bytes",)] == 4096.0
    assert samples[("energy_agent_resident_bytes",)] > 1e6
    assert samples[("energy_agent_cpu_seconds_total",)] > 0
