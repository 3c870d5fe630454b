"""What was made, entered by people: booked once, in the intervals of its time, and marked as such to the end."""

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from agent.books.columns import AMOUNT, ESTIMATED, MEASURED_S
from agent.metering.history import Moment
from agent.output.entry import Entry
from agent.store import read_intervals, record_hash
from tests.agent import office
from tests.agent.frames import SITE, configured

S = 10**9
HOUR = 3600
START = int(datetime(2026, 11, 20, tzinfo=UTC).timestamp()) * S
ENTERED = """[store]
path = "store.db"

[[device]]
name = "fan-1"
area = "hall"
line = "hall"
unit = 1
profile = "generic/vfd-motor"

[[output]]
name = "bricks"
entered = true
unit = "t"

[interval]
length = "15min"
"""


class Office(office.Office):
    """An office to which people tell what was made."""

    async def enters(self, entry: Entry) -> dict[str, Any]:
        found = await self.asked(entry)
        self.bookkeeper.close_due(self.now_ns)
        self.bookkeeper.save()
        await self.store.flush()
        return found

    def records(self) -> list[dict[str, Any]]:
        """Return the records in force, by start."""
        found: dict[str, dict[str, Any]] = {}
        for record in read_intervals(self.config.resolve(self.config.store.path), 0, START * 2, "bricks"):
            body = orjson.loads(record.payload)
            assert record_hash(body) == body["hash"]
            if body["revision"] >= found.get(body["start"], body)["revision"]:
                found[body["start"]] = body
        return [found[start] for start in sorted(found)]


@asynccontextmanager
async def opened(folder: Path, hour: float) -> AsyncIterator[Office]:
    """Open the office so many hours after the start."""
    now_ns = START + round(hour * HOUR * S)
    async with office.opened(Office, configured(folder, SITE + ENTERED), now_ns) as rooms:
        rooms.bookkeeper.restore_windows(dict(rooms.store.rows()), Moment(now_ns, now_ns, ""), trusted=True)
        rooms.bookkeeper.close_due(now_ns)
        yield rooms


def entry(name: str, since: float, until: float, amount: float) -> Entry:
    """Return what was made between two hours after the start."""
    start_ns, end_ns = (START + round(hour * HOUR * S) for hour in (since, until))
    return Entry(name, "bricks", start_ns, end_ns, amount, "weighing list 7", "Wang Fang")


async def test_an_entry_is_booked_evenly_over_its_time_with_author_and_reason(tmp_path: Path) -> None:
    async with opened(tmp_path, 9) as rooms:
        assert (await rooms.enters(entry("a", 0, 8, 100.0)))["done"]
        records = rooms.records()
        made = [each for each in records if each["amount"]]

    assert len(made) == 32
    assert math.fsum(each["amount"] for each in records) == pytest.approx(100.0, abs=1e-9)
    assert {each["amount"] for each in made} == {3.125}
    assert {(each["quality"], each["coverage"], each["estimated"]) for each in made} == {("uncertain:manual", 1.0, 1.0)}
    assert {(each["output"], each["unit"]) for each in made} == {("bricks", "t")}
    (step,) = made[5]["evidence"]["decisions"]
    assert step["rule"] == "manual"
    assert step["entered"] == {
        "time": "2026-11-20T09:00:00.000000Z",
        "amount": 100.0,
        "reason": "weighing list 7",
        "author": "Wang Fang",
    }


async def test_times_nobody_entered_anything_for_are_not_covered(tmp_path: Path) -> None:
    async with opened(tmp_path, 30) as rooms:
        await rooms.enters(entry("a", 0, 8, 100.0))
        await rooms.enters(entry("b", 16, 24, 80.0))
        records = rooms.records()

    between = [each for each in records if "2026-11-20T08:00" <= each["start"] < "2026-11-20T16:00"]
    after = [each for each in records if each["start"] >= "2026-11-21"]
    assert len(between) == 32
    assert {(each["amount"], each["coverage"]) for each in between} == {(0.0, 0.0)}
    assert {each["quality"] for each in after} == {"bad:not_entered"}
    assert math.fsum(each["amount"] for each in records) == pytest.approx(180.0, abs=1e-9)


async def test_an_entry_taken_twice_or_after_a_restart_is_booked_once(tmp_path: Path) -> None:
    async with opened(tmp_path, 9) as rooms:
        first = await rooms.enters(entry("a", 0, 8, 100.0))
        again = await rooms.enters(entry("a", 0, 8, 100.0))
    async with opened(tmp_path, 25) as rooms:
        third = await rooms.enters(entry("a", 0, 8, 100.0))
        await rooms.enters(entry("b", 8, 24, 7.0))
        records = rooms.records()

    assert (first["done"], first["text"]) == (True, "100 t entered")
    assert again["text"] == third["text"] == "this was entered before"
    assert math.fsum(each["amount"] for each in records) == pytest.approx(107.0, abs=1e-9)


async def test_what_is_added_later_revises_the_intervals_of_its_time_and_may_take_away(tmp_path: Path) -> None:
    async with opened(tmp_path, 30) as rooms:
        await rooms.enters(entry("a", 0, 24, 96.0))
        found = await rooms.enters(entry("b", 4, 5, -2.0))
        lines = rooms.records()
        after = {each["start"][11:16]: each for each in lines if each["start"].startswith("2026-11-20")}
        await rooms.enters(entry("c", 24, 28, 4.0))
        records = rooms.records()

    assert found["revised"] == 4
    assert [after[clock]["amount"] for clock in ("03:45", "04:00", "04:45", "05:00")] == [1.0, 0.5, 0.5, 1.0]
    assert after["04:00"]["reason"] == "entered: weighing list 7 (Wang Fang)"
    assert after["04:00"]["quality"] == "uncertain:manual"
    assert [step["amount"] for step in after["04:00"]["evidence"]["decisions"]] == [96.0, -2.0]
    assert math.fsum(each["amount"] for each in records) == pytest.approx(98.0, abs=1e-9)


async def test_no_more_is_entered_than_can_be_booked(tmp_path: Path) -> None:
    async with opened(tmp_path, 30) as rooms:
        first = await rooms.enters(entry("a", 0, 0.25, 9e12))
        added = await rooms.enters(entry("b", 0, 0.25, 9e12))
        behind = await rooms.enters(entry("c", 0.25, 0.5, 1.0))
        taken_away = await rooms.enters(entry("d", 0, 0.25, -8e12))
        records = rooms.records()

    assert (first["done"], added["done"], behind["done"], taken_away["done"]) == (True, False, False, True)
    assert added["text"] == "what is entered for this time would come to more than ±9e+12: check the amount"
    assert behind["text"] == "what is entered in all would come to more than ±9e+12: check the amount"
    assert [each["amount"] for each in records if each["amount"]] == [1e12]


async def test_a_time_in_between_can_be_entered_later(tmp_path: Path) -> None:
    async with opened(tmp_path, 30) as rooms:
        await rooms.enters(entry("a", 0, 8, 8.0))
        await rooms.enters(entry("b", 16, 24, 8.0))
        found = await rooms.enters(entry("c", 8, 16, 16.0))
        records = rooms.records()

    assert found["done"]
    day = [each for each in records if each["start"].startswith("2026-11-20")]
    assert [each["amount"] for each in day] == [0.25] * 32 + [0.5] * 32 + [0.25] * 32
    assert {each["coverage"] for each in day} == {1.0}


async def test_the_windows_have_an_entry_where_it_belongs(tmp_path: Path) -> None:
    async with opened(tmp_path, 10) as rooms:
        for minute in range(-600, 1):
            rooms.ledger.tick(rooms.now_ns + minute * 60 * S)
        await rooms.enters(entry("a", 0, 9, 90.0))
        rooms.ledger.tick(rooms.now_ns + 60 * S)
        column = rooms.ledger.position["bricks"]
        row = rooms.ledger.row[:, column]
        whole = {figures.span: figures.values[:, column] for figures in rooms.ledger.figures()}

    assert (row[AMOUNT], row[ESTIMATED], row[MEASURED_S]) == (90.0, 90.0, 9 * 3600.0)
    assert whole["15min"][AMOUNT] == 0.0, "it was made before"
    assert whole["24h"][AMOUNT] == pytest.approx(90.0, abs=0.2)


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"account": "tiles"}, "there is no output 'tiles'"),
        ({"account": "fan-1/electricity"}, "there is no output"),
        ({"end_ns": START}, "ends before it begins"),
        (
            {"start_ns": START + S},
            "--from lies within an interval of 900 s: give 2026-11-20T08:00:00 or",
        ),
        ({"end_ns": START + 100 * HOUR * S}, "not over yet"),
        ({"start_ns": START - 960 * HOUR * S}, "longer than 31 days"),
        ({"amount": math.inf}, "is no amount"),
        ({"amount": -1.0}, "can only correct"),
    ],
)
async def test_an_entry_that_cannot_be_booked_says_why(tmp_path: Path, wrong: dict[str, Any], text: str) -> None:
    async with opened(tmp_path, 9) as rooms:
        found = await rooms.enters(replace(entry("a", 0, 8, 100.0), **wrong))
        records = rooms.records()

    assert not found["done"]
    assert text in found["text"]
    assert not records


async def test_an_entry_across_the_end_of_what_was_entered_is_refused(tmp_path: Path) -> None:
    async with opened(tmp_path, 30) as rooms:
        await rooms.enters(entry("a", 8, 16, 8.0))
        across = await rooms.enters(entry("b", 12, 20, 8.0))
        before = await rooms.enters(entry("c", 4, 12, 8.0))

    assert across["text"].startswith("'bricks' is entered up to 2026-11-20T16:00:00.000000Z: begin there")
    assert "its account begins with its first entry" in before["text"]
