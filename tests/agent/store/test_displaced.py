"""The store's file removed, moved or replaced while the agent runs; two names for one file."""

import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import orjson
import pytest

from agent.record import Record
from agent.store import Lane, Store, StoreError, discard_dead_letters, read_intervals, read_status, store_alarms
from tests.agent.store import stores

_NOW = 1_795_162_800_000_000_000

opened = partial(stores.opened, commit_every_s=60)


async def take(store: Store) -> list[Record]:
    taken = []
    for lane in Lane:
        while batch := await store.peek("mqtt", 100, lane=lane):
            taken += batch
            await store.acknowledge("mqtt", batch[-1].seq)
    return taken


def append(store: Store, count: int) -> list[Record]:
    return [
        store.append("interval" if n % 5 == 0 else "telemetry", "hall/meter", _NOW + n, {"x": n}) for n in range(count)
    ]


def remove(path: Path) -> None:
    for file in path.parent.glob("store.db*"):
        file.unlink()


def move(path: Path) -> None:
    path.rename(path.with_name("elsewhere.db"))


def remove_folder(path: Path) -> None:
    shutil.rmtree(path.parent)


def replace(path: Path) -> None:
    with closing(sqlite3.connect(path.with_name("theirs.db"))) as other:
        other.execute("CREATE TABLE theirs (x)")
        other.commit()
    path.with_name("theirs.db").rename(path)


def remove_log(path: Path) -> None:
    path.with_name("store.db-wal").unlink()


def remove_lock(path: Path) -> None:
    path.with_name("store.db.lock").unlink()


@pytest.mark.parametrize("displace", [remove, move, remove_folder, replace, remove_log, remove_lock])
async def test_a_file_that_is_no_longer_where_it_was_is_written_anew_and_nothing_is_lost(
    tmp_path: Path, displace: Callable[[Path], None]
) -> None:
    path = tmp_path / "folder" / "store.db"
    async with opened(path) as store:
        before = append(store, 50)
        store.save_state("books", b"before")
        store.save_row(_NOW, b"row")
        await store.flush()
        await store.peek("mqtt", 10)
        await store.acknowledge("mqtt", 10)
        epoch = store.epoch
        displace(path)
        fresh = append(store, 5)
        store.save_state("books", b"after")
        await store.flush()
        await store.flush()

        assert (store.status().degraded, store.status().set_aside) == ("", "")
        assert "written anew" in store.status().displaced
        alarms = {alarm.name: alarm for alarm in store_alarms(store.status(), _NOW)}
        assert alarms["store_displaced"].active
        assert read_status(path).committed_seq == store.last_seq
        with pytest.raises(StoreError, match="used by another"):
            async with opened(path):
                pass
        left = path.parent / "copy.db"
        shutil.copyfile(path, left)  # as a power cut leaves it
        if path.with_name("store.db-wal").exists():
            shutil.copyfile(path.with_name("store.db-wal"), path.with_name("copy.db-wal"))
        found = await take(store)

        assert [record for record in found if record.kind != "event"] == [*before[10:], *fresh]
        told = [orjson.loads(record.payload)["name"] for record in found if record.kind == "event"]
        assert told == ["store_displaced"]
        assert not list(path.parent.glob("*.rewritten"))
    for file in (path, left):
        async with opened(file) as store:
            assert (store.epoch, store.load_state("books")) == (epoch, b"after")
            assert list(store.rows()) == [(_NOW, b"row")]
            assert len(await store.intervals(0, 1 << 62)) == 11


async def test_a_large_file_is_written_anew_in_parts_each_of_which_is_a_sign_of_life(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.store.database._PART", 8)
    stuck_s: list[float] = []

    def slow(_path: Path) -> None:
        time.sleep(0.02)
        stuck_s.append(store.stuck_s)

    path = tmp_path / "store.db"
    async with opened(path) as store:
        for n in range(200):
            store.append("telemetry", "hall/meter", _NOW, {"n": n, "pad": "x" * 4000})
        await store.flush()
        remove(path)
        monkeypatch.setattr("agent.store.database.sync", slow)
        await store.flush()

        assert len(stuck_s) > 20
        assert max(stuck_s) < sum([0.02] * len(stuck_s)) / 2
        assert len([record for record in await take(store) if record.kind == "telemetry"]) == 200


async def test_what_was_put_in_the_place_of_the_file_is_kept_whole(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    async with opened(path) as store:
        append(store, 5)
        await store.flush()
        replace(path)
        append(store, 5)
        await store.flush()
    found = [file for file in tmp_path.glob("store.db.found-*") if file.name[-1].isdigit()]  # noqa: ASYNC240  # small

    assert len(found) == 1
    with closing(sqlite3.connect(found[0])) as other:
        assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("theirs",)]
        assert other.execute("PRAGMA integrity_check").fetchone() == ("ok",)


async def test_a_file_that_is_taken_away_again_and_again_is_not_written_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "store.db"
    async with opened(path) as store:
        append(store, 5)
        await store.flush()
        remove(path)
        await store.flush()
        remove(path)
        with pytest.raises(StoreError, match="replaced again"):
            await store.flush()
        assert not path.exists()
        monkeypatch.setattr("agent.store.upkeep._REPLACE_S", 0.0)
        await store.flush()

        assert path.exists()
        assert [record.seq for record in await take(store)][:5] == [1, 2, 3, 4, 5]


async def test_while_a_file_cannot_be_put_back_nothing_counts_as_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.store.upkeep.RETRY_S", 0.05)
    path = tmp_path / "folder" / "store.db"
    async with opened(path) as store:
        append(store, 5)
        await store.flush()
        path.parent.rename(tmp_path / "gone")
        path.parent.write_text("in the way", encoding="utf-8")
        fresh = append(store, 3)
        with pytest.raises(StoreError, match="File exists"):
            await store.flush()
        assert store.status().committed_seq == 5
        live = append(store, 2)[1]
        assert live in await take(store)
        path.parent.unlink()
        await store.flush()

        assert store.status().degraded == ""
        assert [record.seq for record in await take(store)] == [*(record.seq for record in fresh), 9, 11]


async def test_a_store_has_one_agent_by_whatever_name_it_is_called(tmp_path: Path) -> None:
    path, link = tmp_path / "disk" / "store.db", tmp_path / "link.db"
    link.symlink_to(path)
    async with opened(link) as store:
        interval = append(store, 1)[0]
        await store.set_aside("mqtt", interval, "too large")
        await store.flush()
        for name in (path, link):
            with pytest.raises(StoreError, match="used by another energy-agent"):
                async with opened(name):
                    pass
            with pytest.raises(StoreError, match="used by another energy-agent"):
                discard_dead_letters(name)
            assert read_intervals(name, 0, 1 << 62) == [interval]
            assert read_status(name).bytes == read_status(path).bytes
    assert link.is_symlink()
    assert discard_dead_letters(link) == 1


async def test_a_link_that_leads_elsewhere_from_now_on_is_followed(tmp_path: Path) -> None:
    first, second, link = tmp_path / "first.db", tmp_path / "second.db", tmp_path / "link.db"
    link.symlink_to(first)
    async with opened(link) as store:
        before = append(store, 3)
        await store.flush()
        link.unlink()
        link.symlink_to(second)
        await store.flush()

        assert (await take(store))[:3] == before
        assert read_status(second).committed_seq >= 3
    assert link.readlink() == second
