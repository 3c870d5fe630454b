"""Accounts that pressure, temperature or a contract decide: from registers to the record, worked out by hand.

What is weighed is conserved like any amount: the intervals add up to what was booked, across gaps and restarts.
"""

import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from agent.books.columns import AMOUNT, CO2_KG, CO2_MARKET_KG
from agent.books.interval_body import interval_body
from agent.books.ledger import Ledger
from agent.carbon.condition import State, steam_gj_per_t
from agent.carbon.steam import SteamReference
from agent.config import ConfigError, SiteConfig
from agent.metering.amount import QUANTA_PER_UNIT
from agent.metering.interval import ClosedInterval
from agent.schemas import DOCUMENTS
from tests.agent.frames import SITE, configured, frame, frame_at

NS = 10**9
EIGHT = int(datetime(2026, 11, 20, 8, tzinfo=UTC).timestamp()) * NS
QUARTER = 900 * NS

BOILER = """
[[device]]
name = "boiler-1"
area = "boiler-house"
line = "hall"
unit = 1
profile = "generic/steam-boiler"
every = "5min"

[[account]]
name = "boiler-1/steam"
device = "boiler-1"
carrier = "steam"
from = "steam_mass"
pressure = "steam_pressure"
temperature = "steam_temperature"
"""
GAS_METER = """
model = "meters of this test"
kind = "gas-meter"
source = "defined by this test"
function = 3
type = "uint32"

[points]
gas_volume_actual = { address = 0, unit = "m3", counter = { bits = 32 } }
gas_pressure      = { address = 2, scale = 0.1, unit = "kPa" }
gas_temperature   = { address = 4, scale = 0.1, unit = "°C" }
water_volume      = { address = 6, scale = 0.1, unit = "m3", counter = { bits = 32 } }
supply_temperature = { address = 8, scale = 0.1, unit = "°C" }
return_temperature = { address = 10, scale = 0.1, unit = "°C" }
active_energy_import = { address = 12, unit = "kWh", counter = { bits = 32 } }
"""
METER = """
[[device]]
name = "meter-1"
area = "network"
line = "hall"
unit = 2
profile = "meters.toml"
every = "5min"
"""
GAS = """
[[account]]
name = "meter-1/natural_gas"
device = "meter-1"
carrier = "natural_gas"
from = "gas_volume_actual"
pressure = "gas_pressure"
pressure_is = "gauge"
temperature = "gas_temperature"
"""
POWER = """
[[account]]
name = "meter-1/electricity"
device = "meter-1"
carrier = "electricity"
from = "active_energy_import"
"""
FUEL = '\n[[fuel]]\ncarrier = "natural_gas"\nfrom = 2026-01-01\nby = "x"\ndocument = "y"\n'
GREEN = """
[[green_power]]
certificate = "GEC-2026-1"
contract = "contract 17 of 2025-12-01"
accounts = ["meter-1/electricity"]
from = 2026-01-01
to = 2026-12-31
"""


class Desk:
    """A ledger with its configuration, and what its registers show."""

    def __init__(self, folder: Path, text: str, start_ns: int = EIGHT, boot_id: str = "", *, site: str = SITE) -> None:
        (folder / "meters.toml").write_text(GAS_METER, encoding="utf-8")
        self.config: SiteConfig = configured(folder, site + text)
        self.ledger = Ledger(self.config, self.config.library, start_ns=start_ns, boot_id=boot_id)

    def steam(self, time_ns: int, counts: int, pressure: int = 899, temperature: int = 2000) -> None:
        """Read the boiler: steam in kg, pressure in kPa above the atmosphere, temperature in tenths of °C."""
        registers = {0x12: f"{counts:08x}", 0x29: f"{pressure:04x}", 0x2A: f"{temperature:04x}"}
        self.ledger.take(frame("boiler-1", self.config.profiles["boiler-1"], registers, time_ns))

    def meter(self, time_ns: int, **registers: int) -> None:
        """Read the meters by the names of their points."""
        profile = self.config.profiles["meter-1"]
        held = {profile.point(name).address: f"{count:08x}" for name, count in registers.items()}
        self.ledger.take(frame("meter-1", profile, held, time_ns))

    def closed(self, account: str, now_ns: int) -> list[ClosedInterval]:
        """Close and return what is due."""
        book, found = self.ledger.books[account], []
        while interval := book.due(now_ns):
            book.close(interval)
            found.append(interval)
        return found

    def body(self, account: str, interval: ClosedInterval) -> dict[str, Any]:
        """Return the record of an interval."""
        entry = self.ledger.books[account].account
        conversions = self.ledger.conversions
        weight = conversions.at(entry, interval.start_ns)
        certificates = conversions.certificates(entry, interval.start_ns)
        body = interval_body("works", entry, self.ledger.point_of(entry), interval, weight, certificates)
        recorded = {**body, "seq": 1, "epoch": "e", "previous": f"sha256:{'0' * 64}", "hash": f"sha256:{'1' * 64}"}
        assert not list(Draft202012Validator(DOCUMENTS["interval"]()).iter_errors(recorded))
        return body


def test_steam_is_counted_by_its_heat(tmp_path: Path) -> None:
    # 12 500 kg in a quarter of an hour, 0.899 MPa above 101.325 kPa = 1.000 325 MPa, 200.0 °C: 2828.3 kJ/kg (IF97)
    #   heat 12.5 t x 2.8283 GJ/t = 35.353 GJ;  x 34.12 = 1206.3 kgce;  x 0.11 t/GJ = 3888.9 kg
    desk = Desk(tmp_path, BOILER)
    desk.steam(EIGHT, 1_000_000)
    desk.steam(EIGHT + QUARTER, 1_012_500)
    (interval,) = desk.closed("boiler-1/steam", EIGHT + QUARTER)

    body = desk.body("boiler-1/steam", interval)

    assert (body["counted"], body["counted_unit"], body["unit"]) == (12.5, "t", "GJ")
    assert body["amount"] == pytest.approx(35.353, abs=0.005)
    assert body["kgce"] == pytest.approx(1206.3, abs=0.2)
    assert (body["scope"], body["co2_kg"]) == (2, pytest.approx(3888.9, abs=0.6))
    shown = body["evidence"]["open"]
    assert (shown["raw"], shown["value"]) == (1_000_000, 1000.0)
    assert shown["condition"]["pressure_kpa"] == pytest.approx(1000.325)
    assert shown["condition"]["temperature_degc"] == 200.0
    assert body["amount"] == pytest.approx(12.5 * shown["condition"]["weight"], abs=1e-6)
    assert "decisions" not in body["evidence"]


def test_steam_between_two_states_counts_by_their_mean(tmp_path: Path) -> None:
    desk = Desk(tmp_path, BOILER)
    desk.steam(EIGHT, 50_000, pressure=799, temperature=2000)
    desk.steam(EIGHT + QUARTER, 60_000, pressure=999, temperature=2600)
    (interval,) = desk.closed("boiler-1/steam", EIGHT + QUARTER)

    first, second = (
        steam_gj_per_t(State(kpa + 101.325, degc), SteamReference.NONE) for kpa, degc in ((799, 200), (999, 260))
    )
    assert interval.quanta / QUANTA_PER_UNIT == pytest.approx(10 * (first + second) / 2, abs=1e-6)


def test_a_reference_that_is_measured_takes_the_feed_water_off(tmp_path: Path) -> None:
    text = '\n[carbon]\nsteam_reference = "feed_water"\n' + BOILER + 'return_temperature = "104 °C"\n'
    desk = Desk(tmp_path, text)
    desk.steam(EIGHT, 50_000)
    desk.steam(EIGHT + QUARTER, 60_000)
    (interval,) = desk.closed("boiler-1/steam", EIGHT + QUARTER)

    # 2828.3 - 436.6 kJ/kg (104 °C at 1 MPa)
    assert interval.quanta / QUANTA_PER_UNIT == pytest.approx(10 * 2.3917, abs=0.004)


@pytest.mark.parametrize(("reference", "marked"), [("none", False), ("feed_water_83.74", True)])
def test_heat_above_an_unverified_reference_is_marked(tmp_path: Path, reference: str, marked: bool) -> None:  # noqa: FBT001  # a case, not a switch
    # 10 t at 1.000 325 MPa and 200.0 °C: 28.283 GJ, less 10 t x 83.74 kJ/kg = 0.8374 GJ of feed water
    desk = Desk(tmp_path, f'\n[carbon]\nsteam_reference = "{reference}"\n' + BOILER)
    desk.steam(EIGHT, 50_000)
    desk.steam(EIGHT + QUARTER, 60_000)
    (interval,) = desk.closed("boiler-1/steam", EIGHT + QUARTER)

    body = desk.body("boiler-1/steam", interval)

    assert body["amount"] == pytest.approx(28.283 - (0.8374 if marked else 0.0), abs=0.004)
    assert body.get("unverified", False) is marked


def test_gas_of_an_actual_meter_is_counted_at_zero_degrees(tmp_path: Path) -> None:
    # 100 m3 at 300 kPa above 101.325 kPa and 20 °C: 100 x 401.325 / 101.325 x 273.15 / 293.15 = 369.0548 Nm3
    #   x 38.931 MJ/Nm3 / 3.6 = 3991.02 kWh;  x 38.931 x 0.0153 x 0.99 x 44/12 = 797.966 kg
    desk = Desk(tmp_path, METER + GAS)
    for time_ns, count in ((EIGHT, 5000), (EIGHT + QUARTER, 5100)):
        desk.meter(time_ns, gas_volume_actual=count, gas_pressure=3000, gas_temperature=200)
    (interval,) = desk.closed("meter-1/natural_gas", EIGHT + QUARTER)

    body = desk.body("meter-1/natural_gas", interval)

    assert (body["amount"], body["unit"]) == (pytest.approx(369.054843, abs=1e-6), "Nm3")
    assert (body["counted"], body["counted_unit"]) == (100.0, "m3")
    assert body["energy_kwh"] == pytest.approx(3991.02, abs=0.01)
    assert body["co2_kg"] == pytest.approx(797.966, abs=0.001)


@pytest.mark.parametrize(("own", "atmosphere_kpa"), [("", 81.2), ('atmosphere = "90 kPa"\n', 90.0)])
def test_gauge_pressures_are_above_the_atmosphere_of_the_site_or_of_their_account(
    tmp_path: Path, own: str, atmosphere_kpa: float
) -> None:
    # By hand: 100 m3 at 300 kPa above the air and 0 °C are 100 x (300 + air) / 101.325 Nm3.
    site = SITE.replace("[site]", '[site]\natmosphere = "81.2 kPa"')
    desk = Desk(tmp_path, METER + GAS + own, site=site)
    for time_ns, count in ((EIGHT, 5000), (EIGHT + QUARTER, 5100)):
        desk.meter(time_ns, gas_volume_actual=count, gas_pressure=3000, gas_temperature=0)
    (interval,) = desk.closed("meter-1/natural_gas", EIGHT + QUARTER)

    body = desk.body("meter-1/natural_gas", interval)

    assert body["amount"] == pytest.approx(100 * (300 + atmosphere_kpa) / 101.325, abs=1e-5)


def test_hot_water_is_counted_by_the_heat_it_left(tmp_path: Path) -> None:
    # 120 m3 from 70 to 55 °C, the meter in the return (0.9864 t/m3 with 62.7 kJ/kg): about 2062 kWh
    account = '\n[[account]]\nname = "meter-1/heat"\ndevice = "meter-1"\ncarrier = "hot_water"\nfrom = "water_volume"\n'
    account += 'temperature = "supply_temperature"\nreturn_temperature = "return_temperature"\n'
    desk = Desk(tmp_path, METER + account)
    for time_ns, count in ((EIGHT, 8000), (EIGHT + QUARTER, 9200)):
        desk.meter(time_ns, water_volume=count, supply_temperature=700, return_temperature=550)
    (interval,) = desk.closed("meter-1/heat", EIGHT + QUARTER)

    assert desk.body("meter-1/heat", interval)["energy_kwh"] == pytest.approx(2093.4 * 0.9864, rel=0.002)


def test_a_state_that_is_gone_is_held_and_said_to_be_stale(tmp_path: Path) -> None:
    desk = Desk(tmp_path, BOILER)
    desk.steam(EIGHT, 50_000)
    desk.steam(EIGHT + QUARTER // 3, 54_000, pressure=0xFFFF)
    desk.steam(EIGHT + 2 * QUARTER, 74_000, pressure=0xFFFF)
    intervals = desk.closed("boiler-1/steam", EIGHT + 2 * QUARTER)

    weight = steam_gj_per_t(State(1000.325, 200.0), SteamReference.NONE)
    assert sum(each.quanta for each in intervals) / QUANTA_PER_UNIT == pytest.approx(24 * weight, abs=1e-5)
    assert desk.body("boiler-1/steam", intervals[-1])["quality"] == "uncertain:stale"
    assert intervals[-1].estimated_quanta > 0


def test_without_any_state_nothing_is_weighed(tmp_path: Path) -> None:
    desk = Desk(tmp_path, BOILER)
    desk.steam(EIGHT, 50_000, pressure=0xFFFF)
    desk.steam(EIGHT + QUARTER // 3, 54_000, pressure=0xFFFF)
    desk.steam(EIGHT + QUARTER // 2, 55_000)

    assert desk.ledger.books["boiler-1/steam"].columns.present[AMOUNT] == 0.0


@pytest.mark.parametrize("seed", range(5))
def test_what_is_weighed_is_conserved_across_gaps_and_restarts(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311  # a story, not a secret
    desk, count, exact, time_ns, last = Desk(tmp_path, BOILER), 900_000, 0.0, EIGHT, 0.0
    booked: list[ClosedInterval] = []
    for _ in range(60):
        pressure, temperature = chance.randrange(700, 1000), chance.randrange(1900, 3000)
        grown = chance.randrange(0, 3000)
        count += grown
        desk.steam(time_ns, count, pressure, temperature)
        weight = steam_gj_per_t(State(pressure + 101.325, temperature / 10), SteamReference.NONE)
        exact += grown / 1000 * (weight + last) / 2 if last else 0.0
        last = weight
        time_ns += chance.choice([60, 300, 300, 300, 7000]) * NS
        booked += desk.closed("boiler-1/steam", time_ns - 60 * NS)
        if chance.random() < 0.2:
            states = dict(desk.ledger.states())
            desk = Desk(tmp_path, BOILER, time_ns)
            desk.ledger.restore(states.get)
    book = desk.ledger.books["boiler-1/steam"]
    latest = {each.start_ns: each.quanta for each in booked}
    counted = {each.start_ns: each.counted_quanta or 0 for each in booked}

    assert sum(latest.values()) + book.intervals.pending_quanta == round(
        float(book.columns.present[AMOUNT]) * QUANTA_PER_UNIT
    )
    assert float(book.columns.present[AMOUNT]) == pytest.approx(exact, abs=1e-6)
    assert all(weighed >= 2 * counted[start] for start, weighed in latest.items())


@pytest.mark.parametrize("seed", range(5))
def test_what_is_weighed_is_conserved_whatever_the_wall_clock_does(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311  # a story, not a secret
    desk, count, monotonic_ns, astray_ns = Desk(tmp_path, BOILER, boot_id="a"), 900_000, EIGHT, 0
    profile = desk.config.profiles["boiler-1"]
    latest: dict[int, ClosedInterval] = {}
    for _ in range(80):
        count += chance.randrange(0, 3000)
        registers = {0x12: f"{count:08x}", 0x29: f"{chance.randrange(700, 1000):04x}", 0x2A: "09c4"}
        time_ns = monotonic_ns + astray_ns
        desk.ledger.take(frame_at("boiler-1", profile, registers, time_ns, monotonic_ns))
        latest |= {each.start_ns: each for each in desk.closed("boiler-1/steam", time_ns - 60 * NS)}
        monotonic_ns += chance.choice([60, 300, 300, 2000]) * NS
        astray_ns += chance.choice([0, 0, 0, 0, 0, -1500, 900]) * NS
    book = desk.ledger.books["boiler-1/steam"]
    counted = sum(each.counted_quanta or 0 for each in latest.values())

    booked = round(float(book.columns.present[AMOUNT]) * QUANTA_PER_UNIT)
    assert sum(each.quanta for each in latest.values()) + book.intervals.pending_quanta == booked
    assert 2.7 * counted < sum(each.quanta for each in latest.values()) < 3.0 * counted


def test_a_contract_makes_its_amount_green_and_no_more(tmp_path: Path) -> None:
    # 300 kWh by contract; 200 kWh in each quarter: 200 green, then 100, then none
    #   market: 0;  100 x 0.6096 = 60.96 kg;  200 x 0.6096 = 121.92 kg.  Location: 200 x 0.6553 = 131.06 kg each.
    desk = Desk(tmp_path, METER + POWER + GREEN + 'amount = "300 kWh"\n')
    for quarter in range(4):
        desk.meter(EIGHT + quarter * QUARTER, active_energy_import=1000 + 200 * quarter)
    bodies = [
        desk.body("meter-1/electricity", each) for each in desk.closed("meter-1/electricity", EIGHT + 3 * QUARTER)
    ]

    assert [body.get("green_kwh") for body in bodies] == [200.0, 100.0, None]
    assert [body["co2_market_kg"] for body in bodies] == [0.0, 60.96, 121.92]
    assert {body["co2_location_kg"] for body in bodies} == {131.06}
    assert bodies[0]["certificates"] == ["GEC-2026-1"]
    assert "certificates" not in bodies[2]
    column = desk.ledger.books["meter-1/electricity"].columns.present
    assert column[CO2_MARKET_KG] == pytest.approx(182.88)
    assert column[CO2_KG] == pytest.approx(393.18)


def test_a_restart_uses_no_contract_twice(tmp_path: Path) -> None:
    text = METER + POWER + GREEN + 'amount = "300 kWh"\n'
    desk = Desk(tmp_path, text)
    desk.meter(EIGHT, active_energy_import=5000)
    desk.meter(EIGHT + QUARTER // 3, active_energy_import=5250)
    states = dict(desk.ledger.states())
    desk = Desk(tmp_path, text)
    desk.ledger.restore(states.get)
    desk.meter(EIGHT + 2 * QUARTER // 3, active_energy_import=5400)
    desk.meter(EIGHT + QUARTER, active_energy_import=5500)

    (interval,) = desk.closed("meter-1/electricity", EIGHT + QUARTER)
    assert interval.green_quanta == 300 * QUANTA_PER_UNIT


def test_a_restart_makes_nothing_weighed_an_estimate(tmp_path: Path) -> None:
    desk = Desk(tmp_path, BOILER)
    desk.steam(EIGHT, 50_000)
    desk.steam(EIGHT + QUARTER // 3, 54_000)
    states = dict(desk.ledger.states())
    desk = Desk(tmp_path, BOILER)
    desk.ledger.restore(states.get)
    desk.steam(EIGHT + 2 * QUARTER // 3, 58_000)
    desk.steam(EIGHT + QUARTER, 62_000)

    (interval,) = desk.closed("boiler-1/steam", EIGHT + QUARTER)
    body = desk.body("boiler-1/steam", interval)
    assert (body["counted"], body["estimated"], body["quality"]) == (12.0, 0.0, "good")


def test_a_share_is_green_in_its_period_only(tmp_path: Path) -> None:
    desk = Desk(tmp_path, METER + POWER + GREEN.replace("2026-12-31", "2026-11-19") + "share = 0.25\n")
    before = EIGHT - 86_400 * NS
    desk.meter(before, active_energy_import=5000)
    desk.meter(before + QUARTER, active_energy_import=5100)
    desk.meter(EIGHT, active_energy_import=5200)
    desk.meter(EIGHT + QUARTER, active_energy_import=5300)
    intervals = desk.closed("meter-1/electricity", EIGHT + QUARTER)

    assert (intervals[0].green_quanta, intervals[-1].green_quanta) == (25 * QUANTA_PER_UNIT, 0)


def test_a_measured_fuel_holds_from_its_day(tmp_path: Path) -> None:
    analysis = '\n[[fuel]]\ncarrier = "natural_gas"\nncv = "36.2 MJ/Nm3"\nfrom = 2026-11-20\n'
    desk = Desk(tmp_path, METER + GAS + analysis + 'by = "Works laboratory"\ndocument = "Report 2026-17"\n')
    account = desk.ledger.books["meter-1/natural_gas"].account

    day_before = desk.ledger.conversions.at(account, EIGHT - 86_400 * NS)
    same_day = desk.ledger.conversions.at(account, EIGHT)

    assert day_before is not None
    assert same_day is not None
    assert day_before.factor.set == "GB/T 32151.34-2024"
    assert same_day.factor.set == "measured"
    assert same_day.kwh_per_unit == pytest.approx(36.2 / 3.6)


def test_of_several_analyses_the_latest_holds_and_that_of_the_account_first(tmp_path: Path) -> None:
    def analysis(ncv: str, since: str, more: str = "") -> str:
        text = f'\n[[fuel]]\ncarrier = "natural_gas"\nncv = "{ncv} MJ/Nm3"\nfrom = {since}\n{more}'
        return text + 'by = "Works laboratory"\ndocument = "Report"\n'

    general = analysis("36.2", "2026-11-10") + analysis("36.4", "2026-11-12") + analysis("36.0", "2026-11-11")
    own = analysis("35.0", "2026-11-11", 'to = 2026-11-15\naccounts = ["meter-1/natural_gas"]\n')
    desk = Desk(tmp_path, METER + GAS + general + own)
    account = desk.ledger.books["meter-1/natural_gas"].account
    found = [desk.ledger.conversions.at(account, EIGHT - days * 86_400 * NS) for days in (11, 10, 5, 0)]

    heats = [round(each.kwh_per_unit * 3.6, 3) for each in found if each]
    assert heats == [38.931, 36.2, 35.0, 36.4]


def test_a_set_beside_the_configuration_can_be_chosen(tmp_path: Path) -> None:
    folder = tmp_path / "factors"
    folder.mkdir()
    row = 'unit = "Nm3", ncv = 36.0, carbon_content = 0.0150, oxidation = 1.0, confidence = "measured" }'
    (folder / "works.toml").write_text(
        'id = "works"\ntitle = "w"\ntitle_zh = "厂"\nissuer = "w"\nsource = "Report"\nncv_unit = "MJ"\n'
        f'[fuel]\nnatural_gas = {{ en = "gas", zh = "气", {row}\n',
        encoding="utf-8",
    )
    (tmp_path / "meters.toml").write_text(GAS_METER, encoding="utf-8")
    config = configured(tmp_path, SITE.replace("[[line]]", 'fuel_parameters = "works"\n[[line]]') + METER + GAS)

    assert config.library.row("works", "natural_gas").ncv == 36.0


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (BOILER.replace('pressure = "steam_pressure"\n', ""), "the pressure of 'steam' is missing"),
        (BOILER.replace("steam_pressure", "steam_presure"), "no pressure 'steam_presure' is read from the device"),
        (BOILER.replace('"steam_pressure"', '"0.9 MPa"'), "above the atmosphere's or absolute"),
        (BOILER.replace('"steam_pressure"', '"0.9 t"'), "'t' is no unit of pressure"),
        (METER + GAS.replace('pressure_is = "gauge"\n', ""), "differ by 101 kPa"),
        (METER + GAS.replace('temperature = "gas_temperature"\n', ""), "the temperature of 'natural_gas' is missing"),
        (METER + GAS + 'meter_in = "return"\n', "the temperature at the meter is missing"),
        (METER + POWER + 'pressure = "gas_pressure"\n', "does not depend on pressure"),
        (METER + POWER + 'direction = "sideways"\n', "direction"),
        (METER + POWER + GREEN, "give either amount"),
        (METER + POWER + GREEN + "share = 0.3\n" + GREEN + "share = 0.3\n", "stands twice (first in line"),
        (METER + GAS + GREEN + "share = 0.3\n", "no account 'meter-1/electricity' of bought electricity"),
        ('\n[carbon]\nsteam_reference = "feed_water"\n' + BOILER, "whose temperature is not given"),
        ('\n[carbon]\ngwp = "AR7"\n' + BOILER, "unknown global warming potentials 'AR7'"),
        ('\n[carbon]\nfactors = "own"\n' + BOILER, "there is no folder"),
        (BOILER + '\n[[fuel]]\ncarrier = "diesel"\nncv = "42 MJ/kg"\nfrom = 2026-01-01\nby = "x"\ndocument = "y"\n',
         "no account counts 'diesel'"),
        (METER + GAS + 2 * ('\n[[fuel]]\ncarrier = "natural_gas"\nncv = "36 MJ/Nm3"\nfrom = 2026-01-01\nby = "x"\n'
                            'document = "y"\n'), "was measured twice from 2026-01-01"),
        (METER + GAS + '\n[[fuel]]\ncarrier = "natural_gas"\nncv = "36 MJ"\nfrom = 2026-01-01\nby = "x"\n'
         'document = "y"\n', "no unit of a calorific value"),
        (METER + GAS + FUEL + 'density = "0.75"\n', "'0.75' is not understood"),
        (METER + GAS + FUEL + 'density = "0.75 kg/m2"\n', "use t or kg per m3, or per Nm3 of a gas"),
        (METER + GAS + FUEL + 'density = "0 kg/m3"\n', "a density is above zero"),
        (METER + GAS + FUEL + "carbon_content = 15.3\n", "carbon_content is tC/GJ, like 0.0253"),
        (METER + GAS + FUEL + "oxidation = 99\n", "oxidation is a share, like 0.99"),
        (METER + GAS + '\n[[fuel]]\ncarrier = "natural_gas"\nncv = "36 MJ/t"\nfrom = 2026-01-01\nby = "x"\n'
         'document = "y"\n', "cannot be counted in Nm3"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line(tmp_path: Path, text: str, what: str) -> None:
    with pytest.raises(ConfigError) as raised:
        Desk(tmp_path, text)

    problems = [problem for problem in raised.value.problems if what in str(problem)]
    assert problems, str(raised.value)
    assert all(problem.line > 1 for problem in problems)


def test_a_mistake_in_an_own_factor_file_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "factors").mkdir()
    (tmp_path / "factors" / "works.toml").write_text('id = "works"\ntitel = "w"\n', encoding="utf-8")

    with pytest.raises(ConfigError, match=r"works\.toml:2: unknown key 'titel'"):
        Desk(tmp_path, BOILER)
