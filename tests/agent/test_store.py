import asyncio
import hashlib
import json
import random
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import orjson
import pytest
import rfc8785

from agent.record import Record
from agent.store import GENESIS, Store, StoreError, read_intervals, read_status, record_hash
from agent.store.backlog import Batch
from agent.store.database import Database
from agent.store.inventory import Inventory
from agent.store.losses import Losses
from agent.store.schema import write_inventory
from agent.store.sizes import queue_bytes

_NOW = 1_795_162_800_000_000_000


@asynccontextmanager
async def opened(
    path: Path, *, sinks: tuple[str, ...] = ("mqtt",), max_size: int = 64 << 20, commit_every_s: float = 0.02
) -> AsyncIterator[Store]:
    store = Store(path, max_size=max_size, commit_every_s=commit_every_s, sinks=sinks, site="works")
    await store.open()
    try:
        yield store
    finally:
        await store.close()


def telemetry(store: Store, count: int, size: int = 20) -> list[Record]:
    return [store.append("telemetry", "hall/meter", _NOW + n, {"x": n / 7, "pad": "p" * size}) for n in range(count)]


def interval(store: Store, number: int, account: str = "meter/electricity") -> Record:
    body = {"account": account, "amount": number / 3, "start": f"interval {number}"}
    return store.append("interval", "hall/meter", _NOW + number * 900 * 10**9, body)


async def everything(store: Store, sink: str = "mqtt") -> list[Record]:
    """Take all records as a sink does."""
    taken: list[Record] = []
    while batch := await store.peek(sink, 100):
        taken += batch
        await store.acknowledge(sink, batch[-1].seq)
    return taken


async def test_records_come_back_as_they_were_appended(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db") as store:
        appended = [*telemetry(store, 3), interval(store, 0), *telemetry(store, 2)]
        await store.flush()

        assert await everything(store) == appended
        assert [record.seq for record in appended] == [1, 2, 3, 4, 5, 6]
        assert orjson.loads(appended[0].payload)["seq"] == 1
        assert orjson.loads(appended[0].payload)["epoch"] == store.epoch


async def test_only_what_is_committed_can_be_peeked(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db", commit_every_s=60) as store:
        telemetry(store, 1)

        assert await store.peek("mqtt", 10) == []
        await store.flush()
        assert len(await store.peek("mqtt", 10)) == 1


async def test_a_commit_comes_by_itself_and_is_announced(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db") as store:
        telemetry(store, 1)
        async with asyncio.timeout(5):
            pulse = 0
            while store.status().committed_seq < 1:
                pulse = await store.news(pulse)

        assert len(await store.peek("mqtt", 10)) == 1


async def test_much_at_once_is_committed_before_its_time(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db", commit_every_s=600, max_size=1 << 20) as store:
        telemetry(store, 400)
        async with asyncio.timeout(5):
            await store.news(0)

        assert store.status().committed_seq > 100


async def test_after_a_calm_a_quarter_of_the_commit_interval_is_enough(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db", commit_every_s=6) as store:
        telemetry(store, 1)
        async with asyncio.timeout(5):
            await store.news(0)
        telemetry(store, 1)
        await asyncio.sleep(2)

        assert store.status().committed_seq == 1, "the next commit has to keep its distance"


async def test_a_thousand_records_make_few_commits(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db", commit_every_s=60) as store:
        telemetry(store, 1000)
        await store.flush()

        assert store.status().commits == 1


async def test_each_sink_has_a_cursor_of_its_own(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db", sinks=("mqtt", "influx")) as store:
        telemetry(store, 10)
        await store.flush()
        await store.peek("mqtt", 4)
        await store.acknowledge("mqtt", 4)

        assert (await store.peek("mqtt", 1))[0].seq == 5
        assert (await store.peek("influx", 1))[0].seq == 1


async def test_a_cursor_never_moves_back(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db") as store:
        telemetry(store, 5)
        await store.flush()
        await store.peek("mqtt", 5)
        await store.acknowledge("mqtt", 4)
        await store.acknowledge("mqtt", 2)

        assert (await store.peek("mqtt", 1))[0].seq == 5


async def test_sequence_epoch_chain_cursor_and_state_survive_a_restart(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db") as store:
        telemetry(store, 3)
        last = interval(store, 0)
        store.save_state("books", b"\x00state")
        await store.flush()
        await store.peek("mqtt", 9)
        await store.acknowledge("mqtt", 2)
        epoch = store.epoch

    async with opened(tmp_path / "store.db") as store:
        following = interval(store, 1)

        assert store.epoch == epoch
        assert following.seq == 5
        assert orjson.loads(following.payload)["previous"] == orjson.loads(last.payload)["hash"]
        assert (await store.peek("mqtt", 1))[0].seq == 3
        assert store.load_state("books") == b"\x00state"
        assert store.load_state("nothing") is None


async def test_a_state_is_never_ahead_of_the_records_before_it(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db", commit_every_s=60) as store:
        for number in range(50):
            with store.transaction():
                record = interval(store, number)
                store.save_state("last", str(record.seq).encode())
            if number % 7 == 0:
                await store.flush()
                with sqlite3.connect(tmp_path / "store.db") as other:
                    newest = other.execute("SELECT max(seq) FROM interval_record").fetchone()[0]
                    state = other.execute("SELECT value FROM state WHERE name = 'last'").fetchone()[0]
                other.close()

                assert int(state) == newest


async def test_the_chain_can_be_followed_by_an_independent_reader(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db") as store:
        for number in range(5):
            interval(store, number)
            telemetry(store, 1)
        await store.flush()
        payloads = [record.payload for record in await store.intervals(0, 1 << 62)]

    previous = "sha256:" + "0" * 64
    assert previous == GENESIS
    for payload in payloads:
        record = json.loads(payload)
        stated = record.pop("hash")
        computed = "sha256:" + hashlib.sha256(rfc8785.dumps(record)).hexdigest()

        assert (record["previous"], stated) == (previous, computed)
        assert record_hash(json.loads(payload)) == stated
        previous = stated


async def test_a_record_that_cannot_be_encoded_takes_no_number(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db") as store:
        with pytest.raises(ValueError, match="'amount'"):
            store.append("interval", "hall/meter", _NOW, {"amount": float("nan")})
        with pytest.raises(ValueError, match="no kind"):
            store.append("nonsense", "hall/meter", _NOW, {})
        with pytest.raises(ValueError, match="canonical"):
            store.append("interval", "hall/meter", _NOW, {"amount": 2**60})

        first = interval(store, 0)
        assert (first.seq, orjson.loads(first.payload)["previous"]) == (1, GENESIS)


async def test_intervals_are_found_by_start_and_account(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db") as store:
        for number in range(4):
            interval(store, number)
            interval(store, number, "boiler/gas")
        await store.flush()
        start, end = _NOW + 900 * 10**9, _NOW + 3 * 900 * 10**9
        found = await store.intervals(start, end, "boiler/gas")

        assert [orjson.loads(record.payload)["start"] for record in found] == ["interval 1", "interval 2"]
        assert len(await store.intervals(start, end)) == 4
        assert read_intervals(tmp_path / "store.db", start, end, "boiler/gas") == found


async def test_another_process_reads_open_and_closed_stores(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db") as store:
        telemetry(store, 5)
        interval(store, 0)
        await store.flush()
        await store.peek("mqtt", 9)
        await store.acknowledge("mqtt", 2)
        await store.flush()
        while_open = read_status(tmp_path / "store.db")

    closed = read_status(tmp_path / "store.db")
    assert while_open.sinks == closed.sinks
    assert (closed.sinks["mqtt"].cursor, closed.sinks["mqtt"].oldest_seq) == (2, 3)
    assert closed.records == {"telemetry": 5, "interval": 1}
    assert closed.committed_seq == 6
    assert len(read_intervals(tmp_path / "store.db", 0, 1 << 62)) == 1


@pytest.mark.parametrize("content", [None, b"", b"no database at all, but longer than a header " * 100])
def test_reading_what_is_no_store_says_so(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "store.db"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(StoreError, match=r"store\.db: .+: .+"):
        read_intervals(path, 0, 1)


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
                store.append("window", "hall/meter", _NOW + n, {"pad": "w" * 300})
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
            store.append("interval", "hall/meter", _NOW + number, {"pad": "i" * 3000})
            await store.flush()
        await store.peek("mqtt", 100)
        await store.acknowledge("mqtt", 50)
        for number in range(45):
            store.append("interval", "hall/meter", _NOW + number, {"pad": "i" * 3000})
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
        records = [Record(seq + n, "telemetry", "hall/meter", _NOW, b"{}" * 200) for n in range(1, 301)]
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


async def test_a_commit_waits_for_the_disk(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db") as store:
        database = store._writer._upkeep.database
        assert database
        connection = database._connection

        def setting(name: str) -> int:
            return int(connection.execute(f"PRAGMA {name}").fetchone()[0])

        read = [store._writer.submit(partial(setting, name)) for name in ("synchronous", "wal_autocheckpoint")]

        assert [await asyncio.wrap_future(future) for future in read] == [2, 256]


async def test_refused_records_are_set_aside_in_a_bounded_number(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db") as store:
        for record in telemetry(store, 1200):
            await store.set_aside("mqtt", record, "too large")
        await store.flush()

        assert store.status().sinks["mqtt"].dead_letters == 1000


async def test_the_status_tells_the_oldest_unacknowledged_record(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db") as store:
        telemetry(store, 5)
        await store.flush()
        await store.peek("mqtt", 5)
        await store.acknowledge("mqtt", 3)
        await store.flush()
        sink = store.status().sinks["mqtt"]

        assert (sink.cursor, sink.oldest_seq, sink.oldest_ns) == (3, 4, _NOW + 3)
        assert (store.last_seq, store.committed_seq, store.unsettled("mqtt")) == (5, 5, 2)


async def test_a_second_agent_is_kept_out(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db"):
        with pytest.raises(StoreError, match="used by another energy-agent: stop it"):
            await Store(tmp_path / "store.db", max_size=1 << 20, commit_every_s=1, sinks=()).open()


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda path: path.mkdir(), "is a folder: name a file"),
        (lambda path: path.parent.joinpath("file").write_text("x"), "rights|Not a directory"),
    ],
    ids=["a folder", "a folder that is a file"],
)
async def test_an_unusable_path_is_one_clear_line(tmp_path: Path, prepare: object, message: str) -> None:
    assert callable(prepare)
    path = tmp_path / "file" / "store.db" if "Not a" in message else tmp_path / "store.db"
    prepare(tmp_path / "store.db")

    with pytest.raises(StoreError, match=message) as caught:
        await Store(path, max_size=1 << 20, commit_every_s=1, sinks=()).open()
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "store.db") as other:
        other.execute("CREATE TABLE theirs (x)")
    other.close()
    before = (tmp_path / "store.db").read_bytes()

    with pytest.raises(StoreError, match="another program's"):
        await Store(tmp_path / "store.db", max_size=1 << 20, commit_every_s=1, sinks=()).open()
    assert (tmp_path / "store.db").read_bytes() == before


@pytest.mark.parametrize(("version", "whose"), [(1, "an older"), (99, "a newer")])
async def test_a_store_of_another_agent_is_left_alone(tmp_path: Path, version: int, whose: str) -> None:
    async with opened(tmp_path / "store.db"):
        pass
    with sqlite3.connect(tmp_path / "store.db") as other:
        other.execute(f"PRAGMA user_version = {version}")
        write_inventory(other, Inventory("epoch", version=version))
    other.close()

    with pytest.raises(StoreError, match=f"{whose} energy-agent"):
        await Store(tmp_path / "store.db", max_size=1 << 20, commit_every_s=1, sinks=()).open()


async def test_a_store_too_small_to_work_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="512KiB"):
        await Store(tmp_path / "store.db", max_size=1000, commit_every_s=1, sinks=()).open()


@pytest.mark.parametrize("damage", ["zeroed", "garbage", "ledger"])
async def test_a_damaged_file_is_set_aside_and_reported(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "store.db"
    async with opened(path) as store:
        telemetry(store, 100)
        epoch = store.epoch
    if damage == "ledger":
        with sqlite3.connect(path) as other:
            other.execute("UPDATE meta SET value = 'rubbish'")
        other.close()
    else:
        content = bytearray(path.read_bytes())
        content[:8192] = bytes(8192) if damage == "zeroed" else random.Random(1).randbytes(8192)  # noqa: S311
        path.write_bytes(content)
    before = path.read_bytes()

    async with opened(path) as store:
        await store.flush()
        event = next(record for record in await everything(store) if record.kind == "event")

        assert store.epoch != epoch
        assert [file.read_bytes() for file in tmp_path.glob("store.db.damaged-*[0-9]")] == [before]  # noqa: ASYNC240  # small
        assert event.kind == "event"
        assert store.status().set_aside in event.payload.decode()


async def test_damage_found_while_running_starts_a_new_file_and_keeps_counting(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    async with opened(path) as store:
        store.save_state("books", b"kept")
        telemetry(store, 2000, 200)
        epoch = store.epoch
    async with opened(path, commit_every_s=60) as store:
        with path.open("r+b") as file:
            file.seek(100 * 1024)
            file.write(bytes(300 * 1024))
        database = store._writer._upkeep.database
        assert database
        await asyncio.wrap_future(store._writer.submit(lambda: database._connection.execute("PRAGMA shrink_memory")))
        async with asyncio.timeout(10):
            while not store.status().set_aside:
                telemetry(store, 1)
                await asyncio.sleep(0.01)
                try:
                    await store.peek("mqtt", 5000)
                    await store.flush()
                except StoreError:
                    continue
        await store.flush()
        kinds = [record.kind for record in await everything(store)]

        assert store.epoch == epoch
        assert store.last_seq > 2000
        assert {"gap", "event"} <= set(kinds)

    async with opened(path) as store:
        assert store.load_state("books") == b"kept"


class FullDisk:
    """Makes commits fail as a full disk does, for as long as it is full."""

    def __init__(self, store: Store) -> None:
        database = store._writer._upkeep.database
        assert database
        self._database = database
        self._commit = self._database.commit
        self._database.commit = self._fail  # type: ignore[assignment]

    def _fail(self, *_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    def empty(self, store: Store) -> None:
        self._database.commit = self._commit  # type: ignore[method-assign]
        store._writer._upkeep.retry_ns = time.monotonic_ns()


async def test_a_full_disk_degrades_to_live_only_and_recovers_by_itself(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db", commit_every_s=60) as store:
        before = telemetry(store, 2)
        disk = FullDisk(store)
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

        disk.empty(store)
        await store.flush()
        assert store.status().degraded == ""
        assert await everything(store) == [*before, closed]


async def test_live_records_have_an_epoch_of_their_own(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db", commit_every_s=60) as store:
        disk = FullDisk(store)
        telemetry(store, 1)
        with pytest.raises(StoreError):
            await store.flush()
        live = orjson.loads(telemetry(store, 1)[0].payload)["epoch"]
        booked = orjson.loads(interval(store, 0).payload)["epoch"]
        disk.empty(store)
        await store.flush()
        after = orjson.loads(telemetry(store, 1)[0].payload)["epoch"]

        assert live != store.epoch
        assert booked == after == store.epoch


async def test_what_every_sink_got_live_needs_no_disk(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db", sinks=("mqtt", "influx"), commit_every_s=60) as store:
        disk = FullDisk(store)
        telemetry(store, 1)
        with pytest.raises(StoreError):
            await store.flush()
        for sink in ("mqtt", "influx"):
            telemetry(store, 0 if sink == "influx" else 5)
            assert [record.seq for record in await everything(store, sink)] == [2, 3, 4, 5, 6]
        disk.empty(store)
        await store.flush()

        assert [record.seq for record in await everything(store)] == [1]


async def test_memory_is_bounded_while_the_disk_is_full_and_the_loss_is_told(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db", max_size=1 << 20, commit_every_s=60) as store:
        disk = FullDisk(store)
        interval(store, 0)
        telemetry(store, 5000, 200)

        assert store._writer.backlog._queue.bytes <= queue_bytes(1 << 20)
        disk.empty(store)
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
        FullDisk(store)

    assert "what was not committed is lost" in caplog.text


# ---- rows of the ring


async def test_rows_of_the_ring_come_back_in_the_order_of_their_times(tmp_path: Path) -> None:
    rows = {_NOW + minute * 60 * 10**9: bytes([minute]) * 100 for minute in range(100)}
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
        store.save_row(_NOW, b"row")
        assert list(store.rows()) == []
        await store.flush()

        assert (store.status().commits, list(store.rows())) == (1, [(_NOW, b"row")])


async def test_a_row_alone_is_committed_in_its_time(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db") as store:
        store.save_row(_NOW, b"row")
        async with asyncio.timeout(5):
            await store.news(0)

        assert list(store.rows()) == [(_NOW, b"row")]


async def test_rows_older_than_the_longest_window_are_forgotten(tmp_path: Path) -> None:
    minute = 60 * 10**9
    async with opened(tmp_path / "store.db", commit_every_s=600) as store:
        for number in range(30 * 60):
            store.save_row(_NOW + number * minute, b"row")
            if number % 60 == 59:
                await store.flush()
        times = [time_ns for time_ns, _ in store.rows()]

    assert times == [_NOW + number * minute for number in range(30 * 60 - 25 * 60 - 1, 30 * 60)]


async def test_rows_take_no_more_than_their_part_of_the_file_and_leave_the_rest_its_room(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db", max_size=1 << 20, commit_every_s=600) as store:
        largest = 0
        for number in range(200):
            store.save_row(_NOW + number * 60 * 10**9, bytes(8000))
            telemetry(store, 20, 100)
            await store.flush()
            largest = max(largest, store.status().bytes)
        kept = [time_ns for time_ns, _ in store.rows()]

        assert 5 < len(kept) <= (1 << 18) // 8000
        assert kept[-1] == _NOW + 199 * 60 * 10**9
        assert largest <= 1 << 20
        assert store.status().records["telemetry"] > 100


async def test_rows_that_wait_for_the_disk_are_bounded_and_the_newest_stays(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db", max_size=1 << 20, commit_every_s=600) as store:
        disk = FullDisk(store)
        for number in range(100):
            store.save_row(_NOW + number, bytes(8000))
            if number == 50:
                with pytest.raises(StoreError):
                    await store.flush()
        waiting = sum(map(len, store._writer.backlog._queue.rows.values()))
        disk.empty(store)
        await store.flush()

        assert waiting <= queue_bytes(1 << 20) // 8
        assert [time_ns for time_ns, _ in store.rows()][-1] == _NOW + 99
