import asyncio
import errno
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
import zstandard

from drivers.capture import Captured, CaptureWriter, Closed, Damage, Note, Removed, Section, read_capture
from drivers.capture.files import CaptureFiles
from drivers.reading import Exchange, Outcome
from tests.drivers.capture.exchanges import BOOT, LINES, START_NS, answered, failed, mixed, of_every_kind

HOUR_NS = 3600 * 1_000_000_000
SOON_S = 10


@contextmanager
def writing(directory: Path, *, max_size: int = 1 << 30, **callbacks: Callable[..., object]) -> Iterator[CaptureWriter]:
    writer = CaptureWriter(directory, site="works", version="1", boot_id=BOOT, max_size=max_size, **callbacks)  # type: ignore[arg-type]
    writer.configure("sha256:abc", LINES)
    writer.start()
    try:
        yield writer
    finally:
        writer.close()


def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + SOON_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0  # it has just been compressed


def captured(directory: Path) -> list[Exchange]:
    return [item.exchange for item in read_capture([directory]) if isinstance(item, Captured) and not item.again]


def notes(directory: Path) -> list[Note]:
    return [item for item in read_capture([directory]) if isinstance(item, Note)]


def at(exchange: Exchange, later_ns: int) -> Exchange:
    return replace(
        exchange,
        time_ns=exchange.time_ns + later_ns,
        sent_ns=exchange.sent_ns + later_ns,
        received_ns=exchange.received_ns + later_ns,
    )


def test_everything_captured_is_there_when_the_writer_is_closed(tmp_path: Path) -> None:
    exchanges = [exchange for line in LINES for exchange in of_every_kind(line)]
    with writing(tmp_path) as writer:
        for exchange in exchanges:
            writer.exchange(exchange)
    assert sorted(captured(tmp_path), key=exchanges.index) == exchanges
    assert [path.suffixes for path in tmp_path.iterdir()] == [[".pcapng", ".zst"]]


def test_the_last_exchange_of_a_poll_carries_its_mark(tmp_path: Path) -> None:
    with writing(tmp_path) as writer:
        writer.clock = "right"
        writer.exchange(answered("hall", 0))
        writer.exchange(answered("bus", 0))
        writer.booked("bus", 1)
        writer.exchange(answered("hall", 1))
        writer.booked("hall", 0)
        writer.booked("hall", 0)
        writer.exchange(answered("hall", 2))
    items = [item for item in read_capture([tmp_path]) if isinstance(item, Captured)]
    assert [(item.exchange, item.booked) for item in items] == [
        (answered("bus", 0), 1),
        (answered("hall", 0), None),
        (answered("hall", 1), 0),
        (answered("hall", 2), None),
    ]
    assert {item.clock for item in items} == {"right"}


def test_a_note_stands_behind_everything_before_it(tmp_path: Path) -> None:
    note = Note("interval", START_NS, 5, {"hash": "sha256:1"})
    with writing(tmp_path) as writer:
        writer.exchange(answered("hall", 0))
        writer.exchange(answered("bus", 0))
        writer.note(note)
        writer.booked("hall", 0)  # too late: it stands there already
        writer.exchange(answered("hall", 1))
    _, first, second, told, last = read_capture([tmp_path])
    assert isinstance(first, Captured)
    assert isinstance(second, Captured)
    assert isinstance(last, Captured)
    assert (first.exchange, second.exchange) == (answered("hall", 0), answered("bus", 0))
    assert told == note
    assert last.exchange == answered("hall", 1)


def test_every_hour_has_a_file_that_begins_with_what_a_replay_needs(tmp_path: Path) -> None:
    books = Note("books", START_NS, 1, {"accounts": 3})
    exchanges = [at(answered("hall", number), number * HOUR_NS // 2) for number in range(8)]
    closed: list[Closed] = []
    with writing(tmp_path, on_opened=lambda: [books], on_closed=closed.append) as writer:
        for exchange in exchanges:
            writer.exchange(exchange)
            writer.booked("hall", 0)
    assert captured(tmp_path) == exchanges
    files = sorted(tmp_path.iterdir())
    assert len(files) == 5
    for path, told in zip(files, closed, strict=True):
        head, first, *rest = read_capture([path])
        assert isinstance(head, Section)
        assert first == books
        times = [item.exchange.time_ns for item in rest if isinstance(item, Captured)]
        content = path.read_bytes()
        assert told == Closed(path, sha256(content).hexdigest(), len(content), told.first_ns, times[-1], len(times))
    assert files[0].name == "works-20261129T003225Z.pcapng.zst"


def test_a_poll_under_way_is_told_again_in_the_next_file(tmp_path: Path) -> None:
    poll = [replace(answered("hall", number), poll=5) for number in range(4)]
    later = [at(exchange, HOUR_NS) for exchange in poll]
    with writing(tmp_path) as writer:
        for exchange in [*poll[:2], *later[2:]]:
            writer.exchange(exchange)
        writer.booked("hall", 0)
    second = sorted(tmp_path.iterdir())[1]
    items = [item for item in read_capture([second]) if isinstance(item, Captured)]
    assert [item.exchange for item in items] == [*poll[:2], *later[2:]]
    assert [item.again for item in items] == [True, True, False, False]
    assert [item.booked for item in items] == [None, None, None, 0]
    assert captured(tmp_path) == [*poll[:2], *later[2:]]


def test_a_file_that_grows_too_long_is_followed_by_another(tmp_path: Path) -> None:
    exchanges = [answered("hall", number) for number in range(3000)]
    with writing(tmp_path, max_size=2 << 20) as writer:
        for exchange in exchanges:
            writer.exchange(exchange)
    assert len([*tmp_path.iterdir()]) > 3
    assert captured(tmp_path) == exchanges


def test_a_file_that_would_soon_be_full_is_followed_by_another_while_nobody_waits(tmp_path: Path) -> None:
    made = [answered("hall", number) for number in range(6000)]
    exchanges = [at(exchange, time.time_ns() - exchange.time_ns) for exchange in made]
    looking, opened = False, list[bool]()

    def on_opened() -> list[Note]:
        opened.append(looking)
        return [Note("books", START_NS, 1, {"text": "x" * 100_000})]

    with writing(tmp_path, max_size=6 << 20, on_opened=on_opened) as writer:
        for number, exchange in enumerate(exchanges, 1):
            writer.exchange(exchange)
            if number % 50 == 0:
                looking = True
                writer.look()
                looking = False
        files = len(opened)
    assert opened == [False] + [True] * (files - 1)
    assert 3 < files < 6
    assert captured(tmp_path) == exchanges


def test_a_look_opens_no_file_before_there_is_anything_to_write(tmp_path: Path) -> None:
    with writing(tmp_path, max_size=256) as writer:
        writer.look()
    assert list(tmp_path.iterdir()) == []


def test_all_files_together_stay_within_their_size_and_the_oldest_goes_first(tmp_path: Path) -> None:
    removed: list[Removed] = []
    stranger = tmp_path / "works-east-20200101T000000Z.pcapng.zst"
    stranger.write_bytes(bytes(1 << 20))
    most = 1 << 20
    sizes = []
    with writing(tmp_path, max_size=most, on_removed=removed.append) as writer:
        for number in range(60):
            for exchange in range(200):
                base = answered("hall", number * 200 + exchange)
                writer.exchange(replace(base, reply=base.reply[:9] + os.urandom(2 * base.block.count)))
            until(lambda: not writer.status.waiting)
            sizes.append(sum(size_of(path) for path in tmp_path.iterdir() if path != stranger))
        status = writer.status
    assert stranger.exists()
    assert removed
    assert max(sizes) <= most
    assert status.removed == len(removed)
    names = [file.path.name for file in removed]
    kept = [path.name for path in tmp_path.iterdir() if path != stranger]
    # The one that was being compressed is passed over.
    assert sum(name < max(names) for name in kept) <= 1
    assert {note.body["file"] for note in notes(tmp_path)} <= set(names)
    assert notes(tmp_path)[-1].kind == "removed"


def test_another_configuration_begins_another_file_at_once(tmp_path: Path) -> None:
    with writing(tmp_path) as writer:
        writer.exchange(answered("hall", 0))
        writer.configure("sha256:other", {"bus": LINES["bus"]})
        writer.exchange(answered("bus", 0))
    heads = [item for item in read_capture([tmp_path]) if isinstance(item, Section)]
    assert [(head.configuration, [*head.lines]) for head in heads] == [
        ("sha256:abc", [*LINES]),
        ("sha256:other", ["bus"]),
    ]
    assert captured(tmp_path) == [answered("hall", 0), answered("bus", 0)]


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
def test_a_failing_disk_is_told_of_once_and_costs_only_what_it_did_not_take(
    error: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    write, broken = CaptureFiles.write, False

    def failing(files: CaptureFiles, data: bytes) -> None:
        if broken:
            raise OSError(error, os.strerror(error))
        write(files, data)

    monkeypatch.setattr(CaptureFiles, "write", failing)
    monkeypatch.setattr("drivers.capture.writer._RETRY_S", 0.0)
    books = Note("books", START_NS, 1, {})
    with writing(tmp_path, on_opened=lambda: [books]) as writer:
        writer.exchange(answered("hall", 0))
        writer.booked("hall", 0)
        writer.hasten()
        assert writer.keep(SOON_S)
        broken = True
        writer.exchange(answered("hall", 1))
        writer.booked("hall", 0)
        until(lambda: writer.status.trouble)
        assert writer.status.trouble == f"nothing is captured: {os.strerror(error)}"
        for number in range(2, 10):
            writer.exchange(answered("hall", number))
            writer.booked("hall", 0)
        broken = False
        until(lambda: goes_on(writer))
        writer.exchange(answered("hall", 100))
        writer.booked("hall", 0)
    assert len([record for record in caplog.records if record.levelname == "ERROR"]) == 1
    kept = captured(tmp_path)
    assert kept[0] == answered("hall", 0)
    assert kept[-1] == answered("hall", 100)
    told = notes(tmp_path)
    assert [note.kind for note in told] == ["books", "dropped", "books"]
    status = writer.status
    assert told[1].body == {"exchanges": status.dropped, "notes": 0}
    assert status.exchanges == len(kept)


def goes_on(writer: CaptureWriter) -> bool:
    writer.exchange(answered("hall", 50))
    writer.booked("hall", 0)
    return not writer.status.trouble


def test_a_file_that_loses_its_name_is_told_of_and_followed_by_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drivers.capture.thread._SYNC_S", 0.0)
    monkeypatch.setattr("drivers.capture.writer._RETRY_S", 0.0)
    directory = tmp_path / "capture"
    with writing(directory) as writer:
        for exchange in mixed(5):
            writer.exchange(exchange)
        writer.end()
        until(lambda: writer.status.bytes > 1000)
        shutil.rmtree(directory)
        until(lambda: writer.status.trouble)
        assert writer.status.trouble == "nothing is captured: its file was removed while it was written"
        until(lambda: goes_on(writer))
        writer.exchange(answered("hall", 100))
    assert captured(directory)[-1] == answered("hall", 100)


def test_a_full_disk_leaves_no_empty_file_at_any_try(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[Path] = []

    def full(files: CaptureFiles, _data: bytes) -> None:
        assert files.current
        tried.append(files.current.path)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("drivers.capture.writer._RETRY_S", 0.0)
    monkeypatch.setattr(CaptureFiles, "write", full)
    with writing(tmp_path) as writer:
        for number in range(3):
            writer.exchange(answered("hall", number))
            writer.booked("hall", 0)
            until(lambda: len(tried) > number)  # noqa: B023 - waited for at once
            until(lambda: writer.status.trouble)
    assert list(tmp_path.iterdir()) == []


def test_captures_are_for_the_same_people_compressed_or_not(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with writing(tmp_path) as writer:
            writer.exchange(answered("hall"))
            writer.end()
            until(lambda: writer.status.files)
            assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o640}
    finally:
        os.umask(before)
    (packed,) = tmp_path.iterdir()
    assert (packed.suffix, packed.stat().st_mode & 0o777) == (".zst", 0o640)


def test_a_directory_that_cannot_be_made_stops_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("here already")
    with writing(tmp_path / "file" / "captures") as writer:
        until(lambda: writer.status.trouble)
        writer.exchange(answered("hall"))
        writer.booked("hall", 0)
        assert writer.status.dropped == 1
        assert writer.status.trouble == "nothing is captured: Not a directory"
    assert len(caplog.records) == 1


def test_a_queue_that_is_full_drops_and_tells_how_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivers.capture.writer._MOST_WAITING", 50)
    writer = CaptureWriter(tmp_path, site="works", version="1", boot_id=BOOT, max_size=1 << 30)
    writer.configure("sha256:abc", LINES)
    for number in range(200):
        writer.exchange(answered("hall", number))
    assert writer.status.waiting == 50
    dropped = writer.status.dropped
    writer.start()
    until(lambda: not writer.status.waiting)
    writer.exchange(answered("hall", 200))
    writer.close()
    kept = captured(tmp_path)
    assert kept == [answered("hall", number) for number in (*range(len(kept) - 2), 199, 200)]
    assert [(note.kind, note.body["exchanges"]) for note in notes(tmp_path)] == [("dropped", dropped)]
    assert len(kept) + dropped == 201


_VICTIM = """
import sys
from pathlib import Path
from drivers.capture import CaptureWriter
from tests.drivers.capture.exchanges import BOOT, LINES, answered
writer = CaptureWriter(Path(sys.argv[1]), site="works", version="1", boot_id=BOOT, max_size=1 << 30)
writer.configure("sha256:abc", LINES)
writer.start()
for number in range(100_000):
    writer.exchange(answered("hall", number))
    writer.booked("hall", 0)
    if number % 10 == 9:
        writer.hasten()
        if writer.keep(10):
            print(number, flush=True)
"""


@pytest.mark.integration
def test_a_killed_writer_leaves_a_file_that_the_next_one_finishes(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", _VICTIM, str(tmp_path)], stdout=subprocess.PIPE, text=True) as victim:
        assert victim.stdout
        said = [int(victim.stdout.readline()) for _ in range(30)]
        victim.send_signal(signal.SIGKILL)
        said += [int(line) for line in victim.stdout.readlines() if line.endswith("\n")]
    closed: list[Closed] = []
    with writing(tmp_path, on_closed=closed.append):
        until(lambda: closed)
    (told,) = closed
    kept = captured(tmp_path)
    assert len(kept) > said[-1]
    assert kept == [answered("hall", number) for number in range(len(kept))]
    assert (told.exchanges, told.last_ns) == (len(kept), kept[-1].time_ns)
    assert not any(isinstance(item, Damage) for item in read_capture([tmp_path]))
    assert [path.suffix for path in tmp_path.iterdir()] == [".zst"]


def test_a_torn_end_is_cut_off_and_the_rest_compressed(tmp_path: Path) -> None:
    with writing(tmp_path) as writer:
        for exchange in mixed(50):
            writer.exchange(exchange)
    (path,) = tmp_path.iterdir()
    whole = zstandard.ZstdDecompressor().decompress(path.read_bytes())
    path.unlink()
    (tmp_path / "works-20261129T001225Z.pcapng").write_bytes(whole[:-7] + bytes(1000))
    (tmp_path / "works-20261129T001225Z.pcapng.zst.part").write_bytes(b"half")
    (tmp_path / "works-20261129T001226Z.pcapng").write_bytes(b"")
    closed: list[Closed] = []
    with writing(tmp_path, on_closed=closed.append):
        until(lambda: closed)
    assert sorted(exchange.time_ns for exchange in captured(tmp_path)) != []
    assert len(captured(tmp_path)) == 49
    assert [file.name for file in tmp_path.iterdir()] == ["works-20261129T001225Z.pcapng.zst"]


@pytest.mark.parametrize("zeros", [512, 5 << 20], ids=["the first block damaged", "a stretch in the middle"])
def test_a_left_file_damaged_by_more_than_a_power_cut_is_kept_whole_and_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, zeros: int
) -> None:
    with writing(tmp_path) as writer:
        for exchange in mixed(50):
            writer.exchange(exchange)
    (path,) = tmp_path.iterdir()
    whole = zstandard.ZstdDecompressor().decompress(path.read_bytes())
    damaged = bytes(zeros) + whole[zeros:] if zeros < len(whole) else whole + bytes(zeros) + whole
    path.unlink()
    left = tmp_path / "works-20261129T001225Z.pcapng"
    left.write_bytes(damaged)
    closed: list[Closed] = []
    with writing(tmp_path, on_closed=closed.append):
        until(lambda: closed)
    (kept,) = tmp_path.iterdir()
    assert zstandard.ZstdDecompressor().decompress(kept.read_bytes()) == damaged
    sound = 0 if zeros < len(whole) else len(whole)
    (told,) = caplog.records
    assert told.getMessage() == (
        f"{left}: its last {len(damaged) - sound} of {len(damaged)} bytes make no sense, "
        "and are kept as they are: somebody may make sense of them"
    )


def test_a_left_file_with_a_packet_of_nothing_keeps_nobody_from_capturing(tmp_path: Path) -> None:
    with writing(tmp_path) as writer:
        writer.exchange(answered("hall"))
    (path,) = tmp_path.iterdir()
    whole = zstandard.ZstdDecompressor().decompress(path.read_bytes())
    path.unlink()
    (tmp_path / "works-20261129T001225Z.pcapng").write_bytes(whole + struct.pack(">III", 6, 12, 12))
    closed: list[Closed] = []
    with writing(tmp_path, on_closed=closed.append) as writer:
        until(lambda: closed or writer.status.trouble)
        assert not writer.status.trouble


def test_writers_of_one_run_give_no_two_files_one_name_whatever_their_directories(tmp_path: Path) -> None:
    used: deque[str] = deque(maxlen=9)
    for name in ("a", "b", "a", "b"):
        with writing(tmp_path / name) as writer:
            writer.share(used)
            writer.exchange(answered("hall"))
    files = [file.name for name in ("a", "b") for file in (tmp_path / name).iterdir()]
    assert len({*files}) == len(files) == 4


async def test_a_slow_disk_never_slows_who_captures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = CaptureFiles.write

    def slow(files: CaptureFiles, data: bytes) -> None:
        time.sleep(0.3)
        write(files, data)

    monkeypatch.setattr(CaptureFiles, "write", slow)
    with writing(tmp_path) as writer:
        turns = 0
        until_s = time.monotonic() + 0.5
        while time.monotonic() < until_s:
            writer.exchange(failed("bus", Outcome.NO_REPLY, turns))
            turns += 1
            await asyncio.sleep(0.001)
    assert turns > 50
    assert len(captured(tmp_path)) == turns


def _sleep_until(since_beat_s: float) -> None:
    time.sleep((since_beat_s - time.time()) % 1)


def test_nothing_is_written_while_lines_ask_their_devices(tmp_path: Path) -> None:
    _sleep_until(0.1)
    with writing(tmp_path) as writer:
        writer.exchange(answered("hall"))
        writer.end()
        until(lambda: not writer.status.waiting)
        assert time.time() % 1 > 0.8


def test_nothing_is_compressed_while_lines_ask_their_devices(tmp_path: Path) -> None:
    with writing(tmp_path) as writer:
        writer.exchange(answered("hall"))
    (path,) = tmp_path.iterdir()
    whole = zstandard.ZstdDecompressor().decompress(path.read_bytes())
    path.unlink()
    (tmp_path / "works-20261129T001225Z.pcapng").write_bytes(whole)
    closed: list[float] = []
    _sleep_until(0.1)
    with writing(tmp_path, on_closed=lambda _: closed.append(time.time() % 1)):
        until(lambda: closed)
    assert closed[0] > 0.45


def test_a_note_longer_than_a_file_should_be_is_kept_all_the_same(tmp_path: Path) -> None:
    books = Note("books", START_NS, 1, {"text": "x" * 900_000})
    with writing(tmp_path, max_size=4 << 20, on_opened=lambda: [books]) as writer:
        for number in range(3):
            writer.exchange(answered("hall", number))
            until(lambda: not writer.status.waiting)
        assert writer.status.dropped == 0
    assert captured(tmp_path) == [answered("hall", number) for number in range(3)]


def test_a_line_that_is_not_configured_is_no_line_to_capture(tmp_path: Path) -> None:
    with writing(tmp_path) as writer, pytest.raises(ValueError, match="line yard is not configured"):
        writer.exchange(replace(answered("hall"), line="yard"))


def test_a_writer_that_fails_for_a_reason_of_its_own_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_given: object, **_named: object) -> bytes:
        raise ZeroDivisionError

    monkeypatch.setattr("drivers.capture.encoder.Encoder.exchange", broken)
    with writing(tmp_path) as writer:
        writer.exchange(answered("hall"))
        writer.booked("hall", 0)
        until(lambda: writer.status.trouble)
        writer.exchange(answered("hall", 1))
        writer.booked("hall", 0)
        assert "the writer has failed" in writer.status.trouble
    assert "ZeroDivisionError" in caplog.text
