"""A full disk: records go on live, within bounds, and nothing is lost without a word."""

from pathlib import Path

import orjson
import pytest

from agent.store import StoreError
from agent.store.sizes import queue_bytes
from tests.agent.store.stores import FailingDisk, everything, interval, opened, telemetry


async def test_a_full_disk_degrades_to_live_only_and_recovers_by_itself(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db", commit_every_s=60) as store:
        before = telemetry(store, 2)
        disk = FailingDisk(store)
        with pytest.raises(StoreError, match="disk is full"):
            await store.flush()
        live = telemetry(store, 3)
        closed = interval(store, 0)

        assert store.status().degraded == "database or disk is full"
        assert await store.peek("mqtt", 2) == live[:2]
        await store.acknowledge("mqtt", live[1].seq)
        assert await store.peek("mqtt", 10) == live[2:]
        await store.acknowledge("mqtt", live[2].seq)
        assert await store.peek("mqtt", 10) == []

        disk.mend(store)
        await store.flush()
        assert store.status().degraded == ""
        assert await everything(store) == [*before, closed]


async def test_live_records_have_an_epoch_of_their_own(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db", commit_every_s=60) as store:
        disk = FailingDisk(store)
        telemetry(store, 1)
        with pytest.raises(StoreError):
            await store.flush()
        live = orjson.loads(telemetry(store, 1)[0].payload)["epoch"]
        booked = orjson.loads(interval(store, 0).payload)["epoch"]
        disk.mend(store)
        await store.flush()
        after = orjson.loads(telemetry(store, 1)[0].payload)["epoch"]

        assert live != store.epoch
        assert booked == after == store.epoch


async def test_what_every_sink_got_live_needs_no_disk(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db", sinks=("mqtt", "influx"), commit_every_s=60) as store:
        disk = FailingDisk(store)
        telemetry(store, 1)
        with pytest.raises(StoreError):
            await store.flush()
        for sink in ("mqtt", "influx"):
            telemetry(store, 0 if sink == "influx" else 5)
            assert [record.seq for record in await everything(store, sink)] == [2, 3, 4, 5, 6]
        disk.mend(store)
        await store.flush()

        assert [record.seq for record in await everything(store)] == [1]


async def test_memory_is_bounded_while_the_disk_is_full_and_the_loss_is_told(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db", max_size=1 << 20, commit_every_s=60) as store:
        disk = FailingDisk(store)
        interval(store, 0)
        telemetry(store, 5000, 200)

        assert store._writer.backlog._queue.bytes <= queue_bytes(1 << 20)
        disk.mend(store)
        await store.flush()
        await store.flush()
        kept = await everything(store)
        gaps = [orjson.loads(record.payload) for record in kept if record.kind == "gap"]
        told = sum(gap["kinds"]["telemetry"] for gap in gaps)

        assert kept[0].kind == "interval"
        assert {gap["reason"] for gap in gaps} == {"queue full before the disk took them"}
        assert told + sum(record.kind == "telemetry" for record in kept) == 5000


async def test_closing_with_a_full_disk_ends_and_says_what_is_lost(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(tmp_path / "store.db", commit_every_s=60) as store:
        telemetry(store, 2)
        FailingDisk(store)

    assert "what was not committed is lost" in caplog.text
