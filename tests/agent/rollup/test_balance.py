"""A substation with a meter before and two behind it: what nobody meters, and when the meters disagree."""

from dataclasses import replace
from pathlib import Path

import pytest

from agent.books.columns import AMOUNT, ESTIMATED, MEASURED_S
from agent.books.conversions import Conversions
from agent.books.ledger import Ledger
from agent.carbon.conversion import Conversion
from agent.figure import Figure
from agent.figures import figure_sources
from agent.plant import Account
from agent.rollup.balance_figures import Balances
from agent.rollup.tree import balances_of
from tests.agent.desk import LIBRARY, START, S
from tests.agent.frames import SITE, configured

PLANT = (
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
        for unit, name in enumerate(("main", "press", "pump", "roof"), 1)
    )
    + """
[windows]
spans = ["15min"]

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
"""
)
BALANCE = """
[[balance]]
name = "substation"
area = "substation"
incoming = ["main/electricity"]
metered = ["press/electricity", "pump/electricity"]
accuracy = 0.01
"""
SOLAR = """
[[balance]]
name = "works"
incoming = ["main/electricity", "main/fed_in", "roof/electricity"]
"""


def told(folder: Path, text: str, amounts: dict[str, float], *, unmeasured: str = "") -> dict[str, Figure]:
    """Return the figures of a quarter of an hour in which accounts came to so many kWh."""
    config = configured(folder, SITE + PLANT + text)
    plant = config.plant()
    ledger = Ledger(config, LIBRARY, start_ns=START)
    for second in range(901):
        ledger.tick(second * S)
    for name, position in ledger.position.items():
        ledger.row[AMOUNT, position] = amounts.get(name, 0.0)
        ledger.row[MEASURED_S, position] = 0.0 if name == unmeasured else 900.0
        ledger.row[ESTIMATED, position] = 1.0 if name == "pump/electricity" else 0.0
    ledger.tick(901 * S)
    assert any(isinstance(source, Balances) for source in figure_sources(config, ledger, lambda _: {}))
    balances = balances_of(config.balances, config.devices, plant.accounts)
    return {figure.name: figure for figure in Balances(balances, ledger).figures(START)}


def test_what_the_meters_behind_do_not_count_is_the_unmetered_rest(tmp_path: Path) -> None:
    amounts = {"main/electricity": 100.0, "press/electricity": 60.0, "pump/electricity": 25.0}
    found = told(tmp_path, BALANCE, amounts)
    rest = found["substation_rest"]
    # by hand: 100 less 60 and 25
    assert (rest.value, rest.unit, rest.place, rest.span) == (15.0, "kWh", "substation", "15min")
    assert rest.inputs == {"import_kwh": 100.0, "metered_kwh": 85.0}
    assert (rest.coverage, rest.estimated) == (1.0, 0.04)
    assert found["substation_rest_share"].value == 15.0
    assert found["substation_disagreement"].value == 0.0


def test_meters_disagree_by_what_their_accuracy_does_not_explain(tmp_path: Path) -> None:
    within = {"main/electricity": 100.0, "press/electricity": 76.0, "pump/electricity": 26.0}
    assert told(tmp_path, BALANCE, within)["substation_disagreement"].value == 0.0
    beyond = {"main/electricity": 100.0, "press/electricity": 80.0, "pump/electricity": 25.0}
    found = told(tmp_path, BALANCE, beyond)
    # 105 - 100 - 0.01 x (100 + 105) - 3 x 0.01, for each of the three counts by 0.01 kWh
    assert found["substation_disagreement"].value == pytest.approx(2.92)
    assert found["substation_rest"].value == -5.0


def test_without_readings_of_a_meter_there_is_no_balance(tmp_path: Path) -> None:
    found = told(tmp_path, BALANCE, {"main/electricity": 100.0}, unmeasured="press/electricity")
    assert {figure.value for figure in found.values()} == {None}
    assert found["substation_rest"].missing == ("press/electricity",)
    assert found["substation_rest"].inputs == {}


@pytest.mark.parametrize(("doubted", "shown"), [("pump/electricity", True), ("roof/electricity", False)])
def test_a_balance_says_that_a_factor_of_its_accounts_was_not_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, doubted: str, *, shown: bool
) -> None:
    known = Conversions.at

    def at(conversions: Conversions, account: Account, time_ns: int) -> Conversion | None:
        found = known(conversions, account, time_ns)
        return replace(found, unverified=True) if found and account.name == doubted else found

    monkeypatch.setattr(Conversions, "at", at)
    found = told(tmp_path, BALANCE, {"main/electricity": 100.0})
    assert {figure.unverified for figure in found.values()} == {shown}


def test_own_generation_is_used_or_fed_in(tmp_path: Path) -> None:
    amounts = {"main/electricity": 70.0, "main/fed_in": 10.0, "roof/electricity": 40.0}
    found = told(tmp_path, SOLAR, amounts)
    # 70 - 10, 70 - 10 + 40, 40 - 10, 30 / 40
    values = {name.removeprefix("works_"): figure.value for name, figure in found.items()}
    assert values == {
        "net_import": 60.0,
        "consumption": 100.0,
        "generation": 40.0,
        "self_consumption": 30.0,
        "self_consumption_share": 75.0,
    }
    assert {figure.place for figure in found.values()} == {"agent"}


def test_at_night_there_is_no_share_of_nothing(tmp_path: Path) -> None:
    found = told(tmp_path, SOLAR, {"main/electricity": 70.0})
    assert found["works_self_consumption"].value == 0.0
    assert found["works_self_consumption_share"].value is None
    assert found["works_self_consumption_share"].missing
