"""An agent that captures: what went over its lines is on disk, and its own figures tell of it."""

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from agent.capturing import Capturing
from agent.config import SiteConfig
from agent.service import Agent
from agent.store.batch import Batch
from agent.store.database import Database
from agent.store.losses import Losses
from agent.timekeeping.clock import timekeeper
from drivers.capture import Captured, CaptureWriter, Closed, Note, Section, read_capture
from drivers.capture.files import CaptureFiles
from drivers.reading import Outcome
from tests.agent.frames import configured
from tests.agent.running import running, until
from tests.drivers.capture.exchanges import answered
from tests.drivers.capture.test_writer import until as reached
from tests.modbus_rig import Rig, rig

pytestmark = pytest.mark.integration

SITE = """[site]
name = "works"

[store]
path = "store.db"
max_size = "4MiB"

[capture]
mode = "{mode}"
directory = "{directory}"
max_size = "16MiB"

[[line]]
name = "hall"
url = "{url}"
timeout = "300ms"

[[device]]
name = "motor-1"
area = "hall"
line = "hall"
unit = 1
profile = "generic/vfd-motor"
every = "100ms"
"""


def site(folder: Path, device: Rig, *, mode: str = "full", directory: str = "capture", more: str = "") -> SiteConfig:
    return configured(folder, SITE.format(url=device.url, mode=mode, directory=directory) + more)


@pytest.mark.usefixtures("one_capture_file")
@pytest.mark.parametrize("transport", ["tcp", "rtu+tcp"])
async def test_every_exchange_of_a_run_is_captured(transport: str, tmp_path: Path) -> None:
    async with rig(transport) as device:
        config = site(tmp_path, device)
        agent = Agent(config)
        closed: list[Closed] = []
        agent.capture.on_opened = lambda: [Note("books", 5, 5, {"accounts": 1})]
        agent.capture.on_closed = closed.append
        async with running(agent):
            await until(lambda: len(device.requests) > 20)
        head, first, *items = read_capture([tmp_path / "capture"])
    assert isinstance(head, Section)
    assert (head.site, head.configuration, head.lines) == ("works", config.digest, {"hall": device.url})
    assert first == Note("books", 5, 5, {"accounts": 1})
    exchanges = [item.exchange for item in items if isinstance(item, Captured)]
    assert {exchange.outcome for exchange in exchanges} == {Outcome.OK}
    # The last one may have been broken off by the end.
    assert len(device.requests) - 1 <= len(exchanges) <= len(device.requests)
    assert (
        b"".join(exchange.request for exchange in exchanges)
        == bytes(device.heard)[: sum(len(exchange.request) for exchange in exchanges)]
    )
    assert {item.clock for item in items if isinstance(item, Captured)} <= {"synchronised", "unsynchronised"}
    assert [file.path.parent.name for file in closed] == ["capture"]
    assert closed[0].exchanges == len(exchanges)


async def test_capture_can_be_switched_on_and_off_while_the_agent_runs(tmp_path: Path) -> None:
    async with rig("tcp") as device:
        agent = Agent(site(tmp_path, device, mode="off"))
        async with running(agent):
            await until(lambda: len(device.requests) > 5)
            assert agent.snapshot()["capture"]["mode"] == "off"
            assert not (tmp_path / "capture").exists()
            for directory in ("first", "second"):
                config = site(tmp_path, device, directory=directory)
                agent.reload(config)
                await until(lambda: agent.config is config)  # noqa: B023 - waited for at once
                await until(lambda: agent.capture.status.exchanges > 5)
            agent.reload(site(tmp_path, device, mode="off"))
            await until(lambda: agent.capture.writer is None)
            await until(lambda: [*(tmp_path / "second").glob("*.zst")])
    for directory in ("first", "second"):
        assert sum(isinstance(item, Captured) for item in read_capture([tmp_path / directory])) > 5


@pytest.mark.usefixtures("one_capture_file")
async def test_no_interval_is_committed_before_all_that_it_stands_on_is_in_the_capture_however_slow_its_disk_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, commit = CaptureFiles.write, Database.commit
    committed: list[str] = []
    early: list[str] = []

    def slow(files: CaptureFiles, data: bytes) -> None:
        time.sleep(0.3)
        write(files, data)

    def seen(database: Database, batch: Batch, *others: object) -> Losses:
        hashes = [orjson.loads(record.payload)["hash"] for record in batch.records if record.kind == "interval"]
        if hashes:
            found = [item for item in read_capture([tmp_path / "capture"]) if isinstance(item, Note)]
            on_disk = {note.body["record"]["hash"] for note in found if note.kind == "interval"}
            early.extend(each for each in hashes if each not in on_disk)
        committed.extend(hashes)
        return commit(database, batch, *others)  # type: ignore[arg-type]  # handed on as they are

    monkeypatch.setattr(CaptureFiles, "write", slow)
    monkeypatch.setattr("agent.capturing._PATIENCE_S", 60.0)
    monkeypatch.setattr(Database, "commit", seen)
    async with rig("tcp") as device:
        config = site(tmp_path, device, more='[interval]\nlength = "1s"\n')
        async with running(Agent(config)):
            await until(lambda: len(committed) > 2)
    assert early == []


def capturing(folder: Path, directory: str) -> SiteConfig:
    return configured(folder, SITE.format(url="tcp://127.0.0.1:5020", mode="full", directory=directory))


class HeldDisk:
    """Lets no write to a capture in the folders named end before it is freed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *folders: str) -> None:
        self._free = threading.Event()
        write = CaptureFiles.write

        def held_up(files: CaptureFiles, data: bytes) -> None:
            if files.directory.name in folders:
                self._free.wait()
            write(files, data)

        monkeypatch.setattr(CaptureFiles, "write", held_up)

    def free(self) -> None:
        self._free.set()


def recorded(capture: Capturing) -> None:
    """Capture an interval, as one that is about to be committed."""
    assert capture.writer
    capture.writer.note(Note("interval", time.time_ns(), 5, {}))
    capture.writer.hasten()


def closings_end() -> None:
    """Wait until what reloads have replaced is closed, and its files have the names that they keep."""
    for thread in threading.enumerate():
        if thread.name == "capture-closing":
            thread.join(10)


def intervals_in(folder: Path) -> int:
    return sum(isinstance(item, Note) and item.kind == "interval" for item in read_capture([folder]))


def test_a_commit_waits_also_for_a_capture_that_a_reload_has_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = HeldDisk(monkeypatch, "first")
    monkeypatch.setattr("agent.capturing._PATIENCE_S", 60.0)
    monkeypatch.setattr("drivers.capture.writer._CLOSE_S", 60.0)
    capture = Capturing(capturing(tmp_path, "first"), timekeeper())
    capture.start()
    recorded(capture)
    capture.configure(capturing(tmp_path, "second"))
    commit = threading.Thread(target=capture.keep, daemon=True)
    commit.start()
    commit.join(0.3)
    waits = commit.is_alive()
    disk.free()
    commit.join(10)
    assert waits
    assert not commit.is_alive()
    closings_end()
    assert intervals_in(tmp_path / "first") == 1
    asyncio.run(capture.close())


def test_a_commit_waits_for_all_captures_together_no_longer_than_for_one_and_asks_each_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    disk = HeldDisk(monkeypatch, "second")
    monkeypatch.setattr("agent.capturing._PATIENCE_S", 0.2)
    monkeypatch.setattr("drivers.capture.thread._SYNC_S", float("inf"))  # nobody else asks
    closing, given = threading.Event(), list[float]()
    keep, close = CaptureWriter.keep, CaptureWriter.close

    def later(writer: CaptureWriter) -> None:
        closing.wait()
        close(writer)

    monkeypatch.setattr(CaptureWriter, "close", later)
    capture = Capturing(capturing(tmp_path, "first"), timekeeper())
    capture.start()
    before = capture.writer
    assert before

    def noted(writer: CaptureWriter, timeout_s: float) -> bool:
        given.append(timeout_s)
        kept = keep(writer, timeout_s)
        reached(lambda: not before._thread.progress.asked)
        return kept

    monkeypatch.setattr(CaptureWriter, "keep", noted)
    recorded(capture)
    capture.configure(capturing(tmp_path, "second"))
    recorded(capture)
    capture.keep()
    late = [record.getMessage() for record in caplog.records]
    disk.free()
    closing.set()
    asyncio.run(capture.close())
    closings_end()
    assert [timeout_s > 0 for timeout_s in given] == [True, False]  # the one that hangs has taken all
    assert intervals_in(tmp_path / "first") == intervals_in(tmp_path / "second") == 1
    second = tmp_path / "second"
    assert late == [
        f"{second}: what intervals stand on is not on the disk in time; until it is, they are recorded without"
    ]


class Watched(Capturing):
    """Tells of each step of a reload in which another thread may look."""

    def __init__(self, config: SiteConfig) -> None:
        self.step: Callable[[], None] = lambda: None
        super().__init__(config, timekeeper())

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        self.step()


@pytest.mark.parametrize("after", ["capture", "another"], ids=["that goes on", "that is replaced"])
def test_at_no_step_of_a_reload_is_a_capture_passed_over_by_a_commit(
    after: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[CaptureWriter] = []

    def noted(writer: CaptureWriter, _timeout_s: float) -> bool:
        asked.append(writer)
        return True

    monkeypatch.setattr(CaptureWriter, "keep", noted)
    capture = Watched(capturing(tmp_path, "capture"))
    before, passed_over = capture.writer, list[int]()
    assert before
    before.exchange(answered("hall"))
    steps = 0

    def step() -> None:
        nonlocal steps
        steps += 1
        asked.clear()
        capture.keep()
        if before not in asked:
            passed_over.append(steps)

    def opened() -> list[Note]:
        step()
        return []

    capture.on_opened = opened
    closing = threading.Event()
    monkeypatch.setattr(CaptureWriter, "close", lambda _writer: closing.wait())
    capture.step = step
    capture.configure(capturing(tmp_path, after))
    capture.step = lambda: None
    closing.set()
    assert steps > 2
    assert passed_over == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_capture_that_cannot_be_closed_is_waited_for_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[CaptureWriter] = []
    closed = threading.Event()

    def fails(_writer: CaptureWriter) -> None:
        closed.set()
        raise RuntimeError

    def noted(writer: CaptureWriter, _timeout_s: float) -> bool:
        asked.append(writer)
        return True

    monkeypatch.setattr(CaptureWriter, "keep", noted)
    monkeypatch.setattr(CaptureWriter, "close", fails)
    capture = Capturing(capturing(tmp_path, "first"), timekeeper())
    capture.configure(capturing(tmp_path, "second"))
    assert closed.wait(10)
    closings_end()
    capture.keep()
    assert asked == [capture.writer]


async def test_a_directory_switched_back_and_forth_within_a_second_has_no_two_files_of_a_name(tmp_path: Path) -> None:
    def files_in(pattern: str) -> list[str]:
        return [file.name for file in tmp_path.glob(f"?/{pattern}")]

    async with rig("tcp") as device:
        agent = Agent(site(tmp_path, device, directory="a"))
        async with running(agent):
            for directory in ("b", "a", "b", "a"):
                await until(lambda: agent.capture.status.exchanges)
                config = site(tmp_path, device, directory=directory)
                agent.reload(config)
                await until(lambda: agent.config is config)  # noqa: B023 - waited for at once
        await until(lambda: not files_in("*.pcapng"))
    names = files_in("*.pcapng.zst")
    assert len(names) >= 4
    assert len({*names}) == len(names)


async def test_a_capture_that_fails_raises_an_alarm_and_the_line_goes_on(tmp_path: Path) -> None:
    (tmp_path / "capture").write_text("no directory")
    async with rig("tcp") as device:
        agent = Agent(site(tmp_path, device))
        async with running(agent):
            await until(lambda: agent.snapshot()["alarms"])
            asked = len(device.requests)
            await until(lambda: len(device.requests) > asked + 5)
            state = agent.snapshot()
    (alarm,) = state["alarms"]
    assert (alarm["name"], alarm["text"]) == (
        "capture",
        "nothing is captured: File exists, so this time cannot be recomputed: check the disk",
    )
    assert state["capture"]["trouble"] == "nothing is captured: File exists"
    assert state["capture"]["dropped"] > 0
    assert orjson.dumps(state)
