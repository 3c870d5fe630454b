"""The agent with fleets of devices, beside bare clients that do the same reads: processor, memory, lateness, age."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.bench import fleet
from tests.bench.fleet import Fleet, Found
from tests.bench.row import Row
from tests.soak import rig
from tests.soak.footprint import sample

_REGISTERS = 40
_BARE = ("pymodbus", "pymodbus-uvloop", "protocol", "protocol-uvloop", "libmodbus")
_BARE_DEVICES = 1000
_CONNECTED_S = 5.0
_TARGETS = {
    "1000x20": {"core": 0.30, "resident_mib": 114.4, "polls_left_out": 0.0, "late_p99_ms": 50.0},
    "1000x20_every_second": {"core": 0.60},
    "1613x62": {"core": 0.45, "resident_mib": 190.7},
    "20x20": {"core": 0.015, "resident_mib": 68.7},
    "100_at_once": {"age_p50_ms": 3.0, "age_p99_ms": 20.0},
}
FLEETS = {
    "1000x20": Fleet(1000, 20),
    "1000x20_every_second": Fleet(1000, 20, telemetry_s=1.0, influx=False),
    "1613x62": Fleet(1613, 62, telemetry_s=60.0, publish_s=60.0),
    "20x20": Fleet(20, 20, telemetry_s=1.0),
    "100_at_once": Fleet(100, 20, telemetry_s=1.0, influx=False, commit_every="4ms"),
}
_UNITS = {"core": "cores", "us": "µs", "ms": "ms", "mib": "MiB", "s": "1/s", "out": "polls"}


def bare_reads(seconds: float) -> dict[str, float]:
    """Return the processor time of one read [µs] of each bare client, a thousand devices once a second each."""
    found = {}
    fleet.apart()
    with tempfile.TemporaryDirectory() as text, fleet.served(Path(text)) as devices:
        for kind in _BARE:
            found[kind] = bare_read_us(kind, devices, Path(text), devices=_BARE_DEVICES, seconds=seconds)
    return found


def bare_read_us(kind: str, served: fleet.Devices, folder: Path, *, devices: int, seconds: float) -> float:
    """Return the processor time of one read [µs] of a bare client, each device once a second."""
    command = [sys.executable, "-m", "tests.bench.bare", kind, str(served.port), str(devices), str(_REGISTERS)]
    pinned = fleet.pinned(command, fleet.AGENT_CORE)
    with rig.running(pinned, folder / f"{kind}.log", stdin=subprocess.PIPE) as process:
        time.sleep(_CONNECTED_S)
        time.sleep((1.75 - time.time() % 1) % 1)
        served.seen()
        before = sample(process.pid)
        time.sleep(seconds)
        seen, after = served.seen(), sample(process.pid)
    assert seen["requests"], f"the bare {kind} client reads nothing"
    requests: int = seen["requests"]
    return (after.cpu_s - before.cpu_s) / requests * 1e6


def rows(seconds: float) -> list[Row]:
    """Return every figure of the fleets, each beside its ceiling where there is one."""
    bare = bare_reads(min(seconds, 10.0))
    ceiling = bare["pymodbus"]
    table = [Row(f"bare_{kind.replace('-', '_')}_read_us", cost, "µs") for kind, cost in bare.items()]
    for name, given in FLEETS.items():
        table += _told(name, fleet.run(given, seconds), ceiling)
    return table


def _told(name: str, found: Found, ceiling_us: float) -> list[Row]:
    targets = _TARGETS.get(name, {})
    told = []
    for figure, value in fleet.summary(found).items():
        ceiling, beside = (ceiling_us, "bare pymodbus") if figure == "cpu_per_poll_us" else (None, "")
        unit = _UNITS.get(figure.rpartition("_")[2], "")
        told.append(Row(f"fleet_{name}_{figure}", value, unit, ceiling, beside, targets.get(figure)))
    return told
