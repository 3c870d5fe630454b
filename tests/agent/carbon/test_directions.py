"""What leaves the site, what it makes itself, and the equivalent value of electricity."""

from datetime import date

import pytest

from agent.carbon.emission import Choices, Conversion, conversion
from agent.carbon.errors import CarbonError
from agent.carbon.factors import FactorLibrary
from agent.carbon.library import load_library

WHEN = date(2026, 11, 20)
CHOICES = Choices("CN-AH", "GB/T 32151.34-2024")


@pytest.fixture(scope="module")
def library() -> FactorLibrary:
    return load_library()


def electricity(library: FactorLibrary, direction: str, choices: Choices = CHOICES, when: date = WHEN) -> Conversion:
    return conversion(library, carrier="electricity", unit="kWh", when=when, choices=choices, direction=direction)


def test_exported_electricity_is_subtracted(library: FactorLibrary) -> None:
    # GB/T 32150-2025, 7.5.7: with the factor of what is bought; Anhui 0.6553, residual 0.6096 (2023)
    sold = electricity(library, "export")

    assert (sold.kwh_per_unit, sold.kgce_per_unit) == (-1.0, -0.1229)
    assert (sold.co2_kg_per_unit, sold.co2_market_kg_per_unit, sold.scope) == (-0.6553, -0.6096, 2)
    assert sold.physical_kwh_per_unit == 1.0
    assert "subtracted" in sold.factor.note


def test_bought_and_sold_again_leaves_nothing(library: FactorLibrary) -> None:
    bought, sold = electricity(library, "import"), electricity(library, "export")

    assert bought.kwh_per_unit + sold.kwh_per_unit == 0
    assert (bought.co2_kg_per_unit or 0) + (sold.co2_kg_per_unit or 0) == 0


def test_own_generation_is_energy_without_emission(library: FactorLibrary) -> None:
    made = electricity(library, "generation")

    assert (made.kwh_per_unit, made.kgce_per_unit) == (1.0, 0.1229)
    assert (made.co2_kg_per_unit, made.co2_market_kg_per_unit) == (0.0, 0.0)
    assert (made.factor.set, made.factor.id, made.unverified) == ("own-energy", "generation", False)


@pytest.mark.parametrize("direction", ["charge", "discharge"])
def test_what_a_storage_moves_counts_nothing_a_second_time(library: FactorLibrary, direction: str) -> None:
    moved = electricity(library, direction)

    assert (moved.kwh_per_unit, moved.kgce_per_unit, moved.co2_kg_per_unit) == (0.0, 0.0, 0.0)
    assert moved.physical_kwh_per_unit == 1.0


def test_exported_heat_is_subtracted(library: FactorLibrary) -> None:
    sold = conversion(library, carrier="steam", unit="GJ", when=WHEN, choices=CHOICES, direction="export")

    assert (sold.kgce_per_unit, sold.co2_kg_per_unit) == (-34.12, -110.0)


@pytest.mark.parametrize(("carrier", "unit", "direction"), [("heat", "GJ", "charge"), ("natural_gas", "Nm3", "export")])
def test_only_electricity_and_heat_have_a_direction(
    library: FactorLibrary, carrier: str, unit: str, direction: str
) -> None:
    with pytest.raises(CarbonError, match=f"has no direction '{direction}'"):
        conversion(library, carrier=carrier, unit=unit, when=WHEN, choices=CHOICES, direction=direction)


RATES = Choices("CN-AH", CHOICES.fuel_set, coal_rates={2023: (0.302, "bulletin of 2024"), 2025: (0.300, "of 2026")})


@pytest.mark.parametrize(
    ("when", "rate", "note"),
    [
        (date(2026, 5, 1), 0.300, "coal rate of 2025 (of 2026)"),
        (date(2025, 5, 1), 0.302, "coal rate of 2023, in place of that of 2024 (bulletin of 2024)"),
        (date(2023, 5, 1), None, ""),
    ],
)
def test_the_equivalent_value_is_that_of_the_year_before(
    library: FactorLibrary, when: date, rate: float | None, note: str
) -> None:
    # GB/T 2589-2020, Table A.2: the equivalent value is the coal rate of generation in the year before
    found = electricity(library, "import", RATES, when)

    assert found.kgce_equivalent_per_unit == rate
    assert note in found.kgce_equivalent_source
    assert found.kgce_per_unit == 0.1229


def test_methane_and_nitrous_oxide_come_with_the_set_that_has_them(library: FactorLibrary) -> None:
    # IPCC 2006, diesel: 43.0 GJ/t; 74,100 / 3 / 0.6 kg/TJ; AR5: 28 and 265
    #   CH4 0.043 TJ x 3 = 0.129 kg;  N2O 0.043 x 0.6 = 0.0258 kg
    #   CO2e = 43 x 0.020209 x 44/12 x 1000 + 0.129 x 28 + 0.0258 x 265 = 3186.286 + 3.612 + 6.837 = 3196.735 kg/t
    burnt = conversion(
        library, carrier="diesel", unit="t", when=WHEN, choices=Choices("CN-AH", "IPCC-2006"), direction="import"
    )

    assert (burnt.ch4_kg_per_unit, burnt.n2o_kg_per_unit, burnt.gwp) == pytest.approx((0.129, 0.0258, "AR5"))
    assert burnt.co2e_kg_per_unit == pytest.approx(3196.735, abs=0.001)
    assert burnt.unverified is True


def test_another_report_gives_another_equivalent(library: FactorLibrary) -> None:
    choices = Choices("CN-AH", "IPCC-2006", gwp="AR6")
    burnt = conversion(library, carrier="diesel", unit="t", when=WHEN, choices=choices)

    # 3186.286 + 0.129 x 27.9 + 0.0258 x 273
    assert burnt.co2e_kg_per_unit == pytest.approx(3186.2857 + 3.5991 + 7.0434, abs=0.001)
