from pathlib import Path

import orjson
import pytest

from agent.cli import main
from tests.agent.frames import DEVICES, SITE, configured


def test_every_set_is_listed_with_how_far_it_can_be_trusted(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["factors", "--json"]) == 0
    listed = {entry["id"]: entry for entry in orjson.loads(capsys.readouterr().out)}
    assert listed["GB/T 32151.34-2024"]["unverified"] == 0
    assert listed["NDRC-2015-other-industry"]["unverified"] == listed["NDRC-2015-other-industry"]["factors"]
    assert all(entry["version"].startswith("sha256:") for entry in listed.values())

    assert main(["factors"]) == 0
    out = capsys.readouterr().out
    rows = {line[:24].strip(): line[24:] for line in out.splitlines()}
    assert "not stated" in rows["CN-ets-2015"]
    assert "None" not in out
    assert rows["IPCC-2006"].split()[:4] == ["not", "stated", "19", "18"]
    assert out.endswith("? unverified: not, or not wholly, checked against its source\n")


def test_one_set_is_shown_with_values_sources_and_validity(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["factors", "GB/T 32151.34-2024"]) == 0
    out = capsys.readouterr().out
    row = next(line for line in out.splitlines() if line.startswith("natural_gas"))
    assert row.split() == ["natural_gas", "1e4Nm3", "389.31", "GJ", "0.0153", "0.99", "21.6219", "13,300", "天然气"]
    assert "source: GB/T 32151.34-2024 Annex C Table C.1" in out
    assert "effective 2025-03-01" in out

    assert main(["factors", "CN-grid-2023", "--json"]) == 0
    shown = orjson.loads(capsys.readouterr().out)
    anhui = next(row for row in shown["grid"] if (row["region"], row["kind"]) == ("CN-AH", "average"))
    assert (anhui["value"], anhui["year"]) == (0.6553, 2023)
    assert shown["source"]


def test_what_was_not_checked_is_marked_and_what_is_not_given_is_blank(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["factors", "GB/T 2589-2020 A.2/B.1"]) == 0
    out = capsys.readouterr().out
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines() if line}
    assert rows["steam_lp"] == ["kg", "3.763", "MJ", "0.1286", "蒸汽(低压)"]
    assert rows["compressed_air"] == ["m3", "1.17", "MJ", "0.04", "?", "压缩空气"]
    assert "confidence here: unverified, verified(secondary)" in out

    assert main(["factors", "CN-grid-2022"]) == 0
    out = capsys.readouterr().out
    assert "effective not stated" in out
    marked = [line.split()[:2] for line in out.splitlines() if line.endswith("tCO2/MWh  ?")]
    assert marked == [["average_excl_market_traded_nonfossil", "CN"], ["fossil_only", "CN"]]


def test_an_unknown_set_is_one_line_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["factors", "GB/T 32151.34-2042"]) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "did you mean 'GB/T 32151.34-2024'" in err


def test_a_name_with_spaces_needs_no_quotes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["factors", "GB/T", "2589-2020", "A.1"]) == 0
    assert capsys.readouterr().out.startswith("GB/T 2589-2020 A.1: ")


def test_the_beginning_of_a_name_is_answered_with_the_names_that_begin_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["factors", "GB/T", "2589"]) == 2

    told = "unknown factor set 'GB/T 2589': did you mean 'GB/T 2589-2020 A.1' or 'GB/T 2589-2020 A.2/B.1'?\n"
    assert capsys.readouterr().err == told


def test_names_to_compare_are_told_to_need_quotes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["factors", "--compare", "GB/T", "32151.34-2024", "IPCC-2006"]) == 2
    assert "give one of them, and names with spaces in quotes" in capsys.readouterr().err


def test_two_sets_are_compared_figure_by_figure(capsys: pytest.CaptureFixture[str]) -> None:
    # bituminous coal: 23.204 against 19.57 GJ/t is 18.57 % more, 2.0715 against 1.7417 t CO2/t is 18.93 % more
    assert main(["factors", "--compare", "GB/T 32151.34-2024", "NDRC-2015-other-industry", "--json"]) == 0
    compared = orjson.loads(capsys.readouterr().out)
    found = {(each["id"], each["figure"]): each["percent"] for each in compared["figures"]}

    assert found["bituminous_coal", "NCV"] == pytest.approx(18.57, abs=0.005)
    assert found["bituminous_coal", "CO2"] == pytest.approx(18.93, abs=0.005)
    assert found["anthracite", "oxidation"] == 0.0
    assert compared["only_first"] == ["other_coal_products", "naphtha"]
    assert compared["only_second"] == ["carbide_furnace_gas"]


def test_figures_per_other_units_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["factors", "--compare", "GB/T 32151.34-2024", "IPCC-2006", "--json"]) == 0
    figures = {
        each["figure"] for each in orjson.loads(capsys.readouterr().out)["figures"] if each["id"] == "natural_gas"
    }

    assert figures == {"carbon", "oxidation"}


def test_grid_factors_of_two_years_are_compared_by_region(capsys: pytest.CaptureFixture[str]) -> None:
    # Anhui: 0.6553 against 0.6782 in 2022
    assert main(["factors", "--compare", "CN-grid-2022", "CN-grid-2023"]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("CN-AH")]

    assert line.split() == ["CN-AH", "average", "tCO2/MWh", "0.6782", "0.6553", "-3.38"]


def test_a_name_and_a_comparison_are_one_too_many(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["factors", "NBS", "--compare", "NBS", "IPCC-2006"]) == 2
    assert "give one of them" in capsys.readouterr().err


def test_the_plants_own_sets_are_shown_with_its_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "factors").mkdir()
    head = 'id = "works"\ntitle = "w"\ntitle_zh = "厂"\nissuer = "w"\nsource = "Report"\n'
    (tmp_path / "factors" / "works.toml").write_text(head, encoding="utf-8")
    configured(tmp_path, SITE + DEVICES)

    assert main(["factors", "works", "--config", str(tmp_path / "site.toml")]) == 0
    assert capsys.readouterr().out.startswith("works: w / 厂")
