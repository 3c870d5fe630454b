"""Virtual accounts of what comes in, goes out and is made: the sign of what leaves the site, by hand."""

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from agent.carbon.emission import Choices, Conversion, conversion
from agent.config import ConfigError
from agent.plant import Account
from agent.rollup.total import Part
from agent.rollup.virtual import virtual_accounts
from tests.agent.desk import LIBRARY
from tests.agent.frames import SITE, configured

METERS = (
    "".join(
        f"""
[[device]]
name = "{name}"
area = "substation"
line = "hall"
unit = {unit}
profile = "generic/vfd-motor"
every = "10s"
"""
        for unit, name in enumerate(("main", "press", "roof", "store"), 1)
    )
    + """
[[account]]
name = "roof/electricity"
device = "roof"
carrier = "electricity"
from = "active_energy_import"
direction = "generation"

[[account]]
name = "main/fed_in"
device = "main"
carrier = "electricity"
from = "active_energy_import"
direction = "export"

[[account]]
name = "store/electricity"
device = "store"
carrier = "electricity"
from = "active_energy_import"
direction = "discharge"

[[account]]
name = "store/charged"
device = "store"
carrier = "electricity"
from = "active_energy_import"
direction = "charge"

[[account]]
name = "roof/fed_in"
device = "roof"
carrier = "electricity"
from = "active_energy_import"
direction = "export"
"""
)
# An interval: 100 kWh bought, 40 made on the roof, 30 fed in (10 of them by the roof's meter), 90 used by the press.
# The grid has 0.6 kg/kWh.
RECORDS: dict[str, tuple[float, float, float]] = {
    "main/electricity": (100.0, 100.0, 60.0),
    "roof/electricity": (40.0, 40.0, 0.0),
    "main/fed_in": (30.0, -30.0, -18.0),
    "roof/fed_in": (10.0, -10.0, -6.0),
    "store/electricity": (25.0, 0.0, 0.0),
    "store/charged": (15.0, 0.0, 0.0),
    "press/electricity": (90.0, 90.0, 54.0),
}


def part(name: str) -> Part:
    amount, kwh, co2 = RECORDS[name]
    body: dict[str, Any] = {"amount": amount, "unit": "kWh", "energy_kwh": kwh, "co2_kg": co2, "cost_cny": amount / 2}
    return Part.of(
        {
            **body,
            "start": "2026-11-20T00:00:00Z",
            "end": "2026-11-20T00:15:00Z",
            "coverage": 1.0,
            "estimated": 0.0,
            "quality": "good",
            "seq": 1,
        }
    )


def bought(account: Account) -> Conversion:
    """Return what bought electricity weighs, as in the records above."""
    config = Choices("CN-AH", "GB/T 32151.34-2024")
    grid = conversion(LIBRARY, carrier="electricity", unit="kWh", when=date(2026, 11, 20), choices=config)
    assert account.direction == "import"
    return replace(grid, co2_kg_per_unit=0.6, co2_market_kg_per_unit=None)


def worked_out(folder: Path, text: str) -> dict[str, float]:
    """Return the figures of a virtual account of the records above."""
    config = configured(folder, SITE + METERS + f'\n[[virtual]]\nname = "all/net"\n{text}\n')
    plant = config.plant()
    (virtual,) = virtual_accounts(config.virtual, plant.accounts)
    found = virtual.of({name: part(name) for name in RECORDS}, bought)
    assert found is not None
    return {key: amount / 1e6 for key, amount in found.sums.items()}


def test_what_is_fed_in_is_taken_away_once_from_every_figure(tmp_path: Path) -> None:
    found = worked_out(tmp_path, 'sum = ["main/electricity"]\nminus = ["main/fed_in"]')
    # 100 - 30 = 70 kWh, 60 - 18 = 42 kg; of money 50 - 15 = 35
    assert found == {"amount": 70.0, "energy_kwh": 70.0, "co2_kg": 42.0, "cost_cny": 35.0}


def test_the_unmetered_rest_of_a_site_with_a_roof_has_the_energy_of_its_amount(tmp_path: Path) -> None:
    members = 'sum = ["main/electricity", "roof/electricity"]\nminus = ["main/fed_in", "press/electricity"]'
    found = worked_out(tmp_path, members)
    # 100 + 40 - 30 - 90 = 20 kWh; as it is not known of which source, it emits 0.6 kg/kWh like what consumers use
    assert (found["amount"], found["energy_kwh"], found["co2_kg"]) == (20.0, 20.0, 12.0)


def test_the_unmetered_rest_behind_a_storage_has_the_energy_and_emission_of_its_amount(tmp_path: Path) -> None:
    members = 'sum = ["main/electricity", "store/electricity"]\nminus = ["store/charged", "press/electricity"]'
    found = worked_out(tmp_path, members)
    # 100 + 25 - 15 - 90 = 20 kWh
    assert (found["amount"], found["energy_kwh"], found["co2_kg"]) == (20.0, 20.0, 12.0)


def test_what_a_site_with_a_roof_uses_in_all_emits_what_it_bought(tmp_path: Path) -> None:
    found = worked_out(tmp_path, 'sum = ["main/electricity", "roof/electricity"]\nminus = ["main/fed_in"]')
    # 100 + 40 - 30 = 110 kWh; 60 - 18 = 42 kg, for the roof emits nothing
    assert (found["amount"], found["energy_kwh"], found["co2_kg"]) == (110.0, 110.0, 42.0)


def test_what_is_fed_in_less_a_part_of_it_stays_below_zero(tmp_path: Path) -> None:
    found = worked_out(tmp_path, 'sum = ["main/fed_in"]\nminus = ["roof/fed_in"]')
    assert (found["amount"], found["energy_kwh"], found["co2_kg"]) == (20.0, -20.0, -12.0)


def test_what_is_bought_and_what_is_fed_in_are_no_sum(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="leaves the site"):
        worked_out(tmp_path, 'sum = ["main/electricity", "main/fed_in"]')
