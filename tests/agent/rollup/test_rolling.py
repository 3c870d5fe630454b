"""Virtual accounts and balances over rolling windows, and as members of an intensity."""

from pathlib import Path
from typing import Any

import pytest

from agent.books.columns import AMOUNT, CO2_KG, CO2_MARKET_KG, ESTIMATED, MEASURED_S
from agent.books.ledger import Ledger, WindowFigures
from agent.intensity.rolling import intensity_window
from agent.rollup.members import worked_out_accounts
from agent.rollup.rolling import worked_out_windows
from tests.agent.desk import LIBRARY, START, S
from tests.agent.frames import DEVICES, SITE, configured
from tests.agent.rollup.plants import FAN_PROFILE, works

GRID = 0.6553
"""kg CO2 per kWh, Anhui 2023."""
MORE = """
[[virtual]]
name = "hall/all"
sum = ["press/electricity", "pump/electricity"]

[[virtual]]
name = "hall/third"
share = { of = "press/electricity", factor = 0.25 }

[[virtual]]
name = "site/unmetered"
sum = ["main/electricity", "roof/electricity"]
minus = ["main/fed_in", "press/electricity"]

[[intensity]]
name = "hall"
accounts = ["hall/all", "boiler-1/natural_gas"]
per = "steam"

[[intensity]]
name = "whole"
accounts = ["site/electricity"]
per = "steam"
"""
AMOUNTS = {
    "main/electricity": 100.0,
    "main/fed_in": 10.0,
    "roof/electricity": 40.0,
    "press/electricity": 60.0,
    "pump/electricity": 20.0,
    "boiler-1/natural_gas": 0.0,
    "steam": 2.0,
}


class Plant:
    """A quarter of an hour of the works."""

    def __init__(self, folder: Path, *, unmeasured: str = "") -> None:
        (folder / "fan.toml").write_text(FAN_PROFILE, encoding="utf-8")
        self.config = configured(folder, SITE + DEVICES + works() + MORE)
        config = self.config
        self.ledger = Ledger(config, LIBRARY, start_ns=START)
        self.worked_out = worked_out_accounts(config, self.ledger)
        for second in range(900):
            self.ledger.tick(second * S)
        for name, position in self.ledger.position.items():
            amount = AMOUNTS.get(name, 0.0)
            weight = self.ledger.conversions.at(self.ledger.books[name].account, START)
            self.ledger.row[AMOUNT, position] = amount
            self.ledger.row[MEASURED_S, position] = 0.0 if name == unmeasured else 900.0
            self.ledger.row[ESTIMATED, position] = 5.0 if name == "press/electricity" else 0.0
            self.ledger.row[CO2_KG, position] = amount * ((weight and weight.co2_kg_per_unit) or 0.0)
            self.ledger.row[CO2_MARKET_KG, position] = amount * ((weight and weight.co2_market_kg_per_unit) or 0.0)
        self.ledger.tick(900 * S)

    @property
    def window(self) -> WindowFigures:
        return next(window for window in self.ledger.figures() if window.span == "15min")

    def windows(self) -> dict[str, dict[str, Any]]:
        found = worked_out_windows("works", self.worked_out, self.ledger, self.window, START)
        return {body["account"]: body for _, body in found}

    def intensity(self, name: str) -> dict[str, Any]:
        intensity = next(each for each in self.ledger.plant.intensities if each.name == name)
        return intensity_window("works", intensity, self.ledger, self.window, START, worked_out=self.worked_out)


def test_a_sum_and_a_share_roll_like_their_members(tmp_path: Path) -> None:
    found = Plant(tmp_path).windows()
    everything, share = found["hall/all"], found["hall/third"]
    # 60 + 20 kWh in a quarter of an hour, 5 of them estimated
    assert (everything["amount"], everything["energy_kwh"], everything["mean_power_kw"]) == (80.0, 80.0, 320.0)
    assert everything["co2_kg"] == pytest.approx(80 * GRID)
    assert (everything["scope"], everything["coverage"], everything["estimated"]) == (2, 1.0, 0.0625)
    assert (share["amount"], share["co2_kg"]) == (15.0, pytest.approx(15 * GRID))


def test_a_rest_behind_a_roof_has_the_emission_of_its_amount(tmp_path: Path) -> None:
    rest = Plant(tmp_path).windows()["site/unmetered"]
    # 100 + 40 - 10 - 60
    assert (rest["amount"], rest["energy_kwh"], rest["co2_kg"]) == (70.0, 70.0, pytest.approx(70 * GRID))


def test_a_level_rolls_as_what_is_used_there_and_emits_what_was_bought(tmp_path: Path) -> None:
    site = Plant(tmp_path).windows()["site/electricity"]
    # 100 - 10 + 40 used; 90 of them bought
    assert (site["amount"], site["energy_kwh"], site["co2_kg"]) == (130.0, 130.0, pytest.approx(90 * GRID))
    assert (site["area"], site["device"], site["mean_power_kw"]) == ("site", "site", 520.0)


def test_without_the_meter_of_a_level_there_is_no_window_of_it(tmp_path: Path) -> None:
    assert "site/electricity" not in Plant(tmp_path, unmeasured="main/fed_in").windows()


def test_an_intensity_counts_virtual_accounts_and_levels(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    hall, site = plant.intensity("hall"), plant.intensity("whole")
    # 80 kWh, and 130 kWh of which 90 were bought, for 2 t of steam
    assert (hall["energy_kwh_per_t"], hall["co2_kg_per_t"]) == (40.0, pytest.approx(40 * GRID))
    assert (site["energy_kwh_per_t"], site["co2_kg_per_t"]) == (65.0, pytest.approx(45 * GRID))
