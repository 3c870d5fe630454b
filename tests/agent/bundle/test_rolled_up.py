"""Roll-ups of a bundle are added up again from its records: those that say otherwise are named."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import orjson
import pytest

from agent.bundle.rolled_up import RolledUp, RollupCheck, by_start, in_force
from agent.rollup.members import Members
from tests.agent.rollup.shelf import MIDNIGHT, NIGHT_SHIFT, VIRTUAL, Works

Body = dict[str, Any]


@pytest.fixture
async def works(tmp_path: Path) -> Works:
    """Return some days of intervals, added up as they came, one corrected later."""
    works = Works(tmp_path, NIGHT_SHIFT + VIRTUAL)
    for quarter in range(3 * 96):
        works.interval(MIDNIGHT + quarter * 900, 1_000_003 + quarter, energy_kwh=1.5, co2_kg=0.1 + quarter, scope=2)
        if quarter % 96 == 95:
            await works.settle()
    works.interval(MIDNIGHT + 900, 7_000_000, energy_kwh=9.0, co2_kg=0.4, scope=2)
    await works.settle()
    return works


def records(works: Works, kind: str) -> list[Body]:
    return [orjson.loads(record.payload) for record in works.shelf.kept if record.kind == kind]


def latest(bodies: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    return in_force(BytesIO(b"".join(orjson.dumps(body) + b"\n" for body in bodies)), lambda _: True)


def held(
    works: Works, rollups: Iterable[Mapping[str, Any]], *, steady: bool = True, other_version: bool = False
) -> RolledUp:
    members = Members(works.config, works.desk.ledger) if steady else None
    told, kept = (latest(each) for each in (rollups, records(works, "interval")))
    check = RollupCheck(told, members, other_version=other_version)
    for start_ns, bodies in by_start(kept):
        check.add(start_ns, bodies)
    return check.end()


async def test_all_that_was_added_up_follows_from_the_records(works: Works) -> None:
    rollups = records(works, "rollup")
    found = held(works, rollups)
    latest = {(each["account"], each["period"], each.get("shift"), each["start"]) for each in rollups}

    assert {each["period"] for each in rollups} == {"interval", "hour", "shift", "day", "month"}
    assert any(each["revision"] for each in rollups)
    assert (found.wrong, found.of_others, found.worked_out) == ([], 0, 0)
    assert found.same == len(latest)


@pytest.mark.parametrize("period", ["interval", "hour", "shift", "day", "month"])
@pytest.mark.parametrize("key", ["amount", "energy_kwh", "co2_kg", "intervals"])
async def test_a_figure_that_was_changed_is_named(works: Works, period: str, key: str) -> None:
    rollups = records(works, "rollup")
    chosen = [each for each in rollups if each["period"] == period][-1]
    chosen[key] += 1
    wrong, *more = held(works, rollups).wrong

    assert wrong.startswith(f"{chosen['account']}, {period} {chosen['start']}, number {chosen['seq']}: {key} is ")
    assert all(", month " in each for each in more), "a month is made of its days"


def _left_out(works: Works) -> None:
    works.shelf.kept = [record for record in works.shelf.kept if record.kind != "interval"]


def _corrected(works: Works) -> None:
    works.interval(MIDNIGHT + 1800, 5_000_000, energy_kwh=2.0, co2_kg=0.3, scope=2)
    for record in works.shelf.kept:
        if record.kind == "rollup":
            place = works.shelf.kept.index(record)
            body = orjson.loads(record.payload)
            body["source"]["hash"] = "sha256:" + "1" * 64  # real records have hashes of their own
            works.shelf.kept[place] = replace(record, payload=orjson.dumps(body))


@pytest.mark.parametrize("change", [_left_out, _corrected])
async def test_what_was_made_of_other_records_cannot_be_told(works: Works, change: Callable[[Works], None]) -> None:
    change(works)
    found = held(works, records(works, "rollup"))

    assert not found.wrong
    assert found.of_others


async def test_another_version_may_tell_of_more_but_not_otherwise(works: Works) -> None:
    rollups = [each | {"water_m3": 1.0} for each in records(works, "rollup")]
    assert held(works, rollups).wrong
    assert not held(works, rollups, other_version=True).wrong
    rollups[-1]["co2_kg"] += 1
    assert held(works, rollups, other_version=True).wrong


async def test_what_is_worked_out_takes_a_configuration_that_is_known(works: Works) -> None:
    rollups = records(works, "rollup")
    found = held(works, rollups, steady=False)
    own = [each for each in rollups if "virtual" not in each]

    assert not found.wrong
    assert found.same == len({(each["account"], each["period"], each.get("shift"), each["start"]) for each in own})
    assert found.worked_out
