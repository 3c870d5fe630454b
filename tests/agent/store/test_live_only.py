"""A start on a disk that fails: live only, and everything in the file once it can be written."""

import asyncio
import errno
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import orjson
import pytest

from agent.record import Record
from agent.store import GENESIS, Lane, Store, StoreError, read_status, record_hash
from agent.store.database import Database
from agent.store.inventory import Inventory
from agent.store.schema import write_inventory
from tests.agent.store.stores import NOW, no_file_above, opened, until


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.store.upkeep.RETRY_S", 0.05)


async def take(store: Store, sink: str = "mqtt") -> list[Record]:
    taken = []
    for lane in Lane:
        while batch := await store.peek(sink, 100, lane=lane):
            taken += batch
            await store.acknowledge(sink, batch[-1].seq)
    return taken


def broken_links(records: list[Record]) -> list[int]:
    """Return the numbers of records that do not name the one before them, or have another hash than they say."""
    bodies = [orjson.loads(record.payload) for record in records]
    before = [GENESIS, *(body["hash"] for body in bodies)]
    return [
        body["seq"]
        for body, previous in zip(bodies, before, strict=False)
        if body["previous"] != previous or body["hash"] != record_hash(body)
    ]


def identity(record: Record) -> tuple[str, int]:
    body = orjson.loads(record.payload)
    return body["epoch"], body["seq"]


@contextmanager
def disk(folder: Path, size: str = "8m") -> Iterator[Callable[[str], None]]:
    """Mount a small disk; the yielded call mounts it anew with other options."""
    if os.geteuid() or subprocess.call(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]):
        pytest.skip("a disk of its own needs root")

    def remount(options: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)

    try:
        yield remount
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


async def filled(path: Path) -> list[Record]:
    async with opened(path) as store:
        records = [store.append("telemetry", "hall/meter", NOW + n, {"x": n}) for n in range(20)]
        records.append(store.append("interval", "hall/meter", NOW, {"account": "a", "x": 20}))
        store.save_state("account/a", b"earlier")
        store.save_row(NOW, b"row")
        await store.flush()
        await store.peek("mqtt", 100)
        await store.acknowledge("mqtt", 5)
    return records


async def test_a_start_on_a_full_disk_is_live_only_and_ends_in_a_new_file(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with no_file_above(1 << 10) as lift:
        async with opened(path) as store:
            assert store.status().degraded
            live = store.append("telemetry", "hall/meter", NOW, {"x": 1})
            closed = store.append("interval", "hall/meter", NOW, {"account": "a", "x": 2})
            store.save_state("account/a", b"open")
            with pytest.raises(StoreError, match=r"full|I/O"):
                await store.flush()

            assert await take(store) == [live]
            assert store.load_state("account/a") == b"open"
            lift()
            await until(store, lambda status: not status.degraded)
            after = store.append("telemetry", "hall/meter", NOW, {"x": 3})
            await store.flush()

            assert await take(store) == [closed, after]
            assert store.unsettled("mqtt") == 0
            epoch = store.epoch
    async with opened(path) as store:
        assert (store.epoch, store.load_state("account/a")) == (epoch, b"open")
        assert store.last_seq == after.seq
        assert identity(live)[0] != epoch == identity(closed)[0] == identity(after)[0]


async def test_a_read_only_disk_is_read_and_everything_goes_on_from_there(tmp_path: Path) -> None:
    with disk(tmp_path) as remount:
        before = await filled(tmp_path / "store.db")
        remount("ro")
        async with opened(tmp_path / "store.db") as store:
            assert "ead-only" in store.status().degraded
            assert store.load_state("account/a") == b"earlier"
            assert list(store.rows()) == [(NOW, b"row")]
            assert await store.intervals(0, 1 << 62) == before[20:]
            assert [record.seq for record in await take(store)] == [*range(6, 22)]
            live = store.append("telemetry", "hall/meter", NOW, {})
            following = store.append("interval", "hall/meter", NOW, {"account": "a"})
            store.save_state("account/a", b"later")
            assert await take(store) == [live]
            remount("rw")
            await until(store, lambda status: not status.degraded)

            assert await take(store) == [following]
            assert orjson.loads(following.payload)["previous"] == orjson.loads(before[20].payload)["hash"]
            assert identity(following) == (store.epoch, 23)
            assert identity(before[0])[0] == store.epoch
        async with opened(tmp_path / "store.db") as store:
            assert store.load_state("account/a") == b"later"
            assert await take(store) == []


async def test_a_log_left_by_a_power_cut_is_read_on_a_read_only_disk(tmp_path: Path) -> None:
    with disk(tmp_path) as remount:
        copy = tmp_path / "cut" / "store.db"
        copy.parent.mkdir()
        async with opened(tmp_path / "store.db", commit_every_s=60) as store:
            store.append("telemetry", "hall/meter", NOW, {})
            store.save_state("books", b"in the log")
            await store.flush()
            for suffix in ("", "-wal", ".lock"):
                shutil.copyfile(tmp_path / f"store.db{suffix}", copy.with_name(f"store.db{suffix}"))
        remount("ro")
        async with opened(copy) as store:
            assert store.status().degraded
            assert store.load_state("books") == b"in the log"
            assert [record.seq for record in await take(store)] == [1]


async def test_a_disk_without_a_byte_left_is_no_reason_not_to_start(tmp_path: Path) -> None:
    with disk(tmp_path, "512k"):
        ballast = tmp_path / "ballast"
        with ballast.open("wb", buffering=0) as stream, suppress(OSError):
            for _ in range(1000):
                stream.write(bytes(1024))
        async with opened(tmp_path / "store.db") as store:
            live = store.append("telemetry", "hall/meter", NOW, {})
            assert store.status().degraded
            assert await take(store) == [live]
            ballast.unlink()
            await until(store, lambda status: not status.degraded)


async def test_a_file_that_is_taken_away_while_it_can_only_be_read_is_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    before = await filled(path)
    with no_file_above(1 << 10) as lift:
        async with opened(path) as store:
            assert store.status().degraded
            fresh = store.append("interval", "hall/meter", NOW, {"account": "a"})
            path.unlink()
            await until(store, lambda status: "not yet be written" in status.displaced)
            lift()
            await until(store, lambda status: not status.degraded)
            found = await take(store)

            assert [record for record in found if record.kind != "event"] == [*before[5:], fresh]
            assert store.load_state("account/a") == b"earlier"
    assert read_status(path).committed_seq >= fresh.seq


class Unreadable:
    """Stands between the store and its database, and fails like a disk that gives nothing back."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.well = False

        def opening(*args: Any, **options: Any) -> Database:
            if self.well:
                return Database(*args, **options)
            raise sqlite3.OperationalError("disk I/O error")

        monkeypatch.setattr("agent.store.file.Database", opening)


async def test_a_file_that_could_not_be_read_at_the_start_is_joined_and_its_books_are_kept_beside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "store.db"
    before = await filled(path)
    trouble = Unreadable(monkeypatch)
    async with opened(path, sinks=("mqtt", "influx")) as store:
        assert store.status().degraded == "disk I/O error"
        assert store.load_state("account/a") is None
        with pytest.raises(StoreError, match="disk I/O error"):
            list(store.rows())
        with pytest.raises(StoreError, match="disk I/O error"):
            await store.intervals(0, 1 << 62)
        lives = [store.append("telemetry", "hall/meter", NOW, {"x": n}) for n in range(3)]
        closed = store.append("interval", "hall/meter", NOW, {"account": "a"})
        store.save_state("account/a", b"anew")
        assert await take(store) == lives
        trouble.well = True
        await until(store, lambda status: not status.degraded)
        after = store.append("telemetry", "hall/meter", NOW, {"x": 9})
        await store.flush()
        assert store.unsettled("influx") < 40

        mine = await take(store)
        told = [record for record in mine if record.kind == "event"]
        linked = next(record for record in mine if record.seq == closed.seq)
        assert orjson.loads(linked.payload)["previous"] == orjson.loads(before[20].payload)["hash"]
        assert [record for record in mine if record.kind != "event"] == [*before[5:], linked, after]
        assert "kept in it as 'found/" in orjson.loads(told[0].payload)["text"]
        assert store.unsettled("mqtt") == 0
        others = await take(store, "influx")
        assert [record for record in others if record.kind != "event"] == [*before, *lives, linked, after]
        assert len({identity(record) for record in [*others, *mine]}) == len(others)
        epoch = store.epoch
        assert epoch != identity(before[0])[0]
    async with opened(path) as store:
        assert store.epoch == epoch
        assert store.load_state("account/a") == b"anew"
        assert store.load_state("found/account/a") == b"earlier"
        assert await store.intervals(0, 1 << 62) == [before[20], linked]
        assert broken_links(await store.chained(0, 1000)) == []
        assert store.append("telemetry", "hall/meter", NOW, {}).seq > after.seq


async def test_books_that_wait_where_they_were_found_do_not_make_room_for_such_as_are_found_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "store.db"
    await filled(path)
    trouble = Unreadable(monkeypatch)

    async def found_by(run: bytes) -> None:
        trouble.well = False
        async with opened(path) as store:
            for name in ("account/a", "windows"):
                store.save_state(name, run)
            trouble.well = True
            await until(store, lambda status: not status.degraded)

    await found_by(b"second")
    await found_by(b"third")
    async with opened(path) as store:
        assert store.load_states("found/found/") == {"found/found/account/a": b"earlier"}
        assert store.load_state("found/account/a") == b"second"
        store.save_state("found/account/a", b"")  # taken up
    await found_by(b"fourth")
    async with opened(path) as store:
        assert store.load_states("") == {
            "account/a": b"fourth",
            "found/account/a": b"third",
            "found/found/account/a": b"",
            "found/found/found/account/a": b"earlier",
            "windows": b"fourth",
            "found/windows": b"third",
        }


async def test_numbers_a_file_has_used_up_are_given_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "store.db"
    with monkeypatch.context() as patched:
        patched.setattr("agent.store.upkeep._ABOVE_ALL", 1 << 50)
        trouble = Unreadable(patched)
        async with opened(path) as store:
            used = store.append("telemetry", "hall/meter", NOW, {"x": 1})
            trouble.well = True
            await until(store, lambda status: not status.degraded)
    trouble = Unreadable(monkeypatch)
    async with opened(path) as store:
        store.append("telemetry", "hall/meter", NOW, {"x": 2})
        store.append("interval", "hall/meter", NOW, {"account": "a", "x": 1 / 3})
        trouble.well = True
        await until(store, lambda status: not status.degraded)
        found = await take(store)

        assert [orjson.loads(record.payload)["x"] for record in found] == [1, 2, 1 / 3]
        assert found[1].seq > used.seq
        assert len({identity(record) for record in found}) == 3
        assert len(await store.intervals(0, 1 << 62)) == 1
        assert broken_links(await store.chained(0, 1000)) == []


@pytest.mark.parametrize("code", [errno.EIO, errno.EROFS, errno.EACCES, errno.ENOSPC])
async def test_whatever_keeps_the_lock_from_being_made_the_start_is_live_only(
    tmp_path: Path, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "store.db"
    before = await filled(path)
    real, failing = os.open, True

    def refused(path: Any, *given: Any, **options: Any) -> int:
        if failing and str(path).endswith(".lock"):
            raise OSError(code, os.strerror(code))
        return real(path, *given, **options)

    monkeypatch.setattr(os, "open", refused)
    async with opened(path) as store:
        assert store.status().degraded == os.strerror(code)
        assert store.load_state("account/a") == b"earlier"
        store.append("telemetry", "hall/meter", NOW, {})
        failing = False
        await until(store, lambda status: not status.degraded)

        assert len(await take(store)) == 17
        assert store.epoch != identity(before[0])[0], "nobody can tell what the file has forgotten"


async def test_a_folder_that_cannot_be_made_is_a_mistake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refused)
    with pytest.raises(StoreError, match="Permission denied: check the path and its rights"):
        await Store(tmp_path / "missing" / "store.db", max_size=1 << 20, commit_every_s=1, sinks=()).open()


async def test_a_newer_agents_file_on_a_read_only_disk_is_a_mistake_all_the_same(tmp_path: Path) -> None:
    with disk(tmp_path) as remount:
        await filled(tmp_path / "store.db")
        with closing(sqlite3.connect(tmp_path / "store.db")) as other:
            write_inventory(other, Inventory("epoch", version=99))
            other.execute("PRAGMA user_version = 99")
            other.commit()
        remount("ro")
        for _ in range(2):
            with pytest.raises(StoreError, match="a newer energy-agent"):
                await Store(tmp_path / "store.db", max_size=1 << 20, commit_every_s=1, sinks=()).open()


async def test_a_damaged_file_on_a_full_disk_is_read_when_there_is_room_again(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    before = await filled(path)
    with path.open("r+b") as file:
        file.write(bytes(4096))
    with no_file_above(1 << 10) as lift:
        async with opened(path) as store:
            assert store.status().degraded
            live = store.append("telemetry", "hall/meter", NOW, {"x": 1})
            lift()
            await until(store, lambda status: not status.degraded)
            await store.flush()
            found = await take(store)

            assert [record for record in found if record.kind in ("telemetry", "interval")] == [*before[5:], live]
            assert "store_damaged" in str([record.payload for record in found if record.kind == "event"])
            assert store.load_state("account/a") == b"earlier"
            assert store.unsettled("mqtt") == 0


async def test_memory_is_bounded_the_size_is_kept_and_every_loss_told(tmp_path: Path) -> None:
    limit, path, largest = 1 << 20, tmp_path / "store.db", 0
    appended = 0
    async with opened(path, max_size=limit) as store:
        for number in range(3000):
            store.append("telemetry", "hall/meter", NOW, {"pad": "p" * 300})
            appended += 1
            if number % 100 == 0:
                await store.flush()
    with no_file_above(1 << 10) as lift:
        async with opened(path, max_size=limit, sinks=("mqtt", "influx")) as store:
            assert store.status().degraded
            for number in range(4000):
                store.append("telemetry", "hall/meter", NOW, {"pad": "p" * 300})
                appended += 1
                if number % 1000 == 0:
                    store.save_state(f"state {number}", bytes(2000))
                    store.save_row(NOW + number, bytes(2000))
            waiting = store._writer.backlog._queue.bytes
            lift()
            await until(store, lambda status: not status.degraded)
            for _ in range(500):
                store.append("telemetry", "hall/meter", NOW, {"pad": "p" * 300})
                appended += 1
                await asyncio.sleep(0)
                largest = max(largest, sum(file.stat().st_size for file in tmp_path.glob("store.db*")))  # noqa: ASYNC240  # small
            await store.flush()
            await store.flush()
            found = await take(store)
            gaps = [orjson.loads(record.payload) for record in found if record.kind == "gap"]
            told = sum(gap["kinds"].get("telemetry", 0) for gap in gaps)

            assert waiting <= 128 << 10
            assert largest <= limit * 1.01
            assert {"store full", "queue full before the disk took them"} <= {
                reason for gap in gaps for reason in gap["reason"].split("; ")
            }
            assert told + sum(record.kind == "telemetry" for record in found) == appended
            assert read_status(path).bytes <= limit


async def test_what_one_receiver_got_from_memory_is_remembered_within_a_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.store.delivery._FEW", 100)
    with no_file_above(1 << 10):
        async with opened(tmp_path / "store.db", max_size=1 << 20, sinks=("mqtt", "influx")) as store:
            for _ in range(40):
                for _ in range(50):
                    record = store.append("telemetry", "hall/meter", NOW, {"pad": "p" * 300})
                await take(store)
            for _ in range(1100):
                await store.set_aside("influx", record, "too large")
            remembered = store._writer.deliveries._from_memory["mqtt"]

            assert len(remembered) < 1500
            assert len(store._writer.deliveries.refused) == 1000
            assert record.seq in remembered
            assert await take(store) == []
