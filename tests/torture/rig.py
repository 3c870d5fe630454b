"""Every part a process of its own: simulators, agent, broker, database, and a subscriber that remembers its session.

Only processes started here are signalled, by their handles; every wait has an end.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from agent.timekeeping.clock import WAIT_VARIABLE
from tests.servers import Broker, Database, free_port, mosquitto, running_victoria_metrics
from tests.soak.rig import SIMULATORS, devices_of, running
from tests.soak.works import Device
from tests.torture.works import Settings, agent_file, plant_file

_START_S = 30.0
_STOP_S = 20.0


def until(reached: Callable[[], bool], what: str, *, timeout_s: float = _START_S, pause_s: float = 0.05) -> bool:
    """Wait until something comes true; return whether it did, raise when `what` says that it must."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if reached():
            return True
        time.sleep(pause_s)
    if what:
        raise AssertionError(what)
    return False


class RunningAgent:
    """The agent's process."""

    def __init__(self, process: subprocess.Popen[bytes], http_port: int, log: Path) -> None:
        self.process = process
        self.started_ns = time.time_ns()
        self._http_port = http_port
        self._log = log

    @property
    def log(self) -> str:
        """What it has said on standard error, runs before this one included."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def state(self) -> dict[str, Any]:
        """Return what it says of itself; empty while it cannot be asked."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._http_port}/api/v1/state", timeout=5) as answer:
                found: dict[str, Any] = json.loads(answer.read())
        except (urllib.error.URLError, OSError, ValueError):
            return {}
        return found

    def online(self) -> bool:
        """Whether every device answers."""
        devices = self.state().get("devices", [])
        return bool(devices) and all(device["state"] == "online" for device in devices)

    def catch_up(self, *, timeout_s: float = _START_S) -> None:
        """Wait until every sink has everything that was committed before this call."""
        target = 0

        def reached() -> bool:
            nonlocal target
            store = self.state().get("store")
            if not store:
                return False
            target = target or store["committed_seq"]
            oldest = [sink["oldest_seq"] for sink in store["sinks"].values()]
            return target > 0 and all(seq is None or seq > target for seq in oldest)

        until(reached, "the receivers do not catch up", timeout_s=timeout_s)

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.wait(_STOP_S)

    def stop(self) -> tuple[int, float]:
        """Ask it to end; return its exit code and how long it took [s]. It is killed when it does not end."""
        asked = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(_STOP_S)
        took = time.monotonic() - asked
        if self.process.returncode is None:
            self.kill()
        return self.process.returncode or 0, took


@dataclass(slots=True)
class Rig:
    """Everything around the agent; `settings` is what its file says."""

    folder: Path
    devices: list[Device]
    broker: Broker
    database: Database
    settings: Settings
    messages: Path
    """What the subscriber was given: see `tests.torture.receivers`."""
    prefix: tuple[str, ...] = ()
    """Words before the agent's command, for a network of its own."""

    @property
    def store(self) -> Path:
        """The agent's store."""
        return self.folder / "agent" / "store.db"

    @property
    def config(self) -> Path:
        """The agent's file."""
        return self.folder / "agent" / "energy-agent.toml"

    def write_config(self, devices: list[Device] | None = None, **changed: Any) -> None:
        """Write the agent's file, for all devices or some."""
        self.settings = replace(self.settings, **changed)
        self.config.parent.mkdir(exist_ok=True)
        self.config.write_text(agent_file(devices or self.devices, self.settings), encoding="utf-8")

    @contextlib.contextmanager
    def agent(self, environment: Mapping[str, str] | None = None) -> Iterator[RunningAgent]:
        """Run the agent for the block; it is ended on the way out, whatever happened."""
        log = self.folder / "agent.log"
        command = [*self.prefix, sys.executable, "-m", "agent", "run", str(self.config)]
        options = {"stdout": subprocess.DEVNULL, "env": {**os.environ, WAIT_VARIABLE: "0", **(environment or {})}}
        with running(command, log, **options) as process:
            yield RunningAgent(process, self.settings.ports["http"], log)


@contextlib.contextmanager
def rig(folder: Path, *, motors: int = 10, served: bool = False, **settings: Any) -> Iterator[Rig]:
    """Run simulators, receivers and a subscriber for the block; write the agent's file."""
    (folder / "plant.toml").write_text(plant_file(motors), encoding="utf-8")
    command = [str(SIMULATORS), "plant", str(folder / "plant.toml"), "--json"]
    command += ["--served", str(folder / "served.jsonl")] if served else []
    broker = mosquitto(folder, settings="max_queued_messages 0\nset_tcp_nodelay true")
    # The subscription outlives the broker: what is published before the subscriber is back is queued for it.
    text = (folder / "mosquitto.conf").read_text(encoding="utf-8")
    remembering = f"persistence true\npersistence_location {folder}/\n"
    (folder / "mosquitto.conf").write_text(text.replace("persistence false\n", remembering), encoding="utf-8")
    with (
        running(command, folder / "simulators.log", stdout=subprocess.PIPE) as simulators,
        broker.server,
        running_victoria_metrics(folder) as database,
        subscriber(broker.port, folder) as messages,
    ):
        ports = {"http": free_port(), "mqtt": broker.port, "influx": database.port}
        found = Rig(folder, devices_of(simulators), broker, database, Settings(ports), messages)
        found.write_config(**settings)
        yield found


@contextlib.contextmanager
def subscriber(port: int, folder: Path) -> Iterator[Path]:
    """Write each message into a file: time of reception, topic, payload; the session outlives connections."""
    file = folder / "messages.txt"
    command = ["stdbuf", "-oL", "mosquitto_sub", "-V", "5", "-q", "1", "-d", "-c", "-i", "torture-subscriber"]
    command += ["-h", "127.0.0.1", "-p", str(port), "-t", "energy/#", "-F", "> %U %t %p"]
    with file.open("wb") as output, running(command, folder / "subscriber.log", stdout=output):
        until(lambda: b"Subscribed" in file.read_bytes(), "the subscriber does not start")
        yield file
