"""Many Modbus/TCP devices, each on a line of its own, read by the real agent; every figure is taken from outside.

Devices, broker, database, subscriber and this harness share one core, the agent has another to itself (as far as the
machine leaves it alone). Processor seconds and memory are the kernel's, lateness is that of the requests as they reach
the devices, the age of a value is the receiver's clock minus the time that the device put into it.
"""

import contextlib
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drivers.quantity import VOCABULARY, Kind
from tests.bench import modbus_server
from tests.servers import free_port, running_mosquitto, running_victoria_metrics
from tests.soak import rig
from tests.soak.footprint import sample

AGENT_CORE, OTHER_CORE = 0, -1
"""Of the cores that this process may use: the first is the agent's, the last everybody else's."""
_FIRST_POINTS = ("active_power", "active_energy_import", "temperature")
_CLOCK_KEY = VOCABULARY["temperature"].key
_CORES = sorted(os.sched_getaffinity(0))
_PRIORITY = -15
_SETTLED_S, _DEVICES_PER_S = 12.0, 100
"""Until then the agent loads, connects, reads everything and delivers its first records; so much longer for many."""
_STALE_S = modbus_server.CLOCK_MODULUS / 2


@dataclass(frozen=True, slots=True)
class Fleet:
    """What the agent is given: so many devices with so many float points once a second, and where it all goes."""

    devices: int
    points: int
    telemetry_s: float | None = 10.0
    """How often every value goes to the receivers [s]; None: there are none."""
    influx: bool = True
    publish_s: float = 10.0
    commit_every: str = "1s"
    store_size: str = "1GiB"
    spans: Sequence[str] = ("1min", "15min", "1h", "24h")
    captured: bool = False
    """Whether every exchange is captured."""


@dataclass(frozen=True, slots=True)
class Found:
    """What was seen of a fleet within `seconds`."""

    seconds: float
    cpu_s: float
    resident_mib: float
    requests: int
    left_out: int
    lateness_ms: Sequence[int]
    server_core: float
    ages_s: Sequence[float]
    """Ages of values at the subscriber [s]."""
    messages: int
    start_mib: float

    @property
    def core(self) -> float:
        """Share of a core that the agent used."""
        return self.cpu_s / self.seconds

    @property
    def cpu_per_poll_us(self) -> float:
        """Processor time for each poll, with everything that follows from it [µs]."""
        return self.cpu_s / max(self.requests, 1) * 1e6

    def late_ms(self, share: float) -> float:
        """Return within how many milliseconds after the beat this share of all requests came."""
        seen = 0
        for late_ms, count in enumerate(self.lateness_ms):
            seen += count
            if seen >= share * self.requests:
                return float(late_ms + 1)
        return 1000.0

    def age_ms(self, share: float) -> float:
        """Return within which age this share of all values was at the subscriber [ms]."""
        ages = sorted(self.ages_s)
        return ages[min(int(share * len(ages)), len(ages) - 1)] * 1e3 if ages else float("nan")


def pinned(command: Sequence[str], core: int) -> list[str]:
    """Return a command that runs on one of the cores."""
    return ["taskset", "-c", str(_CORES[core]), *command]


def apart() -> None:
    """Go to the core of the others, where allowed before whatever else the machine does; who is started inherits it."""
    os.sched_setaffinity(0, {_CORES[OTHER_CORE]})
    if os.geteuid() == 0:
        os.setpriority(os.PRIO_PROCESS, 0, _PRIORITY)


@contextlib.contextmanager
def served(folder: Path) -> Iterator["Devices"]:
    """Run the devices."""
    command = pinned([sys.executable, "-m", "tests.bench.modbus_server"], OTHER_CORE)
    options: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with rig.running(command, folder / "devices.log", **options) as process:
        assert process.stdout is not None
        yield Devices(process, int(process.stdout.readline()))
        assert process.stdin is not None
        process.stdin.close()


@dataclass(frozen=True, slots=True)
class Devices:
    """The running devices and the port at which they listen, at every address of 127/8."""

    process: "subprocess.Popen[bytes]"
    port: int

    def seen(self) -> dict[str, Any]:
        """Return what has come since the last call."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer


def host(number: int) -> str:
    """Return the address of a device."""
    return f"127.{1 + number // 62500}.{number // 250 % 250}.{1 + number % 250}"


def profile(points: int) -> str:
    """Return a device type with so many float points side by side, a counter and a time among them."""
    gauges = (name for name, each in VOCABULARY.items() if each.kind is Kind.GAUGE and name not in _FIRST_POINTS)
    names = [*_FIRST_POINTS, *itertools.islice(gauges, points - len(_FIRST_POINTS))]
    rows = [
        f'{name} = {{ address = {2 * at}, unit = "{VOCABULARY[name].unit.symbol}" }}' for at, name in enumerate(names)
    ]
    return f"""model = "bench"
kind = "electricity-meter"
source = "tests/bench/modbus_server.py"
function = 3
type = "float32"
max_registers = 125

[points]
{chr(10).join(rows)}

[[accounts]]
name = "electricity"
carrier = "electricity"
from = "active_energy_import"
check = "active_power"
"""


def configure(folder: Path, fleet: Fleet, *, devices_port: int, ports: dict[str, int]) -> Path:
    """Write the agent's configuration and the profile; return the configuration's path."""
    (folder / "bench.toml").write_text(profile(fleet.points), encoding="utf-8")
    parts = [
        f"""[site]
name = "bench"
timezone = "Asia/Shanghai"
electricity_region = "CN-AH"

[store]
path = "store.db"
commit_every = "{fleet.commit_every}"
max_size = "{fleet.store_size}"

[windows]
spans = {json.dumps(fleet.spans)}
publish = "{fleet.publish_s:g}s"

[interval]
length = "1min"
"""
    ]
    if fleet.telemetry_s:
        parts.append(f'[mqtt]\nurl = "mqtt://127.0.0.1:{ports["mqtt"]}"\ntelemetry_every = "{fleet.telemetry_s:g}s"\n')
        if fleet.influx:
            parts.append(f'[influx]\nurl = "http://127.0.0.1:{ports["influx"]}"\norg = "bench"\n')
    if fleet.captured:
        parts.append('[capture]\nmode = "full"\ndirectory = "capture"\n')
    for number in range(fleet.devices):
        name = f"meter-{number}"
        parts.append(f'[[line]]\nname = "{name}"\nurl = "tcp://{host(number)}:{devices_port}"\npause = "0ms"\n')
        parts.append(
            f'[[device]]\nname = "{name}"\narea = "hall"\nline = "{name}"\nunit = 1\nprofile = "bench.toml"\n'
            'every = "1s"\nrated_power = "100 kW"\n'
        )
    path = folder / "energy-agent.toml"
    path.write_text("\n".join(parts), encoding="utf-8")
    return path


def run(fleet: Fleet, seconds: float, *, settled_s: float = 0.0, profiled: Path | None = None) -> Found:
    """Let the agent read a fleet for a while, and return what was seen of it; `profiled` gets samples of its stack."""
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        apart()
        settled_s = settled_s or _SETTLED_S + fleet.devices / _DEVICES_PER_S
        with (
            served(folder) as devices,
            running_mosquitto(folder, settings="max_queued_messages 0") as broker,
            running_victoria_metrics(folder) as database,
            rig.subscriber(broker.port, folder) as received,
        ):
            ports = {"mqtt": broker.port, "influx": database.port, "http": free_port()}
            file = configure(folder, fleet, devices_port=devices.port, ports=ports)
            with rig.running(agent(file, profiled), folder / "agent.log", stdout=subprocess.DEVNULL) as process:
                found = _watch(process, devices, received, fleet, seconds, settled_s)
                process.terminate()
                process.wait(30)
            log = (folder / "agent.log").read_text(encoding="utf-8")
            if not found.requests or process.returncode:
                raise AssertionError(f"the agent ended with {process.returncode}:\n{log[-4000:]}")
            return found


def agent(file: Path, profiled: Path | None = None) -> list[str]:
    """Return the command that runs the agent on its core; `profiled` gets samples of its stack."""
    program = ["-m", "agent"] if profiled is None else ["-m", "tests.bench.sampled", str(profiled)]
    return pinned([sys.executable, *program, "run", str(file)], AGENT_CORE)


def _watch(
    process: "subprocess.Popen[bytes]", devices: Devices, received: Path, fleet: Fleet, seconds: float, settled_s: float
) -> Found:
    deadline = time.monotonic() + 10 * settled_s
    while devices.seen()["connections"] < fleet.devices / 100 and time.monotonic() < deadline:
        time.sleep(0.2)
    time.sleep(settled_s)
    # From the middle of a second on, where nothing is due.
    time.sleep((1.75 - time.time() % 1) % 1)
    before, offset = sample(process.pid), received.stat().st_size
    devices.seen()
    time.sleep(seconds)
    seen, after = devices.seen(), sample(process.pid)
    peak_mib = after.resident_mib
    messages, ages_s = _ages(received, offset)
    return Found(
        seconds=after.at - before.at,
        cpu_s=after.cpu_s - before.cpu_s,
        resident_mib=peak_mib,
        requests=seen["requests"],
        left_out=seen["left_out"],
        lateness_ms=seen["lateness_ms"],
        server_core=seen["cpu_s"] / (after.at - before.at),
        ages_s=ages_s,
        messages=messages,
        start_mib=before.resident_mib,
    )


def _ages(received: Path, offset: int) -> tuple[int, list[float]]:
    """Return how many messages came behind an offset of the subscriber's file, and the age of each value [s]."""
    messages, ages = 0, []
    with received.open("rb") as file:
        file.seek(offset)
        for line in file:
            if not line.startswith(b"> ") or not line.endswith(b"\n"):
                continue
            messages += 1
            _, moment, _, topic, payload = line.rstrip(b"\n").split(b" ", 4)
            if topic.endswith(b"/telemetry"):
                stamp = json.loads(payload)["values"].get(_CLOCK_KEY)
                if stamp is not None:
                    modulus = modbus_server.CLOCK_MODULUS
                    ages.append((float(moment) - stamp + _STALE_S) % modulus - _STALE_S)
    return messages, ages


def summary(found: Found) -> dict[str, float]:
    """Return the figures of a run that a table shows."""
    return {
        "core": found.core,
        "cpu_per_poll_us": found.cpu_per_poll_us,
        "resident_mib": found.resident_mib,
        "polls_per_s": found.requests / found.seconds,
        "polls_left_out": float(found.left_out),
        "late_p50_ms": found.late_ms(0.5),
        "late_p99_ms": found.late_ms(0.99),
        "age_p50_ms": found.age_ms(0.5),
        "age_p99_ms": found.age_ms(0.99),
        "messages_per_s": found.messages / found.seconds,
        "devices_core": found.server_core,
    }
