import orjson
import pytest

from agent.cli import main
from drivers.profile import catalogue


def test_every_profile_is_listed_with_its_source(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["devices", "--json"]) == 0
    listed = orjson.loads(capsys.readouterr().out)
    assert [entry["profile"] for entry in listed] == list(catalogue())
    assert all(entry["source"] and entry["points"] > 0 for entry in listed)

    assert main(["devices"]) == 0
    shown = capsys.readouterr().out
    assert "eastron/sdm630" in shown
    assert "electricity-meter" in shown


def test_one_profile_is_shown_with_its_points_accounts_and_source(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["devices", "eastron/sdm630"]) == 0
    shown = capsys.readouterr().out
    assert "source: " in shown
    row = next(line for line in shown.splitlines() if line.startswith("active_energy_import "))
    assert row.split()[:5] == ["active_energy_import", "4", "0x0048", "float32", "kWh"]

    assert main(["devices", "eastron/sdm630", "--json"]) == 0
    profile = orjson.loads(capsys.readouterr().out)
    assert profile["digest"].startswith("sha256:")
    assert {"quantity": "active_power", "key": "active_power_kw"}.items() <= next(
        point for point in profile["points"] if point["quantity"] == "active_power"
    ).items()
    assert profile["accounts"][0]["from"] == "active_energy_import"


def test_an_unknown_profile_is_one_line_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["devices", "eastron/sdm603"]) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "did you mean 'eastron/sdm630'" in err
