"""The whole way, each part a process of its own: simulators, agent, broker, database and an independent subscriber.

Only processes started here are signalled, by their handles.
"""

import contextlib
import json
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.servers import free_port, running_mosquitto, running_victoria_metrics
from tests.soak.footprint import Footprint
from tests.soak.works import PLANT, SITE, Device, configuration, devices

_AGENT = Path(sys.executable).with_name("energy-agent")
SIMULATORS = Path(sys.executable).with_name("energy-simulators")
_START_S = 30.0
_STOP_S = 15.0
_SETTLE_S = 10.0
_TAIL = 1 << 20
_SEARCHABLE_S = 2.0
_LANES = ("telemetry", "window", "event", "alarm", "interval")


@dataclass(frozen=True, slots=True)
class Message:
    """What the subscriber was given, and when (Unix, ns)."""

    received_ns: int
    retained: bool
    topic: str
    payload: bytes

    @property
    def body(self) -> dict[str, Any]:
        """The JSON object."""
        decoded: dict[str, Any] = json.loads(self.payload)
        return decoded

    @property
    def is_record(self) -> bool:
        """Whether it came from the store: what is only retained has no number."""
        return b'"seq":' in self.payload

    @property
    def kind(self) -> str:
        """The class of the topic, without the name of an alarm."""
        parts = self.topic.split("/")
        return "alarm" if parts[-2] == "alarm" else parts[-1]


@dataclass(frozen=True, slots=True)
class Stored:
    """A record in the agent's store."""

    seq: int
    kind: str
    payload: bytes


@dataclass(slots=True)
class Evidence:
    """Everything a run left behind."""

    devices: list[Device]
    served: list[dict[str, Any]]
    messages: list[Message]
    stored: list[Stored]
    """What the store still holds; delivered telemetry and windows it lets go."""
    last_seq: int
    books: dict[str, dict[str, Any]]
    series: list[dict[str, Any]]
    state: dict[str, Any]
    footprint: Footprint
    started_ns: int
    exit_code: int
    stop_s: float
    log: str

    def records(self, kind: str) -> list[Message]:
        """Return the messages of one class that are records, in the order they came."""
        return [message for message in self.messages if message.kind == kind and message.is_record]


@contextlib.contextmanager
def running(command: list[str], log: Path, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process for the block; end it on the way out."""
    with log.open("ab") as errors:
        process = subprocess.Popen(command, stderr=errors, **options)
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(_STOP_S)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
            if process.stdout:
                process.stdout.close()


@contextlib.contextmanager
def plant(folder: Path) -> Iterator[list[Device]]:
    """Serve the simulated plant; its answers are logged in `served.jsonl`."""
    command = [str(SIMULATORS), "plant", str(PLANT), "--json", "--served", str(folder / "served.jsonl")]
    with running(command, folder / "simulators.log", stdout=subprocess.PIPE) as process:
        yield devices_of(process)


def devices_of(process: subprocess.Popen[bytes]) -> list[Device]:
    """Return what `energy-simulators --json` says it serves, once it does."""
    assert process.stdout is not None
    announced = process.stdout.readline()
    assert announced, "the simulators did not start"
    return devices(json.loads(announced))


@contextlib.contextmanager
def subscriber(port: int, folder: Path) -> Iterator[Path]:
    """Write every message of the broker into a file: reception time, retained or not, topic, payload."""
    file = folder / "messages.txt"
    # -d says on the same stream when it has subscribed.
    command = ["stdbuf", "-oL", "mosquitto_sub", "-V", "5", "-q", "1", "-d"]
    command += ["-h", "127.0.0.1", "-p", str(port), "-t", "energy/#", "-F", "> %U %r %t %p"]
    with file.open("wb") as output, running(command, folder / "subscriber.log", stdout=output):
        _until(lambda: b"Subscribed" in file.read_bytes(), "the subscriber does not start")
        yield file


@dataclass(slots=True)
class Started:
    """A running agent, and when it was started (Unix, ns)."""

    process: subprocess.Popen[bytes]
    started_ns: int
    http_port: int

    def state(self) -> dict[str, Any]:
        """Return what the agent says of itself."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}/api/v1/state", timeout=5) as answer:
            found: dict[str, Any] = json.loads(answer.read())
        return found

    def stop(self) -> tuple[int, float]:
        """Ask it to end; return its exit code and how long it took [s]."""
        asked = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(_STOP_S), time.monotonic() - asked


@contextlib.contextmanager
def agent(
    folder: Path, served: list[Device], ports: dict[str, int], *, interval: str = "15min", publish: str = "10s"
) -> Iterator[Started]:
    """Run the agent on these devices; return as soon as its process exists."""
    ports = {"http": free_port(), **ports}
    file = folder / "energy-agent.toml"
    file.write_text(configuration(served, ports, interval=interval, publish=publish), encoding="utf-8")
    started_ns = time.time_ns()
    with running([str(_AGENT), "run", str(file)], folder / "agent.log", stdout=subprocess.DEVNULL) as process:
        yield Started(process, started_ns, ports["http"])


def run(folder: Path, *, seconds: float, count: int = 20, interval: str = "1min", publish: str = "10s") -> Evidence:
    """Let the first `count` devices be read for a while; return what every part has seen."""
    with (
        plant(folder) as everything,
        running_mosquitto(folder, settings="max_queued_messages 0") as broker,
        running_victoria_metrics(folder) as database,
        subscriber(broker.port, folder) as received,
    ):
        served = everything[:count]
        ports = {"mqtt": broker.port, "influx": database.port}
        with agent(folder, served, ports, interval=interval, publish=publish) as started:
            footprint = Footprint(started.process.pid)
            footprint.start()
            _until(lambda: b"/telemetry " in received.read_bytes(), "no value was published", folder / "agent.log")
            time.sleep(max(0.0, seconds - (time.time_ns() - started.started_ns) / 1e9))
            footprint.stop()
            state = started.state()
            exit_code, stop_s = started.stop()
        stored, books, last_seq = _store(folder / "store.db")
        _until(lambda: b'"seq":%d,' % last_seq in received.read_bytes()[-_TAIL:], "", give_up=True)
        # What was written becomes searchable a moment later; what is not there then is missing.
        time.sleep(_SEARCHABLE_S)
        return Evidence(
            devices=served,
            served=[json.loads(line) for line in (folder / "served.jsonl").read_bytes().splitlines()],
            messages=_messages(received),
            stored=stored,
            last_seq=last_seq,
            books=books,
            series=database.series(f'{{site="{SITE}"}}'),
            state=state,
            footprint=footprint,
            started_ns=started.started_ns,
            exit_code=exit_code,
            stop_s=stop_s,
            log=(folder / "agent.log").read_text(encoding="utf-8"),
        )


def first_value_s(received: Path, started: Started) -> float:
    """Return how long after its start the agent's first value reached the subscriber [s]."""
    found: list[Message] = []

    def came() -> bool:
        found[:] = [m for m in _messages(received) if m.kind == "telemetry" and m.received_ns > started.started_ns]
        return bool(found)

    _until(came, "no value was published")
    return (found[0].received_ns - started.started_ns) / 1e9


def _messages(file: Path) -> list[Message]:
    found = []
    for line in file.read_bytes().splitlines(keepends=True):
        if line.startswith(b"> ") and line.endswith(b"\n"):
            _, moment, retained, topic, payload = line.rstrip(b"\n").split(b" ", 4)
            seconds, _, fraction = moment.decode().partition(".")
            received_ns = int(seconds) * 1_000_000_000 + int(fraction.ljust(9, "0")[:9])
            found.append(Message(received_ns, retained == b"1", topic.decode(), payload))
    return found


def _store(path: Path) -> tuple[list[Stored], dict[str, dict[str, Any]], int]:
    """Return records, account books and last number of a closed store, read without the agent's code."""
    connection = sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)
    try:
        rows = [
            row
            for lane in _LANES
            for row in connection.execute(f"SELECT seq, kind, payload FROM {lane}_record")  # noqa: S608 -- fixed names
        ]
        ledger = json.loads(connection.execute("SELECT value FROM meta WHERE name = 'ledger'").fetchone()[0])
        states = connection.execute("SELECT name, value FROM state WHERE name LIKE 'account/%'").fetchall()
    finally:
        connection.close()
    return (
        [Stored(*row) for row in sorted(rows)],
        {name.removeprefix("account/"): json.loads(value) for name, value in states},
        int(ledger["seq"]),
    )


def _until(done: Any, problem: str, log: Path | None = None, *, give_up: bool = False) -> None:
    """Wait until `done()`; raise after a while, or go on when asked to."""
    deadline = time.monotonic() + (_SETTLE_S if give_up else _START_S)
    while time.monotonic() < deadline:
        if done():
            return
        time.sleep(0.02)
    if not give_up:
        raise AssertionError(f"{problem}\n{log.read_text(encoding='utf-8') if log else ''}")
