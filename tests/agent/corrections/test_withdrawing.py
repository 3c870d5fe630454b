"""Declarations that were wrong are taken back: what they made known is unknown again, by revisions that say so."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from agent.books.ledger import Event
from agent.bundle.page.told import in_chinese
from agent.commands.correct import Replaced, replace_meter
from agent.commands.outcome import Exit
from agent.corrections.request import Withdrawal
from agent.corrections.taken_back import for_good, rests_on
from tests.agent.corrections.meters import (
    ACCOUNT,
    NEW,
    OLD,
    Office,
    declared,
    latest,
    opened,
    recorded,
    site,
    stopped,
    total,
)
from tests.agent.desk import START, S

# ruff: noqa: RUF001 -- Chinese punctuation

Declare = Callable[[Office], Awaitable[None]]
WRONG = (505.0, 0.2)
RIGHT = (503.5, 0.2)


def withdrawn(second: float, last: float | None, first: float) -> Withdrawal:
    return Withdrawal(ACCOUNT, START + round(second * S), last, first, "read off the wrong meter", "Wang Fang")


def pending(rooms: Office) -> float:
    return rooms.ledger.books[ACCOUNT].intervals.pending_quanta / 1e6


async def everything(rooms: Office) -> float:
    return round(total(await rooms.records()) + pending(rooms), 6)


async def _declared_late(rooms: Office) -> None:
    for second, counts in [*OLD, *NEW]:
        rooms.read(second, counts)
    rooms.read(490, 420)
    await rooms.close(490)
    await rooms.asked(declared(200, *WRONG))
    await rooms.corrections.turn()


async def _declared_before(rooms: Office) -> None:
    for second, counts in OLD:
        rooms.read(second, counts)
    await rooms.asked(declared(200, *WRONG))
    for second, counts in NEW:
        rooms.read(second, counts)
    rooms.read(490, 420)
    await rooms.close(490)


async def _undeclared(rooms: Office) -> None:
    for second, counts in [*OLD, *NEW]:
        rooms.read(second, counts)
    rooms.read(490, 420)
    await rooms.close(490)


@pytest.mark.parametrize("declare", [_declared_late, _declared_before])
async def test_what_was_booked_on_the_strength_of_a_declaration_becomes_unknown_again_by_revisions(
    tmp_path: Path, declare: Declare
) -> None:
    (tmp_path / "plain").mkdir()
    async with opened(site(tmp_path / "plain")) as rooms:
        await _undeclared(rooms)
        plain, unknown = latest(await rooms.records()), await everything(rooms)
        columns = rooms.ledger.books[ACCOUNT].columns.present.tolist()
    async with opened(site(tmp_path)) as rooms:
        await declare(rooms)
        before = await rooms.records()
        assert await everything(rooms) == round(unknown + (505.0 - 503.0) + (1.2 - 0.2), 6)

        found = await rooms.asked(withdrawn(200, *WRONG))

        after = await rooms.records()
        assert found["done"], found
        assert await everything(rooms) == unknown
        assert after[: len(before)] == before, "what was recorded stays"
        new = after[len(before) :]
        assert found["revised"] == len(new)
        assert {each["reason"] for each in new} == {"declaration_withdrawn: read off the wrong meter (Wang Fang)"}
        assert not any("declared" in step for each in latest(after) for step in each["evidence"].get("decisions", ()))
        figures = ("start", "amount", "energy_kwh", "co2_kg", "estimated", "coverage", "quality")
        assert [[each[key] for key in figures] for each in latest(after)] == [
            [each[key] for key in figures] for each in plain
        ]
        assert rooms.ledger.books[ACCOUNT].columns.present.tolist() == pytest.approx(columns)


@pytest.mark.parametrize("before", [True, False])
async def test_between_two_polls_what_is_taken_back_was_no_estimate(tmp_path: Path, *, before: bool) -> None:
    async with opened(site(tmp_path)) as rooms:
        for second in range(4):
            rooms.read(second, 50_000 + 100 * second)
        if before:
            await rooms.asked(declared(3.5, *WRONG))
        for second in range(4, 64):
            rooms.read(second, 120 + 100 * (second - 4))
        await rooms.close(80)
        if not before:
            await rooms.asked(declared(3.5, *WRONG))
            await rooms.corrections.turn()
        first, *_ = latest(await rooms.records())
        found = await rooms.asked(withdrawn(3.5, *WRONG))
        again, *_ = latest(await rooms.records())
        shown = rooms.ledger.books[ACCOUNT].columns.estimated

    assert found["done"], found
    assert bool(first["estimated"]) is not before
    assert again["amount"] == round(first["amount"] - 3.0, 6)
    assert (again["estimated"], shown) == (0.0, 0.0)


async def test_one_interval_that_a_withdrawal_revises_is_told_of_as_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Event] = []
    async with opened(site(tmp_path)) as rooms:
        for second in range(4):
            rooms.read(second, 50_000 + 100 * second)
        await rooms.asked(declared(3.5, *WRONG))
        for second in range(4, 64):
            rooms.read(second, 120 + 100 * (second - 4))
        await rooms.close(80)
        monkeypatch.setattr(rooms.bookkeeper, "tell", told.append)
        found = await rooms.asked(withdrawn(3.5, *WRONG))

    assert found["revised"] == 1
    assert ", 1 interval revised; " in found["text"]
    (event,) = told
    assert event.text.endswith("(read off the wrong meter): 1 interval revised")
    assert in_chinese("withdrawn", event.text).endswith("（read off the wrong meter）：修订了 1 个区间")


@pytest.mark.parametrize("declare", [_declared_late, _declared_before])
async def test_after_a_withdrawal_the_right_declaration_is_booked(tmp_path: Path, declare: Declare) -> None:
    async with opened(site(tmp_path)) as rooms:
        await declare(rooms)
        wrong = await everything(rooms)
        await rooms.asked(withdrawn(200, *WRONG))
        found = await rooms.asked(declared(200, *RIGHT))
        await rooms.corrections.turn()
        right = await everything(rooms)

    assert found["text"].startswith("taken: 1.5 kWh that were not known are booked")
    assert right == round(wrong - 1.5, 6)


async def test_what_is_withdrawn_stays_so_over_a_restart_and_can_be_declared_again(tmp_path: Path) -> None:
    async with opened(site(tmp_path)) as rooms:
        await _declared_late(rooms)
        known = await everything(rooms)
        await rooms.asked(withdrawn(200, *WRONG))
        unknown = await everything(rooms)
    async with opened(site(tmp_path), 500) as rooms:
        await rooms.corrections.turn()
        assert await everything(rooms) == unknown
        again = await rooms.asked(withdrawn(200, *WRONG))
        assert (await rooms.asked(declared(200, *WRONG)))["text"].startswith("taken: 3 kWh")
        await rooms.corrections.turn()
        assert await everything(rooms) == known

    assert not again["done"]
    assert again["text"] == (
        f"'{ACCOUNT}' has no such declaration at 2026-11-20T08:03:20.000000Z, or it was withdrawn before: "
        "give --at, --last and --first as they were given"
    )


async def test_one_that_waits_is_withdrawn_and_explains_nothing_any_more(tmp_path: Path) -> None:
    async with opened(site(tmp_path)) as rooms:
        for second, counts in OLD:
            rooms.read(second, counts)
        await rooms.asked(declared(200, *WRONG))
        found = await rooms.asked(withdrawn(200, *WRONG))
        for second, counts in NEW:
            rooms.read(second, counts)
        await rooms.close(470)
        booked = await everything(rooms)

    assert found == {"done": True, "text": "withdrawn: nothing was booked on its strength", "revised": 0}
    assert booked == 3.0 + 2.0


@pytest.mark.parametrize("late", [True, False])
async def test_an_initial_reading_is_withdrawn_like_any_other(tmp_path: Path, *, late: bool) -> None:
    async with opened(site(tmp_path)) as rooms:
        if not late:
            await rooms.asked(declared(-200, None, 499.0))
        for second, counts in OLD:
            rooms.read(second, counts)
        await rooms.close(100)
        if late:
            await rooms.asked(declared(-200, None, 499.0))
            await rooms.corrections.turn()
        assert await everything(rooms) == 3.0 + 1.0
        found = await rooms.asked(withdrawn(-200, None, 499.0))
        assert found["done"], found
        assert await everything(rooms) == 3.0
        await rooms.asked(declared(-100, None, 499.5))
        await rooms.corrections.turn()
        assert await everything(rooms) == 3.0 + 0.5


async def test_a_declaration_of_the_configuration_is_withdrawn_there(tmp_path: Path) -> None:
    more = f"""[[replacement]]
account = "{ACCOUNT}"
time = 2026-11-20T08:03:20Z
last_reading = 505.0
first_reading = 0.2
reason = "calibration"
author = "Li Wei"
"""
    async with opened(site(tmp_path, more)) as rooms:
        await _undeclared(rooms)
        found = await rooms.asked(withdrawn(200, *WRONG))
    assert not found["done"]
    assert "remove that table" in found["text"]

    async with opened(site(tmp_path), 500) as rooms:
        known = await everything(rooms)
        found = await rooms.asked(withdrawn(200, *WRONG))
        assert found["done"], found
        assert await everything(rooms) == round(known - 3.0, 6)


async def test_intervals_that_are_not_settled_are_waited_for(tmp_path: Path) -> None:
    async with opened(site(tmp_path)) as rooms:
        for second, counts in OLD:
            rooms.read(second, counts)
        await rooms.asked(declared(200, *WRONG))
        for second, counts in NEW[:2]:
            rooms.read(second, counts)
        early = await rooms.asked(withdrawn(200, *WRONG))
        book = rooms.ledger.books[ACCOUNT]
        while (interval := book.due(START + 500 * S)) and interval.end_ns <= START + 300 * S:
            rooms.bookkeeper.close_next(ACCOUNT, START + 500 * S)
        known = await everything(rooms)
        halfway = await rooms.asked(withdrawn(200, *WRONG))

        assert await everything(rooms) == known

    assert not early["done"]
    assert "they are not closed yet, or not kept any more: what was booked stays" in early["text"]
    assert not halfway["done"]
    assert halfway["text"] == "the intervals that rest on it are not settled yet: ask again later"


@pytest.mark.parametrize(
    ("declare", "change", "why"),
    [
        (_declared_late, {"counted": 1.0}, "its amount is worked out by pressure and temperature"),
        (_declared_before, {"green_kwh": 1.0}, "part of it is green power by contract"),
        (_declared_late, {"green_kwh": 1.0}, ""),
        (_declared_late, {}, ""),
    ],
)
async def test_what_cannot_be_taken_back_stays_and_is_said_to(
    tmp_path: Path, declare: Declare, change: dict[str, float], why: str
) -> None:
    async with opened(site(tmp_path)) as rooms:
        await declare(rooms)
        records = [each | change for each in await rooms.records()]
        resting = rests_on(declared(200, *WRONG), latest(records))

    assert resting
    assert for_good(resting, records) == why


@pytest.mark.parametrize("declare", [_declared_late, _declared_before])
@pytest.mark.parametrize("gone", [0, 1, -1])
async def test_where_some_of_the_intervals_are_gone_nothing_is_taken_from_the_others(
    tmp_path: Path, declare: Declare, gone: int
) -> None:
    async with opened(site(tmp_path)) as rooms:
        await declare(rooms)
        records = await rooms.records()
    every = rests_on(declared(200, *WRONG), latest(records))
    assert every
    assert for_good(every, records) == ""
    start = every.records[gone]["start"]
    left = [each for each in records if each["start"] != start]
    resting = rests_on(declared(200, *WRONG), latest(left))

    assert resting
    assert for_good(resting, left) == "some of the intervals that rest on it are not in the store any more"


def test_the_command_withdraws_what_it_declared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = stopped(tmp_path)
    before = total(recorded(config))
    asked = Replaced(ACCOUNT, "2026-11-20T16:03:20", *WRONG, "calibration", "Li Wei")
    back = Replaced(ACCOUNT, "2026-11-20T16:03:20", *WRONG, "a slip of the pen", "Li Wei", withdraw=True)

    assert replace_meter(config.path, asked, as_json=False) is Exit.DONE
    assert replace_meter(config.path, back, as_json=False) is Exit.DONE
    assert "withdrawn: 3 kWh are unknown again" in capsys.readouterr().out
    assert total(recorded(config)) == before
    assert replace_meter(config.path, back, as_json=False) is Exit.NO
