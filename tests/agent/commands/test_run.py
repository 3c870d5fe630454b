"""The agent as a process, against a motor whose counter grows with every read."""

import asyncio
import itertools
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import orjson
import pytest

from agent.commands.outcome import Exit
from agent.commands.run import run
from agent.commands.start import Early
from agent.config import SiteConfig
from agent.config.loading import Loading
from agent.process.worker import Copy, Worker
from agent.store import read_chained, read_intervals, record_hash
from tests.agent.running import Motor
from tests.modbus_rig import Chunk, Request, rig
from tests.servers import free_port, mosquitto, running_mosquitto
from tests.soak.books import open_quanta

pytestmark = pytest.mark.integration

COUNTER = 0x0010
ACCOUNT = "motor-1/electricity"
ENOUGH_S = 20.0


SITE = """
[site]
name = "works"

[store]
path = "{store}"
max_size = "4MiB"
commit_every = "100ms"

[interval]
length = "1s"

[windows]
spans = ["1min"]
publish = "1s"

{more}
[[line]]
name = "hall"
url = "{url}"
timeout = "300ms"
"""
DEVICE = """
[[device]]
name = "{name}"
area = "hall"
line = "hall"
unit = {unit}
profile = "generic/vfd-motor"
every = "100ms"
"""


def configured(
    folder: Path, url: str, *, more: str = "", store: str = "store.db", devices: tuple[str, ...] = ("motor-1",)
) -> Path:
    path = folder / "site.toml"
    tables = [DEVICE.format(name=name, unit=unit) for unit, name in enumerate(devices, 1)]
    path.write_text(SITE.format(store=store, url=url, more=more) + "".join(tables), encoding="utf-8")
    return path


@dataclass
class Program:
    """A running `energy-agent run`."""

    process: asyncio.subprocess.Process
    said: list[str] = field(default_factory=list)
    reader: asyncio.Task[None] | None = None

    async def listen(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            self.said.append(line.decode().rstrip("\n"))

    async def until(self, reached: Callable[[], bool]) -> None:
        """Wait for something to come true while the program runs."""
        async with asyncio.timeout(ENOUGH_S):
            while not reached():  # what is waited for happens in another process
                assert self.process.returncode is None, self.said
                await asyncio.sleep(0.02)

    async def says(self, text: str) -> str:
        await self.until(lambda: any(text in line for line in self.said))
        return next(line for line in self.said if text in line)

    async def end(self, number: int = signal.SIGTERM) -> int:
        """Signal the program and return its exit code; it has the ten seconds it is allowed."""
        self.process.send_signal(number)
        async with asyncio.timeout(10):
            code = await self.process.wait()
        assert self.reader is not None
        await self.reader
        assert not any("Traceback" in line for line in self.said), self.said
        return code


@asynccontextmanager
async def running(path: Path, **environment: str) -> AsyncIterator[Program]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "agent", "run", str(path), stderr=asyncio.subprocess.PIPE, env=os.environ | environment
    )
    program = Program(process)
    program.reader = asyncio.create_task(program.listen())
    try:
        yield program
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await program.reader


class Manager:
    """A service manager's socket, and what came in."""

    def __init__(self, folder: Path) -> None:
        self.path = str(folder / "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.bind(self.path)
        self.heard: list[str] = []

    def collect(self) -> list[str]:
        try:
            while True:
                self.heard.append(self.socket.recv(200).decode())
        except BlockingIOError:
            return self.heard


@pytest.fixture
def manager(tmp_path: Path) -> Iterable[Manager]:
    found = Manager(tmp_path)
    with found.socket:
        yield found


def intervals(folder: Path, account: str | None = ACCOUNT) -> list[dict[str, Any]]:
    return [orjson.loads(record.payload) for record in read_intervals(folder / "store.db", 0, 1 << 62, account)]


def booked_counts(folder: Path) -> tuple[int, int]:
    """Return what the store holds as booked, in quanta, and the counter of its last accepted reading."""
    latest = {record["start"]: record for record in intervals(folder)}
    recorded = sum(round(record["amount"] * 1_000_000) for record in latest.values())
    with sqlite3.connect(folder / "store.db") as connection:
        (value,) = connection.execute("SELECT value FROM state WHERE name = ?", (f"account/{ACCOUNT}",)).fetchone()
    connection.close()
    book = json.loads(value)["intervals"]
    return recorded + open_quanta(book), round(book["frontier"][2] * 100)


def assert_conserved(folder: Path, motor: Motor) -> None:
    """Every count between the first reading and the last accepted one is booked exactly once."""
    booked, last = booked_counts(folder)
    assert last in motor.served
    assert booked == (last - motor.served[0]) * 10_000
    records = intervals(folder)
    places = [(record["start"], record["revision"]) for record in records]
    assert len({*places}) == len(places), "an interval is recorded twice"
    chain = [orjson.loads(record.payload) for record in read_chained(folder / "store.db")]
    for earlier, later in itertools.pairwise(chain):
        assert later["previous"] == earlier["hash"]
    assert all(record_hash(record) == record["hash"] for record in chain)


async def test_it_tells_the_service_manager_of_its_life_and_ends_on_request(tmp_path: Path, manager: Manager) -> None:
    motor = Motor()
    async with rig("tcp", motor) as device:
        path = configured(tmp_path, device.url)
        async with running(path, NOTIFY_SOCKET=manager.path, WATCHDOG_USEC="2000000") as program:
            await program.until(lambda: manager.collect().count("WATCHDOG=1") >= 2)
            saved = len(motor.served)
            await program.until(lambda: len(motor.served) > saved + 4)
            code = await program.end()

    heard = manager.collect()
    assert code == 0
    first, *_, last = program.said
    assert f"runs: {path}, lines: 1, devices: 1" in first
    assert last.endswith("energy-agent has ended")
    assert heard[0] == "READY=1"
    assert heard[-1] == "STOPPING=1"
    assert {*heard[1:-1]} == {"WATCHDOG=1"}
    assert_conserved(tmp_path, motor)
    assert booked_counts(tmp_path)[1] >= motor.served[-2], "the books are saved on the way out"


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL])
async def test_a_restart_continues_the_books_and_books_nothing_twice(tmp_path: Path, ending: signal.Signals) -> None:
    motor = Motor()
    async with rig("tcp", motor) as device:
        path = configured(tmp_path, device.url)
        async with running(path) as program:
            await program.until(lambda: len(motor.served) > 25)
            code = await program.end(ending)
        async with running(path) as program:
            reached = len(motor.served) + 15
            await program.until(lambda: len(motor.served) > reached)
            assert await program.end() == 0

    assert code == (-signal.SIGKILL if ending is signal.SIGKILL else 0)
    assert_conserved(tmp_path, motor)
    assert len(intervals(tmp_path)) >= 3
    gaps = [record for record in intervals(tmp_path) if "gap" in record["evidence"]["rules"]]
    assert gaps, "what passed between two runs is booked as estimated"
    assert all(record["estimated"] > 0 for record in gaps)


async def test_a_broken_file_at_reload_changes_nothing_and_a_right_one_takes_over(
    tmp_path: Path, manager: Manager
) -> None:
    motor = Motor()
    async with rig("tcp", motor) as device:
        path = configured(tmp_path, device.url)
        async with running(path, NOTIFY_SOCKET=manager.path) as program:
            await program.says("device motor-1 is online")

            right = path.read_text(encoding="utf-8")
            path.write_text(right.replace("unit = 1", 'unit = "one"'), encoding="utf-8")
            program.process.send_signal(signal.SIGHUP)
            said = await program.says(f"{path}:")
            assert 'unit = "one"' in path.read_text(encoding="utf-8").splitlines()[int(said.split(":")[1]) - 1]
            polls = len(motor.served)
            await program.until(lambda: len(motor.served) > polls + 5)

            configured(tmp_path, device.url, devices=("motor-1", "motor-2"))
            program.process.send_signal(signal.SIGHUP)
            await program.says("device motor-2 is online")
            assert await program.end() == 0

    heard = [message.split("\n")[0] for message in manager.collect()]
    assert heard == ["READY=1", "RELOADING=1", "READY=1", "RELOADING=1", "READY=1", "STOPPING=1"]
    (_, stamp) = manager.heard[1].split("\nMONOTONIC_USEC=")
    assert abs(int(stamp) / 1e6 - time.monotonic()) < 60
    assert any("the old configuration stays" in line for line in program.said)


async def test_a_right_file_that_cannot_be_started_gives_way_to_the_former(tmp_path: Path) -> None:
    motor = Motor()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        async with rig("tcp", motor) as device:
            path = configured(tmp_path, device.url)
            async with running(path) as program:
                await program.says("device motor-1 is online")
                configured(tmp_path, device.url, more=f'[http]\nlisten = "127.0.0.1:{taken}"\n')
                program.process.send_signal(signal.SIGHUP)
                said = await program.says("is not taken over")
                polls = len(motor.served)
                await program.until(lambda: len(motor.served) > polls + 5)
                assert await program.end() == 0

    assert "Address already in use" in said


def ends_at_once(path: Path) -> str:
    """Return the one line with which a start that cannot succeed ends."""
    done = subprocess.run(
        [sys.executable, "-m", "agent", "run", str(path)], capture_output=True, text=True, timeout=20, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    return line


def test_a_store_that_cannot_be_written_is_one_line_and_two(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    url = "tcp://127.0.0.1:1"

    assert ends_at_once(configured(tmp_path, url, store="file/store.db")).startswith(f"{tmp_path}/file/store.db: ")
    (tmp_path / "other.db").write_bytes(b"")
    with sqlite3.connect(tmp_path / "other.db") as connection:
        connection.execute("CREATE TABLE of_another_program (x)")
    connection.close()
    assert f"{tmp_path}/other.db: " in ends_at_once(configured(tmp_path, url, store="other.db"))


async def test_a_store_that_another_agent_uses_is_one_line_and_two(tmp_path: Path) -> None:
    async with rig("tcp", Motor()) as device:
        path = configured(tmp_path, device.url)
        async with running(path) as program:
            await program.says("device motor-1 is online")
            line = await asyncio.to_thread(ends_at_once, path)
            assert await program.end() == 0

    assert line == f"{tmp_path}/store.db: is used by another energy-agent: stop it, or name another file"


def test_a_port_in_use_is_one_line_and_two(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        listen = f"127.0.0.1:{other.getsockname()[1]}"
        path = configured(tmp_path, "tcp://127.0.0.1:1", more=f'[http]\nlisten = "{listen}"\n')

        line = ends_at_once(path)

    assert line.startswith(f"[http] listen {listen}: Address already in use: ")


async def test_a_serial_port_that_is_missing_is_said_once_and_waited_for(tmp_path: Path) -> None:
    path = configured(tmp_path, f"rtu://{tmp_path}/ttyUSB0")
    async with running(path) as program:
        said = await program.says("line hall is down")
        await program.says("device motor-1 is offline")
        await asyncio.sleep(2.5)
        assert await program.end() == 0

    assert "ttyUSB0" in said
    assert len([line for line in program.said if "is down" in line]) == 1


async def test_a_broker_that_cannot_be_reached_or_refuses_is_one_line_and_nothing_is_lost(tmp_path: Path) -> None:
    broker = mosquitto(tmp_path, settings=f"password_file {tmp_path}/passwords")
    (tmp_path / "passwords").write_text("", encoding="utf-8")
    (tmp_path / "password").write_text("wrong", encoding="utf-8")
    table = f'[mqtt]\nurl = "{broker.url}"\nusername = "works"\npassword_file = "password"\n'
    motor = Motor()
    async with rig("tcp", motor) as device:
        path = configured(tmp_path, device.url, more=table)
        async with running(path) as program:
            unreachable = await program.says("mqtt: unavailable")
            await program.until(lambda: len(motor.served) > 5)
            with broker.server:
                refused = await program.says("not authori")
                await program.until(lambda: len(motor.served) > 30)
            assert await program.end() == 0

    assert f"127.0.0.1:{broker.port}" in unreachable
    assert "check username" in refused
    assert len([line for line in program.said if "mqtt: unavailable" in line]) == 2
    assert "wrong" not in "".join(program.said)
    assert_conserved(tmp_path, motor)


async def test_every_class_of_message_reaches_a_subscriber_and_the_last_word_is_offline(tmp_path: Path) -> None:
    motor = Motor()
    with running_mosquitto(tmp_path) as broker:
        table = f'[mqtt]\nurl = "{broker.url}"\ntelemetry_every = "1s"\n'
        async with rig("tcp", motor) as device, broker.subscriber("energy/#") as subscriber:
            path = configured(tmp_path, device.url, more=table)
            async with running(path) as program:
                topics = ("hall/motor-1/meta", "hall/motor-1/state", "hall/motor-1/telemetry", "hall/motor-1/window",
                          "hall/motor-1/interval", "agent/status")  # fmt: skip
                wanted = {f"energy/works/{topic}" for topic in topics}
                await subscriber.until(lambda messages: wanted <= {message.topic for message in messages})
                assert await program.end() == 0
        async with broker.subscriber("energy/works/agent/status") as late:
            (status,) = await late.until(lambda messages: len(messages) == 1)

    assert orjson.loads(status.payload)["state"] == "offline"
    delivered = [orjson.loads(message.payload) for message in subscriber.messages if message.topic.endswith("interval")]
    stored = intervals(tmp_path)
    assert [record["hash"] for record in delivered] == [record["hash"] for record in stored], "each once, in order"
    assert_conserved(tmp_path, motor)


async def test_ending_takes_no_longer_than_allowed_while_nothing_answers(tmp_path: Path) -> None:
    def silent(_: Request) -> Iterable[Chunk]:
        return []

    more = f'[mqtt]\nurl = "mqtt://127.0.0.1:{free_port()}"\n[influx]\nurl = "http://127.0.0.1:{free_port()}"\n'
    more += 'org = "works"\nbucket = "energy"\n'
    async with rig("tcp", silent) as device:
        path = configured(tmp_path, device.url, more=more)
        async with running(path) as program:
            await program.says("device motor-1 is offline")
            assert await program.end(signal.SIGINT) == 0


@pytest.fixture
def silent_name_service(tmp_path: Path) -> Path:
    """Return a library to preload whose `getaddrinfo` takes a minute, even for a loop that calls it without Python."""
    if not shutil.which("gcc"):
        pytest.skip("needs a C compiler")
    source = "#include <netdb.h>\n#include <unistd.h>\nint getaddrinfo(const char *name, const char *service,"
    source += " const struct addrinfo *hints, struct addrinfo **found) { sleep(60); return EAI_AGAIN; }\n"
    library = tmp_path / "silent.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-xc", "-o", str(library), "-"], input=source, text=True, check=True)
    return library


async def test_a_name_service_that_does_not_answer_keeps_nobody(tmp_path: Path, silent_name_service: Path) -> None:
    motor = Motor()
    named = "".join(
        f'[[line]]\nname = "line-{number}"\nurl = "tcp://plc-{number}.example:502"\n'
        + DEVICE.format(name=f"motor-{number}", unit=1).replace('line = "hall"', f'line = "line-{number}"')
        for number in range(2, 50)
    )
    more = '[mqtt]\nurl = "mqtt://broker.example:1883"\n' + named
    async with rig("tcp", motor) as device:
        path = configured(tmp_path, device.url, more=more)
        async with running(path, LD_PRELOAD=str(silent_name_service)) as program:
            await program.says("device motor-1 is online")
            await asyncio.sleep(1)
            began = time.monotonic()
            assert await program.end() == 0

    assert time.monotonic() - began < 8
    assert_conserved(tmp_path, motor)


async def test_reloading_at_any_moment_is_safe_and_an_unchanged_device_notices_nothing(
    tmp_path: Path, manager: Manager
) -> None:
    motor = Motor()
    yard = Motor()
    async with rig("tcp", motor) as device, rig("tcp", yard) as other:
        line = f'\n[[line]]\nname = "yard"\nurl = "{other.url}"\n'
        pump = DEVICE.format(name="pump", unit=1).replace('line = "hall"', 'line = "yard"')
        path = configured(tmp_path, device.url)
        # A gap is what lasts for three polls: longer than a busy machine stands still.
        text = path.read_text(encoding="utf-8").replace('every = "100ms"', 'every = "500ms"')
        path.write_text(text, encoding="utf-8")
        async with running(path, NOTIFY_SOCKET=manager.path) as program:
            await program.until(lambda: bool(manager.collect()))
            for number in range(6):
                path.write_text(text + (line + pump if number % 2 == 0 else ""), encoding="utf-8")
                program.process.send_signal(signal.SIGHUP)
                if number % 3:  # the others come twice in a row
                    polls = len(motor.served) + 3
                    await program.until(partial(motor.has_served, polls))
            await program.until(lambda: len(motor.served) > 15)
            path.write_text(text + line + pump, encoding="utf-8")
            program.process.send_signal(signal.SIGHUP)
            code = await program.end()

    assert code == 0
    assert device.connections == 1
    assert_conserved(tmp_path, motor)
    records = intervals(tmp_path)
    assert all("gap" not in record["evidence"]["rules"] for record in records), "no poll was missed"


async def test_a_table_that_takes_a_new_start_gets_one_and_the_windows_go_on(tmp_path: Path) -> None:
    motor = Motor()
    port = free_port()
    api = f'[http]\nlisten = "127.0.0.1:{port}"\n'
    async with rig("tcp", motor) as device:
        path = configured(tmp_path, device.url, more=api)
        async with running(path) as program:
            await program.until(lambda: len(motor.served) > 20)
            path.write_text(path.read_text(encoding="utf-8").replace("4MiB", "5MiB"), encoding="utf-8")
            program.process.send_signal(signal.SIGHUP)
            said = await program.says("takes a new start")
            reached = len(motor.served) + 20
            await program.until(lambda: len(motor.served) > reached)
            windows = await asyncio.to_thread(urlopen, f"http://127.0.0.1:{port}/api/v1/windows")
            (window,) = orjson.loads(windows.read())
            windows.close()
            assert await program.end() == 0

    assert "[store]" in said
    assert window["amount"] > 0.07 * 25, "what was booked before the new start is still there"
    assert_conserved(tmp_path, motor)


@pytest.mark.parametrize("closed", ["<&-", "2>&-", "<&- >&- 2>&-"])
async def test_an_agent_whose_caller_has_closed_standard_streams_runs_all_the_same(tmp_path: Path, closed: str) -> None:
    motor = Motor()
    async with rig("tcp", motor) as device:
        command = f'exec "$0" -m agent run "$1" {closed}'
        process = await asyncio.create_subprocess_exec(
            "/bin/sh", "-c", command, sys.executable, str(configured(tmp_path, device.url))
        )
        program = Program(process)
        await program.until(lambda: len(motor.served) > 5)
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(ENOUGH_S):
            assert await process.wait() == 0


def mapped_by(process_id: int) -> str:
    return Path(f"/proc/{process_id}/maps").read_text(encoding="utf-8")


async def test_what_reads_files_and_describes_the_api_does_not_stay_in_the_memory_of_the_agent(tmp_path: Path) -> None:
    motor = Motor()
    port = free_port()
    async with rig("tcp", motor) as device:
        path = configured(tmp_path, device.url, more=f'[http]\nlisten = "127.0.0.1:{port}"\n')
        async with running(path) as program:
            await program.until(lambda: len(motor.served) > 5)
            path.write_text(path.read_text(encoding="utf-8").replace("300ms", "400ms"), encoding="utf-8")
            program.process.send_signal(signal.SIGHUP)
            await program.says("is taken over")
            described = await asyncio.to_thread(urlopen, f"http://127.0.0.1:{port}/api/v1/openapi.json")
            described.close()
            mapped = mapped_by(program.process.pid)
            assert await program.end() == 0

    assert described.status == HTTPStatus.OK
    assert "numpy" in mapped
    assert "pydantic" not in mapped


@pytest.fixture
def signals_as_before() -> Iterable[None]:
    before = {signum: signal.getsignal(signum) for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    yield
    for signum, handler in before.items():
        signal.signal(signum, handler)


@pytest.mark.usefixtures("signals_as_before")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_to_be_asked_to_end_before_anything_runs_is_no_failure(tmp_path: Path, number: signal.Signals) -> None:
    path = configured(tmp_path, "tcp://127.0.0.1:1")

    class EndedMeanwhile(Loading):
        def config(self) -> SiteConfig:
            os.kill(os.getpid(), number)
            return super().config()

    code = run(path, EndedMeanwhile(path), Early())

    assert code == Exit.DONE
    assert not (tmp_path / "store.db").exists()


@pytest.mark.usefixtures("signals_as_before")
@pytest.mark.parametrize("process", [Worker, Copy])
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_to_be_asked_to_end_does_not_wait_for_a_configuration_that_takes_its_time(
    tmp_path: Path, process: type[Worker | Copy]
) -> None:
    path = configured(tmp_path, "tcp://127.0.0.1:1")
    early = Early()
    early.loading = loading = Loading(path, lambda *_: process(__name__, "take_a_minute"))
    os.kill(os.getpid(), signal.SIGTERM)

    began = time.monotonic()
    assert run(path, loading, early) == Exit.DONE
    assert time.monotonic() - began < 5


def take_a_minute() -> None:
    time.sleep(60)


def children(process_id: int) -> list[int]:
    text = Path(f"/proc/{process_id}/task/{process_id}/children").read_text(encoding="ascii")
    return [int(child) for child in text.split()]


async def test_a_service_manager_that_ends_all_processes_at_once_finds_no_failure(tmp_path: Path) -> None:
    path = configured(tmp_path, "tcp://127.0.0.1:1")
    async with running(path) as program:
        await program.until(lambda: bool(children(program.process.pid)))
        reader = children(program.process.pid)
        program.process.send_signal(signal.SIGTERM)
        for each in reader:
            os.kill(each, signal.SIGTERM)
        assert await program.end() == 0

    assert program.said == []
