"""What cannot be read is said, never taken for nothing; no damage and no disk holds the writer for ever."""

import asyncio
import sqlite3
import threading
from functools import partial
from pathlib import Path

import pytest

from agent.record import Record
from agent.store import Lane, Store, StoreError
from agent.store.schema import check_order, look_through, to_row
from tests.agent.store import stores

_NOW = 1_795_162_800_000_000_000

opened = partial(stores.opened, commit_every_s=60)


def unreadable(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    database = store._writer._upkeep.database

    def fail(*_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    for name in ("after", "intervals", "first_intervals", "rows"):
        monkeypatch.setattr(database, name, fail)


async def test_a_read_that_fails_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(tmp_path / "store.db") as store:
        store.append("interval", "hall/meter", _NOW, {"account": "a"})
        store.save_row(_NOW, b"row")
        await store.flush()
        with monkeypatch.context() as patched:
            unreadable(store, patched)
            with pytest.raises(StoreError, match="disk I/O error"):
                await store.intervals(0, 1 << 62)
            with pytest.raises(StoreError, match="disk I/O error"):
                await store.first_intervals(0, 1 << 62, 5)
            with pytest.raises(StoreError, match="disk I/O error"):
                list(store.rows())
        await store.flush()

        assert len(await store.intervals(0, 1 << 62)) == 1
        assert len(list(store.rows())) == 1


async def test_what_a_file_that_cannot_be_read_holds_is_not_taken_for_delivered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path / "store.db") as store:
        store.append("telemetry", "hall/meter", _NOW, {})
        await store.flush()
        with monkeypatch.context() as patched:
            unreadable(store, patched)
            assert await store.peek("mqtt", 10) == []
            assert store.status().degraded == "" or store.unsettled("mqtt") == 1
            live = store.append("telemetry", "hall/meter", _NOW, {})
            assert await store.peek("mqtt", 10) == [live]
            await store.acknowledge("mqtt", live.seq)
        await store.flush()

        assert [record.seq for record in await store.peek("mqtt", 10)] == [1]


def test_numbers_that_do_not_rise_are_damage() -> None:
    rows = [to_row(Record(seq, "telemetry", "hall/meter", _NOW, b"{}")) for seq in (5, 6, 9)]

    check_order(rows, 4)
    check_order([], 4)
    for wrong in (rows[::-1], [rows[0], rows[2], rows[1]]):
        with pytest.raises(sqlite3.DatabaseError, match="out of order"):
            check_order(wrong, 4)
    with pytest.raises(sqlite3.DatabaseError, match="out of order"):
        check_order(rows, 5)


async def test_a_tree_whose_numbers_lead_backwards_is_set_aside_and_holds_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rotten = Record(3, "telemetry", "hall/meter", _NOW, b"{}")
    row = (*to_row(rotten)[:5], 0)
    async with opened(tmp_path / "store.db") as store:
        for _ in range(2):
            store.append("telemetry", "hall/meter", _NOW, {})
        await store.flush()
        with monkeypatch.context() as patched:
            patched.setattr("agent.store.database.select_records", lambda *_: [row])
            async with asyncio.timeout(10):
                assert await store.peek("mqtt", 10, after=1) == []
        await store.flush()

        assert store.status().set_aside


class SlowConnection:
    """Checks a file until it is interrupted, like SQLite inside one instruction."""

    def __init__(self) -> None:
        self.interrupted = threading.Event()

    def interrupt(self) -> None:
        self.interrupted.set()

    def execute(self, _: str) -> None:
        assert self.interrupted.wait(10), "nobody interrupts"
        error = sqlite3.OperationalError("interrupted")
        error.sqlite_errorcode = sqlite3.SQLITE_INTERRUPT
        raise error


def test_the_look_through_a_large_file_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.store.schema.LOOK_S", 0.01)
    slow = SlowConnection()

    look_through(slow)  # type: ignore[arg-type]  # what it uses of a connection

    assert slow.interrupted.is_set()


async def test_a_thread_that_hangs_in_the_disk_is_seen(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db") as store:
        assert store.stuck_s == 0.0
        held, begun = threading.Event(), threading.Event()

        def hang() -> bool:
            begun.set()
            return held.wait(10)

        hanging = store._writer.submit(hang)
        await asyncio.to_thread(begun.wait)
        first = store.stuck_s
        await asyncio.sleep(0.02)

        assert 0 < first < store.stuck_s
        held.set()
        await asyncio.wrap_future(hanging)
        await store.flush()
        await store.peek("mqtt", 1, lane=Lane.URGENT)
        async with asyncio.timeout(5):
            while store.stuck_s:  # noqa: ASYNC110  # a thread sends no event
                await asyncio.sleep(0.001)
