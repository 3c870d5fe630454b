"""Tariffs in a configuration: every mistake at its place, with what to do."""

from pathlib import Path

import pytest

from agent.config import ConfigError
from agent.tariff.build import tariffs
from tests.agent.frames import configured
from tests.agent.tariff.tables import CALENDAR, HUBEI_HEAD

SITE = f"""[site]
name = "works"

[calendar]
{CALENDAR}

[[line]]
name = "hall"
url = "tcp://127.0.0.1:1502"

[[device]]
name = "main-meter"
area = "substation"
line = "hall"
unit = 1
profile = "eastron/sdm630"

[[output]]
name = "main-reactive"
device = "main-meter"
from = "reactive_energy_import"
"""
TARIFF = f"""
[[tariff]]
{HUBEI_HEAD}
[[tariff.day]]
season = ["07-01/08-31"]
hours = {{ peak = ["08:00-22:00"], valley = ["22:00-08:00"] }}

[[tariff.day]]
hours = {{ peak = ["09:00-23:00"], valley = ["23:00-09:00"] }}

[[tariff.price]]
from = 2026-01-01
until = 2026-01-31
peak = 0.848961
valley = 0.432924
funds = 0.0452
demand = 42.0

[[tariff.price]]
from = 2026-02-01
peak = 0.85
valley = 0.43
demand = 42
"""


def complaints(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        configured(tmp_path, text)
    return [str(problem).removeprefix(f"{tmp_path}/site.toml:") for problem in caught.value.problems]


def test_a_right_tariff_is_taken_with_prices_to_the_last_digit(tmp_path: Path) -> None:
    config = configured(tmp_path, SITE + TARIFF)

    (tariff,) = tariffs(config.tariffs, config.calendar, config.site.zone)
    assert [str(price.energy["peak"]) for price in tariff.prices] == ["0.848961", "0.85"]  # type: ignore[index]  # a period is its text
    assert str(tariff.standard) == "0.90"


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ('meter = "main-meter/electricity"', 'meter = "main-meter/power"', "no account 'main-meter/power'"),
        ('meter = "main-meter/electricity"', 'meter = "main-reactive"', "'main-reactive' is no name of an account"),
        ('reactive = ["main-reactive"]', 'reactive = ["main-meter/electricity"]', "is counted in kWh"),
        ("power_factor = 0.90", "power_factor = 0.95", "0.95 is no standard"),
        ('capacity = "630 kVA"', 'capacity = "630 kW"', "'630 kW' is not understood"),
        ('season = ["07-01/08-31"]', 'season = ["07-01/08-32"]', "'07-01/08-32' is not understood"),
        ('season = ["07-01/08-31"]', 'saison = ["07-01/08-31"]', "unknown key 'saison'"),
        ('peak = ["08:00-22:00"]', 'peek = ["08:00-22:00"]', "unknown key 'peek'"),
        ('peak = ["08:00-22:00"]', 'peak = ["08:00-21:00"]', "21:00 to 22:00 has no period"),
        ('peak = ["08:00-22:00"]', 'peak = ["08:00-23:00"]', "22:00 to 23:00 has two periods"),
        ('peak = ["08:00-22:00"]', 'peak = ["8-22"]', "'8-22' is not understood"),
        ('peak = ["08:00-22:00"]', 'peak = ["08:00-24:30"]', "'08:00-24:30' is not understood"),
        ("demand = 42\n", "", "the price from 2026-02-01 on lacks 'demand'"),
        ("valley = 0.43\n", "", "the price from 2026-02-01 on lacks 'valley'"),
        ("peak = 0.85\n", "peak = inf\n", "'inf' is no price"),
        ("peak = 0.85\n", 'peak = "0.85"\n', "'0.85' is no price"),
        ("peak = 0.85\n", f"peak = 1{'0' * 400}\n", "is no price"),
        ("until = 2026-01-31", "until = 2026-02-01", "from 2026-01-01 and from 2026-02-01 on overlap"),
        ("until = 2026-01-31", "until = 2025-01-31", "'until' 2025-01-31 lies before 'from' 2026-01-01"),
        ('reactive = ["main-reactive"]\n', "", "'power_factor' needs 'reactive'"),
        ('two_part = "demand"\ncapacity = "630 kVA"', 'two_part = "capacity"', "lacks 'capacity'"),
        ('hours = { peak = ["09:00', 'days = ["workday"]\nhours = { peak = ["09:00', "no [[tariff.day]] is for 01-01"),
        ("2026-02-28", "2026-02-16", "2026-02-16 is both a holiday and a workday"),
        ("2026-02-28", "2026-02-30", "'2026-02-30' is not understood"),
        ('peak = ["08:00-22:00"], valley = ["22:00', 'peak = ["08:10-22:00"], valley = ["22:00', "within an interval"),
    ],
)
def test_a_mistake_is_told_in_one_line(tmp_path: Path, right: str, wrong: str, told: str) -> None:
    text = SITE + TARIFF
    assert right in text
    text = text.replace(right, wrong)
    if "08:10" in wrong:
        text = text.replace('valley = ["22:00-08:00"]', 'valley = ["22:00-08:10"]')

    found = complaints(tmp_path, text)

    assert any(told in each for each in found), found
    assert all(each.split(":")[0].isdecimal() for each in found), "each with its line"


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ('[interval]\nlength = "1h"\n', "intervals of 3600 s may lie in two periods"),
        ('[windows]\nspans = ["1min", "1h"]\n', "a tariff needs the demand of 15 minutes"),
        ('[windows]\npublish = "2min"\n', "demand slides by a minute"),
    ],
)
def test_windows_and_intervals_that_cannot_serve_a_tariff_are_refused(tmp_path: Path, table: str, told: str) -> None:
    assert configured(tmp_path, SITE + table).tariffs == (), "without a tariff they can stand"
    assert any(told in each for each in complaints(tmp_path, SITE + TARIFF + table))


def test_a_tariff_of_a_virtual_account_is_told_what_to_name_instead(tmp_path: Path) -> None:
    virtual = '[[virtual]]\nname = "site/all"\nsum = ["main-meter/electricity"]\n'
    text = (SITE + TARIFF).replace('meter = "main-meter/electricity"', 'meter = "site/all"')
    (found,) = complaints(tmp_path, text + virtual)
    assert "'site/all' is a virtual account, which no meter of the supplier counts" in found


def test_an_account_has_one_tariff(tmp_path: Path) -> None:
    second = TARIFF.replace('name = "grid"', 'name = "again"')
    (found,) = complaints(tmp_path, SITE + TARIFF + second)
    assert "account 'main-meter/electricity' is priced twice (also by tariff 'grid')" in found


def test_a_tariff_of_a_device_with_a_wrong_profile_is_not_blamed_as_well(tmp_path: Path) -> None:
    text = (SITE + TARIFF).replace("eastron/sdm630", "eastron/sdm631")
    (found,) = complaints(tmp_path, text)
    assert "sdm631" in found
