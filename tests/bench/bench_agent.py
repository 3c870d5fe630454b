"""What the agent costs as a whole: twenty devices once a second on four lines, to a broker and a database."""

import statistics
import tempfile
from pathlib import Path

from tests.servers import running_mosquitto, running_victoria_metrics
from tests.soak import rig

_STARTS = 5
_STEADY_AFTER_S = 10.0


def running(seconds: float) -> dict[str, float]:
    """Return memory and processor time of the agent, and what one poll costs from register to receivers."""
    with tempfile.TemporaryDirectory() as folder:
        evidence = rig.run(Path(folder), seconds=seconds)
    footprint = evidence.footprint
    percent = footprint.steady_cpu_percent(_STEADY_AFTER_S)
    polls_per_s = sum(device["polls"] for device in evidence.state["devices"]) / evidence.state["uptime_s"]
    return {
        "agent_20_devices_resident_max_mib": footprint.largest_mib,
        "agent_20_devices_cpu_percent_of_a_core": percent,
        "agent_20_devices_polls_per_s": polls_per_s,
        "agent_cpu_per_poll_to_both_sinks_us": percent / 100 / polls_per_s * 1e6,
    }


def starting() -> dict[str, float]:
    """Return the time from the start of the process to the first value at a subscriber, of several starts."""
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        with (
            rig.plant(folder) as devices,
            running_mosquitto(folder) as broker,
            running_victoria_metrics(folder) as database,
            rig.subscriber(broker.port, folder) as received,
        ):
            took = []
            for _ in range(_STARTS):
                with rig.agent(folder, devices, {"mqtt": broker.port, "influx": database.port}) as started:
                    took.append(rig.first_value_s(received, started))
    return {"start_to_first_value_median_s": statistics.median(took), "start_to_first_value_max_s": max(took)}


def figures(seconds: float) -> dict[str, float]:
    """Return every figure of this module by name."""
    return {**running(seconds), **starting()}
