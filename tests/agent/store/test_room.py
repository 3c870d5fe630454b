"""What leaves a full store, in which order, and how it is told."""

from pathlib import Path

import orjson

from agent.record import Record
from agent.store import GENESIS
from agent.store.batch import Batch
from agent.store.database import Database
from agent.store.losses import Losses
from tests.agent.store.stores import NOW, everything, interval, opened, telemetry


async def test_what_every_sink_has_is_pruned_but_intervals_stay(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db", sinks=("mqtt", "influx"), commit_every_s=60) as store:
        for number in range(10):
            telemetry(store, 100)
            interval(store, number)
        await store.flush()
        for sink in ("mqtt", "influx"):
            assert len(await everything(store, sink)) == 1010
        telemetry(store, 1)
        await store.flush()

        assert store.status().records == {"telemetry": 1, "interval": 10}
        assert store.status().dropped == {}
        assert len(await store.intervals(0, 1 << 62)) == 10


async def test_without_sinks_records_are_kept_as_long_as_there_is_room(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db", sinks=()) as store:
        telemetry(store, 1000)
        await store.flush()

        assert store.status().records == {"telemetry": 1000}


async def test_a_full_store_drops_the_oldest_telemetry_then_windows_and_says_so(tmp_path: Path) -> None:
    limit, largest, appended = 1 << 20, 0, 0
    async with opened(tmp_path / "store.db", max_size=limit, commit_every_s=60) as store:
        for number in range(40):
            interval(store, number)
            for n in range(50):
                store.append("window", "hall/meter", NOW + n, {"pad": "w" * 300})
            telemetry(store, 50, 300)
            appended += 101
            await store.flush()
            files = [tmp_path / "store.db", tmp_path / "store.db-wal"]
            largest = max(largest, sum(file.stat().st_size for file in files if file.exists()))
        await store.flush()
        status, kept = store.status(), await everything(store)

    gaps = [orjson.loads(record.payload) for record in kept if record.kind == "gap"]
    others = [record for record in kept if record.kind != "gap"]
    # A gap record that had to go too hands its counts on, and counts itself besides.
    lost = sum(count for gap in gaps for kind, count in gap["kinds"].items() if kind != "gap")
    assert largest <= limit * 1.01
    assert gaps
    assert lost + len(others) == appended
    assert sum(record.kind == "interval" for record in others) == 40
    assert all(gap["reason"] == "store full" and gap["site"] == "works" for gap in gaps)
    assert gaps[0]["from_seq"] == 52
    assert set(gaps[0]["kinds"]) == {"telemetry"}
    assert sum(count for kind, count in status.dropped.items() if kind != "gap") == lost
    newest_telemetry = [record.seq for record in others if record.kind == "telemetry"]
    assert not newest_telemetry or min(newest_telemetry) > appended - 200


async def test_the_smallest_store_keeps_its_size_and_accounts_for_every_loss(tmp_path: Path) -> None:
    limit, largest, appended = 512 << 10, 0, 0
    async with opened(tmp_path / "store.db", max_size=limit, commit_every_s=60) as store:
        for _ in range(60):
            telemetry(store, 50, 300)
            appended += 50
            await store.flush()
            files = [tmp_path / "store.db", tmp_path / "store.db-wal"]
            largest = max(largest, sum(file.stat().st_size for file in files if file.exists()))
        kept = await everything(store)

    gaps = [orjson.loads(record.payload) for record in kept if record.kind == "gap"]
    lost = sum(gap["kinds"].get("telemetry", 0) for gap in gaps)
    assert largest <= limit
    assert lost > 0
    assert lost + sum(record.kind == "telemetry" for record in kept) == appended


async def test_intervals_are_dropped_last_and_acknowledged_ones_first(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db", max_size=1 << 20, commit_every_s=60) as store:
        for number in range(100):
            store.append("interval", "hall/meter", NOW + number, {"pad": "i" * 3000})
            await store.flush()
        await store.peek("mqtt", 100)
        await store.acknowledge("mqtt", 50)
        for number in range(45):
            store.append("interval", "hall/meter", NOW + number, {"pad": "i" * 3000})
            await store.flush()
        await store.flush()
        kept = [record.seq for record in await store.intervals(0, 1 << 62)]

        assert 1 < min(kept) <= 51
        assert store.status().dropped["interval"] == min(kept) - 1
        waiting = await everything(store)
        assert next(record.seq for record in waiting if record.kind == "interval") == 51
        gaps = [orjson.loads(record.payload) for record in waiting if record.kind == "gap"]
        assert not any("interval" in gap["kinds"] for gap in gaps), "nobody misses what everybody has"


async def test_a_gap_that_could_not_be_told_before_a_crash_is_told_after_it(tmp_path: Path) -> None:
    database = Database(tmp_path / "store.db", max_size=1 << 20)
    lost, seq = Losses(), 0
    while not lost:
        records = [Record(seq + n, "telemetry", "hall/meter", NOW, b"{}" * 200) for n in range(1, 301)]
        seq += 300
        lost = database.commit(Batch(seq, database.inventory.epoch, GENESIS, records), {}, ())
    database.close()

    async with opened(tmp_path / "store.db", max_size=1 << 20) as store:
        await store.flush()
        gaps = [orjson.loads(record.payload) for record in await everything(store) if record.kind == "gap"]

    assert [gap["kinds"] for gap in gaps] == [lost.kinds]
    assert gaps[0]["seq"] == seq + 1


async def test_what_was_delivered_makes_room_without_any_loss(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db", max_size=1 << 20, commit_every_s=60) as store:
        for _ in range(10):
            telemetry(store, 30, 3000)
            await store.flush()
            await everything(store)

        assert store.status().dropped == {}
        assert store.status().bytes <= 1 << 20
