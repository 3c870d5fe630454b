"""What is peeked, acknowledged and kept when fresh records pass older ones."""

import random
import sqlite3
from functools import partial
from pathlib import Path

import pytest

from agent.record import Record
from agent.store import Lane, Store, StoreError, read_status
from tests.agent.store import stores

_NOW = 1_795_162_800_000_000_000

opened = partial(stores.opened, commit_every_s=60)


async def append(store: Store, count: int, kind: str = "telemetry") -> list[int]:
    seqs = []
    for n in range(count):
        seqs.append(store.append(kind, "hall/meter", _NOW + n, {"x": n, "pad": "p" * 100}).seq)
        if n % 100 == 99:
            await store.flush()
    await store.flush()
    return seqs


async def take(store: Store, limit: int, *, sink: str = "mqtt", after: int = 0, lane: Lane = Lane.NORMAL) -> list[int]:
    """Peek and acknowledge."""
    records = await store.peek(sink, limit, lane=lane, after=after)
    if records:
        await store.acknowledge(sink, records[-1].seq)
    return [record.seq for record in records]


async def test_fresh_records_pass_the_backlog_and_come_once(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db") as store:
        await append(store, 20)

        assert await take(store, 4) == [1, 2, 3, 4]
        assert await take(store, 3, after=15) == [16, 17, 18]
        assert await take(store, 3, after=15) == [19, 20]
        assert await take(store, 3, after=15) == []
        assert store.unsettled("mqtt") == 11
        assert await take(store, 8) == [5, 6, 7, 8, 9, 10, 11, 12]
        await append(store, 2)
        assert await take(store, 8) == [13, 14, 15, 21, 22]
        assert store.unsettled("mqtt") == 0


async def test_what_was_acknowledged_out_of_order_survives_a_restart(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db") as store:
        await append(store, 20)
        await take(store, 2)
        await take(store, 5, after=10)
        await take(store, 1, after=18)

    assert read_status(tmp_path / "store.db").sinks["mqtt"].oldest_seq == 3
    async with opened(tmp_path / "store.db") as store:
        assert store.unsettled("mqtt") == 12
        assert await take(store, 100) == [*range(3, 11), 16, 17, 18, 20]
        assert store.unsettled("mqtt") == 0


async def test_alarms_go_ahead_of_everything_and_only_once(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db") as store:
        await append(store, 5)
        await append(store, 2, "alarm")
        await append(store, 3)
        await append(store, 1, "alarm")

        assert await take(store, 10, lane=Lane.URGENT) == [6, 7, 11]
        assert await take(store, 10, lane=Lane.URGENT) == []
        assert await take(store, 100) == [1, 2, 3, 4, 5, 8, 9, 10]
        assert await take(store, 100) == []
        assert store.unsettled("mqtt") == 0


async def test_an_alarm_that_was_not_acknowledged_is_the_oldest_that_waits(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db") as store:
        await append(store, 2)
        await append(store, 1, "alarm")
        await append(store, 2)
        await take(store, 10)
        await store.flush()

        assert store.status().sinks["mqtt"].oldest_seq == 3
        assert store.unsettled("mqtt") == 1


async def test_an_acknowledgement_speaks_only_of_what_was_lent(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db") as store:
        await append(store, 10)
        await store.acknowledge("mqtt", 5)
        await store.peek("mqtt", 3)
        await store.acknowledge("mqtt", 9)

        assert await take(store, 10) == [4, 5, 6, 7, 8, 9, 10]


async def test_what_every_sink_got_fresh_is_pruned_while_a_backlog_waits(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db", sinks=("mqtt", "influx")) as store:
        await append(store, 3000)
        for sink in ("mqtt", "influx"):
            await take(store, 2000, sink=sink, after=1000)
        await append(store, 1)

        assert store.status().records == {"telemetry": 1001}
        assert store.status().dropped == {}
        assert await take(store, 2000) == [*range(1, 1001), 3001]


async def test_a_full_store_drops_what_was_delivered_fresh_before_what_waits(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db", max_size=1 << 20) as store:
        await append(store, 1000)
        await take(store, 700, after=300)
        await append(store, 1000)

        assert store.status().dropped == {}
        assert (await take(store, 10))[0] == 1


async def test_alarms_outlive_values_in_a_full_store(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db", max_size=512 << 10) as store:
        alarms = await append(store, 50, "alarm")
        for _ in range(20):
            await append(store, 200)

        assert await take(store, 100, lane=Lane.URGENT) == alarms
        assert store.status().dropped.keys() == {"telemetry", "gap"} & store.status().dropped.keys()
        assert store.status().dropped_for == {"store full": sum(store.status().dropped.values())}


async def test_without_a_disk_fresh_records_and_alarms_pass_what_is_in_the_file(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db") as store:
        await append(store, 10)
        disk = stores.FailingDisk(store, "attempt to write a readonly database")
        store.append("event", "agent", _NOW, {})
        with pytest.raises(StoreError, match="readonly"):
            await store.flush()
        live: list[Record] = [store.append(kind, "hall/meter", _NOW, {}) for kind in ("telemetry", "alarm", "window")]

        assert await take(store, 10, lane=Lane.URGENT) == [live[1].seq]
        assert await take(store, 10, after=store.committed_seq) == [live[0].seq, live[2].seq]
        assert await take(store, 10) == list(range(1, 11))
        disk.mend(store)
        await store.flush()
        assert await take(store, 10) == [11]
        assert await take(store, 10) == []
        assert await take(store, 10, lane=Lane.URGENT) == []
        assert store.unsettled("mqtt") == 0


@pytest.mark.parametrize(
    "change",
    [
        "payload = X'7B7D'",
        "payload = 'text'",
        "time_ns = 5",
        "key = CAST(X'68616C6CFF' AS TEXT)",
        "kind = 'window'",
        "kind = 'telemetr?'",
    ],
)
async def test_a_record_that_is_not_what_was_written_is_dropped_and_told(tmp_path: Path, change: str) -> None:
    async with opened(tmp_path / "store.db") as store:
        await append(store, 5)
    with sqlite3.connect(tmp_path / "store.db") as other:
        other.execute(f"UPDATE telemetry_record SET {change} WHERE seq = 3")  # noqa: S608  # written above
    other.close()

    async with opened(tmp_path / "store.db") as store:
        assert await take(store, 10) == [1, 2, 4, 5]
        await store.flush()
        await store.flush()
        told = await store.peek("mqtt", 10)

        assert [record.kind for record in told] == ["gap"]
        assert b'"from_seq":3,"to_seq":3' in told[0].payload
        assert store.status().dropped_for == {"damaged in the file": 1}


async def test_what_stands_behind_a_damaged_record_of_a_hole_is_not_taken_for_settled(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db") as store:
        await append(store, 20)
        await take(store, 3, after=5)
    with sqlite3.connect(tmp_path / "store.db") as other:
        other.execute("UPDATE telemetry_record SET time_ns = 5 WHERE seq = 2")
    other.close()

    async with opened(tmp_path / "store.db") as store:
        assert await take(store, 4) == [1, 3, 4, 5]
        assert await take(store, 4) == [9, 10, 11, 12]
        assert await take(store, 100) == [*range(13, 21)]


async def test_a_lane_that_a_commit_has_nothing_for_needs_no_look_at_the_file(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db") as store:
        await append(store, 3)
        await append(store, 1, "alarm")
        assert await take(store, 10, lane=Lane.URGENT) == [4]
        looks: list[Lane] = []
        after = store._writer.after

        def look(lane: Lane, low: int, high: int | None, limit: int) -> list[Record] | None:
            looks.append(lane)
            return after(lane, low, high, limit)

        store._writer.after = look  # type: ignore[method-assign]
        await append(store, 3)

        assert await take(store, 10, lane=Lane.URGENT) == []
        assert looks == [Lane.NORMAL]  # the oldest that waits, for the status; all before the last commit may
        assert await take(store, 10) == [1, 2, 3, 5, 6, 7]
        assert store.unsettled("mqtt") == 0


@pytest.mark.parametrize("seed", range(5))
async def test_the_oldest_that_waits_is_what_the_file_says(tmp_path: Path, seed: int) -> None:
    rng, path = random.Random(seed), tmp_path / "store.db"  # noqa: S311  # a choice of cases
    async with opened(path) as store:
        for _ in range(40):
            for _ in range(rng.randrange(5)):
                store.append(rng.choice(["telemetry", "alarm", "window", "interval"]), "hall/meter", _NOW, {})
            await store.flush()
            told, found = store.status().sinks["mqtt"], read_status(path).sinks["mqtt"]
            assert (told.oldest_seq, told.oldest_ns) == (found.oldest_seq, found.oldest_ns)
            lane = rng.choice([*Lane])
            records = await store.peek("mqtt", 4, lane=lane, after=rng.choice([0, 0, store.last_seq // 2]))
            if records and rng.random() < 0.7:
                await store.acknowledge("mqtt", rng.choice(records).seq)
            elif store.last_seq and lane is Lane.NORMAL:
                store.given("mqtt", sorted({record.seq for record in records}))
