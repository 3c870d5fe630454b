import orjson
import pytest

from agent.cli import main


def test_every_set_is_listed_with_how_far_it_can_be_trusted(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["factors", "--json"]) == 0
    listed = {entry["id"]: entry for entry in orjson.loads(capsys.readouterr().out)}
    assert listed["GB/T 32151.34-2024"]["unverified"] == 0
    assert listed["NDRC-2015-other-industry"]["unverified"] == listed["NDRC-2015-other-industry"]["factors"]
    assert all(entry["version"].startswith("sha256:") for entry in listed.values())

    assert main(["factors"]) == 0
    assert "GB/T 32151.34-2024" in capsys.readouterr().out


def test_one_set_is_shown_with_values_sources_and_validity(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["factors", "GB/T 32151.34-2024"]) == 0
    out = capsys.readouterr().out
    row = next(line for line in out.splitlines() if line.startswith("natural_gas"))
    assert [word for word in row.split() if word[0].isdigit()][1:5] == ["389.31", "0.0153", "0.99", "21.6219"]
    assert "source: GB/T 32151.34-2024 Annex C Table C.1" in out
    assert "effective 2025-03-01" in out

    assert main(["factors", "CN-grid-2023", "--json"]) == 0
    shown = orjson.loads(capsys.readouterr().out)
    anhui = next(row for row in shown["grid"] if (row["region"], row["kind"]) == ("CN-AH", "average"))
    assert (anhui["value"], anhui["year"]) == (0.6553, 2023)
    assert shown["source"]


def test_an_unknown_set_is_one_line_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["factors", "GB/T 32151.34-2042"]) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "did you mean 'GB/T 32151.34-2024'" in err
