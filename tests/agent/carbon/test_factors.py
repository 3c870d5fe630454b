import re
import tomllib
from datetime import date
from pathlib import Path

import pytest

from agent.carbon.emission import Choices, conversion
from agent.carbon.errors import CarbonError, FactorFileError
from agent.carbon.factors import FactorLibrary
from agent.carbon.library import load_library
from agent.sections.tables import LISTS, TABLES

HEAD = """\
id = "works"
title = "Measured at the works"
title_zh = "本厂实测"
issuer = "Works laboratory"
source = "Report 2026-17"
"""


@pytest.fixture(scope="module")
def library() -> FactorLibrary:
    return load_library()


def written(folder: Path, text: str, name: str = "works.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def problems(*paths: Path) -> list[str]:
    with pytest.raises(FactorFileError) as raised:
        load_library(paths)
    return [str(problem) for problem in raised.value.problems]


@pytest.mark.parametrize(
    ("when", "used", "note"),
    [
        (date(2021, 1, 1), 2021, ""),
        (date(2021, 12, 31), 2021, ""),
        (date(2022, 1, 1), 2022, ""),
        (date(2023, 12, 31), 2023, ""),
        (date(2024, 1, 1), 2023, "2023 factor used for 2024: none published for 2024"),
        (date(2026, 11, 20), 2023, "2023 factor used for 2026: none published for 2026"),
        (date(2019, 6, 1), 2021, "2021 factor used for 2019: none published for 2019 or before"),
    ],
)
def test_the_year_of_consumption_decides_and_another_year_is_stated(
    library: FactorLibrary, when: date, used: int, note: str
) -> None:
    factor = library.grid("CN-AH", when)

    assert (factor.set, factor.note) == (f"CN-grid-{used}", note)


def test_tibet_takes_its_grid_and_says_so(library: FactorLibrary) -> None:
    factor = library.grid("CN-XZ", date(2022, 1, 1))

    assert (factor.id, factor.value) == ("CN-southwest", 0.2268)
    assert factor.note == "CN-southwest factor used for CN-XZ: none published for CN-XZ"
    assert factor.confidence == "verified(secondary); CN-XZ within CN-southwest unverified"


@pytest.mark.parametrize("region", ["CN-HK", "CN-MO", "CN-TW"])
def test_regions_outside_the_grids_take_the_nation_and_say_so(library: FactorLibrary, region: str) -> None:
    factor = library.grid(region, date(2023, 1, 1))

    assert (factor.id, factor.value) == ("CN", 0.5306)
    assert f"CN factor used for {region}" in factor.note
    assert "not part of the grids" in factor.note
    assert factor.unverified is True


def test_both_fall_backs_are_stated_together(library: FactorLibrary) -> None:
    note = library.grid("CN-XZ", date(2026, 1, 1)).note

    assert note == (
        "CN-southwest factor used for CN-XZ: none published for CN-XZ; "
        "2023 factor used for 2026: none published for 2026"
    )


def test_provinces_lie_within_the_right_grids(library: FactorLibrary) -> None:
    regions = library.regions()

    assert regions["CN-SD"].within == "CN-north"
    assert regions["CN-NM"].within == "CN-north"
    assert "CN-northeast for Chifeng, Tongliao, Hulunbuir and Hinggan" in regions["CN-NM"].note
    assert sum(len(code) == len("CN-XX") for code in regions) == 34


def test_an_unknown_kind_of_factor_names_the_nearest(library: FactorLibrary) -> None:
    with pytest.raises(CarbonError, match="did you mean 'fossil_only'"):
        library.grid("CN", date(2023, 1, 1), "fossil")


def test_a_set_used_outside_its_validity_says_so(library: FactorLibrary) -> None:
    factor = library.fuel("GB/T 32151.34-2024", "natural_gas", date(2024, 6, 1))

    assert factor.note == "used for 2024-06-01, before it took effect on 2025-03-01"
    assert factor.valid_from == date(2025, 3, 1)
    assert library.fuel("GB/T 32151.34-2024", "natural_gas", date(2025, 3, 1)).note == ""


def test_a_new_set_is_one_file(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        HEAD
        + """expires = 2026-12-31
ncv_unit = "MJ"
[fuel.natural_gas]
en = "gas"
zh = "天然气"
unit = "Nm3"
ncv = 36.0
carbon_content = 0.0150
oxidation = 1.0
confidence = "measured"
[medium]
compressed_air = { en = "air", zh = "压缩空气", unit = "m3", kgce = 0.0135, confidence = "measured" }
""",
    )
    library = load_library([path])

    gas = conversion(
        library, carrier="natural_gas", unit="Nm3", when=date(2027, 1, 1), choices=Choices("CN-AH", "works")
    )
    air = conversion(
        library, carrier="compressed_air", unit="m3", when=date(2026, 1, 1), choices=Choices("CN-AH", "works")
    )

    assert gas.kwh_per_unit == pytest.approx(10.0)
    assert gas.co2_kg_per_unit == pytest.approx(36.0 * 0.0150 * 44 / 12)  # 1.98 kg/Nm3
    assert gas.factor.source == "Report 2026-17"
    assert gas.factor.note == "used for 2027-01-01, after it expired on 2026-12-31"
    assert (air.kgce_per_unit, air.unverified) == (0.0135, False)


def test_a_fuel_given_by_coefficient_and_co2_needs_no_calorific_value(tmp_path: Path) -> None:
    row = '{ en = "pellets", zh = "颗粒", unit = "t", kgce = 500.0, co2_t = 0.25, confidence = "measured" }'
    library = load_library([written(tmp_path, f"{HEAD}[fuel]\npellets = {row}\n")])

    found = conversion(library, carrier="pellets", unit="kg", when=date(2026, 1, 1), choices=Choices("CN-AH", "works"))

    assert found.kgce_per_unit == pytest.approx(0.5)
    assert found.kwh_per_unit == pytest.approx(0.5 * 29.3076 / 3.6)
    assert found.co2_kg_per_unit == pytest.approx(0.25)
    assert found.kgce_source == "500.0 kgce/t (works)"


def test_another_country_is_one_file(tmp_path: Path) -> None:
    text = (
        HEAD
        + """year = 2024
[region]
DE = { en = "Germany", zh = "德国" }
[grid.average]
DE = { value = 0.363, confidence = "unverified" }
"""
    )
    factor = load_library([written(tmp_path, text)]).grid("DE", date(2025, 1, 1))

    assert (factor.set, factor.value, factor.unverified) == ("works", 0.363, True)
    assert factor.note == "2024 factor used for 2025: none published for 2025"


def test_the_next_year_is_one_file(tmp_path: Path) -> None:
    text = HEAD + 'year = 2024\n[grid.average]\nCN-AH = { value = 0.61, confidence = "measured" }\n'
    library = load_library([written(tmp_path, text)])

    assert library.grid("CN-AH", date(2023, 6, 1)).value == 0.6553
    assert library.grid("CN-AH", date(2024, 6, 1)).value == 0.61
    assert library.grid("CN-AH", date(2026, 6, 1)).note == "2024 factor used for 2026: none published for 2026"


def test_the_version_follows_the_bytes_of_the_file(tmp_path: Path) -> None:
    row = '[energy]\nheat = {{ en = "h", zh = "热", unit = "GJ", co2_t = {}, confidence = "measured" }}\n'
    first = load_library([written(tmp_path, HEAD + row.format("0.10"))]).get("works").version
    again = load_library([written(tmp_path, HEAD + row.format("0.10"))]).get("works").version
    other = load_library([written(tmp_path, HEAD + row.format("0.09"))]).get("works").version

    assert first == again
    assert first != other


def test_every_mistake_in_every_file_is_named_with_its_line(tmp_path: Path) -> None:
    first = written(
        tmp_path,
        HEAD
        + """[fuel]
gas = { en = "gas", zh = "气", unit = "m3n", ncv = 36.0, confidence = "measured" }
oil = { en = "oil", zh = "油", unit = "t", ncv = "36", confidence = "measured" }
peat = { en = "peat", zh = "泥炭", unit = "t", ncv = 9.0, carbon_content = 0.028, confidence = "measured" }
wood = { en = "wood", zh = "木", unit = "t", ncv = 9.0, confidnce = "measured", confidence = "measured" }
straw = { en = "straw", zh = "秸秆", unit = "t", ncv = inf }
""",
        "first.toml",
    )
    second = written(tmp_path, "id = \n", "second.toml")

    found = problems(first, second, tmp_path / "third.toml")

    assert [line.removeprefix(f"{tmp_path}/").split(": ")[0] for line in sorted(found)] == [
        "first.toml:10",
        "first.toml:11",
        "first.toml:11",
        "first.toml:7",
        "first.toml:8",
        "first.toml:9",
        "second.toml:1",
        "third.toml",
    ]
    assert any("unknown unit 'm3n': did you mean" in line for line in found)
    assert any("carbon_content and oxidation go together: give both" in line for line in found)
    assert any("unknown key 'confidnce'" in line and "did you mean 'confidence'" in line for line in found)
    assert any("'confidence' is missing" in line for line in found)


def test_factors_given_twice_and_unknown_regions_are_refused_with_their_line(tmp_path: Path) -> None:
    text = (
        HEAD
        + """year = 2023
[grid.average]
CN-AH = { value = 0.6, confidence = "measured" }
CN-AHH = { value = 0.6, confidence = "measured" }
[region]
CN-X1 = { en = "x", zh = "x", within = "CN-X2" }
CN-X2 = { en = "x", zh = "x", within = "CN-X1" }
CN-X3 = { en = "x", zh = "x", within = "CN-eats" }
CN-HE = { en = "x", zh = "x" }
"""
    )
    copy = written(tmp_path, HEAD, "copy.toml")
    found = problems(written(tmp_path, text), copy)

    places = [f"works.toml:{line}:" for line in (8, 9, 11, 12, 13, 14)] + ["copy.toml:1:"]
    assert len(found) == len(places)
    for place in places:
        assert any(place in line for line in found), place
    assert any("2023 factor 'average' of CN-AH is given twice" in line for line in found)
    assert any("unknown region 'CN-AHH': did you mean 'CN-AH'" in line for line in found)
    assert any("'CN-X1' lies within itself" in line for line in found)
    assert any("unknown region 'CN-eats': did you mean 'CN-east'" in line for line in found)
    assert any("factor set 'works' is given twice" in line for line in found)


GRID_WITHOUT_YEAR = '[grid.average]\nCN = { value = 0.6, confidence = "m" }\n'
ROW = 'a = {{ en = "a", zh = "a", unit = "t", confidence = "m", {} }}\n'


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (GRID_WITHOUT_YEAR, "need the year of their data"),
        ("[fuel]\n" + ROW.format("kgce = 1.0") + "[medium]\n" + ROW.format("kgce = 1.0"), "in two tables"),
        ("[fuel]\n" + ROW.format("carbon_content = 0.02, oxidation = 1.0"), "there is no ncv: give ncv"),
        (
            "[fuel]\n" + ROW.format("ncv = 9.0, carbon_content = 0.02, oxidation = 1.0, co2_t = 1.0"),
            "leave one out",
        ),
    ],
)
def test_contradictions_in_a_file_are_refused(tmp_path: Path, text: str, what: str) -> None:
    found = problems(written(tmp_path, HEAD + text))

    assert len(found) == 1
    assert what in found[0]


@pytest.mark.parametrize("page", ["factors.md", "factors.zh-CN.md"])
def test_the_examples_of_the_documentation_can_be_loaded(tmp_path: Path, page: str) -> None:
    text = (Path(__file__).parents[3] / "docs" / page).read_text(encoding="utf-8")
    examples = [each for each in re.findall(r"```toml\n(.*?)```", text, flags=re.DOTALL) if each.startswith("id ")]
    paths = [written(tmp_path, example, f"{number}.toml") for number, example in enumerate(examples)]

    library = load_library(paths)

    assert len(paths) == 2
    assert library.row("works-lab-2026", "natural_gas").co2 == pytest.approx(0.0362 * 0.0152 * 0.99 * 44 / 12)
    assert library.grid("CN-AH", date(2024, 1, 1)).value == 0.6


@pytest.mark.parametrize("page", ["factors.md", "factors.zh-CN.md"])
def test_the_tables_of_the_documentation_can_stand_in_a_configuration(page: str) -> None:
    text = (Path(__file__).parents[3] / "docs" / page).read_text(encoding="utf-8")
    examples = [each for each in re.findall(r"```toml\n(.*?)```", text, flags=re.DOTALL) if not each.startswith("id ")]
    tables = [(name, table) for each in examples for name, table in tomllib.loads(each).items()]

    assert {name for name, _ in tables} == {"account", "carbon", "fuel", "green_power"}
    for name, table in tables:
        for entry in table if isinstance(table, list) else [table]:
            (LISTS.get(name) or TABLES[name]).from_file(entry)


@pytest.mark.parametrize("page", ["factors.md", "factors.zh-CN.md"])
def test_every_packaged_set_stands_in_the_documentation_with_its_counts(library: FactorLibrary, page: str) -> None:
    text = (Path(__file__).parents[3] / "docs" / page).read_text(encoding="utf-8").split("\n## ")[1]
    told: dict[str, tuple[int, int]] = {}
    for names, count, unverified in re.findall(r"^\| (`[^|]+) \|[^|]+\|[^|]+\|([^|]+)\|([^|]+)\|$", text, re.MULTILINE):
        first, *years = re.findall("`([^`]+)`", names)
        rows = int(re.sub(r"\D", "", count) or 0)  # of each, where one line has several
        marks = re.findall(r"\d+", re.split("[;；(（]", unverified)[0]) or ["0"]  # noqa: RUF001 -- Chinese punctuation
        for number, name in enumerate((first, *(first.rpartition("-")[0] + year for year in years))):
            told[name] = (rows, int(marks[min(number, len(marks) - 1)]))

    assert told == {summary.id: (summary.factors, summary.unverified) for summary in library.sets()}
