"""What the tables of outputs, intensities and targets must say, and what is told where they do not."""

from pathlib import Path

import pytest

from agent.config import ConfigError
from tests.agent.frames import DEVICES, SITE, configured

MQTT = '\n[mqtt]\nurl = "mqtt://127.0.0.1:1"\n'
TARGET = '[[target]]\nintensity = "steam"\nbase_year = 2020\nby = 2025\n'


def problems(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        configured(folder, SITE + DEVICES + text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ('unit = "t"', "none of 'device', 'topic', 'entered'"),
        ('topic = "mes/1"\nentered = true\nunit = "t"', "'topic' and 'entered'"),
        ('device = "fan-1"', "'device' and 'from' belong together"),
        (
            'device = "fan-1"\nfrom = "active_energy_import"\nunit = "t"',
            "'unit' says nothing about an output by 'device'",
        ),
        ('entered = true\nunit = "t"\ncounts = "total"', "'counts' says nothing about an output by 'entered'"),
        ("entered = true", "'unit' is missing"),
        ('entered = true\nunit = "pieces"', "is no unit of an output: use one of t, m3"),
        ('topic = "mes/+/count"\nunit = "t"', "no single topic"),
        ('topic = "mes/1"\nunit = "t"\ntime = "at"', "'time' without 'value'"),
        ('topic = "mes/1"\nunit = "t"', "a topic without [mqtt]"),
    ],
)
def test_an_output_comes_from_one_place(tmp_path: Path, keys: str, text: str) -> None:
    assert text in problems(tmp_path, f'\n[[output]]\nname = "bricks"\n{keys}\n')


def test_an_output_does_not_take_the_place_of_a_device(tmp_path: Path) -> None:
    text = '\n[[output]]\nname = "fan-1"\nentered = true\nunit = "t"\n'

    assert "'fan-1' is a device" in problems(tmp_path, text)


VIRTUAL = '\n[[virtual]]\nname = "hall/all"\nsum = ["fan-1/electricity"]\n'


def of_hall(accounts: str) -> str:
    return f'{VIRTUAL}\n[[intensity]]\nname = "hall"\naccounts = {accounts}\nper = "steam"\n'


def test_a_virtual_account_is_spent_like_any_other(tmp_path: Path) -> None:
    config = configured(tmp_path, SITE + DEVICES + of_hall('["hall/all", "boiler-1/natural_gas"]'))
    assert config.intensities[1].accounts == ("hall/all", "boiler-1/natural_gas")


def test_nothing_is_spent_twice_by_a_virtual_account_and_its_part(tmp_path: Path) -> None:
    told = problems(tmp_path, of_hall('["hall/all", "fan-1/electricity"]'))
    assert "'fan-1/electricity' is part of 'hall/all' and would count twice" in told


def test_water_is_counted_in_cubic_metres(tmp_path: Path) -> None:
    fan = '["fan-1/electricity"]'
    text = f'\n[[intensity]]\nname = "dry"\naccounts = {fan}\nwater = {fan}\nper = "steam"\n'

    assert "counted in kWh, not in m3" in problems(tmp_path, text)


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ("", "neither 'energy' nor 'co2'"),
        ('energy = "-13.5%"', "one of 'base_energy_kwh' and 'base_kgce'"),
        ('energy = "-13.5%"\nbase_kgce = 1.0\nbase_energy_kwh = 8.0', "one of 'base_energy_kwh' and 'base_kgce'"),
        ('co2 = "-18%"', "'co2' needs 'base_co2_kg'"),
        ('energy = "-13.5"\nbase_kgce = 1.0', "is no change: write one like '-13.5%'"),
        ('energy = "-130%"\nbase_kgce = 1.0', "is no change"),
        ('energy = "-13.5%"\nbase_kgce = 0.0', "0.0 is too little: use more than 0"),
    ],
)
def test_a_target_says_what_it_is_held_to(tmp_path: Path, keys: str, text: str) -> None:
    assert text in problems(tmp_path, f"\n{TARGET}{keys}\n")


def test_a_target_is_of_an_intensity_and_the_only_one(tmp_path: Path) -> None:
    whole = f'{TARGET}energy = "-13.5%"\nbase_kgce = 1.0\n'

    assert "no intensity 'stem'" in problems(tmp_path, "\n" + whole.replace('"steam"', '"stem"'))
    assert "has two targets" in problems(tmp_path, f"\n{whole}\n{whole}")


def test_outputs_of_all_kinds_stand_side_by_side(tmp_path: Path) -> None:
    text = (
        '\n[[output]]\nname = "bricks"\ntopic = "mes/1"\nunit = "count"\n'
        '\n[[output]]\nname = "value-added"\nentered = true\nunit = "10kCNY"\n'
        f'\n{TARGET}energy = "-13.5%"\nbase_kgce = 1.0\n'
    )
    config = configured(tmp_path, SITE + DEVICES + text + MQTT)

    assert [output.name for output in config.outputs] == ["steam", "bricks", "value-added"]
    assert config.targets[0].energy == pytest.approx(-0.135)
