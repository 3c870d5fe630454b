"""Rolling windows in which factors change: each part weighs what it was booked with."""

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from agent.books.interval_body import weighed_body
from agent.carbon.conversion import Conversion, mean_of
from agent.carbon.emission import Choices, conversion
from agent.carbon.library import load_library
from tests.agent.desk import START, Desk, S
from tests.agent.frames import DEVICES, SITE, configured

ANALYSIS = """
[[fuel]]
carrier = "natural_gas"
ncv = "36.2 MJ/Nm3"
from = 2026-11-21
to = 9999-12-31
by = "Works laboratory"
document = "Report 2026-17"

[[equipment]]
kind = "boiler"
device = "boiler-1"
fuel = ["boiler-1/natural_gas"]
steam = "steam"
steam_state = "saturated"
steam_moisture = 2.0
"""
MIDNIGHT_S = 8 * 3600
"""In Shanghai the day of the analysis begins eight hours after the test does."""
CO2_KG_PER_KWH = 0.0153 * 0.99 * 44 / 12 * 3.6
"""Of natural gas, whatever its calorific value: tC/GJ x oxidation x 44/12, and 3.6 MJ/kWh."""


def window(desk: Desk, kind: str, name: str, span: str = "15min") -> dict[str, Any]:
    return next(
        body for body in reversed(desk.store.bodies("window")) if body.get(kind) == name and body["span"] == span
    )


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Return a boiler that has burnt on for ten minutes before and five after the midnight of an analysis."""
    desk = Desk(configured(tmp_path, SITE + DEVICES + ANALYSIS))
    for step in range(-60, 31):
        at_s = MIDNIGHT_S + 10 * step
        desk.boiler(at_s - 5, 5000 + step)
        desk.ledger.tick(START + at_s * S)
        desk.now_ns = START + at_s * S
    desk.keeper.look()
    list(desk.recorder.publish_windows())
    return desk


def test_the_energy_of_a_window_is_weighed_by_the_analysis_of_each_day(desk: Desk) -> None:
    # By hand: two thirds of the gas at 38.931 MJ/Nm3, one third at 36.2: 38.0207 MJ/Nm3; kgce by 29.3076 MJ.
    body = window(desk, "account", "boiler-1/natural_gas")
    heat_mj = (60 * 38.931 + 30 * 36.2) / 90 * body["amount"]

    assert body["amount"] > 0
    assert body["energy_kwh"] == pytest.approx(heat_mj / 3.6, rel=1e-6)
    assert body["kgce"] == pytest.approx(heat_mj / 29.3076, rel=1e-6)


def test_energy_and_emission_of_a_window_belong_to_the_same_analyses(desk: Desk) -> None:
    body = window(desk, "account", "boiler-1/natural_gas")
    shared = window(desk, "intensity", "steam")

    assert body["co2_kg"] == pytest.approx(body["energy_kwh"] * CO2_KG_PER_KWH, rel=1e-6)
    assert shared["energy_kwh"] == body["energy_kwh"]
    assert body["mean_power_kw"] == pytest.approx(body["energy_kwh"] * 4, rel=1e-6)


def test_a_window_after_the_change_is_weighed_by_the_new_analysis_alone(desk: Desk) -> None:
    body = window(desk, "account", "boiler-1/natural_gas", "1min")

    assert body["energy_kwh"] == pytest.approx(body["amount"] * 36.2 / 3.6, rel=1e-6)


def test_the_efficiency_of_a_boiler_takes_the_same_heat_of_its_fuel(desk: Desk) -> None:
    figures = [body for body in desk.store.bodies("figure") if body["figure"] == "boiler_efficiency_direct"]

    assert figures[-1]["inputs"]["fuel_kwh"] == window(desk, "account", "boiler-1/natural_gas")["energy_kwh"]


def electricity(day: date) -> Conversion:
    choices = Choices(region="CN-AH", fuel_set="GB/T 32151.34-2024", coal_rates={2025: (0.3, "Document 7")})
    return conversion(load_library(), carrier="electricity", unit="kWh", when=day, choices=choices)


def test_what_one_part_does_not_have_the_mean_does_not_have() -> None:
    before, after = electricity(date(2025, 12, 31)), electricity(date(2026, 1, 1))
    mean = mean_of([(1.0, before), (3.0, after)])

    assert (before.kgce_equivalent_per_unit, after.kgce_equivalent_per_unit) == (None, 0.3)
    assert mean.kgce_equivalent_per_unit is None
    assert mean.kgce_per_unit == pytest.approx(0.1229)


def test_a_record_with_an_equivalent_value_says_by_which_coal_rate() -> None:
    before, after = (weighed_body(10.0, 0.0, electricity(date(year, 7, 1))) for year in (2025, 2026))

    said = "0.3 kgce/kWh, coal rate of 2025 (Document 7); GB/T 2589-2020 Table A.2"
    assert (after["kgce_equivalent"], after["kgce_equivalent_source"]) == (3.0, said)
    assert not {"kgce_equivalent", "kgce_equivalent_source"} & before.keys()


def test_one_unverified_part_marks_the_mean_unless_nothing_came_of_it() -> None:
    verified, unverified = replace(electricity(date(2026, 1, 1)), unverified=False), electricity(date(2026, 1, 1))
    unverified = replace(unverified, unverified=True)

    assert mean_of([(1.0, unverified), (1.0, verified)]).unverified
    assert not mean_of([(0.0, unverified), (1.0, verified)]).unverified
    assert mean_of([(0.0, verified), (0.0, unverified)]).unverified
