"""What a configuration watches, and what is wrong with one."""

from pathlib import Path

import pytest

from agent.alarms.alarm import Severity
from agent.commands.check import alarms_of
from agent.config import ConfigError
from agent.warning.build import watches
from agent.warning.watch import Watch
from tests.agent.frames import DEVICES, SITE, configured

MOTOR = """
[[equipment]]
kind = "motor"
device = "fan-1"
rated_power = "75 kW"
rated_efficiency = 94.5
no_load_power = "1.5 kW"
"""
TARIFF = """
[[device]]
name = "meter"
area = "substation"
line = "hall"
unit = 3
profile = "eastron/sdm630"

[[output]]
name = "reactive"
device = "meter"
from = "reactive_energy_import"

[[tariff]]
name = "grid"
meter = "fan-1/electricity"
reactive = ["reactive"]
power_factor = 0.9
contract_demand = "550 kW"
day = [{ hours = { flat = ["00:00-24:00"] } }]
price = [{ from = 2026-11-01, flat = 0.6 }]
"""
S = 10**9


def watched(folder: Path, text: str = "") -> dict[str, Watch]:
    return {watch.name: watch for watch in watches(configured(folder, SITE + DEVICES + text))}


def wrong(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        configured(folder, SITE + DEVICES + text)
    return [str(problem) for problem in raised.value.problems]


def test_the_figures_of_balances_are_watched_by_their_names(tmp_path: Path) -> None:
    fan = DEVICES.replace("unit = 1\n", 'unit = 1\nmeters = "site"\n', 1)
    motor = DEVICES.partition("[[device]]")[2].partition("[[device]]")[0]
    press = "\n[[device]]" + motor.replace("fan-1", "press").replace("unit = 1", "unit = 9")
    alarm = '\n[[alarm]]\nname = "rest"\nfigure = "site_electricity_rest_share"\nspan = "15min"\nabove = 5.0\n'
    found = {watch.name: watch for watch in watches(configured(tmp_path, SITE + fan + press + alarm))}["rest"]
    assert (found.key, found.value.figure) == ("agent", "site_electricity_rest_share")
    assert (found.label, found.label_zh) == ("site electricity rest share", "site_electricity 未计量占比")
    (problem,) = wrong(tmp_path, alarm)
    assert "there is no figure 'site_electricity_rest_share'" in problem


def test_a_motor_that_idles_is_watched_without_being_asked(tmp_path: Path) -> None:
    idle = watched(tmp_path, MOTOR)["idle-motor"]

    assert (idle.key, idle.value.figure, idle.rule.below) == ("boiler-house/fan-1", "motor_load_rate", 20.0)
    assert idle.rule.for_ns == 900 * S
    assert idle.guard is not None
    assert (idle.guard.value.quantity, idle.guard.rule.above) == ("active_power", 0.75)
    assert idle.built_in


def test_a_motor_whose_no_load_power_nobody_knows_idles_by_what_it_draws(tmp_path: Path) -> None:
    idle = watched(tmp_path, MOTOR.replace('no_load_power = "1.5 kW"\n', ""))["idle-motor"]

    # 20 % of 75 kW is 15 kW, its margin 2 %: 1.5 kW; it runs above 1 %.
    assert (idle.value.quantity, idle.rule.below, idle.rule.margin) == ("active_power", 15.0, 1.5)
    assert idle.guard is not None
    assert (idle.guard.rule.above, idle.unit, idle.built_in) == (0.75, "kW", True)


def test_the_agreed_demand_of_a_tariff_is_watched_before_and_after_it_is_exceeded(tmp_path: Path) -> None:
    found = watched(tmp_path, TARIFF)

    for name, figure in (("demand-about-to-exceed", "demand_forecast"), ("demand-exceeded", "demand")):
        watch = found[name]
        assert (watch.key, watch.value.figure) == ("boiler-house/fan-1", figure)
        assert (watch.rule.above, watch.rule.margin, watch.rule.for_ns) == (550.0, 11.0, 0)
        assert (watch.severity, watch.built_in) == (Severity.CRITICAL, True)


def test_a_power_factor_that_makes_the_bill_dearer_is_watched(tmp_path: Path) -> None:
    penalty = watched(tmp_path, TARIFF)["power-factor-penalty"]

    assert (penalty.value.figure, penalty.value.span, penalty.rule.below) == ("power_factor", "month", 0.9)


def test_without_an_agreed_demand_or_a_standard_nothing_of_a_tariff_is_watched(tmp_path: Path) -> None:
    tariff = TARIFF.replace('contract_demand = "550 kW"\n', "").replace("power_factor = 0.9\n", "")

    assert not {"demand-about-to-exceed", "demand-exceeded", "power-factor-penalty"} & watched(tmp_path, tariff).keys()


def test_a_counter_that_has_a_check_is_watched_in_both_directions(tmp_path: Path) -> None:
    found = watched(tmp_path)["counter-check"]
    assert (found.rule.above, found.rule.below, found.rule.for_ns) == (5.0, -5.0, 1800 * S)


def test_an_alarm_takes_the_place_of_the_built_in_one_of_its_name_and_place(tmp_path: Path) -> None:
    own = '[[alarm]]\nname = "idle-motor"\ndevice = "fan-1"\nfigure = "motor_load_rate"\nbelow = 35\nfor = "5min"\n'
    idle = watched(tmp_path, MOTOR + own)["idle-motor"]
    assert (idle.rule.below, round(idle.rule.margin, 9), idle.built_in) == (35.0, 0.7, False)


def test_check_lists_what_is_watched(tmp_path: Path) -> None:
    listed = {entry["alarm"]: entry for entry in alarms_of(configured(tmp_path, SITE + DEVICES + MOTOR))}
    assert listed["idle-motor"]["built_in"] is True
    assert listed["counter-check"]["above"] == 5.0


def test_the_keys_of_an_alarm_become_its_rule(tmp_path: Path) -> None:
    own = """
[[alarm]]
name = "overload"
device = "fan-1"
quantity = "active_power"
above = 80
margin = 4
for = "2min"
severity = "critical"
while = { quantity = "active_power", above = 1 }
"""
    found = watched(tmp_path, own)["overload"]
    assert (found.rule.above, found.rule.margin, found.rule.for_ns) == (80.0, 4.0, 120 * S)
    assert found.rule.gap_ns == 30 * S, "three polls"
    assert (found.severity, found.unit, found.label_zh != "") == (Severity.CRITICAL, "kW", True)


HEAD = '[[alarm]]\nname = "a"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('device = "fan-1"\nquantity = "active_power"\n', "there is no limit"),
        ('device = "fan-1"\nquantity = "active_power"\nabove = 1\nbelow = 2\n', "swap them"),
        ('device = "fan-1"\nquantity = "active_powr"\nabove = 1\n', "'active_powr' is not read from this device"),
        ('device = "fan-2"\nquantity = "active_power"\nabove = 1\n', "no device 'fan-2'"),
        ('quantity = "active_power"\nabove = 1\n', "add 'device'"),
        ('device = "fan-1"\nfigure = "motor_lode_rate"\nabove = 1\n', "there is no figure 'motor_lode_rate'"),
        ('area = "roof"\nfigure = "pue"\nabove = 2\n', "no area 'roof'"),
        ('account = "fan-1/gas"\nabove = 20\n', "no account 'fan-1/gas'"),
        ('figure = "pue"\nabove = 2\nfor = 5\n', "write it as text with a unit"),
        ('figure = "pue"\nabove = 2\nwhile = "running"\n', "'while' is a table"),
        ('figure = "pue"\nabove = 2\nchange_in = "1h"\ndrift_from = "30d"\n', "make two"),
        ('figure = "pue"\nabove = 2\nbelow = 1\nmargin = 0.6\n', "smaller 'margin'"),
        ('figure = "pue"\nquantity = "active_power"\nabove = 2\n', "an alarm is about one thing"),
        ('device = "fan-1"\nquantity = "active_power"\nabove = 1\ndrift_from = "30d"\n', "needs a figure"),
    ],
)
def test_a_mistake_in_an_alarm_is_told_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    (told,) = wrong(tmp_path, HEAD + text)
    assert told.startswith("site.toml:") or "site.toml:" in told
    assert said in told


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('accounts = ["fan-1/electricity"]\nper = "day"\n', "give either 'energy_kwh' or 'co2_kg'"),
        ('accounts = ["fan-1/gas"]\nper = "day"\nenergy_kwh = 5\n', "no account 'fan-1/gas'"),
        ('accounts = ["fan-1/electricity", "fan-1/electricity"]\nper = "day"\nco2_kg = 5\n', "stands twice"),
        ('accounts = ["steam"]\nper = "day"\nco2_kg = 5\n', "'steam' is no name of an account"),
    ],
)
def test_a_mistake_in_a_budget_is_told(tmp_path: Path, text: str, said: str) -> None:
    (told,) = wrong(tmp_path, f'[[budget]]\nname = "b"\n{text}')
    assert said in told
