"""Balances of intervals, hours and days, from the records of the meters of a works."""

from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest

from tests.agent.rollup.plants import FAN_PROFILE, works
from tests.agent.rollup.shelf import Works

MIDNIGHT = int(datetime(2026, 11, 30, tzinfo=ZoneInfo("Asia/Shanghai")).timestamp())
# One quarter of an hour [kWh]
QUARTER = {
    "main/electricity": 100.0,
    "main/fed_in": 10.0,
    "check/electricity": 104.0,
    "hall-meter/electricity": 60.0,
    "press/electricity": 50.0,
    "pump/electricity": 20.0,
    "roof/electricity": 40.0,
    "fan-meter/electricity": 5.0,
    "store/electricity": 8.0,
    "store/charged": 12.0,
    "office/electricity": 11.0,
    "fan-1/electricity": 1.0,
}
NOTHING_READ: dict[str, Any] = {"coverage": 0.0, "quality": "bad:comm_lost", "evidence": {"rules": []}}


@pytest.fixture
def plant(tmp_path: Path) -> Works:
    (tmp_path / "fan.toml").write_text(FAN_PROFILE, encoding="utf-8")
    return Works(tmp_path, works())


def quarter(plant: Works, number: int, *, silent: str = "") -> None:
    """Write the intervals of all meters of one quarter of an hour."""
    for account, amount in QUARTER.items():
        start_s = MIDNIGHT + number * 900
        if account == silent:
            plant.interval(start_s, 0, account, **NOTHING_READ)
        else:
            plant.interval(start_s, round(amount * 1_000_000), account)


def figures(plant: Works, span: str) -> dict[str, dict[str, Any]]:
    found = [orjson.loads(record.payload) for record in plant.shelf.kept if record.kind == "figure"]
    return {body["figure"]: body for body in found if body["span"] == span}


async def test_an_interval_says_what_came_in_what_was_metered_and_the_rest(plant: Works) -> None:
    quarter(plant, 0)
    await plant.settle()

    body = plant.shelf.rollups("site/electricity", "interval")[-1]
    # 100 - 10 + 40 + 8 - 12 = 126 used; hall 60 + roof 40, office 11, fan 1 = 112 metered
    # a meter may be 2 % wrong, that of the site 0.5 %: 0.5 + 0.05 + 0.16 + 0.24 + 1.2 + 0.22 + 0.02
    assert {key: body[key] for key in body if key.endswith(("amount", "percent"))} == {
        "amount": 126.0,
        "import_amount": 100.0,
        "export_amount": 10.0,
        "generation_amount": 40.0,
        "discharge_amount": 8.0,
        "charge_amount": 12.0,
        "metered_amount": 112.0,
        "allowed_amount": 2.39,
        "rest_amount": 14.0,
        "rest_percent": 11.111111,
        "disagreement_amount": 0.0,
        "disagreement_percent": 0.0,
        "net_import_amount": 90.0,
        "self_consumption_amount": 30.0,
        "self_consumption_percent": 75.0,
        "storage_net_amount": -4.0,
        "estimated_amount": 0.0,
    }
    assert (body["area"], body["device"], body["period"]) == ("site", "site", "interval")


async def test_two_meters_of_the_same_thing_are_told_to_disagree(plant: Works) -> None:
    quarter(plant, 0)
    await plant.settle()
    body = plant.shelf.rollups("check/electricity_against_main", "interval")[-1]
    # 104 against 100; 0.5 and 1.04 are allowed, and two steps of 0.01
    assert (body["amount"], body["metered_amount"], body["rest_percent"]) == (100.0, 104.0, -4.0)
    assert (body["allowed_amount"], body["disagreement_amount"], body["disagreement_percent"]) == (1.54, 2.44, 2.44)


async def test_hours_and_days_of_a_balance_are_those_of_its_intervals(plant: Works) -> None:
    for number in range(96):
        quarter(plant, number)
        await plant.settle()
    (hour, *_), (day,) = (plant.shelf.rollups("hall/electricity", period) for period in ("hour", "day"))
    # 4 x (60 + 40) used, 4 x 75 metered
    assert (hour["amount"], hour["metered_amount"], hour["rest_amount"]) == (400.0, 300.0, 100.0)
    assert (day["amount"], day["rest_amount"], day["rest_percent"]) == (9600.0, 2400.0, 25.0)
    assert (day["intervals"], day["expected"]) == (96, 96)
    told = figures(plant, "day")
    assert (told["hall_electricity_rest"]["value"], told["hall_electricity_rest"]["area"]) == (2400.0, "hall")
    site = {name.removeprefix("site_electricity_"): body.get("value") for name, body in told.items() if "site" in name}
    assert (site["generation"], site["net_import"]) == (3840.0, 8640.0)
    assert (site["self_consumption"], site["storage_net"]) == (2880.0, -384.0)


async def test_without_a_meter_behind_there_is_no_rest_but_the_rest_of_the_figures(plant: Works) -> None:
    for number in range(96):
        quarter(plant, number, silent="press/electricity" if number == 5 else "")
        await plant.settle()
    without, day = (
        plant.shelf.rollups("hall/electricity", "interval")[5],
        plant.shelf.rollups("hall/electricity", "day")[0],
    )
    for body in (without, day):
        assert body["missing"] == ["press/electricity"]
        assert not {"rest_amount", "metered_amount", "disagreement_amount"} & body.keys()
    assert day["amount"] == 9600.0
    rest, made = (figures(plant, "day")[f"hall_electricity_{name}"] for name in ("rest", "generation"))
    assert (rest.get("value"), rest["missing"]) == (None, ["press/electricity"])
    assert made["value"] == 3840.0

    # What was missing comes late, in the gap's delta: all of it is there again.
    plant.interval(MIDNIGHT + 5 * 900, 50_000_000, "press/electricity", coverage=0.0, evidence={"rules": ["gap"]})
    await plant.settle()
    day = plant.shelf.rollups("hall/electricity", "day")[0]
    assert (day["rest_amount"], day["revision"], day["reason"]) == (2400.0, 1, "late_data")
    assert figures(plant, "day")["hall_electricity_rest"]["value"] == 2400.0


async def test_a_meter_that_was_replaced_unseen_says_nothing_of_that_time(plant: Works) -> None:
    quarter(plant, 0)
    plant.interval(MIDNIGHT, 0, "press/electricity", **NOTHING_READ | {"evidence": {"rules": ["replacement"]}})
    await plant.settle()
    assert plant.shelf.rollups("hall/electricity", "interval")[0]["missing"] == ["press/electricity"]


async def test_without_the_meter_of_the_level_nothing_is_said_of_that_time(plant: Works) -> None:
    for number in range(96):
        quarter(plant, number, silent="hall-meter/electricity" if number == 5 else "")
        await plant.settle()
    day = plant.shelf.rollups("hall/electricity", "day")[0]
    assert (day["amount"], day["intervals"], day["expected"]) == (9500.0, 95, 96)
    told = figures(plant, "day")["hall_electricity_rest"]
    assert (told.get("value"), told["missing"]) == (None, ["1 of 96 intervals"])


async def test_a_meter_that_has_never_answered_does_not_keep_the_others_waiting(plant: Works) -> None:
    for number in range(4):
        for account in QUARTER.keys() - {"pump/electricity"}:
            plant.interval(MIDNIGHT + number * 900, 1_000_000, account)
        await plant.settle()
    hour = plant.shelf.rollups("hall/electricity", "hour")[0]
    assert (hour["amount"], hour["missing"]) == (8.0, ["pump/electricity"])


async def test_the_last_interval_of_what_is_worked_out_stands_beside_those_that_are_booked(plant: Works) -> None:
    latest = plant.derived.beside(plant.desk.bookkeeper.latest_intervals)
    quarter(plant, 0)
    await plant.settle()
    assert latest["hall/electricity"]["rest_amount"] == 25.0
