from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import Mock
from zoneinfo import ZoneInfo

import pytest

from agent.books.conversions import Conversions
from agent.carbon.emission import conversion
from agent.carbon.library import load_library
from tests.agent.frames import DEVICES, SITE, configured

S = 1_000_000_000
NOON = int(datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp()) * S


def moments(year: int, month: int, day: int) -> list[int]:
    """Return a time every seven minutes [Unix ns] of the days around a midnight, there and back."""
    middle_s = int(datetime(year, month, day, tzinfo=UTC).timestamp())
    there = [(middle_s + offset_s) * S + 999_999_999 for offset_s in range(-86_400, 86_400, 420)]
    return [*there, *reversed(there)]


@pytest.mark.parametrize("zone", ["Asia/Shanghai", "Asia/Kathmandu", "Australia/Lord_Howe", "America/St_Johns"])
@pytest.mark.parametrize("around", [(2026, 11, 21), (2026, 4, 5), (2026, 3, 8)])
def test_the_day_of_a_time_is_the_local_one_whatever_was_asked_before(
    tmp_path: Path, zone: str, around: tuple[int, int, int]
) -> None:
    site = SITE.replace('name = "works"', f'name = "works"\ntimezone = "{zone}"')
    conversions = Conversions(configured(tmp_path, site + DEVICES), load_library())

    for time_ns in moments(*around):
        assert conversions.day(time_ns) == datetime.fromtimestamp(time_ns // S, ZoneInfo(zone)).date()


def test_accounts_of_one_kind_share_what_they_weigh_however_many_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configured(tmp_path, SITE + DEVICES)
    conversions, look_up = Conversions(config, load_library()), Mock(wraps=conversion)
    monkeypatch.setattr("agent.books.conversions._MOST_CONVERSIONS", 10)
    monkeypatch.setattr("agent.books.conversions.conversion", look_up)
    fan = config.plant().accounts[0]
    fans = [replace(fan, name=f"fan-{number}/electricity") for number in range(30)]

    for _ in range(3):
        weights = [conversions.at(each, NOON) for each in fans]
        assert all(weight is weights[0] for weight in weights)
    look_up.assert_called_once()


def test_what_was_measured_of_the_fuel_of_one_account_weighs_no_other(tmp_path: Path) -> None:
    fuel = """
[[fuel]]
carrier = "natural_gas"
accounts = ["boiler-1/natural_gas"]
from = 2026-01-01
ncv = "36 MJ/Nm3"
by = "lab"
document = "1"
"""
    config = configured(tmp_path, SITE + DEVICES + fuel)
    conversions = Conversions(config, load_library())
    boiler = next(each for each in config.plant().accounts if each.carrier == "natural_gas")
    other = replace(boiler, name="boiler-2/natural_gas")

    for _ in range(2):
        measured, general = conversions.at(boiler, NOON), conversions.at(other, NOON)
        assert measured is not None
        assert general is not None
        assert measured.kwh_per_unit == pytest.approx(10.0)
        assert general.kwh_per_unit != measured.kwh_per_unit
