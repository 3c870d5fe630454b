"""The balances that follow from what meters say they measure: a works with a meter on every level."""

from pathlib import Path

import pytest

from agent.config import ConfigError, SiteConfig
from agent.rollup.balance import Balance, Flow
from agent.rollup.tree import balances_of, counted_at_the_site
from tests.agent.frames import SITE, configured
from tests.agent.rollup.plants import FAN_PROFILE, works


def loaded(folder: Path, more: str = "") -> SiteConfig:
    (folder / "fan.toml").write_text(FAN_PROFILE, encoding="utf-8")
    return configured(folder, SITE + works() + more)


def balances(folder: Path, more: str = "") -> dict[str, Balance]:
    config = loaded(folder, more)
    plant = config.plant()
    return {balance.name: balance for balance in balances_of(config.balances, config.devices, plant.accounts)}


def signed(flows: tuple[Flow, ...]) -> list[str]:
    return [f"{flow.sign:+d} {flow.account}" for flow in flows]


def test_each_level_with_a_meter_has_a_balance_and_each_second_meter_a_comparison(tmp_path: Path) -> None:
    assert list(balances(tmp_path)) == [
        "site/electricity",
        "hall/electricity",
        "check/electricity_against_main",
    ]


def test_at_an_area_comes_in_what_its_meter_says_and_what_is_made_within(tmp_path: Path) -> None:
    hall = balances(tmp_path)["hall/electricity"]
    assert signed(hall.incoming) == ["+1 hall-meter/electricity", "+1 roof/electricity"]
    # the fan has no meter of its own: that of the house stands for it, where the fan is
    assert signed(hall.metered) == ["+1 press/electricity", "+1 pump/electricity", "+1 fan-meter/electricity"]
    assert (hall.place, hall.key, hall.unit) == ("hall", "hall/hall", "kWh")


def test_a_site_holds_its_areas_by_their_meters_and_others_by_their_devices(tmp_path: Path) -> None:
    site = balances(tmp_path)["site/electricity"]
    assert signed(site.incoming) == [
        "+1 main/electricity",
        "-1 main/fed_in",
        "+1 roof/electricity",
        "+1 store/electricity",
        "-1 store/charged",
    ]
    assert signed(site.metered) == ["+1 hall-meter/electricity", "+1 roof/electricity", "+1 office/electricity"]
    assert (site.place, site.key) == ("agent", "site/site")
    # the roof's meter is on both sides: its error does not matter
    assert "roof/electricity" not in {flow.account for flow in site.bounds}


def test_two_meters_of_the_same_thing_are_compared_and_counted_once(tmp_path: Path) -> None:
    compared = balances(tmp_path)["check/electricity_against_main"]
    assert compared.compared
    assert (signed(compared.incoming), signed(compared.metered)) == (["+1 main/electricity"], ["+1 check/electricity"])
    assert [flow.accuracy for flow in compared.bounds] == [0.005, 0.01]
    # by hand: 100 and 102 kWh differ by 2 kWh, 2 %; 0.5 and 1.02 kWh are allowed, and two steps of 0.01 kWh
    found = {r.name: r.value for r in compared.results({"consumption": 100.0, "metered": 102.0, "allowed": 1.52})}
    assert found == pytest.approx({"rest": -2, "rest_share": -2, "disagreement": 0.46, "disagreement_share": 0.46})
    # too little is too little as well
    found = {r.name: r.value for r in compared.results({"consumption": 102.0, "metered": 100.0, "allowed": 1.52})}
    assert found["disagreement"] == pytest.approx(0.46)


def test_an_account_says_itself_what_it_meters(tmp_path: Path) -> None:
    more = '\n[[account]]\nname = "press/electricity"\ndevice = "press"\ncarrier = "electricity"\n'
    found = balances(tmp_path, more + 'from = "active_energy_import"\nmeters = "none"\n')
    assert signed(found["hall/electricity"].metered) == ["+1 pump/electricity", "+1 fan-meter/electricity"]


def test_without_a_meter_that_says_so_there_is_no_balance(tmp_path: Path) -> None:
    config = configured(tmp_path, SITE + works().replace("meters", "#meters").split('\n[[device]]\nname = "fan"')[0])
    plant = config.plant()
    assert balances_of(config.balances, config.devices, plant.accounts) == []


@pytest.mark.parametrize(
    ("level", "told"),
    [
        ("hal", "no area or device 'hal'"),
        ("office-2", "is the meter itself"),
        ("check", "itself is a second meter of 'main'"),
        ("roof", "both an area and a device"),
    ],
)
def test_a_level_that_cannot_be_is_told(tmp_path: Path, level: str, told: str) -> None:
    device = '\n[[device]]\nname = "office-2"\narea = "roof"\nline = "hall"\nunit = 50\nprofile = "generic/vfd-motor"\n'
    with pytest.raises(ConfigError, match=told):
        loaded(tmp_path, f'{device}meters = "{level}"\n')


def test_what_is_counted_in_another_unit_is_not_balanced_silently(tmp_path: Path) -> None:
    boilers = "".join(
        f'\n[[device]]\nname = "{name}"\narea = "{area}"\nline = "hall"\nunit = {unit}\n'
        f'profile = "generic/steam-boiler"\n{more}\n'
        for unit, (name, area, more) in enumerate(
            [("gas-meter", "yard", 'meters = "site"'), ("boiler-1", "boilers", "")], 40
        )
    )
    flow = '\n[[account]]\nname = "boiler-1/natural_gas"\ndevice = "boiler-1"\ncarrier = "natural_gas"\n'
    with pytest.raises(ConfigError, match="cannot be balanced with gas-meter/natural_gas in Nm3: boiler-1/natural_gas"):
        loaded(tmp_path, boilers + flow + 'from = "steam_mass"\n')


def test_the_name_of_a_balance_is_no_other_account(tmp_path: Path) -> None:
    more = '\n[[virtual]]\nname = "site/electricity"\nsum = ["press/electricity"]\n'
    with pytest.raises(ConfigError, match="called 'site/electricity', as an account is already"):
        loaded(tmp_path, more)


def test_nothing_counts_twice_for_the_site(tmp_path: Path) -> None:
    config = loaded(tmp_path)
    plant = config.plant()
    areas = {device.name: device.area for device in config.devices}
    counted = [flow.account for flow in counted_at_the_site(plant.accounts, areas)]
    incoming = [flow.account for flow in balances(tmp_path)["site/electricity"].incoming]
    assert sorted(counted) == sorted(incoming)


def test_without_a_meter_of_the_site_the_areas_count(tmp_path: Path) -> None:
    fan = """
[[device]]
name = "fan-1"
area = "hall"
line = "hall"
unit = 1
profile = "generic/vfd-motor"
"""
    config = configured(tmp_path, SITE + fan)
    plant = config.plant()
    counted = [flow.account for flow in counted_at_the_site(plant.accounts, {"fan-1": "hall"})]
    assert counted == ["fan-1/electricity"]
