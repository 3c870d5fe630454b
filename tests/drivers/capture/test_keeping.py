"""Whoever has something that stands on a capture waits until the disk has it, but for no disk that hangs."""

import errno
import os
import shutil
import stat
import threading
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from drivers.capture import CaptureWriter, Closed, Note, files, read_capture
from drivers.capture.files import CaptureFiles
from drivers.capture.thread import WriterThread
from drivers.reading import Exchange
from tests.drivers.capture.exchanges import BOOT, LINES, START_NS, answered, mixed
from tests.drivers.capture.test_writer import SOON_S, captured, goes_on, until, writing

FOR_EVER_S = 60.0
"""Longer than any test here waits."""
NOTE = Note("interval", START_NS, 5, {"hash": "sha256:1"})


class StuckDisk:
    """Lets no write to a capture end until it is mended."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._free = threading.Event()
        write = CaptureFiles.write

        def wait(files: CaptureFiles, data: bytes) -> None:
            self._free.wait()
            write(files, data)

        monkeypatch.setattr(CaptureFiles, "write", wait)

    def mend(self) -> None:
        self._free.set()


@pytest.fixture
def stuck(monkeypatch: pytest.MonkeyPatch) -> Iterator[StuckDisk]:
    disk = StuckDisk(monkeypatch)
    yield disk
    disk.mend()


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> dict[int, int]:
    """Return how many bytes of each file, by inode, the disk was asked to keep."""
    found: dict[int, int] = {}
    for name in ("fdatasync", "fsync"):
        sync = getattr(os, name)

        def noted(descriptor: int, sync: object = sync) -> None:
            sync(descriptor)  # type: ignore[operator]  # one of the two
            found[os.fstat(descriptor).st_ino] = os.fstat(descriptor).st_size

        monkeypatch.setattr(os, name, noted)
    return found


def kept_at_once(writer: CaptureWriter) -> bool:
    """Return what `keep` says that may wait for long; fail if it does."""
    said: list[bool] = []
    waiting = threading.Thread(target=lambda: said.append(writer.keep(FOR_EVER_S)), daemon=True)
    waiting.start()
    waiting.join(SOON_S)
    assert said, "it waits"
    return said[0]


def recorded(writer: CaptureWriter) -> None:
    """Capture two exchanges, and a note of what stands on them."""
    writer.exchange(answered("hall", 0))
    writer.exchange(answered("bus", 0))
    writer.note(NOTE)
    writer.hasten()


def test_what_was_hastened_is_in_the_file_and_the_disk_was_asked_to_keep_it_and_its_name(
    tmp_path: Path, synced: dict[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drivers.capture.thread._SYNC_S", float("inf"))  # nobody else asks
    with writing(tmp_path) as writer:
        recorded(writer)
        assert writer.keep(SOON_S)
        (path,) = tmp_path.iterdir()
        assert synced[path.stat().st_ino] == path.stat().st_size
        assert tmp_path.stat().st_ino in synced
        assert captured(tmp_path) == [answered("hall", 0), answered("bus", 0)]
        assert [item for item in read_capture([path]) if isinstance(item, Note)] == [NOTE]


def test_nobody_waits_for_what_nothing_stands_on(tmp_path: Path) -> None:
    writer = CaptureWriter(tmp_path, site="works", version="1", boot_id=BOOT, max_size=1 << 30)
    writer.configure("sha256:abc", LINES)
    writer.exchange(answered("hall", 0))
    writer.note(NOTE)
    assert kept_at_once(writer)  # though nothing writes


class UncertainFolders:
    """Answers whoever asks the disk to keep the names in a folder with an error, and notes who asks."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.error = 0
        self.asked: list[int] = []
        """The folders, by inode."""
        fsync = os.fsync

        def uncertain(descriptor: int) -> None:
            found = os.fstat(descriptor)
            if stat.S_ISDIR(found.st_mode):
                self.asked.append(found.st_ino)
                if self.error:
                    raise OSError(self.error, os.strerror(self.error))
            fsync(descriptor)

        monkeypatch.setattr(os, "fsync", uncertain)


def test_a_disk_that_fails_to_keep_the_name_of_a_file_is_told_of_and_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drivers.capture.writer._RETRY_S", 0.0)
    folders = UncertainFolders(monkeypatch)
    with writing(tmp_path) as writer:
        folders.error = errno.EIO
        recorded(writer)
        assert writer.keep(SOON_S)
        assert writer.status.trouble == "nothing is captured: Input/output error"
        folders.error = 0
        folders.asked.clear()
        until(lambda: goes_on(writer))
        recorded(writer)
        assert writer.keep(SOON_S)
        assert folders.asked
    assert captured(tmp_path)[-2:] == [answered("hall", 0), answered("bus", 0)]


@pytest.mark.parametrize("error", [errno.EINVAL, errno.ENOTSUP])
def test_a_file_system_that_cannot_be_asked_to_keep_names_is_captured_to_and_asked_once(
    error: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = UncertainFolders(monkeypatch)
    folders.error = error
    with writing(tmp_path) as writer:
        for _ in range(2):
            recorded(writer)
            assert writer.keep(SOON_S)
        assert not writer.status.trouble
        assert folders.asked == [tmp_path.stat().st_ino]
    assert [file.suffix for file in tmp_path.iterdir()] == [".zst"]


def test_the_disk_is_asked_to_keep_the_names_of_the_folders_that_are_made_for_a_capture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = UncertainFolders(monkeypatch)
    with writing(tmp_path / "plant" / "capture") as writer:
        recorded(writer)
        assert writer.keep(SOON_S)
        above = {folder.stat().st_ino for folder in (tmp_path, tmp_path / "plant")}
        assert above <= {*folders.asked}
        folders.asked.clear()
    with writing(tmp_path / "plant" / "capture") as writer:
        recorded(writer)
        assert writer.keep(SOON_S)
    assert above.isdisjoint(folders.asked)


def test_the_disk_is_asked_once_for_many_that_were_hastened_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    syncs: list[CaptureFiles] = []
    sync = CaptureFiles.sync

    def counted(files: CaptureFiles) -> None:
        syncs.append(files)
        sync(files)

    monkeypatch.setattr(CaptureFiles, "sync", counted)
    with writing(tmp_path) as writer:
        until(lambda: syncs)  # the first look
        before = len(syncs)
        for _ in range(50):
            recorded(writer)
        assert writer.keep(SOON_S)
        assert writer.keep(SOON_S)
        assert len(syncs) <= before + 2  # one of them may be that of every few seconds


def test_a_disk_that_hangs_is_waited_for_once_told_of_once_and_waited_for_again_when_it_has_caught_up(
    tmp_path: Path, stuck: StuckDisk, caplog: pytest.LogCaptureFixture
) -> None:
    with writing(tmp_path) as writer:
        recorded(writer)
        assert not writer.keep(0.05)
        recorded(writer)
        assert not kept_at_once(writer)
        stuck.mend()
        until(lambda: writer.keep(0))
        recorded(writer)
        assert writer.keep(SOON_S)
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path}: what intervals stand on is not on the disk in time; until it is, they are recorded without",
        f"{tmp_path}: what intervals stand on is on the disk again",
    ]


def test_a_disk_that_takes_nothing_keeps_nobody_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_files: CaptureFiles, _data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(CaptureFiles, "write", full)
    with writing(tmp_path) as writer:
        for _ in range(2):
            recorded(writer)
            assert kept_at_once(writer)
        assert writer.status.trouble == "nothing is captured: No space left on device"


def test_a_writer_that_has_failed_keeps_nobody_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_thread: WriterThread) -> None:
        raise RuntimeError

    monkeypatch.setattr(WriterThread, "_write_queued", fails)
    with writing(tmp_path) as writer:
        recorded(writer)
        assert not kept_at_once(writer)
        assert writer.status.trouble.startswith("nothing is captured any more")


def test_a_closed_writer_keeps_nobody_waiting_even_if_its_disk_hangs(
    tmp_path: Path, stuck: StuckDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drivers.capture.writer._CLOSE_S", 0.05)
    with writing(tmp_path / "stuck") as hanging:
        recorded(hanging)
    assert not kept_at_once(hanging)
    stuck.mend()
    with writing(tmp_path / "well") as writer:
        recorded(writer)
    assert kept_at_once(writer)


def test_a_writer_that_is_closed_again_is_not_waited_for_again(
    tmp_path: Path, stuck: StuckDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drivers.capture.writer._CLOSE_S", 0.05)
    with writing(tmp_path) as writer:
        recorded(writer)
    monkeypatch.setattr("drivers.capture.writer._CLOSE_S", FOR_EVER_S)
    again = threading.Thread(target=writer.close, daemon=True)
    again.start()
    again.join(SOON_S)
    assert not again.is_alive()
    stuck.mend()


def left_open(directory: Path, exchanges: list[Exchange]) -> Path:
    """Return a file with exchanges as a run that was killed leaves it."""
    with writing(directory) as writer:
        for exchange in exchanges:
            writer.exchange(exchange)
        writer.end()
        writer.hasten()
        assert writer.keep(SOON_S)
        (path,) = directory.iterdir()
        shutil.copy(path, directory / "left")
    (directory / "left").rename(path)
    (directory / f"{path.name}.zst").unlink()
    return path


def test_nobody_waits_for_what_runs_before_left_to_be_looked_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_open(tmp_path, mixed(500))
    looked, written = threading.Event(), threading.Event()
    take_up = CaptureFiles.take_up

    def slowly(files: CaptureFiles) -> Iterator[None]:
        for _ in take_up(files):
            looked.set()
            while not written.wait(0.001):
                yield

    monkeypatch.setattr(CaptureFiles, "take_up", slowly)
    with writing(tmp_path) as writer:
        assert looked.wait(SOON_S)
        recorded(writer)
        kept = writer.keep(SOON_S)
        written.set()
    assert kept
    assert len(captured(tmp_path)) > 2
    assert {file.suffix for file in tmp_path.iterdir()} == {".zst"}


def test_a_file_that_cannot_be_taken_up_costs_neither_the_other_files_nor_what_is_captured_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    left = left_open(tmp_path, [answered("hall", number) for number in range(20)])
    unreadable = tmp_path / "works-20200101T000000Z.pcapng"
    shutil.copy(left, unreadable)
    looked, written = threading.Event(), threading.Event()
    take_up = files._left

    def fails(path: Path) -> Generator[None, None, files.Finished | None]:
        if path != unreadable:
            return (yield from take_up(path))
        looked.set()
        while not written.wait(0.001):
            yield
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(files, "_left", fails)
    closed: list[Closed] = []
    with writing(tmp_path, on_closed=closed.append) as writer:
        assert looked.wait(SOON_S)
        recorded(writer)
        assert writer.keep(SOON_S)
        written.set()
        until(lambda: closed)
        recorded(writer)
        assert writer.keep(SOON_S)
        assert (writer.status.trouble, writer.status.dropped) == ("", 0)
    assert [file.exchanges for file in closed] == [20, 4]
    assert unreadable.exists()
    assert [record.getMessage() for record in caplog.records] == [
        f"{unreadable}: cannot be taken up, and stays as it is: Input/output error"
    ]
