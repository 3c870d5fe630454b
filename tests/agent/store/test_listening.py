"""What the local API asks of the store: pages of intervals, and to be told of each record."""

import asyncio
import sqlite3
from functools import partial
from pathlib import Path

import pytest

from agent.record import Record
from agent.store import StoreError
from tests.agent.store import stores

opened = partial(stores.opened, max_size=1 << 20)


async def test_the_first_intervals_come_by_start_then_by_number(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db") as store:
        for start_ns in (300, 100, 200, 100, 400):
            store.append("interval", "hall/meter", start_ns, {"account": "meter/electricity"})
        await store.flush()

        found = await store.first_intervals(100, 400, 3)
        rest = await store.first_intervals(201, 400, 3)

    assert [(record.time_ns, record.seq) for record in found] == [(100, 2), (100, 4), (200, 3)]
    assert [(record.time_ns, record.seq) for record in rest] == [(300, 1)]


async def test_a_damaged_record_takes_no_place_among_the_first(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db") as store:
        for start_ns in (100, 200, 300):
            store.append("interval", "hall/meter", start_ns, {"account": "meter/electricity"})
    with sqlite3.connect(tmp_path / "store.db") as other:
        other.execute("UPDATE interval_record SET payload = 'x' WHERE seq = 1")
    other.close()

    async with opened(tmp_path / "store.db") as store:
        assert [record.seq for record in await store.first_intervals(0, 1000, 2)] == [2, 3]


async def test_intervals_that_cannot_be_read_are_not_none_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path / "store.db") as store:

        def fails(*_: object) -> list[Record]:
            raise sqlite3.OperationalError("disk I/O error")

        monkeypatch.setattr(store._writer._upkeep.database, "first_intervals", fails)
        with pytest.raises(StoreError, match="disk I/O error"):
            await store.first_intervals(0, 1000, 10)


async def test_a_listener_is_told_of_every_record_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    told: list[Record] = []
    async with opened(tmp_path / "store.db") as store:
        store.append("event", "agent", 1, {"text": "before"})
        store.listen(told.append)
        with store.transaction():  # no commit in between makes room
            appended = [store.append("telemetry", "hall/meter", n, {"pad": "p" * 9000}) for n in range(40)]
        assert told == []
        await store.flush()
        await store.flush()
        await asyncio.sleep(0)

    assert [record.seq for record in told] == list(range(2, 2 + len(told)))
    assert told[: len(appended)] == appended
    assert "gap" in {record.kind for record in told}, "the writer's own records are told too"


async def test_a_listener_that_fails_costs_the_store_nothing(tmp_path: Path) -> None:
    caught: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: caught.append(context["exception"]))

    def fails(_: Record) -> None:
        raise ValueError("a bug")

    async with opened(tmp_path / "store.db") as store:
        store.listen(fails)
        record = store.append("telemetry", "hall/meter", 1, {"x": 1})
        await store.flush()
        await asyncio.sleep(0)

        assert await store.peek("mqtt", 10) == [record]
    assert [str(error) for error in caught] == ["a bug"]


async def test_a_listener_that_has_ended_is_told_nothing_and_takes_no_place_from_the_next(tmp_path: Path) -> None:
    former: list[Record] = []
    latter: list[Record] = []
    async with opened(tmp_path / "store.db") as store:
        end = store.listen(former.append)
        end()
        store.append("telemetry", "hall/meter", 1, {"x": 1})
        store.listen(latter.append)
        end()
        record = store.append("telemetry", "hall/meter", 2, {"x": 2})
        await asyncio.sleep(0)

    assert former == []
    assert latter == [record]
