"""The store: numbers, commits, cursors, states, and files that are not its own."""

import asyncio
import hashlib
import json
import os
import random
import sqlite3
import threading
from functools import partial
from pathlib import Path

import orjson
import pytest
import rfc8785

from agent.store import GENESIS, Store, StoreError, read_intervals, read_status, record_hash
from agent.store.inventory import Inventory
from agent.store.schema import write_inventory
from tests.agent.store.stores import NOW, everything, interval, opened, telemetry


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


async def test_a_commit_waits_for_what_it_is_to_stand_behind_and_takes_nothing_more_meanwhile(tmp_path: Path) -> None:
    asked, ready = threading.Event(), threading.Semaphore(0)

    def wait() -> None:
        asked.set()
        ready.acquire()

    async with opened(tmp_path / "store.db") as store:
        store.commit_behind(wait)
        interval(store, 0)
        await asyncio.to_thread(asked.wait)
        interval(store, 1)
        assert read_status(tmp_path / "store.db").committed_seq == 0
        ready.release()
        await store.news(0)
        assert store.status().committed_seq == 1
        store.commit_behind(lambda: None)
        ready.release()
        await store.flush()
        assert store.status().committed_seq == 2


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
            store.append("interval", "hall/meter", NOW, {"amount": float("nan")})
        with pytest.raises(ValueError, match="no kind"):
            store.append("nonsense", "hall/meter", NOW, {})
        with pytest.raises(ValueError, match="canonical"):
            store.append("interval", "hall/meter", NOW, {"amount": 2**60})

        first = interval(store, 0)
        assert (first.seq, orjson.loads(first.payload)["previous"]) == (1, GENESIS)


async def test_intervals_are_found_by_start_and_account(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db") as store:
        for number in range(4):
            interval(store, number)
            interval(store, number, "boiler/gas")
        await store.flush()
        start, end = NOW + 900 * 10**9, NOW + 3 * 900 * 10**9
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

        assert (sink.cursor, sink.oldest_seq, sink.oldest_ns) == (3, 4, NOW + 3)
        assert (store.last_seq, store.committed_seq, store.unsettled("mqtt")) == (5, 5, 2)


async def test_a_second_agent_is_kept_out(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db"):
        with pytest.raises(StoreError, match="used by another energy-agent: stop it"):
            await Store(tmp_path / "store.db", max_size=1 << 20, commit_every_s=1, sinks=()).open()


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda path: path.mkdir(), "is a folder: name a file"),
        (os.mkfifo, "is no regular file: name another"),
        (lambda path: os.mkfifo(f"{path}.lock"), "is no regular file: name another"),
        (lambda path: path.parent.joinpath("file").write_text("x"), "rights|Not a directory"),
    ],
    ids=["a folder", "a pipe", "a pipe for a lock", "a folder that is a file"],
)
async def test_an_unusable_path_is_one_clear_line(tmp_path: Path, prepare: object, message: str) -> None:
    assert callable(prepare)
    path = tmp_path / "file" / "store.db" if "Not a" in message else tmp_path / "store.db"
    prepare(tmp_path / "store.db")

    with pytest.raises(StoreError, match=message) as caught:
        await Store(path, max_size=1 << 20, commit_every_s=1, sinks=()).open()
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_pipe_is_not_waited_at_to_read_records_either(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "store.db")

    with pytest.raises(StoreError, match="is no regular file"):
        read_intervals(tmp_path / "store.db", 0, 1)


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
