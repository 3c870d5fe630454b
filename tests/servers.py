"""Real receivers as subprocesses on free loopback ports: Mosquitto and VictoriaMetrics.

Each keeps its port and its files over a restart. Only the processes started here are ever signalled.
"""

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.certificates import Authority, Pair

_START_S = 15.0


def free_port() -> int:
    """Return a loopback port nobody listens at just now, below those that the system gives to whoever asks for any.

    So nobody gets it by chance before a server is there, or while it is down.
    """
    while True:
        port = 20_000 + secrets.randbelow(12_768)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Server:
    """A process that listens at a port; `start` returns when it accepts connections."""

    def __init__(self, command: list[str], port: int, log: Path) -> None:
        self.port = port
        self._command = command
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        self.kill()
        raise AssertionError(f"{self._command[0]} does not listen:\n{self._log.read_text(errors='replace')}")

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Signal the process and wait for its end."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(timeout=10)
            self._process = None

    def kill(self) -> None:
        self.stop(signal.SIGKILL)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()


@dataclass(slots=True)
class Broker:
    """A running Mosquitto."""

    server: Server
    port: int
    folder: Path
    authority: Authority | None = None
    client: Pair | None = None

    @property
    def url(self) -> str:
        return f"{'mqtts' if self.authority else 'mqtt'}://127.0.0.1:{self.port}"

    def subscriber(self, topic: str, *, qos: int = 1) -> "Subscriber":
        return Subscriber(self, topic, qos)


def mosquitto(
    folder: Path, *, tls: bool = False, client_certificates: bool = False, host: str = "127.0.0.1", settings: str = ""
) -> Broker:
    """Return a broker, not yet started; `host` is the name in its certificate."""
    binary = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
    port = free_port()
    lines = [f"listener {port} 127.0.0.1", settings, "persistence false"]
    if "password_file" not in settings:
        lines.append("allow_anonymous true")
    if os.geteuid() == 0:
        lines.append("user root")  # it would change to a user who cannot read the test's folder
    broker = Broker(
        Server([binary, "-c", str(folder / "mosquitto.conf")], port, folder / "mosquitto.log"), port, folder
    )
    if tls:
        broker.authority = Authority(folder)
        pair = broker.authority.issue(host)
        lines += [f"cafile {broker.authority.file}", f"certfile {pair.cert}", f"keyfile {pair.key}"]
        if client_certificates:
            broker.client = broker.authority.issue("gateway")
            lines.append("require_certificate true")
    (folder / "mosquitto.conf").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return broker


@dataclass(slots=True)
class Message:
    """What a subscriber was given."""

    topic: str
    payload: bytes
    retained: bool
    content_type: str


@dataclass(slots=True)
class Subscriber:
    """An independent subscriber: mosquitto_sub in a process of its own."""

    broker: Broker
    topic: str
    qos: int = 1
    messages: list[Message] = field(default_factory=list)
    _process: asyncio.subprocess.Process | None = None
    _reader: asyncio.Task[None] | None = None
    _came: asyncio.Event = field(default_factory=asyncio.Event)

    async def __aenter__(self) -> Self:
        command = [
            "mosquitto_sub",
            "-h",
            "127.0.0.1",
            "-p",
            str(self.broker.port),
            "-V",
            "5",
            "-q",
            str(self.qos),
            "-d",
        ]
        command += ["-t", self.topic, "-F", "> %r %C %t %x"]
        if self.broker.authority:
            command += ["--cafile", str(self.broker.authority.file)]
        if self.broker.client:
            command += ["--cert", str(self.broker.client.cert), "--key", str(self.broker.client.key)]
        self._process = await asyncio.create_subprocess_exec(
            "stdbuf", "-oL", *command, stdout=asyncio.subprocess.PIPE, limit=1 << 24
        )
        subscribed = asyncio.Event()
        self._reader = asyncio.create_task(self._read(subscribed))
        async with asyncio.timeout(_START_S):
            await subscribed.wait()
        return self

    async def _read(self, subscribed: asyncio.Event) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        async for raw in self._process.stdout:
            text = raw.decode().rstrip("\n")
            if text.startswith("Subscribed"):
                subscribed.set()
            elif text.startswith("> "):
                _, retained, kind, topic, payload = text.split(" ", 4)
                self.messages.append(Message(topic, bytes.fromhex(payload), retained == "1", kind))
                self._came.set()

    async def until(self, enough: Callable[[list[Message]], bool], *, timeout_s: float = 20) -> list[Message]:
        """Wait until the messages are enough; return them."""
        async with asyncio.timeout(timeout_s):
            while not enough(self.messages):
                self._came.clear()
                await self._came.wait()
        return self.messages

    async def until_quiet(self) -> None:
        """Wait until nothing has come for half a second: whatever the broker wrote has been read."""
        count = -1
        while count != len(self.messages):
            count = len(self.messages)
            await asyncio.sleep(0.5)

    async def __aexit__(self, *_: object) -> None:
        assert self._process is not None
        assert self._reader is not None
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        await self._reader


@dataclass(slots=True)
class Database:
    """A running VictoriaMetrics."""

    server: Server
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def series(self, match: str) -> list[dict[str, Any]]:
        """Return what it exports: for each series its `metric`, `values` and `timestamps` [ms]."""
        # What was written is searchable only after a flush.
        self._get("/internal/force_flush")
        answer = self._get("/api/v1/export?" + urllib.parse.urlencode({"match[]": match}))
        return [json.loads(text) for text in answer.splitlines()]

    def by_time(self, match: str) -> dict[int, float]:
        """Return all values of the matching series by their time [ms]."""
        return {
            when: value
            for entry in self.series(match)
            for when, value in zip(entry["timestamps"], entry["values"], strict=True)
        }

    def _get(self, path: str) -> str:
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:  # noqa: S310  # our own server
            return str(answer.read().decode())


def victoria_metrics(folder: Path) -> Database:
    """Return a database, not yet started."""
    port = free_port()
    command = [
        "victoria-metrics",
        f"-storageDataPath={folder / 'victoria'}",
        f"-httpListenAddr=127.0.0.1:{port}",
        "-retentionPeriod=100y",
    ]
    return Database(Server(command, port, folder / "victoria.log"), port)


@contextmanager
def running_mosquitto(folder: Path, **options: Any) -> Iterator[Broker]:
    """Run a broker for the block."""
    broker = mosquitto(folder, **options)
    with broker.server:
        yield broker


@contextmanager
def running_victoria_metrics(folder: Path) -> Iterator[Database]:
    """Run a database for the block."""
    database = victoria_metrics(folder)
    with database.server:
        yield database
