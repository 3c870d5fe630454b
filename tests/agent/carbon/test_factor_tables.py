"""The packaged figures against tables typed in by hand from the published ones.

Fuels: GB/T 32151.34-2024, Table C.1, and the NDRC guideline for other industrial sectors (2015), Table 2.1, with
the CO2 they lead to. Grids: announcements 2024 No. 12, 2024 No. 33 and 2025 No. 47 of MEE and NBS.
"""

from datetime import date

import pytest

from agent.carbon.factors import FactorLibrary
from agent.carbon.library import load_library

# id | NCV [GJ/unit], CC [tC/GJ], OF and tCO2/unit of set A | NCV and tCO2/unit of set B
FUELS = """
anthracite        | 26.7    .0274   .94  2.5215 | 24.515  2.3228
bituminous_coal   | 19.57   .0261   .93  1.7417 | 23.204  2.0715
lignite           | 11.9    .0280   .96  1.1729 | 14.449  1.4241
washed_coal       | 26.334  .02541  .90  2.2082 | 26.344  2.2818
other_washed_coal | 12.545  .02541  .90  1.0519 | 15.373  1.2886
briquette         | 17.46   .0336   .90  1.9360 | 17.46   1.9360
coke              | 28.435  .0295   .93  2.8604 | 28.446  2.8518
petroleum_coke    | 32.5    .0275   .98  3.2115 | 31.998  3.1619
crude_oil         | 41.816  .0201   .98  3.0202 | 42.62   3.0783
fuel_oil          | 41.816  .0211   .98  3.1705 | 40.19   3.0472
gasoline          | 43.07   .0189   .98  2.9251 | 44.8    3.0425
diesel            | 42.652  .0202   .98  3.0959 | 43.33   3.1451
kerosene          | 43.07   .0196   .98  3.0334 | 44.75   3.1517
lng               | 51.498  .0153   .98  2.8313 | 41.868  2.3253
lpg               | 50.179  .0172   .98  3.1013 | 47.31   2.9538
naphtha           | 44.5    .0200   .98  3.1981 |
coal_tar          | 33.453  .0220   .98  2.6446 | 33.453  2.6446
crude_benzol      | 41.816  .0227   .98  3.4109 | 41.816  3.4109
natural_gas       | 389.31  .0153   .99  21.6219 | 389.31 21.6219
coke_oven_gas     | 179.81  .01358  .99  8.8638 | 173.54  8.5673
blast_furnace_gas | 33.0    .0708   .99  8.4811 | 33.0    8.4811
converter_gas     | 84.0    .0496   .99  15.1240 | 84.0   15.1240
refinery_gas      | 45.998  .0182   .99  3.0389 | 46.05   3.0423
"""

# region | 2021 | 2022 | 2023 [tCO2/MWh]
GRIDS = """
CN           | 0.5568 | 0.5366 | 0.5306
CN-north     | 0.7120 | 0.6776 | 0.6361
CN-northeast | 0.6012 | 0.5564 | 0.5122
CN-east      | 0.5992 | 0.5617 | 0.5500
CN-central   | 0.5354 | 0.5395 | 0.5271
CN-northwest | 0.5951 | 0.5857 | 0.5543
CN-south     | 0.4326 | 0.3869 | 0.4042
CN-southwest | 0.2113 | 0.2268 | 0.2472
"""

PROVINCES = """
CN-AH | 2021 | 0.7075
CN-AH | 2022 | 0.6782
CN-AH | 2023 | 0.6553
CN-BJ | 2021 | 0.5688
CN-HB | 2022 | 0.4364
CN-XJ | 2022 | 0.6231
CN-NM | 2023 | 0.6479
CN-JS | 2023 | 0.5827
CN-ZJ | 2023 | 0.4974
CN-GD | 2023 | 0.4419
CN-SD | 2023 | 0.6191
CN-HE | 2023 | 0.6516
CN-SC | 2023 | 0.1564
CN-YN | 2023 | 0.1333
"""

NATION = """
average_excl_market_traded_nonfossil | 2021 | 0.5942
average_excl_market_traded_nonfossil | 2022 | 0.5856
average_excl_market_traded_nonfossil | 2023 | 0.6096
fossil_only                          | 2021 | 0.8426
fossil_only                          | 2022 | 0.8325
fossil_only                          | 2023 | 0.8273
ets_national_grid                    | 2021 | 0.5810
ets_national_grid                    | 2022 | 0.5703
ets_national_grid                    | 2015 | 0.6101
lifecycle_footprint_kgco2e           | 2023 | 0.6205
lifecycle_footprint_kgco2e           | 2024 | 0.5777
"""

MEDIA_AND_ENERGY = """
electricity_equiv  | kWh | 0.1229
heat_equiv         | GJ  | 34.12
fresh_water        | t   | 0.2571
soft_water         | t   | 0.4857
deaerated_water    | t   | 0.9714
compressed_air     | m3  | 0.0400
blast_air          | m3  | 0.0300
oxygen             | m3  | 0.4000
nitrogen_byproduct | m3  | 0.4000
nitrogen_main      | m3  | 0.6714
co2_gas            | m3  | 0.2143
acetylene          | m3  | 8.3143
calcium_carbide    | kg  | 2.0786
"""

# kgce per kg or per m3, upper end of a range
TABLE_A1 = """
raw_coal              | 0.7143
washed_coal           | 0.9000
washed_middlings      | 0.2857
coal_slime            | 0.4286
coke                  | 0.9714
coal_tar              | 1.1429
crude_oil             | 1.4286
fuel_oil              | 1.4286
gasoline              | 1.4714
kerosene              | 1.4714
diesel                | 1.4571
lpg                   | 1.7143
refinery_gas          | 1.5714
lng                   | 1.7572
methanol              | 0.6794
ethanol               | 0.9144
natural_gas           | 1.3300
coke_oven_gas         | 0.6143
blast_furnace_gas     | 0.1286
producer_gas          | 0.1786
heavy_oil_cat_gas     | 0.6571
heavy_oil_thermal_gas | 1.2143
coke_gas              | 0.5571
pressure_gas          | 0.5143
water_gas             | 0.3571
biogas                | 0.8286
hydrogen              | 0.3329
"""


def table(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")] for line in text.strip().splitlines()]


@pytest.fixture(scope="module")
def library() -> FactorLibrary:
    return load_library()


@pytest.mark.parametrize(("fuel", "set_a"), [(row[0], row[1]) for row in table(FUELS)])
def test_a_fuel_of_gbt_32151_34_has_the_printed_figures(library: FactorLibrary, fuel: str, set_a: str) -> None:
    ncv, carbon_content, oxidation, co2 = (float(cell) for cell in set_a.split())

    row = library.row("GB/T 32151.34-2024", fuel)

    assert (row.ncv, row.carbon_content, row.oxidation) == (ncv, carbon_content, oxidation)
    assert row.co2 == pytest.approx(co2, abs=0.00005)
    assert row.confidence == "verified(secondary)"


@pytest.mark.parametrize(("fuel", "set_b"), [(row[0], row[2]) for row in table(FUELS) if row[2]])
def test_a_fuel_of_ndrc_2015_has_the_printed_figures_and_the_mark(
    library: FactorLibrary, fuel: str, set_b: str
) -> None:
    ncv, co2 = (float(cell) for cell in set_b.split())

    row = library.row("NDRC-2015-other-industry", fuel)

    assert row.ncv == ncv
    assert row.co2 == pytest.approx(co2, abs=0.00005)
    assert row.confidence == "unverified"


@pytest.mark.parametrize(("region", "year_2021", "year_2022", "year_2023"), table(GRIDS))
def test_a_grid_has_its_published_average_for_each_year(
    library: FactorLibrary, region: str, year_2021: str, year_2022: str, year_2023: str
) -> None:
    found = [library.grid(region, date(year, 7, 1)) for year in (2021, 2022, 2023)]

    assert [factor.value for factor in found] == [float(year_2021), float(year_2022), float(year_2023)]
    assert [factor.note for factor in found] == ["", "", ""]
    assert {factor.unit for factor in found} == {"tCO2/MWh"}


@pytest.mark.parametrize(("region", "year", "value"), table(PROVINCES))
def test_a_province_has_its_published_average(library: FactorLibrary, region: str, year: str, value: str) -> None:
    factor = library.grid(region, date(int(year), 1, 1))

    assert (factor.id, factor.value, factor.note) == (region, float(value), "")
    assert factor.confidence == "verified(secondary)"


@pytest.mark.parametrize(("kind", "year", "value"), table(NATION))
def test_the_nation_has_its_other_published_figures(library: FactorLibrary, kind: str, year: str, value: str) -> None:
    factor = library.grid("CN", date(int(year), 12, 31), kind)

    assert factor.value == float(value)
    assert (factor.valid_from, factor.valid_to) == (date(int(year), 1, 1), date(int(year), 12, 31))


@pytest.mark.parametrize("year", [2021, 2022, 2023])
def test_every_year_covers_thirty_provinces_seven_grids_and_the_nation(library: FactorLibrary, year: int) -> None:
    regions = {row.region for row in library.get(f"CN-grid-{year}").grid if row.kind == "average"}

    grids = {code for code in regions if len(code) > len("CN-XX")}
    assert len(grids) == 7
    assert len(regions - grids - {"CN"}) == 30
    assert not regions & {"CN-XZ", "CN-HK", "CN-MO", "CN-TW"}


@pytest.mark.parametrize(("name", "unit", "kgce"), table(MEDIA_AND_ENERGY))
def test_energy_and_media_have_the_coefficients_of_gbt_2589(
    library: FactorLibrary, name: str, unit: str, kgce: str
) -> None:
    row = library.row("GB/T 2589-2020 A.2/B.1", name)

    assert (row.unit, row.kgce) == (unit, float(kgce))


@pytest.mark.parametrize(("name", "kgce"), table(TABLE_A1))
def test_fuels_of_gbt_2589_have_the_printed_coefficient_and_agree_with_their_calorific_value(
    library: FactorLibrary, name: str, kgce: str
) -> None:
    row = library.row("GB/T 2589-2020 A.1", name)

    per_printed_unit = {"t": 1_000, "1e4Nm3": 10_000}[row.unit]
    assert row.kgce is not None
    assert row.gj is not None
    assert row.kgce / per_printed_unit == pytest.approx(float(kgce))
    assert row.gj * 1000 / 29.3076 == pytest.approx(row.kgce, rel=0.002)


def test_ranges_of_gbt_2589_are_kept_beside_their_upper_end(library: FactorLibrary) -> None:
    row = library.row("GB/T 2589-2020 A.1", "natural_gas")

    assert (row.kgce, row.kgce_range) == (13_300, (11_000, 13_300))


def test_ipcc_factors_come_back_from_their_carbon_content(library: FactorLibrary) -> None:
    # kgCO2/TJ, 2006 Guidelines, volume 2, table 2.3
    expected = {"anthracite": 98_300, "lignite": 101_000, "diesel": 74_100, "gasoline": 69_300, "natural_gas": 56_100}

    found = {name: library.row("IPCC-2006", name) for name in expected}

    for name, row in found.items():
        assert row.co2 is not None
        assert row.gj is not None
        assert row.co2 / row.gj * 1e6 == pytest.approx(expected[name], rel=1e-4)


def test_every_factor_has_a_source_and_a_confidence(library: FactorLibrary) -> None:
    for summary in library.sets():
        owner = library.get(summary.id)
        marks = [(row.source, row.confidence) for row in owner.rows.values()]
        marks += [(row.source, row.confidence) for row in owner.grid]
        assert owner.version.startswith("sha256:")
        assert all(source and "verified" in confidence for source, confidence in marks)


def test_no_row_of_the_tables_got_lost(library: FactorLibrary) -> None:
    counts = {summary.id: summary.factors for summary in library.sets()}

    assert counts == {
        "GB/T 32151.34-2024": 26,
        "NDRC-2015-other-industry": 25,
        "GB/T 2589-2020 A.1": 29,
        "GB/T 2589-2020 A.2/B.1": 15,
        "GB/T 32150-2025": 1,
        "IPCC-2006": 19,
        "NBS": 1,
        "CN-grid-2021": 40,
        "CN-grid-2022": 40,
        "CN-grid-2023": 40,
        "CN-ets-2015": 1,
        "CN-ets-2021": 1,
        "CN-ets-2022": 1,
        "CN-footprint-2023": 1,
        "CN-footprint-2024": 1,
        "CN-regions": 0,
        "IPCC-GWP100": 2,
        "own-energy": 2,
    }
