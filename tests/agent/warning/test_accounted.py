"""What budgets have used, and hours against the week before: from records, as they are revised and rolled up."""

from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from agent.figure import Figure
from agent.record import INTERVAL, ROLLUP, Record, rfc3339
from agent.warning.accounted import Accounted
from agent.warning.desk import Warnings
from tests.agent.desk import MQTT, Desk
from tests.agent.frames import DEVICES, SITE, configured

FAN, GAS = "fan-1/electricity", "boiler-1/natural_gas"
TABLES = """
[[budget]]
name = "fan-day"
accounts = ["fan-1/electricity"]
per = "day"
energy_kwh = 100

[[budget]]
name = "site-month"
accounts = ["fan-1/electricity", "boiler-1/natural_gas"]
per = "month"
co2_kg = 1000
yellow = 70

[[budget]]
name = "fan-year"
accounts = ["fan-1/electricity"]
per = "year"
energy_kwh = 10000

[[alarm]]
name = "unusual-hour"
account = "fan-1/electricity"
above = 30
below = -30
for = "0s"
"""


class Shelf:
    """Stands where the store stands."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def keep(self, account: str, start: datetime, hours: float, kwh: float, **more: Any) -> None:
        """Keep an interval, or with a `period` a roll-up; CO2 is half a kg for each kWh."""
        start_ns, end_ns = (int(at.timestamp()) * 10**9 for at in (start, start + timedelta(hours=hours)))
        body = {
            "account": account,
            "start": rfc3339(start_ns),
            "end": rfc3339(end_ns),
            "revision": 0,
            "unit": "kWh",
            "amount": kwh,
            "energy_kwh": kwh,
            "co2_kg": kwh / 2,
            "coverage": 1.0,
            "estimated": 0.0,
            "quality": "good",
            "seq": len(self.records) + 1,
        }
        if "period" in more:
            source = {"from_seq": 1, "to_seq": 1, "hash": ""}
            body |= {"measured_s": hours * 3600, "estimated_amount": 0.0, "intervals": 1, "source": source}
        kind = ROLLUP if "period" in more else INTERVAL
        payload = orjson.dumps(body | more)
        self.records.append(Record(len(self.records) + 1, kind, "x", start_ns, payload))

    async def first_intervals(self, start_ns: int, end_ns: int, limit: int, *, kind: str = INTERVAL) -> list[Record]:
        found = [each for each in self.records if each.kind == kind and start_ns <= each.time_ns < end_ns]
        return sorted(found, key=lambda each: (each.time_ns, each.seq))[:limit]


class Plant:
    def __init__(self, folder: Path) -> None:
        self.desk = Desk(configured(folder, SITE + DEVICES + MQTT + TABLES))
        self.zone = self.desk.config.site.zone
        self.shelf = Shelf()
        self.accounted = Accounted(SimpleNamespace(store=self.shelf, keeper=self.desk.keeper))  # type: ignore[arg-type]  # stands in for a Scribe
        self.accounted.keep(self.desk.config, self.desk.ledger)

    def at(self, day: int, hour: int = 0, minute: int = 0, month: int = 11) -> datetime:
        return datetime(2026, month, day, hour, minute, tzinfo=self.zone)

    async def look(self, day: int, hour: int, minute: int = 0) -> dict[str, Figure]:
        time_ns = int(self.at(day, hour, minute).timestamp()) * 10**9
        await self.accounted.look(time_ns)
        return {figure.name: figure for figure in self.accounted.figures(time_ns)}


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    return Plant(tmp_path)


async def test_a_budget_of_the_day_goes_green_yellow_red_and_begins_anew_at_local_midnight(plant: Plant) -> None:
    states = []
    for hour in range(4):
        plant.shelf.keep(FAN, plant.at(20, hour), 1, 27.0)
        found = await plant.look(20, hour + 1)
        states.append((found["budget_fan_day"].value, found["budget_fan_day_state"].value))
    assert states == [(27.0, 0.0), (54.0, 0.0), (81.0, 1.0), (108.0, 2.0)]
    assert found["budget_fan_day"].place == "boiler-house/fan-1"
    assert found["budget_fan_day"].coverage == 1.0
    assert found["budget_fan_day"].inputs["used_energy_kwh"] == 108.0

    plant.shelf.keep(FAN, plant.at(21), 1, 3.0)
    assert (await plant.look(21, 1))["budget_fan_day"].value == 3.0


async def test_a_month_is_made_of_days_and_of_the_intervals_of_days_that_are_not_rolled_up_yet(plant: Plant) -> None:
    for account in (FAN, GAS):
        plant.shelf.keep(account, plant.at(18), 24, 300.0, period="day")
        plant.shelf.keep(account, plant.at(19), 24, 200.0)
        plant.shelf.keep(account, plant.at(19), 24, 220.0, revision=1)
        plant.shelf.keep(account, plant.at(20), 1, 10.0)
    plant.shelf.keep(FAN, plant.at(18), 24, 999.0)

    found = (await plant.look(20, 1))["budget_site_month"]
    assert found.inputs["used_co2_kg"] == 530.0
    assert (found.value, found.place, found.span) == (53.0, "agent", "month")


async def test_a_year_is_made_of_months_too(plant: Plant) -> None:
    plant.shelf.keep(FAN, plant.at(1, month=10), 31 * 24, 1000.0, period="month")
    plant.shelf.keep(FAN, plant.at(1, month=10), 24, 50.0, period="day")
    plant.shelf.keep(FAN, plant.at(30, month=9), 24, 30.0)
    plant.shelf.keep(FAN, plant.at(1), 24, 20.0, period="day")
    plant.shelf.keep(FAN, plant.at(20), 1, 5.0)
    found = (await plant.look(20, 1))["budget_fan_year"]
    assert found.inputs["used_energy_kwh"] == 1055.0
    assert found.coverage < 0.12, "most of the year is not known"


async def test_an_account_without_records_is_missing_and_not_zero(plant: Plant) -> None:
    plant.shelf.keep(FAN, plant.at(20), 1, 10.0)
    found = await plant.look(20, 1)
    assert found["budget_site_month"].value is None
    assert found["budget_site_month_state"].missing == (f"{GAS}: no records of this month",)


async def test_an_hour_is_held_against_the_same_hour_a_week_before(plant: Plant) -> None:
    plant.shelf.keep(FAN, plant.at(13, 7), 1, 20.0, period="hour")
    plant.shelf.keep(FAN, plant.at(20, 7), 1, 28.0, period="hour")
    found = (await plant.look(20, 8, 20))["last_week_deviation_electricity"]
    assert (found.value, found.inputs) == (40.0, {"last_hour": 28.0, "a_week_before": 20.0})

    plant.shelf.keep(FAN, plant.at(20, 8), 1, 28.0, period="hour")
    plant.shelf.keep(FAN, plant.at(13, 8), 1, 20.0, period="hour", measured_s=1800.0)
    found = (await plant.look(20, 9, 20))["last_week_deviation_electricity"]
    assert (found.value, found.missing) == (None, (f"{FAN}: the same hour a week before as measured",))


@pytest.mark.parametrize("doubtful", [13, 20])
async def test_what_is_estimated_or_unverified_of_either_hour_shows_in_their_comparison(
    plant: Plant, doubtful: int
) -> None:
    doubt = {"estimated_amount": 5.0, "unverified": True, "measured_s": 3420.0}
    for day in (13, 20):
        plant.shelf.keep(FAN, plant.at(day, 7), 1, 20.0, period="hour", **(doubt if day == doubtful else {}))
    found = (await plant.look(20, 8, 20))["last_week_deviation_electricity"]
    # 5 of 20 kWh, 3420 of 3600 s
    assert (found.value, found.estimated, found.unverified, found.coverage) == (0.0, 0.25, True, 0.95)


async def test_the_alarms_of_budgets_and_weeks_are_raised_and_end(plant: Plant) -> None:
    warnings = Warnings(plant.desk.scribe, plant.desk.alarms)
    warnings.configure(plant.desk.config)
    plant.shelf.keep(FAN, plant.at(13, 7), 1, 20.0, period="hour")
    plant.shelf.keep(FAN, plant.at(20, 7), 1, 28.0, period="hour")
    plant.shelf.keep(FAN, plant.at(20, 1), 1, 101.0)

    async def active(day: int, hour: int) -> list[str]:
        found = await plant.look(day, hour)
        time_ns = int(plant.at(day, hour).timestamp()) * 10**9
        warnings.figures(found.values(), time_ns, time_ns)
        return sorted(alarm.name for alarm in plant.desk.alarms.active())

    assert await active(20, 8) == ["budget-fan-day-red", "budget-fan-day-yellow", "unusual-hour"]
    posted = plant.desk.posted("boiler-house/fan-1/alarm/budget-fan-day-red")
    assert posted["severity"] == "critical"
    assert posted["text"] == "fan-1: budget fan-day of the day used 101 %, above the limit 100 %"
    assert posted["text_zh"] == "fan-1 预算 fan-day 本日已用 101 %，高于限值 100 %"  # noqa: RUF001  # Chinese punctuation
    plant.shelf.keep(FAN, plant.at(21), 1, 1.0)
    plant.shelf.keep(FAN, plant.at(21), 1, 20.0, period="hour")
    plant.shelf.keep(FAN, plant.at(14), 1, 20.0, period="hour")
    assert await active(21, 1) == []
