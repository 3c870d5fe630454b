"""Values given to receivers before they are committed: no number is given out for a second record."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import orjson
import pytest

from agent.record import Record
from agent.store import GENESIS, Lane, Store, read_status
from agent.store.backlog import Backlog
from agent.store.delivery import Deliveries
from agent.store.settled import MOST_RANGES
from tests.agent.store.stores import NOW, FailingDisk, crashed, everything, interval, opened, promised, telemetry

_LATER_S = 3600.0
"""A commit that no test waits for."""
_LONG_S = 2.0
"""Ten times what it takes; it took half a minute where each range was held against each."""


async def test_a_value_is_offered_at_once_when_its_number_is_promised(tmp_path: Path) -> None:
    offered: list[Record] = []
    async with opened(tmp_path / "store.db", commit_every_s=_LATER_S) as store:
        store.ahead(promised(offered))
        first = telemetry(store, 1)
        await store.flush()
        later = telemetry(store, 3)
        interval(store, 1)

        assert offered == later
        assert store.committed_seq == first[0].seq


async def test_a_value_whose_number_no_commit_has_promised_is_not_offered(tmp_path: Path) -> None:
    offered: list[Record] = []
    async with opened(tmp_path / "store.db", commit_every_s=_LATER_S) as store:
        store.ahead(promised(offered))
        await store.flush()
        given = telemetry(store, 150)

    assert offered == given[:100]


async def test_nothing_is_offered_after_the_end_nor_promised(tmp_path: Path) -> None:
    offered: list[Record] = []
    async with opened(tmp_path / "store.db", commit_every_s=_LATER_S) as store:
        end = store.ahead(promised(offered))
        await store.flush()
        end()
        telemetry(store, 1)
        await store.flush()
        copy = crashed(tmp_path / "store.db", tmp_path / "copy.db")

    assert offered == []
    async with opened(copy) as store:
        assert store.last_seq == 1


async def test_nothing_is_offered_that_a_commit_under_way_no_longer_promises(tmp_path: Path) -> None:
    offered: list[Record] = []
    async with opened(tmp_path / "store.db", commit_every_s=_LATER_S) as store:
        end = store.ahead(promised(offered))
        await store.flush()
        end()
        batch = store._writer.backlog.take()  # a slow disk writes it while a receiver comes back
        store.ahead(promised(offered))
        given = telemetry(store, 1)

        assert batch.promised < given[0].seq
        assert offered == []
        store._writer.backlog.put_back(batch)


async def test_what_was_given_ahead_and_committed_is_lent_no_more(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db") as store:
        given = telemetry(store, 10)
        booked = interval(store, 1)
        given += telemetry(store, 5)
        await store.flush()
        store.given("mqtt", [record.seq for record in given if record.seq != 3])

        assert await everything(store) == [given[2], booked]
        assert store.unsettled("mqtt") == 0


async def test_what_stands_between_values_given_ahead_goes_in_one_batch_and_no_value_again(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db") as store:
        values, booked = [], []
        for number in range(1000):
            values += telemetry(store, 1)
            booked.append(interval(store, number))
        await store.flush()
        store.given("mqtt", [record.seq for record in values])

        assert await store.peek("mqtt", 600) == booked[:600]
        await store.acknowledge("mqtt", booked[299].seq)
        assert await everything(store) == booked[300:]
        assert store.unsettled("mqtt") == 0


async def test_no_commit_to_a_full_store_takes_long_however_many_values_went_ahead_between_records_that_wait(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path / "store.db", max_size=2 << 20, commit_every_s=_LATER_S) as store:
        for number in range(MOST_RANGES):
            value = telemetry(store, 1)[0]
            interval(store, number)
            if number % 500 == 0:
                await store.flush()
            store.given("mqtt", [value.seq])
        await store.flush()
        assert store.status().records["telemetry"] < MOST_RANGES  # it is full: what is delivered makes room
        began = time.monotonic()
        telemetry(store, 1)
        await store.flush()

        assert time.monotonic() - began < _LONG_S


async def test_what_waits_behind_an_alarm_between_values_given_ahead_is_seen_from_outside(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db", commit_every_s=_LATER_S) as store:
        for kind in ("telemetry", "alarm", "telemetry", "telemetry"):
            store.append(kind, "hall/meter", NOW, {})
        await store.flush()
        await store.peek("mqtt", 1, lane=Lane.URGENT)
        await store.acknowledge("mqtt", 2)
        store.given("mqtt", [1, 3])
        await store.flush()

        assert read_status(tmp_path / "store.db").sinks["mqtt"].oldest_seq == 4


async def test_a_sink_is_lent_nothing_behind_the_bound_it_names_and_later_all_of_it(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db") as store:
        given = telemetry(store, 10)
        await store.flush()

        assert await store.peek("mqtt", 100, through=4) == given[:4]
        await store.acknowledge("mqtt", 4)
        assert await store.peek("mqtt", 100, through=4) == []
        assert await everything(store) == given[4:]


async def test_after_a_power_cut_no_number_stands_for_two_records_and_a_gap_record_names_those_in_doubt(
    tmp_path: Path,
) -> None:
    offered: list[Record] = []
    async with opened(tmp_path / "store.db", commit_every_s=_LATER_S) as store:
        store.ahead(promised(offered))
        kept = telemetry(store, 10)
        await store.flush()
        telemetry(store, 200)
        epoch = store.epoch
        copy = crashed(tmp_path / "store.db", tmp_path / "copy.db")
    assert offered

    async with opened(copy) as store:
        new = telemetry(store, 1)
        await store.flush()
        found = await everything(store)
        told = [orjson.loads(record.payload) for record in found if record.kind == "gap"]

        assert store.epoch == epoch
        assert [record for record in found if record.kind == "telemetry"] == [*kept, *new]
        assert new[0].seq > offered[-1].seq
        assert [(gap["from_seq"], gap["to_seq"]) for gap in told] == [(kept[-1].seq + 1, kept[-1].seq + 100)]
        assert "without a last commit" in told[0]["reason"]


async def test_after_a_clean_end_numbers_go_on_without_a_gap(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db", commit_every_s=_LATER_S) as store:
        store.ahead(lambda *_: None)
        await store.flush()

    async with opened(tmp_path / "store.db") as store:
        assert telemetry(store, 1)[0].seq == 1
        await store.flush()
        assert [record.kind for record in await everything(store)] == ["telemetry"]


async def test_nothing_goes_ahead_while_the_disk_fails_and_again_when_it_is_mended(tmp_path: Path) -> None:
    offered: list[Record] = []
    async with opened(tmp_path / "store.db", commit_every_s=0.005) as store:
        store.ahead(promised(offered))
        await store.flush()
        disk = FailingDisk(store)
        early = telemetry(store, 1)
        pulse = await store.news(-1)
        while not store.status().degraded:
            pulse = await store.news(pulse)
        live = telemetry(store, 1)

        assert offered == early
        assert orjson.loads(live[0].payload)["epoch"] != orjson.loads(early[0].payload)["epoch"]
        disk.mend(store)
        await store.flush()
        late = telemetry(store, 1)
        assert offered == [*early, *late]


@pytest.mark.parametrize("more_cuts", [0, 1])
async def test_numbers_in_doubt_are_told_once_however_often_the_power_fails(tmp_path: Path, more_cuts: int) -> None:
    async with opened(tmp_path / "store.db", commit_every_s=_LATER_S) as store:
        store.ahead(lambda *_: None)
        telemetry(store, 1)
        await store.flush()
        copy = crashed(tmp_path / "store.db", tmp_path / "copy.db")
    for _ in range(more_cuts):
        async with opened(copy, commit_every_s=_LATER_S):
            copy = crashed(copy, tmp_path / "again.db")

    for expected in (1, 0):
        async with opened(copy) as store:
            await store.flush()
            assert [record.kind for record in await everything(store)].count("gap") == expected


async def test_the_number_that_a_start_found_stays_the_same_when_records_in_doubt_are_passed_over(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path / "store.db", commit_every_s=_LATER_S) as store:
        store.ahead(lambda *_: None)
        kept = telemetry(store, 3)
        await store.flush()
        copy = crashed(tmp_path / "store.db", tmp_path / "copy.db")

    async with opened(copy) as store:
        telemetry(store, 5)
        await store.flush()
        assert store.found_seq == kept[-1].seq


async def test_numbers_in_doubt_are_told_once_and_passed_over_where_the_lock_tells_of_lost_commits(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path / "store.db", commit_every_s=_LATER_S) as store:
        store.ahead(lambda *_: None)
        kept = telemetry(store, 10)
        await store.flush()
        copy = crashed(tmp_path / "store.db", tmp_path / "copy.db")
    lock = copy.with_name("copy.db.lock")
    lock.write_text(f"{store.epoch} {kept[-1].seq + 5:020d}\n")

    async with opened(copy) as store:
        assert telemetry(store, 1)[0].seq > kept[-1].seq + 100
        await store.flush()
        assert await in_doubt(store) == [(kept[-1].seq + 1, kept[-1].seq + 100)]


async def test_numbers_in_doubt_of_a_file_that_is_damaged_are_told_and_passed_over(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db", commit_every_s=_LATER_S) as store:
        store.ahead(lambda *_: None)
        kept = telemetry(store, 10)
        await store.flush()
        copy = crashed(tmp_path / "store.db", tmp_path / "copy.db")
    with closing(sqlite3.connect(copy)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    with copy.open("r+b") as file:
        file.seek(20)
        file.write(b"\x07")  # bytes reserved on each page, by its header: none are

    async with opened(copy) as store:
        assert store.status().set_aside
        assert telemetry(store, 1)[0].seq > kept[-1].seq + 100
        await store.flush()
        assert (await in_doubt(store))[0][1] == kept[-1].seq + 100


async def in_doubt(store: Store) -> list[tuple[int, int]]:
    """Take everything; return the ranges that gap records name for want of a last commit."""
    told = [orjson.loads(record.payload) for record in await everything(store) if record.kind == "gap"]
    return [(gap["from_seq"], gap["to_seq"]) for gap in told if "without a last commit" in gap["reason"]]


def test_numbers_given_ahead_say_nothing_once_their_records_have_got_others() -> None:
    backlog = Backlog(max_bytes=1 << 20, site="works")
    deliveries = Deliveries(("mqtt",), backlog)
    for number in range(3):
        backlog.append("telemetry", "hall/meter", number, {})
    backlog.renumber(2, GENESIS)
    deliveries.given("mqtt", [1, 2, 4])

    assert [number for number in range(1, 7) if number in deliveries.settled["mqtt"][Lane.NORMAL]] == [4]
