"""A hand-checked case per account: two counter readings in, energy, standard coal and CO2 out.

Each case starts from register bytes and goes the whole way: codec, counter, interval, factor, record. The figures
expected are worked out in the comments and written down as numbers, not computed by the code they check.

Factors: heating values and carbon contents of GB/T 32151.34-2024, Table C.1; oxidation and the formula
CO2 = heat x carbon content x oxidation x 44/12 of GB/T 32150-2025, 7.5.2; 0.11 tCO2/GJ of purchased heat, the same,
7.5.6; 29.3076 MJ, 0.1229 kgce/kWh and 0.03412 kgce/MJ of GB/T 2589-2020; grid factors of MEE and NBS, announcement
No. 47 of 2025 (data of 2023: Anhui 0.6553, the nation without market-traded non-fossil electricity 0.6096 kg/kWh).
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.books.interval_body import interval_body
from agent.books.ledger import Ledger
from agent.carbon.library import load_library
from tests.agent.frames import SITE, configured, frame

LENGTH = timedelta(minutes=15)

HEAT_AND_MORE = """
model = "meters of this test"
kind = "heat-meter"
source = "defined by this test"
function = 3
type = "uint32"

[points]
heat_energy    = { address = 0, scale = 0.001, unit = "GJ", counter = { bits = 32 } }
oil_mass       = { address = 2, scale = 0.001, unit = "t", counter = { bits = 32 } }
water_volume   = { address = 4, scale = 0.1, unit = "m3", counter = { bits = 32 } }
"""

GAS = """[[device]]
name = "boiler-1"
area = "boiler-house"
line = "hall"
unit = 1
profile = "generic/steam-boiler"
every = "15min"
"""
DRIVE = """[[device]]
name = "fan-1"
area = "boiler-house"
line = "hall"
unit = 2
profile = "generic/vfd-motor"
every = "15min"
"""
METER = """[[device]]
name = "main-meter"
area = "substation"
line = "hall"
unit = 3
profile = "eastron/sdm630"
every = "15min"
"""
HEAT = """[[device]]
name = "heat-1"
area = "network"
line = "hall"
unit = 4
profile = "meters.toml"
every = "15min"
"""


def account(name: str, carrier: str, source: str) -> str:
    device = name.partition("/")[0]
    return f'\n[[account]]\nname = "{name}"\ndevice = "{device}"\ncarrier = "{carrier}"\nfrom = "{source}"\n'


@dataclass(frozen=True)
class Case:
    """Two readings 15 minutes apart, at `address`, and what the record must say."""

    config: str
    account: str
    year: int
    address: int
    opened: str
    closed: str
    says: dict[str, Any]


CASES = {
    # The contract's own example. raw 1 238 625 - 1 234 500 = 4125 counts of 0.1 Nm3 = 412.5 Nm3
    #   heat   412.5 Nm3 x 389.31 GJ / 10 000 Nm3                         = 16.059 037 5 GJ
    #   energy 16.059 037 5 GJ / 0.0036 GJ/kWh                            = 4460.843 75 kWh
    #   coal   16 059.037 5 MJ / 29.3076 MJ/kgce                          = 547.947 887 kgce
    #   CO2    16.059 037 5 GJ x 0.0153 tC/GJ x 0.99 x 44/12 x 1000 kg/t  = 891.902 884 kg
    "natural gas": Case(
        GAS,
        "boiler-1/natural_gas",
        2026,
        0x0010,
        "0012d644",
        "0012e661",
        {
            "amount": 412.5,
            "unit": "Nm3",
            "energy_kwh": 4460.84375,
            "kgce": 547.947887,
            "scope": 1,
            "co2_kg": 891.902884,
            "factor": ("GB/T 32151.34-2024", "natural_gas", None),
        },
    ),
    # raw 1 012 345 - 1 000 000 = 12 345 counts of 0.01 kWh = 123.45 kWh, in a year whose own factor is published
    #   coal   123.45 kWh x 0.1229 kgce/kWh  = 15.172 005 kgce
    #   CO2    123.45 kWh x 0.6553 kg/kWh    = 80.896 785 kg where it was used
    #          123.45 kWh x 0.6096 kg/kWh    = 75.255 12 kg by the market
    "electricity, factor of the year": Case(
        DRIVE,
        "fan-1/electricity",
        2023,
        0x0010,
        "000f4240",
        "000f7279",
        {
            "amount": 123.45,
            "unit": "kWh",
            "energy_kwh": 123.45,
            "kgce": 15.172005,
            "scope": 2,
            "co2_kg": 80.896785,
            "co2_location_kg": 80.896785,
            "co2_market_kg": 75.25512,
            "factor": ("CN-grid-2023", "CN-AH", None),
        },
    ),
    # The same readings three years later: no factor of 2026 is published, so that of 2023 stands in, and says so.
    "electricity, latest factor published": Case(
        DRIVE,
        "fan-1/electricity",
        2026,
        0x0010,
        "000f4240",
        "000f7279",
        {
            "amount": 123.45,
            "kgce": 15.172005,
            "co2_kg": 80.896785,
            "co2_market_kg": 75.25512,
            "factor": ("CN-grid-2023", "CN-AH", "2023 factor used for 2026: none published for 2026"),
        },
    ),
    # An import register in float32: 44 80 08 00 = 1.000 244 140 625 x 2^10 = 1024.25 kWh and, in the same way,
    # 44 80 1c 00 = 1024.875 kWh, so 0.625 kWh
    #   CO2    0.625 kWh x 0.6553 kg/kWh = 0.409 562 5 kg; 0.6553 is a little less in binary, so 0.409 562
    #          0.625 kWh x 0.6096 kg/kWh = 0.381 kg by the market
    "electricity, a float counter": Case(
        METER,
        "main-meter/electricity",
        2026,
        0x0048,
        "44800800",
        "44801c00",
        {"amount": 0.625, "unit": "kWh", "energy_kwh": 0.625, "co2_kg": 0.409562, "co2_market_kg": 0.381},
    ),
    # raw 20 000 - 8000 = 12 000 counts of 0.001 GJ = 12 GJ of purchased heat
    #   energy 12 GJ / 0.0036 GJ/kWh = 3333.333 333 kWh
    #   coal   12 000 MJ x 0.03412 kgce/MJ = 409.44 kgce
    #   CO2    12 GJ x 0.11 tCO2/GJ = 1320 kg
    "purchased heat": Case(
        HEAT + account("heat-1/heat", "heat", "heat_energy"),
        "heat-1/heat",
        2026,
        0,
        "00001f40",
        "00004e20",
        {
            "amount": 12.0,
            "unit": "GJ",
            "energy_kwh": 3333.333333,
            "kgce": 409.44,
            "scope": 2,
            "co2_kg": 1320.0,
            "factor": ("GB/T 32150-2025", "purchased_heat", "default; a figure measured by the supplier comes first"),
        },
    ),
    # Diesel over a mass counter: raw 250 counts of 0.001 t = 0.25 t
    #   heat   0.25 t x 42.652 GJ/t = 10.663 GJ;  / 0.0036 = 2961.944 444 kWh;  10 663 MJ / 29.3076 = 363.830 542 kgce
    #   CO2    10.663 GJ x 0.0202 tC/GJ x 0.98 x 44/12 x 1000 = 773.977 409 kg
    "diesel": Case(
        HEAT + account("heat-1/diesel", "diesel", "oil_mass"),
        "heat-1/diesel",
        2026,
        2,
        "000003e8",
        "000004e2",
        {
            "amount": 0.25,
            "unit": "t",
            "energy_kwh": 2961.944444,
            "kgce": 363.830542,
            "scope": 1,
            "co2_kg": 773.977409,
            "factor": ("GB/T 32151.34-2024", "diesel", None),
        },
    ),
    # Fresh water: 500 counts of 0.1 m3 = 50 m3;  GB/T 2589-2020, B.1: 0.2571 kgce/t, and no CO2 of its own
    #   coal   50 t x 0.2571 kgce/t = 12.855 kgce
    "fresh water": Case(
        HEAT + account("heat-1/water", "water", "water_volume"),
        "heat-1/water",
        2026,
        4,
        "00000064",
        "00000258",
        {"amount": 50.0, "unit": "m3", "kgce": 12.855, "scope": None, "co2_kg": None},
    ),
}


def booked(tmp_path: Path, case: Case, *, site: str = SITE) -> dict[str, Any]:
    """Return the record of the quarter of an hour between the case's two readings."""
    (tmp_path / "meters.toml").write_text(HEAT_AND_MORE, encoding="utf-8")
    config = configured(tmp_path, site + case.config)
    opened = datetime(case.year, 11, 20, 8, tzinfo=UTC)
    times_ns = [int(moment.timestamp()) * 10**9 for moment in (opened, opened + LENGTH)]
    ledger = Ledger(config, load_library(), start_ns=times_ns[0])
    device = case.account.partition("/")[0]
    for time_ns, registers in zip(times_ns, (case.opened, case.closed), strict=True):
        ledger.take(frame(device, config.profiles[device], {case.address: registers}, time_ns))
    closed = ledger.books[case.account].due(times_ns[1])
    assert closed
    entry = ledger.books[case.account].account
    weight = ledger.conversions.at(entry, closed.start_ns)
    return interval_body("works", entry, ledger.point_of(entry), closed, weight)


@pytest.mark.parametrize("name", CASES)
def test_two_readings_give_the_figures_worked_out_by_hand(tmp_path: Path, name: str) -> None:
    case = CASES[name]
    body = booked(tmp_path, case)

    expected = dict(case.says)
    factor_set, factor_id, note = expected.pop("factor", (None, None, None))
    assert {key: body.get(key) for key in expected} == expected
    assert body["start"] == f"{case.year}-11-20T08:00:00.000000Z"
    assert body["end"] == f"{case.year}-11-20T08:15:00.000000Z"
    assert (body["coverage"], body["estimated"], body["quality"]) == (1.0, 0.0, "good")
    if factor_set:
        assert (body["factor"]["set"], body["factor"]["id"], body["factor"].get("note")) == (
            factor_set,
            factor_id,
            note,
        )
        assert body["factor"]["version"].startswith("sha256:")


def test_the_evidence_of_the_contracts_example_is_the_two_readings_themselves(tmp_path: Path) -> None:
    body = booked(tmp_path, CASES["natural gas"])

    evidence = body["evidence"]
    assert (evidence["open"]["raw"], evidence["open"]["registers"]) == (1234500, "0012d644")
    assert (evidence["close"]["raw"], evidence["close"]["registers"]) == (1238625, "0012e661")
    assert "normal" in evidence["rules"]
    assert "decisions" not in evidence
    assert round(body["energy_kwh"], 1) == 4460.8
    assert round(body["kgce"], 1) == 547.9
    assert round(body["co2_kg"], 1) == 891.9


def test_a_flow_without_a_counter_is_integrated_and_comes_to_the_same(tmp_path: Path) -> None:
    # 1650 Nm3/h (44 ce 40 00) for a quarter of an hour = 412.5 Nm3, as in the contract's example
    config = GAS + account("boiler-1/natural_gas", "natural_gas", "gas_flow")
    case = Case(config, "boiler-1/natural_gas", 2026, 0x0020, "44ce4000", "44ce4000", {})

    body = booked(tmp_path, case)

    assert (body["amount"], body["energy_kwh"], body["co2_kg"]) == (412.5, 4460.84375, 891.902884)
    assert body["evidence"]["rules"] == ["first", "integral"]


def test_a_figure_of_an_unverified_factor_says_so(tmp_path: Path) -> None:
    case = CASES["natural gas"]

    body = booked(
        tmp_path, case, site=SITE.replace("[[line]]", 'fuel_parameters = "NDRC-2015-other-industry"\n[[line]]')
    )

    assert body["unverified"] is True
    assert body["factor"]["set"] == "NDRC-2015-other-industry"
    assert body["factor"]["confidence"] == "unverified"
    assert "unverified" not in booked(tmp_path, case)
