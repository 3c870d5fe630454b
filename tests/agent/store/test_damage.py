"""A store file cut, zeroed or with flipped bits: what was readable is kept, what was not is told."""

import random
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest

from agent.audit.verify import verify_chain
from agent.record import Record
from agent.store import Lane, Store, StoreError
from agent.store.batch import Batch
from agent.store.database import Database
from agent.store.losses import Losses
from tests.agent.store import stores

_NOW = 1_795_162_800_000_000_000
PAGE = 4096

opened = partial(stores.opened, commit_every_s=60)


async def filled(path: Path, count: int = 2000) -> list[Record]:
    """Fill a store with records of all classes, the first hundred of them delivered."""
    records = []
    async with opened(path) as store:
        for number in range(count):
            kind = {0: "interval", 1: "alarm", 2: "window"}.get(number % 10, "telemetry")
            records.append(store.append(kind, "hall/meter", _NOW + number, {"x": number, "pad": "p" * 150}))
            store.save_state(f"account/{number % 20}", orjson.dumps({"seq": records[-1].seq}))
            store.save_row(_NOW + number * 10**9, bytes([number % 256]) * 50)
            if number % 100 == 99:
                await store.flush()
        await store.peek("mqtt", 100)
        await store.acknowledge("mqtt", 100)
    return records


async def everything(store: Store) -> list[Record]:
    taken: list[Record] = []
    for lane in Lane:
        while batch := await store.peek("mqtt", 500, lane=lane):
            taken += batch
            await store.acknowledge("mqtt", batch[-1].seq)
    return taken


def zero(path: Path, page: int, pages: int = 1) -> None:
    with path.open("r+b") as file:
        file.seek(page * PAGE)
        file.write(bytes(pages * PAGE))


def aside(folder: Path) -> list[Path]:
    return [file for file in folder.iterdir() if "damaged" in file.name and file.name[-1].isdigit()]


def root(path: Path, table: str) -> int:
    """Return the first page of a table, counted from 0."""
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()[0]) - 1


async def test_all_but_the_damaged_page_is_kept_and_the_rest_is_told(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    before = {record.seq: record for record in await filled(path)}
    zero(path, root(path, "meta"))

    async with opened(path) as store:
        await store.flush()
        kept = await everything(store)
        new = [record for record in kept if record.seq > 2000]
        old = [record for record in kept if record.seq <= 2000]
        intervals = await store.intervals(0, 1 << 62)

        assert old
        assert all(record == before[record.seq] for record in old)
        assert {record.seq for record in old} == {
            seq for seq, record in before.items() if seq > 100 or record.kind == "alarm"
        }
        assert len(intervals) == 200
        assert len(list(store.rows())) == 2000
        assert store.load_state("account/19") == b'{"seq":2000}'
        assert "kept of it: 20" in next(record.payload for record in new if record.kind == "event").decode()


@pytest.mark.parametrize("pages", [1, 2])
async def test_a_lost_first_page_costs_no_record(tmp_path: Path, pages: int) -> None:
    path = tmp_path / "store.db"
    await filled(path)
    zero(path, 0, pages)

    async with opened(path) as store:
        await store.flush()
        found = await everything(store)

        assert len([record for record in found if record.seq <= 2000]) == 1910
        assert store.load_state("account/19") == b'{"seq":2000}'
        assert list(tmp_path.glob("*-copy*")) == []  # noqa: ASYNC240  # small


async def test_what_is_lost_is_in_the_gap_record(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    await filled(path)
    zero(path, root(path, "telemetry_record"))
    async with opened(path) as store:
        found = await everything(store)
        await store.flush()
        found += await everything(store)
        told = [orjson.loads(record.payload) for record in found if record.kind == "gap"]

        assert not [record for record in found if record.kind == "telemetry"]
        assert len([record for record in found if record.kind == "window"]) == 190
        assert store.status().set_aside

    assert told[0]["reason"] == "store file damaged"
    assert told[0]["kinds"] == {"telemetry": 1400}
    assert (told[0]["from_seq"], told[0]["to_seq"]) == (1, 2000)


async def test_the_sequence_and_the_chain_go_on_under_a_new_epoch(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    before = await filled(path)
    zero(path, root(path, "state"))
    async with opened(path) as store:
        following = store.append("interval", "hall/meter", _NOW, {})
        await store.flush()
        body, chain = orjson.loads(following.payload), await store.chained(0, 9999)
        last = chain[chain.index(following) - 1]

        assert following.seq > 2000
        assert body["epoch"] not in before[0].payload.decode()
        assert body["previous"] == orjson.loads(last.payload)["hash"]


async def test_what_is_lost_of_the_chain_is_told_although_every_receiver_has_it(tmp_path: Path) -> None:
    """Whoever verifies the chain finds the hole, and the agent's own word for it."""
    path = tmp_path / "store.db"
    async with opened(path) as store:
        for number in range(600):
            body = {"schema": "energy-agent/interval/1", "n": number, "pad": "p" * 150}
            store.append("interval", "hall/meter", _NOW + number, body)
        await store.flush()
        await everything(store)
        await store.flush()
    with closing(sqlite3.connect(path)) as connection:
        pages = [row[0] for row in connection.execute("SELECT pageno FROM dbstat WHERE name = 'interval_record'")]
    zero(path, pages[len(pages) // 2] - 1)
    async with opened(path) as store:
        store.append("event", "agent", _NOW, {"schema": "energy-agent/event/1", "text": "after"})
        await store.flush()
        await store.flush()
        found = await store.chained(0, 9999)
    report = verify_chain(record.payload for record in found)

    assert len(found) < 600
    assert not report.findings
    assert any("the agent had to drop records, as it says itself" in remark for remark in report.remarks)


def cut(path: Path, chance: random.Random) -> None:
    with path.open("r+b") as file:
        file.truncate(chance.randrange(path.stat().st_size))


def zeroed(path: Path, chance: random.Random) -> None:
    zero(path, chance.randrange(path.stat().st_size // PAGE), chance.choice([1, 1, 8]))


def flipped(path: Path, chance: random.Random) -> None:
    content = bytearray(path.read_bytes())
    for _ in range(chance.choice([1, 1, 30])):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)


@pytest.mark.parametrize(("damage", "usual"), [(cut, 100), (zeroed, 800), (flipped, 800)])
async def test_wherever_the_damage_is_the_store_opens_soon_and_no_record_is_another_than_was_written(
    tmp_path: Path, damage: Callable[[Path, random.Random], None], usual: int
) -> None:
    path, chance = tmp_path / "store.db", random.Random(3)  # noqa: S311  # places, not secrets
    before = {record.seq: record for record in await filled(path, 1000)}
    original = path.read_bytes()
    kept = []
    for _ in range(8):
        for file in tmp_path.glob("store.db*"):  # noqa: ASYNC240  # small
            file.unlink()
        path.write_bytes(original)
        damage(path, chance)
        started = time.monotonic()
        async with opened(path) as store:
            assert time.monotonic() - started < 10
            found = await everything(store)
            await store.flush()
            fresh = store.append("telemetry", "hall/meter", _NOW, {})
            await store.flush()
            found += await everything(store)

        old = [record for record in found if record.kind not in ("gap", "event")]
        assert old.pop() == fresh
        assert all(record == before[record.seq] for record in old)
        kept.append(len(old))

    assert sorted(kept)[len(kept) // 2] > usual


async def test_no_flipped_bit_of_the_header_keeps_the_store_from_opening(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    await filled(path, 100)
    original = path.read_bytes()
    for place in range(0, 100 * 8, 13):
        for file in tmp_path.glob("store.db*"):  # noqa: ASYNC240  # small
            file.unlink()
        content = bytearray(original)
        content[place // 8] ^= 1 << place % 8
        path.write_bytes(content)
        async with opened(path) as store:
            store.append("telemetry", "hall/meter", _NOW, {})
            await store.flush()
            assert store.status().degraded == ""


@pytest.mark.parametrize("bit", range(4, 8))
async def test_a_record_whose_number_alone_is_damaged_is_kept_with_the_right_one(tmp_path: Path, bit: int) -> None:
    path = tmp_path / "store.db"
    before = {record.seq: record for record in await filled(path, 1000)}
    content = bytearray(path.read_bytes())
    place = content.index(b'"x":555,')
    # The number is the varint before the record: two bytes, of which the second holds the low seven bits.
    place = content.rindex(bytes([0x80 | 556 >> 7, 556 & 0x7F]), place - 60, place)
    content[place + 1] ^= 1 << bit % 7
    path.write_bytes(content)

    async with opened(path) as store:
        await store.flush()
        found = {record.seq: record for record in await everything(store)}

        assert {seq: record for seq, record in found.items() if seq <= 1000} == {
            seq: record for seq, record in before.items() if seq > 100 or record.kind == "alarm"
        }


@pytest.mark.parametrize("left", [0, 40_000])
async def test_numbers_that_a_cut_log_has_forgotten_are_not_given_again(tmp_path: Path, left: int) -> None:
    path, copy = tmp_path / "store.db", tmp_path / "copy" / "store.db"
    await filled(path, 100)
    async with opened(path) as store:
        for number in range(200):
            store.append("telemetry", "hall/meter", _NOW + number, {"pad": "p" * 500})
            if number % 20 == 19:
                await store.flush()
        epoch = store.epoch
        shutil.copytree(tmp_path, copy.parent)  # as a power cut leaves it
    with copy.with_name("store.db-wal").open("r+b") as log:
        log.truncate(left)

    async with opened(copy) as store:
        first = store.append("telemetry", "hall/meter", _NOW, {})
        await store.flush()
        told = [record for record in await everything(store) if record.seq > 300]

        assert store.epoch != epoch
        assert first.seq > 300
        by_kind = {record.kind: record.payload for record in told}

        assert by_kind.keys() == {"event", "telemetry", "gap"}
        assert b"has lost its last commits" in by_kind["event"]
        assert orjson.loads(by_kind["gap"])["to_seq"] == 300
        epoch = store.epoch
    async with opened(copy) as store:
        assert store.epoch == epoch


async def test_no_more_than_three_damaged_files_are_kept_and_the_largest_is_among_them(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    await filled(path)
    zero(path, root(path, "state"))
    largest = path.stat().st_size
    for _ in range(6):
        async with opened(path):
            pass
        path.write_bytes(b"no database " * 100)
    async with opened(path):
        pass

    kept = aside(tmp_path)
    assert len(kept) == 3
    assert max(file.stat().st_size for file in kept) == largest


async def test_a_disk_that_damages_every_write_degrades_the_store(tmp_path: Path) -> None:
    def fail(*_: object) -> None:
        raise sqlite3.DatabaseError("database disk image is malformed")

    async with opened(tmp_path / "store.db") as store:
        for attempt in range(5):
            store.append("telemetry", "hall/meter", _NOW, {})
            database = store._writer._upkeep.database
            assert database
            database.commit = fail  # type: ignore[assignment]
            if attempt:
                with pytest.raises(StoreError, match="check the disk"):
                    await store.flush()
            else:
                await store.flush()

        assert len(aside(tmp_path)) == 1
        assert [record.kind for record in await everything(store)] == ["telemetry", "event", *["telemetry"] * 3]


async def test_a_store_has_the_pages_its_sums_are_made_for_whatever_sqlite_makes_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = sqlite3.connect

    def otherwise_built(*args: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*args, **options)
        connection.execute("PRAGMA page_size = 8192")
        return connection

    monkeypatch.setattr(sqlite3, "connect", otherwise_built)
    path = tmp_path / "store.db"
    await filled(path, 200)
    with closing(connect(path)) as connection:
        assert connection.execute("PRAGMA page_size").fetchone() == (PAGE,)

    zero(path, 0)
    async with opened(path) as store:
        assert len([record for record in await everything(store) if record.seq <= 200]) == 110


@pytest.mark.parametrize("kept", ["nothing", "a part", "all"])
async def test_what_a_damaged_file_held_is_kept_and_told_once_although_the_power_fails_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: str
) -> None:
    path, copy = tmp_path / "disk" / "store.db", tmp_path / "copy" / "store.db"
    path.parent.mkdir()
    await filled(path)
    zero(path, root(path, "window_record"))
    moments: dict[str, Callable[[Batch], bool]] = {
        "nothing": lambda _: True,
        "a part": lambda batch: any(record.kind == "telemetry" for record in batch.records),
        "all": lambda _: path.exists(),
    }
    with power_cut(monkeypatch, path.parent, copy.parent, moments[kept]):
        async with opened(path) as store:
            await store.flush()
            expected = await everything(store)
    assert told(expected, "gap")

    async with opened(copy) as store:
        await store.flush()
        found = await everything(store)

        assert [record.seq for record in found] == [record.seq for record in expected]
        assert [gap["kinds"] for gap in told(found, "gap")] == [gap["kinds"] for gap in told(expected, "gap")]
        assert [aside(path.parent)[0].name in event["text"] for event in told(found, "event")] == [True]
        assert [file.name for file in aside(copy.parent)] == [file.name for file in aside(path.parent)]


async def test_numbers_in_doubt_are_told_when_the_power_fails_right_after_damage_was_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, copy = tmp_path / "disk" / "store.db", tmp_path / "copy" / "store.db"
    path.parent.mkdir()
    offered: list[Record] = []
    async with opened(path) as store:
        store.ahead(stores.promised(offered))
        kept = stores.telemetry(store, 10)
        await store.flush()
        stores.telemetry(store, 20)
        stores.FailingDisk(store, "database disk image is malformed", sqlite3.DatabaseError)
        with power_cut(monkeypatch, path.parent, copy.parent, lambda _: path.exists()):
            store._writer.submit(store._writer._commit).result()
            await store.flush()
    assert offered

    async with opened(copy) as store:
        new = stores.telemetry(store, 1)
        await store.flush()
        found = await everything(store)

        assert new[0].seq > offered[-1].seq
        assert (kept[-1].seq + 1, 110) in [(gap["from_seq"], gap["to_seq"]) for gap in told(found, "gap")]
        assert ["damaged" in event["text"] for event in told(found, "event")] == [True]


@contextmanager
def power_cut(monkeypatch: pytest.MonkeyPatch, disk: Path, copy: Path, now: Callable[[Batch], bool]) -> Iterator[None]:
    """Copy a folder as it is right before the first commit that `now` chooses."""
    commit = Database.commit

    def watched(database: Database, batch: Batch, *rest: Any) -> Losses:
        if now(batch) and not copy.exists():
            shutil.copytree(disk, copy)
        return commit(database, batch, *rest)

    with monkeypatch.context() as patched:
        patched.setattr(Database, "commit", watched)
        yield
    assert copy.exists()


def told(records: list[Record], kind: str) -> list[dict[str, Any]]:
    return [orjson.loads(record.payload) for record in records if record.kind == kind]
