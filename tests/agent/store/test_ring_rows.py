"""Rows of the ring of windows in the store."""

import asyncio
from pathlib import Path

import pytest

from agent.store import StoreError
from agent.store.sizes import queue_bytes
from tests.agent.store.stores import NOW, FailingDisk, opened, telemetry


async def test_rows_of_the_ring_come_back_in_the_order_of_their_times(tmp_path: Path) -> None:
    rows = {NOW + minute * 60 * 10**9: bytes([minute]) * 100 for minute in range(100)}
    async with opened(tmp_path / "store.db", commit_every_s=60) as store:
        for time_ns, row in sorted(rows.items(), key=lambda item: item[1], reverse=True):
            store.save_row(time_ns, row)
        await store.flush()

        assert list(store.rows()) == sorted(rows.items())

    async with opened(tmp_path / "store.db") as store:
        assert list(store.rows()) == sorted(rows.items())
        assert not store._writer.backlog._queue.rows, "rows are not held in memory"


async def test_a_row_is_committed_with_the_records_before_it(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db", commit_every_s=60) as store:
        telemetry(store, 1)
        store.save_row(NOW, b"row")
        assert list(store.rows()) == []
        await store.flush()

        assert (store.status().commits, list(store.rows())) == (1, [(NOW, b"row")])


async def test_a_row_alone_is_committed_in_its_time(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db") as store:
        store.save_row(NOW, b"row")
        async with asyncio.timeout(5):
            await store.news(0)

        assert list(store.rows()) == [(NOW, b"row")]


async def test_rows_older_than_the_longest_window_are_forgotten(tmp_path: Path) -> None:
    minute = 60 * 10**9
    async with opened(tmp_path / "store.db", commit_every_s=600) as store:
        for number in range(30 * 60):
            store.save_row(NOW + number * minute, b"row")
            if number % 60 == 59:
                await store.flush()
        times = [time_ns for time_ns, _ in store.rows()]

    assert times == [NOW + number * minute for number in range(30 * 60 - 25 * 60 - 1, 30 * 60)]


async def test_rows_take_no_more_than_their_part_of_the_file_and_leave_the_rest_its_room(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db", max_size=1 << 20, commit_every_s=600) as store:
        largest = 0
        for number in range(200):
            store.save_row(NOW + number * 60 * 10**9, bytes(8000))
            telemetry(store, 20, 100)
            await store.flush()
            largest = max(largest, store.status().bytes)
        kept = [time_ns for time_ns, _ in store.rows()]

        assert 5 < len(kept) <= (1 << 18) // 8000
        assert kept[-1] == NOW + 199 * 60 * 10**9
        assert largest <= 1 << 20
        assert store.status().records["telemetry"] > 100


async def test_rows_that_wait_for_the_disk_are_bounded_and_the_newest_stays(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db", max_size=1 << 20, commit_every_s=600) as store:
        disk = FailingDisk(store)
        for number in range(100):
            store.save_row(NOW + number, bytes(8000))
            if number == 50:
                with pytest.raises(StoreError):
                    await store.flush()
        waiting = sum(map(len, store._writer.backlog._queue.rows.values()))
        disk.mend(store)
        await store.flush()

        assert waiting <= queue_bytes(1 << 20) // 8
        assert [time_ns for time_ns, _ in store.rows()][-1] == NOW + 99
