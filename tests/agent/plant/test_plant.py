from pathlib import Path

import pytest

from agent.config import SiteConfig
from agent.plant import Plant, PlantError, accounts_of, added_account, output
from agent.sections import AccountSection, OutputSection
from tests.agent.frames import SITE, configured

METERS = """
model = "meters of this test"
kind = "heat-meter"
source = "defined by this test"
function = 3
type = "uint32"

[points]
heat_energy  = { address = 0, scale = 0.001, unit = "GJ", counter = { limit = 99999.999 }, every = "1min" }
heat_power   = { address = 2, unit = "kW", type = "float32" }
steam_flow   = { address = 4, unit = "t/h", type = "float32" }
water_flow   = { address = 6, unit = "m3/h", type = "float32" }
gas_flow     = { address = 8, unit = "Nm3/h", type = "float32" }
temperature  = { address = 10, unit = "°C", type = "float32" }

[[accounts]]
name = "heat"
carrier = "heat"
from = "heat_energy"
check = "heat_power"
"""
DEVICE = """[[device]]
name = "heat-1"
area = "network"
line = "hall"
unit = 4
profile = "meters.toml"
every = "10s"
rated_power = "2 MW"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "meters.toml").write_text(METERS, encoding="utf-8")
    return tmp_path


def built(config: SiteConfig) -> Plant:
    return config.plant()


def added(config: SiteConfig, source: str, name: str = "heat-1/x") -> AccountSection:
    return AccountSection.from_file(
        {"name": name, "device": config.devices[0].name, "carrier": "steam", "from": source}
    )


def test_a_profile_brings_its_accounts(folder: Path) -> None:
    config = configured(folder, SITE + DEVICE)
    (account,) = accounts_of(config.devices[0], config.profiles["heat-1"])

    assert (account.name, account.key, account.carrier) == ("heat-1/heat", "network/heat-1", "heat")
    assert (account.unit, account.factor, account.integrates) == ("GJ", 1.0, False)
    assert account.modulus == 100_000.0
    assert account.resolution == 0.001
    assert account.rated_kw == 2000.0
    assert account.check is not None
    assert account.check.name == "heat_power"


@pytest.mark.parametrize(("every", "gap_s"), [("10s", 180.0), ("5min", 900.0)])
def test_a_gap_is_three_times_the_cadence_at_which_the_account_is_really_read(
    folder: Path, every: str, gap_s: float
) -> None:
    config = configured(folder, SITE + DEVICE.replace('"10s"', f'"{every}"'))

    assert built(config).accounts[0].gap_after_s == gap_s


@pytest.mark.parametrize(
    ("source", "unit", "factor"),
    [("steam_flow", "t", 1.0), ("water_flow", "m3", 1.0), ("gas_flow", "Nm3", 1.0), ("heat_power", "GJ", 0.0036)],
)
def test_a_power_or_flow_is_integrated_over_hours_into_its_unit(
    folder: Path, source: str, unit: str, factor: float
) -> None:
    config = configured(folder, SITE + DEVICE)
    account = added_account(added(config, source), config.devices[0], config.profiles["heat-1"])

    assert (account.unit, account.factor, account.integrates) == (unit, factor, True)
    assert account.gap_after_s == 30.0


@pytest.mark.parametrize(
    ("source", "name", "said"),
    [
        ("temperature", "heat-1/x", "neither a counter nor a power or flow"),
        ("steam_flwo", "heat-1/x", "did you mean 'steam_flow'"),
        ("steam_flow", "boiler-1/x", "does not start with its device: call it 'heat-1/…'"),
    ],
)
def test_what_cannot_be_summed_or_does_not_exist_is_no_account(folder: Path, source: str, name: str, said: str) -> None:
    config = configured(folder, SITE + DEVICE)

    with pytest.raises(PlantError) as caught:
        added_account(added(config, source, name), config.devices[0], config.profiles["heat-1"])

    assert said in str(caught.value)


def test_an_added_account_takes_the_place_of_the_one_with_its_name(folder: Path) -> None:
    table = '\n[[account]]\nname = "heat-1/heat"\ndevice = "heat-1"\ncarrier = "heat"\nfrom = "heat_power"\n'
    plant = built(configured(folder, SITE + DEVICE + table))

    assert [(account.name, account.source.name) for account in plant.accounts] == [("heat-1/heat", "heat_power")]


def test_an_output_carries_nothing(folder: Path) -> None:
    config = configured(folder, SITE + DEVICE)
    section = OutputSection.from_file({"name": "heat", "device": "heat-1", "from": "heat_energy"})

    made = output(section, config.devices[0], config.profiles["heat-1"])

    assert (made.name, made.carrier, made.unit) == ("heat", None, "GJ")
