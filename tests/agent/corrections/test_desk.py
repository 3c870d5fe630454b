"""Corrections of a real store: meters that were replaced, factors that changed; while the agent runs or not."""

import json
from pathlib import Path

import pytest

from agent.carbon.library import load_library
from agent.commands.correct import Period, Replaced, replace_meter, revise
from agent.commands.outcome import CommandError, Exit
from agent.config.load import load_config
from agent.corrections.desk import fingerprint
from agent.corrections.request import Revise
from agent.store import record_hash
from tests.agent.corrections.meters import (
    ACCOUNT,
    NEW,
    OLD,
    declared,
    latest,
    opened,
    recorded,
    replaced,
    site,
    stopped,
    total,
)
from tests.agent.desk import START, S

LIBRARY = load_library()


async def test_a_replacement_declared_afterwards_revises_the_intervals_it_happened_in(tmp_path: Path) -> None:
    async with opened(site(tmp_path)) as rooms:
        step = rooms.ledger.books[ACCOUNT].account.resolution
        await replaced(rooms)
        before = await rooms.records()
        known = round((300 + 100) * step, 6)
        counted = total(before) + rooms.ledger.books[ACCOUNT].intervals.pending_quanta / 1e6
        assert round(counted, 6) == round((300 + 200) * step, 6), "nothing is invented"
        rooms.read(490, 420)
        await rooms.close(490)
        open_quanta = rooms.ledger.books[ACCOUNT].intervals.pending_quanta / 1e6

        found = await rooms.asked(declared(200, 50_500 * step, 20 * step))
        await rooms.corrections.turn()

        after = await rooms.records()
        assert found["done"]
        assert round(total(after) + open_quanta, 6) == round((300 + 300) * step + known - 100 * step, 6)
        revised = [each for each in after if each.get("reason") == "declared_reading"]
        assert revised
        assert all(record_hash(each) == each["hash"] for each in revised)
        (decision,) = revised[-1]["evidence"]["decisions"]
        assert decision["declared"] == {
            "time": "2026-11-20T08:03:20.000000Z",
            "last_reading": 50_500 * step,
            "first_reading": 20 * step,
            "reason": "calibration",
            "author": "Li Wei",
        }
        assert decision["start"]["registers"] == f"{50_300:08x}"
        assert all(each["energy_kwh"] == each["amount"] for each in revised)


@pytest.mark.parametrize(
    ("second", "last", "first", "why"),
    [
        (200, 502.5, 0.2, "for the old meter showed more than 502.5: that change lies between "),
        (200, 502.5, 0.2, "2026-11-20T08:01:30.000000Z and 2026-11-20T08:06:40.000000Z; declare again what is meant"),
        (200, 505.0, 1.5, "for the new meter showed less than 1.5"),
        (50, 9000.0, 0.2, "for so much cannot have been counted then, unless the time given lies within it"),
    ],
)
async def test_a_declaration_that_does_not_explain_the_change_it_may_be_meant_for_is_told_why(
    tmp_path: Path, second: float, last: float, first: float, why: str
) -> None:
    async with opened(site(tmp_path)) as rooms:
        await replaced(rooms)

        found = await rooms.asked(declared(second, last, first))

        assert found["done"]
        assert found["text"].startswith("taken, but it does not explain the change from 503 to 1.2, ")
        assert why in found["text"]


@pytest.mark.parametrize(("last", "first"), [(503.0, 1e300), (1e13, 0.0), (None, -1e13)])
async def test_a_reading_that_no_counter_shows_is_refused_and_stops_no_device(
    tmp_path: Path, last: float | None, first: float
) -> None:
    async with opened(site(tmp_path)) as rooms:
        rooms.read(0, 50_000)
        found = await rooms.asked(declared(100, last, first))
        rooms.read(30, 50_100)
        await rooms.close(70)

    assert not found["done"]
    assert "cannot be booked: give what the meter showed" in found["text"]


async def test_what_was_declared_by_command_survives_a_restart_and_is_booked_once(tmp_path: Path) -> None:
    config = site(tmp_path)
    given = declared(200, 505.0, 0.2)
    async with opened(config) as rooms:
        for second, counts in OLD:
            rooms.read(second, counts)
        await rooms.close(90)
        assert (await rooms.asked(given))["text"] == (
            "taken: it waits for the counter to go from 505 or less to 0.2 or more until 2026-11-21T08:03:20.000000Z "
            "and is booked then; after that it never is"
        )
    async with opened(config, 300) as rooms:
        step = rooms.ledger.books[ACCOUNT].account.resolution
        for second, counts in NEW:
            rooms.read(second, counts)
        assert (await rooms.asked(given))["text"] == "this was declared before"
        await rooms.close(100_000)
        booked = total(await rooms.records())

    assert booked == round((300 + 200) * step + (505.0 - 50_300 * step) + (120 * step - 0.2), 6)


async def test_a_declaration_that_can_explain_nothing_any_more_is_told_so(tmp_path: Path) -> None:
    async with opened(site(tmp_path)) as rooms:
        ahead = await rooms.asked(declared(-60, None, 4000.0))
        for second, counts in OLD:
            rooms.read(second, counts)
        begun = await rooms.asked(declared(-60, None, 9000.0))
        old = await rooms.asked(declared(-200_000, 4000.0, 0.0))

    assert ahead["text"].startswith(
        "taken: it is booked with the first reading, if that is later than 2026-11-20T07:59"
    )
    assert begun["text"].startswith("taken, but it explains nothing: the account has begun")
    assert old["text"].startswith("taken, but within a day of 2026-11-18T00:26:40.000000Z nobody saw the counter to go")


async def test_other_factors_revise_closed_intervals_on_command_and_leave_amount_and_evidence(tmp_path: Path) -> None:
    config = site(tmp_path)
    async with opened(config) as rooms:
        for second, counts in OLD:
            rooms.read(second, counts)
        await rooms.close(90)
        (former,) = await rooms.records()
    (tmp_path / "site.toml").write_text((tmp_path / "site.toml").read_text().replace("CN-AH", "CN-SC"))
    config = load_config(tmp_path / "site.toml")
    async with opened(config) as rooms:
        asked = Revise(START, START + 600 * S, "", "moved to Sichuan's grid", "Li Wei", fingerprint(config, LIBRARY))
        found = await rooms.asked(asked)
        again = await rooms.asked(asked)
        first, revised = await rooms.records()

    assert (found["revised"], again["revised"]) == (1, 0)
    assert (found["text"], again["text"]) == ("1 interval revised", "0 intervals revised")
    assert first == former, "what was recorded stays"
    assert revised["revision"] == 1
    assert revised["reason"] == "factor_change: moved to Sichuan's grid (Li Wei)"
    assert (revised["amount"], revised["evidence"]) == (first["amount"], first["evidence"])
    assert revised["co2_kg"] < first["co2_kg"]
    assert revised["factor"] != first["factor"]
    assert revised["previous"] == first["hash"]


async def test_whoever_has_seen_the_outcome_of_other_factors_is_refused(tmp_path: Path) -> None:
    async with opened(site(tmp_path)) as rooms:
        found = await rooms.asked(Revise(START, START + 600 * S, "", "why", "who", "other"))

    assert not found["done"]
    assert "reload or restart it first" in found["text"]


async def test_a_request_that_is_none_is_answered_and_gone(tmp_path: Path) -> None:
    config = site(tmp_path)
    (tmp_path / "store.db.request-bad.json").write_text("{")
    async with opened(config) as rooms:
        await rooms.corrections.turn()

    assert json.loads((tmp_path / "store.db.answer-bad.json").read_text())["done"] is False
    assert not (tmp_path / "store.db.request-bad.json").exists()


def test_the_commands_do_their_work_themselves_where_no_agent_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENERGY_AGENT_CLOCK_WAIT_S", "0")
    config = stopped(tmp_path)
    before = total(recorded(config))
    asked = Replaced(ACCOUNT, "2026-11-20T16:03:20", 505.0, 0.2, "calibration", "Li Wei")

    assert replace_meter(config.path, asked, as_json=False) is Exit.DONE

    assert "booked as soon as their intervals are closed" in capsys.readouterr().out
    assert round(total(recorded(config)) - before, 6) == 505.0 - 503.0 + 1.2 - 0.2
    config.path.write_text(config.path.read_text().replace("CN-AH", "CN-SC"))
    period = Period("2026-11-20", "2026-11-21", None, "another grid", "Li Wei")
    assert revise(config.path, period, sure=0, as_json=False) is Exit.NO
    assert "nothing was revised" in capsys.readouterr().err
    assert revise(config.path, period, sure=2, as_json=False) is Exit.DONE
    assert "fan-1/electricity" in capsys.readouterr().out
    assert all("factor_change: another grid" in each["reason"] for each in latest(recorded(config)))


def test_a_mistake_in_a_correction_is_one_line(tmp_path: Path) -> None:
    config = site(tmp_path)
    good = Replaced(ACCOUNT, "2026-11-20T16:03:20", 505.0, 0.2, "calibration", "Li Wei")
    with pytest.raises(CommandError, match="there is no store yet"):
        replace_meter(config.path, good, as_json=False)
    for wrong, text in (
        ({"account": "fan-2/electricity"}, "there is no account"),
        ({"at": "yesterday"}, "is no time"),
        ({"at": "2240-01-01T00:00"}, r"2240-01-01T00:00 lies ahead: .* plan it with \[\[replacement\]\] in "),
        ({"at": "2240-01-01T00:00", "last": None}, "lies ahead: give the time at which the counter showed its first"),
        ({"first": 1e300}, r"a first reading of 1e\+300 cannot be booked: give what the meter showed"),
        ({"last": 1e13}, "a last reading of 10000000000000 cannot be booked"),
        ({"last": None, "first": float("nan")}, "a first reading of nan cannot be booked"),
        ({"reason": " "}, "--reason is empty"),
    ):
        fields = {name: getattr(good, name) for name in Replaced.__dataclass_fields__} | wrong
        with pytest.raises(CommandError, match=text):
            replace_meter(config.path, Replaced(**fields), as_json=False)
