"""What a plant measured of its fuels comes before the sets, with its evidence."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from agent.carbon.emission import Choices, Conversion, conversion
from agent.carbon.errors import CarbonError
from agent.carbon.factor_set import Density
from agent.carbon.factors import FactorLibrary
from agent.carbon.library import load_library
from agent.carbon.measured import Measured

WHEN = date(2026, 11, 20)
A = "GB/T 32151.34-2024"


@pytest.fixture(scope="module")
def library() -> FactorLibrary:
    return load_library()


def analysis(
    ncv_gj: float | None = None,
    ncv_unit: str = "",
    carbon_content: float | None = None,
    oxidation: float | None = None,
    density: Density | None = None,
) -> Measured:
    since = date(2026, 3, 1)
    return Measured(
        ncv_gj, ncv_unit, carbon_content, oxidation, density, since, None, "Works laboratory", "Report 2026-17"
    )


HEAT = replace(analysis(), co2_t_per_gj=0.06)


def burnt(library: FactorLibrary, carrier: str, unit: str, measured: Measured, fuel_set: str = A) -> Conversion:
    return conversion(
        library, carrier=carrier, unit=unit, when=WHEN, choices=Choices("CN-AH", fuel_set), measured=measured
    )


def test_a_measured_calorific_value_comes_before_that_of_the_set(library: FactorLibrary) -> None:
    # 36.2 MJ/Nm3; carbon 0.0153 tC/GJ and oxidation 0.99 stay those of Table C.1
    found = burnt(library, "natural_gas", "Nm3", analysis(0.0362, "Nm3"))

    assert found.kwh_per_unit == pytest.approx(36.2 / 3.6)
    assert found.kgce_per_unit == pytest.approx(36.2 / 29.3076)
    assert found.co2_kg_per_unit == pytest.approx(36.2 * 0.0153 * 0.99 * 44 / 12)
    assert (found.factor.set, found.factor.id, found.factor.source) == ("measured", "natural_gas", "Report 2026-17")
    assert found.factor.note == (
        "calorific value measured by Works laboratory: Report 2026-17, from 2026-03-01; "
        f"carbon content, oxidation of {A}"
    )
    assert found.factor.confidence == "measured; verified(secondary)"


@pytest.mark.parametrize(
    ("carrier", "carbon", "ncv", "density", "kg_per_litre"),
    [("diesel", 0.0202, 0.0430, 0.845, 2.691), ("gasoline", 0.0189, 0.0443, 0.775, 2.379)],
)
def test_oil_by_volume_meets_a_published_table(
    library: FactorLibrary, carrier: str, carbon: float, ncv: float, density: float, kg_per_litre: float
) -> None:
    # greencleanguide.com, "Calculate CO2 emissions from fossil fuel combustion": 20.2 (18.9) kg C/GJ, oxidised wholly,
    # 43 (44.3) TJ/Gg, 0.845 (0.775) kg/L, 44/12: 2.691 kg/L of diesel, 2.379 kg/L of petrol
    measured = analysis(ncv, "kg", carbon, 1.0, Density(density, "m3"))
    found = burnt(library, carrier, "L", measured)

    assert found.co2_kg_per_unit == pytest.approx(kg_per_litre, abs=0.0006)
    assert found.factor.confidence == "measured"


def test_a_density_alone_lets_oil_be_counted_by_volume(library: FactorLibrary) -> None:
    # 1 m3 x 0.84 t/m3 x 42.652 GJ/t / 0.0036 = 9952.1 kWh
    found = burnt(library, "diesel", "m3", analysis(density=Density(0.84, "m3")))

    assert found.kwh_per_unit == pytest.approx(9952.13, abs=0.01)


def test_a_density_per_normal_volume_lets_gas_be_counted_by_factors_per_tonne(library: FactorLibrary) -> None:
    # IPCC 2006: 48.0 GJ/t, 0.0153 tC/GJ; 1000 Nm3 x 0.75 kg/Nm3 = 0.75 t: 36 GJ, 36 x 0.0153 x 44/12 = 2.0196 t.
    # At 20 °C the same volume holds 273.15/293.15 of it.
    measured = analysis(density=Density(0.00075, "Nm3"))
    normal, warm = (burnt(library, "natural_gas", unit, measured, "IPCC-2006") for unit in ("Nm3", "m3(20C)"))

    assert normal.kwh_per_unit * 1000 == pytest.approx(36_000 / 3.6)
    assert normal.co2_kg_per_unit == pytest.approx(2.0196, rel=1e-6)
    assert warm.kwh_per_unit == pytest.approx(normal.kwh_per_unit * 273.15 / 293.15)


@pytest.mark.parametrize("carrier", ["anthracite", "diesel"])
def test_methane_of_an_unverified_table_stays_marked_whatever_else_was_measured(tmp_path: Path, carrier: str) -> None:
    # The CO2 factor of diesel was checked against its source; CH4 and N2O of the same set were not.
    (tmp_path / "own.toml").write_text(
        'id = "own"\ntitle = "g"\ntitle_zh = "g"\nissuer = "works"\nsource = "AR6, read by us"\n'
        '[gwp]\nown = { ch4 = 27.9, n2o = 273, confidence = "verified(print)" }\n'
    )
    own = load_library([tmp_path / "own.toml"])
    found = conversion(
        own,
        carrier=carrier,
        unit="t",
        when=WHEN,
        choices=Choices("CN-AH", "IPCC-2006", gwp="own"),
        measured=analysis(0.0262, "kg", 0.0268, 1.0),
    )

    assert not found.factor.unverified  # all of the CO2 was measured
    assert found.unverified
    assert found.factor.note.endswith("; CH4, N2O of IPCC-2006")


def test_coal_as_received_by_its_analysis(library: FactorLibrary) -> None:
    # 20.4 MJ/kg, 0.0253 tC/GJ, oxidation 0.93 of the set: 20.4 x 0.0253 x 0.93 x 44/12 = 1.75996 t/t
    found = burnt(library, "bituminous_coal", "t", analysis(0.0204, "kg", 0.0253))

    assert found.kgce_per_unit == pytest.approx(20_400 / 29.3076)
    assert found.co2_kg_per_unit == pytest.approx(1759.97, abs=0.01)


def test_a_fuel_that_no_set_has_is_burnt_by_its_whole_analysis(library: FactorLibrary) -> None:
    found = burnt(library, "process_gas", "Nm3", analysis(0.0108, "Nm3", 0.0, 1.0))

    assert found.co2_kg_per_unit == 0.0
    assert found.kwh_per_unit == pytest.approx(3.0)


def test_another_analysis_has_another_version(library: FactorLibrary) -> None:
    first, second = (burnt(library, "natural_gas", "Nm3", analysis(ncv, "Nm3")) for ncv in (0.0362, 0.0363))

    assert first.factor.version != second.factor.version


def test_the_suppliers_figure_of_heat_comes_before_the_default(library: FactorLibrary) -> None:
    # GB/T 32150-2025, 7.5.6: measured first; Shanghai's local figure is 0.06 tCO2/GJ
    found = burnt(library, "steam", "GJ", HEAT)

    assert (found.co2_kg_per_unit, found.kgce_per_unit) == (60.0, 34.12)
    assert found.factor.note == "CO2 measured by Works laboratory: Report 2026-17, from 2026-03-01"
    assert found.factor.confidence == "measured"


@pytest.mark.parametrize(
    ("carrier", "unit", "measured", "fuel_set", "what"),
    [
        ("natural_gas", "Nm3", HEAT, A, "is burnt here"),
        ("steam", "GJ", analysis(0.0426, "kg"), A, "give co2_per_gj"),
        ("electricity", "kWh", analysis(0.0426, "kg"), A, "electricity is no fuel"),
        ("diesel", "t", analysis(0.0426, "kg"), "GB/T 2589-2020 A.1", "no carbon content or oxidation"),
        ("compressed_air", "m3", analysis(0.001, "m3"), A, "is no fuel"),
        ("process_gas", "Nm3", analysis(0.0108, "Nm3"), A, "unknown carrier"),
        ("natural_gas", "t", analysis(0.0362, "Nm3"), A, "cannot be counted in t"),
        ("natural_gas", "Nm3", analysis(density=Density(0.84, "m3")), "IPCC-2006", 'density = "0.75 kg/Nm3"'),
        ("diesel", "L", analysis(density=Density(0.00075, "Nm3")), A, 'density = "0.84 t/m3"'),
    ],
)
def test_an_analysis_that_does_not_suffice_says_so(
    library: FactorLibrary, carrier: str, unit: str, measured: Measured, fuel_set: str, what: str
) -> None:
    with pytest.raises(CarbonError, match=what):
        burnt(library, carrier, unit, measured, fuel_set)
