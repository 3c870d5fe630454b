"""Worked examples, one per carrier, with the arithmetic visible and the factor cited."""

from datetime import date

import pytest

from agent.carbon.emission import Choices, Conversion, carriers, conversion
from agent.carbon.errors import CarbonError
from agent.carbon.factors import FactorLibrary
from agent.carbon.library import load_library

WHEN = date(2026, 11, 20)
A = "GB/T 32151.34-2024"
B = "NDRC-2015-other-industry"


@pytest.fixture(scope="module")
def library() -> FactorLibrary:
    return load_library()


def convert(
    library: FactorLibrary,
    carrier: str,
    unit: str,
    *,
    when: date = WHEN,
    region: str = "CN-AH",
    fuel_set: str = A,
) -> Conversion:
    return conversion(library, carrier=carrier, unit=unit, when=when, choices=Choices(region, fuel_set))


# carrier, unit, amount, set | kWh | kgce | kgCO2
# NCV, CC and OF: GB/T 32151.34-2024, Table C.1 (set A); NDRC 2015, Table 2.1 (set B); 29.3076 MJ/kgce: GB/T 2589-2020.
FUELS = [
    pytest.param(
        *("natural_gas", "Nm3", 412.5, A),
        412.5 * 38.931 / 3.6,  # 4460.8 kWh, 38.931 MJ/Nm3
        412.5 * 38.931 / 29.3076,  # 547.9 kgce
        412.5 * 0.038931 * 0.0153 * 0.99 * 44 / 12 * 1000,  # 891.9 kg
        id="natural gas",
    ),
    pytest.param(
        *("natural_gas", "m3(20C)", 1000.0, A),
        1000 * 273.15 / 293.15 * 38.931 / 3.6,  # 20 °C holds 6.8 % less than 0 °C
        1000 * 273.15 / 293.15 * 38.931 / 29.3076,
        1000 * 273.15 / 293.15 * 2.16218881,  # kg/Nm3
        id="natural gas at 20 °C",
    ),
    pytest.param(
        *("bituminous_coal", "t", 2.0, A),
        2 * 19_570 / 3.6,
        2 * 19_570 / 29.3076,
        2 * 19.57 * 0.0261 * 0.93 * 44 / 12 * 1000,  # 2 x 1741.7 kg
        id="bituminous coal",
    ),
    pytest.param(
        *("bituminous_coal", "t", 2.0, B),
        2 * 23_204 / 3.6,
        2 * 23_204 / 29.3076,
        2 * 23.204 * 0.02618 * 0.93 * 44 / 12 * 1000,  # 2 x 2071.5 kg: 19 % more than set A
        id="bituminous coal, the other set",
    ),
    pytest.param(
        *("diesel", "kg", 850.0, A),
        850 * 42.652 / 3.6,
        850 * 42.652 / 29.3076,
        850 * 0.042652 * 0.0202 * 0.98 * 44 / 12 * 1000,  # 3.0959 kg/kg
        id="diesel",
    ),
    pytest.param(
        *("coke_oven_gas", "Nm3", 10_000.0, A),
        179_810 / 3.6,
        179_810 / 29.3076,
        179.81 * 0.01358 * 0.99 * 44 / 12 * 1000,  # 8863.8 kg
        id="coke-oven gas",
    ),
    pytest.param(
        *("natural_gas", "t", 1.0, "IPCC-2006"),
        48_000 / 3.6,
        48_000 / 29.3076,
        48.0 * 56.1,  # 56,100 kg/TJ
        id="natural gas by mass, IPCC 2006",
    ),
]


@pytest.mark.parametrize(("carrier", "unit", "amount", "fuel_set", "kwh", "kgce", "co2_kg"), FUELS)
def test_a_fuel_becomes_energy_standard_coal_and_scope_1(
    library: FactorLibrary,
    carrier: str,
    unit: str,
    amount: float,
    fuel_set: str,
    kwh: float,
    kgce: float,
    co2_kg: float,
) -> None:
    found = convert(library, carrier, unit, fuel_set=fuel_set)

    assert found.co2_kg_per_unit is not None
    assert amount * found.kwh_per_unit == pytest.approx(kwh, rel=1e-9)
    assert amount * found.kgce_per_unit == pytest.approx(kgce, rel=1e-9)
    assert amount * found.co2_kg_per_unit == pytest.approx(co2_kg, rel=1e-5)
    assert (found.scope, found.co2_market_kg_per_unit, found.market_factor) == (1, None, None)
    assert (found.factor.set, found.factor.id) == (fuel_set, carrier)


def test_the_interval_record_of_the_contract_is_met_to_its_last_digit(library: FactorLibrary) -> None:
    found = convert(library, "natural_gas", "Nm3")

    assert found.co2_kg_per_unit is not None
    assert round(412.5 * found.kwh_per_unit, 1) == 4460.8
    assert round(412.5 * found.kgce_per_unit, 1) == 547.9
    assert round(412.5 * found.co2_kg_per_unit, 1) == 891.9
    assert found.kgce_source == "389.31 GJ/1e4Nm3 (GB/T 32151.34-2024) / 29.3076 MJ/kgce (GB/T 2589-2020)"
    assert found.unverified is False


def test_electricity_has_a_location_and_a_market_figure(library: FactorLibrary) -> None:
    # Anhui, data of 2023: 0.6553; nation without market-traded non-fossil: 0.6096 (announcement 2025 No. 47).
    found = convert(library, "electricity", "kWh", when=date(2023, 6, 1))

    assert 250 * found.kwh_per_unit == 250
    assert 250 * found.kgce_per_unit == pytest.approx(250 * 0.1229)  # 30.725 kgce, GB/T 2589-2020 Table A.2
    assert found.co2_kg_per_unit == pytest.approx(0.6553)
    assert found.co2_market_kg_per_unit == pytest.approx(0.6096)
    assert found.scope == 2
    assert (found.factor.set, found.factor.id, found.factor.note) == ("CN-grid-2023", "CN-AH", "")
    assert found.kgce_source == "0.1229 kgce/kWh (GB/T 2589-2020 Table A.2)"


def test_electricity_may_be_counted_in_megawatt_hours(library: FactorLibrary) -> None:
    found = convert(library, "electricity", "MWh", when=date(2023, 6, 1))

    assert found.kwh_per_unit == pytest.approx(1000)
    assert found.kgce_per_unit == pytest.approx(122.9)
    assert found.co2_kg_per_unit == pytest.approx(655.3)


def test_the_market_factor_says_that_it_is_a_judgement_and_from_where(library: FactorLibrary) -> None:
    market = convert(library, "electricity", "kWh").market_factor

    assert market is not None
    assert market.id == "CN"
    assert "judgement" in market.note
    assert "CN factor used for CN-AH" in market.note
    assert "2023 factor used for 2026: none published for 2026" in market.note


@pytest.mark.parametrize("carrier", ["heat", "steam", "hot_water"])
def test_purchased_heat_is_scope_2_at_eleven_hundredths_of_a_tonne_per_gigajoule(
    library: FactorLibrary, carrier: str
) -> None:
    found = convert(library, carrier, "GJ")

    assert 12.5 * found.kwh_per_unit == pytest.approx(12.5 / 0.0036)
    assert 12.5 * found.kgce_per_unit == pytest.approx(12_500 * 0.03412)  # GB/T 2589-2020 Table A.2
    assert found.co2_kg_per_unit == pytest.approx(110)  # 0.11 tCO2/GJ, GB/T 32150-2025 7.5.6
    assert (found.scope, found.co2_market_kg_per_unit) == (2, None)
    assert found.factor.set == "GB/T 32150-2025"


@pytest.mark.parametrize(
    ("carrier", "unit", "kgce"),
    [
        ("water", "t", 0.2571),
        ("water", "m3", 0.2571),  # at 1 t/m3
        ("deaerated_water", "kg", 0.0009714),
        ("compressed_air", "m3", 0.04),
        ("nitrogen_main", "m3", 0.6714),
        ("calcium_carbide", "t", 2078.6),
    ],
)
def test_a_working_medium_has_standard_coal_but_neither_scope_nor_co2(
    library: FactorLibrary, carrier: str, unit: str, kgce: float
) -> None:
    found = convert(library, carrier, unit)

    assert found.kgce_per_unit == pytest.approx(kgce)  # GB/T 2589-2020 Table B.1
    assert found.kwh_per_unit == pytest.approx(kgce * 29.3076 / 3.6)
    assert (found.scope, found.co2_kg_per_unit, found.co2_market_kg_per_unit) == (None, None, None)
    assert found.factor.unit.startswith("kgce/")


@pytest.mark.parametrize(
    ("carrier", "unit", "fuel_set", "when", "expected"),
    [
        ("natural_gas", "Nm3", A, WHEN, False),
        ("natural_gas", "Nm3", B, WHEN, True),
        ("diesel", "t", "IPCC-2006", WHEN, True),  # its CH4 and N2O, and what they are worth
        ("gasoline", "t", "IPCC-2006", WHEN, True),
        ("water", "t", A, WHEN, True),
        ("heat", "GJ", A, WHEN, False),
        ("electricity", "kWh", A, WHEN, False),
        ("electricity", "kWh", A, date(2021, 5, 1), True),  # its market figure's year was never checked
    ],
)
def test_the_mark_of_a_factor_reaches_the_conversion(
    library: FactorLibrary, carrier: str, unit: str, fuel_set: str, when: date, *, expected: bool
) -> None:
    assert convert(library, carrier, unit, fuel_set=fuel_set, when=when).unverified is expected


def test_a_region_placed_by_an_unverified_assignment_marks_the_figure(library: FactorLibrary) -> None:
    assert convert(library, "electricity", "kWh", region="CN-XZ").unverified is True


@pytest.mark.parametrize(
    ("carrier", "unit", "change", "what", "remedy"),
    [
        ("natrual_gas", "Nm3", {}, "unknown carrier 'natrual_gas'", "did you mean 'natural_gas'"),
        ("coal", "t", {}, "carrier 'coal' says too little", "bituminous_coal"),
        ("hydrogen", "Nm3", {}, f"factor set '{A}' has no 'hydrogen'", "sets that have it: GB/T 2589-2020 A.1"),
        ("natural_gas", "Nm3", {"fuel_set": "GB/T 32151.34"}, "unknown factor set", f"did you mean '{A}'"),
        ("natural_gas", "m3", {}, "'natural_gas' cannot be counted in m3, which measures volume", "Nm3 or m3(20C)"),
        ("diesel", "L", {}, "'diesel' cannot be counted in L", "t or kg"),
        ("steam", "t", {}, "'steam' cannot be counted in t", "GJ"),
        ("electricity", "kwh", {}, "unknown unit 'kwh'", "did you mean 'kWh'"),
        ("electricity", "kWh", {"region": "CN-ANH"}, "unknown region 'CN-ANH'", "'CN-AH'"),
        ("diesel", "t", {"fuel_set": "GB/T 2589-2020 A.1"}, "gives no CO2 for 'diesel'", f"{A} or IPCC-2006"),
    ],
)
def test_what_cannot_be_converted_says_what_to_do(
    library: FactorLibrary, carrier: str, unit: str, change: dict[str, str], what: str, remedy: str
) -> None:
    with pytest.raises(CarbonError) as raised:
        convert(library, carrier, unit, **change)  # type: ignore[arg-type]  # a table of changes has no precise type

    assert what in raised.value.what
    assert remedy in raised.value.remedy


def test_every_listed_carrier_can_be_converted(library: FactorLibrary) -> None:
    units = ("kWh", "GJ", "Nm3", "t", "m3")

    for carrier in carriers(library, A):
        found = []
        for unit in units:
            try:
                found.append(convert(library, carrier, unit))
            except CarbonError as error:
                assert "cannot be counted in" in error.what  # noqa: PT017 (only the choice of the unit may fail)
        assert found, carrier
        assert all(item.kwh_per_unit > 0 and item.kgce_per_unit > 0 for item in found)


def test_a_coefficient_without_carbon_gives_no_co2_and_names_the_sets_that_do(library: FactorLibrary) -> None:
    with pytest.raises(
        CarbonError,
        match=f"gives no CO2 for 'converter_gas': choose {A} or IPCC-2006 or {B}, or give its carbon_content",
    ):
        convert(library, "converter_gas", "Nm3", fuel_set="NBS")
