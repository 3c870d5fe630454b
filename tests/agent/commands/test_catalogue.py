from pathlib import Path

import orjson
import pytest

from agent.cli import main
from drivers.profile_file import catalogue, load_profile


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
    assert row.split() == ["active_energy_import", "4", "0x0048", "float32", "1", "kWh"]

    assert main(["devices", "eastron/sdm630", "--json"]) == 0
    profile = orjson.loads(capsys.readouterr().out)
    assert profile["digest"].startswith("sha256:")
    assert {"quantity": "active_power", "key": "active_power_kw"}.items() <= next(
        point for point in profile["points"] if point["quantity"] == "active_power"
    ).items()
    assert profile["accounts"][0]["from"] == "active_energy_import"


def test_a_point_is_shown_as_its_manual_describes_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["devices", "generic/steam-boiler"]) == 0

    lines = capsys.readouterr().out.splitlines()
    rows = {line.split()[0]: line.split()[1:] for line in lines if " 0x" in line}
    assert lines[1] == "source: defined by this project, docs/devices.md"
    assert lines[2] == "word order: big; byte order: big"
    assert rows["running"] == ["3", "0x0000", "bit", "1"]
    assert rows["gas_volume"] == ["3", "0x0010", "uint32", "0.1", "Nm3"]
    assert rows["steam_temperature"] == ["3", "0x002a", "int16", "0.1", "°C", "0x8000", "-50..600"]
    assert rows["gas_flow"] == ["3", "0x0020", "float32", "1", "Nm3/h", "0..20000"]
    assert max(map(len, lines)) <= 80


def test_a_scale_names_the_point_it_comes_from_and_what_is_added(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own.toml").write_text(
        'model = "own"\nkind = "sensor"\nsource = "this test"\nfunction = 3\ntype = "uint16"\n[points]\n'
        '_scale = { address = 0, unit = "exponent", type = "int16" }\n'
        'current = { address = 1, unit = "A", scale_from = "_scale", missing = [9999] }\n'
        'stack_temperature = { address = 2, unit = "K", scale = 0.1 }\n'
        'pressure = { address = 3, type = "float32", unit = "bar", missing = [-1.5] }\n',
        encoding="utf-8",
    )
    monkeypatch.chdir(tmp_path)
    assert main(["devices", "own.toml"]) == 0

    rows = {
        line.split()[0]: " ".join(line.split()[3:]) for line in capsys.readouterr().out.splitlines() if " 0x" in line
    }
    assert rows["_scale"] == "int16 a power of ten"
    assert rows["current"] == "uint16 1 A x _scale 0x270F"
    assert rows["stack_temperature"] == "uint16 0.1 °C -273.15"
    assert rows["pressure"] == "float32 100 kPa -1.5"


def test_points_that_only_scale_others_are_not_counted(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["devices", "--json"]) == 0

    counted = {entry["profile"]: entry["points"] for entry in orjson.loads(capsys.readouterr().out)}
    assert (counted["acrel/dtsd1352"], len(load_profile("acrel/dtsd1352").points)) == (28, 29)


def test_an_unknown_profile_is_one_line_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["devices", "eastron/sdm603"]) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "did you mean 'eastron/sdm630'" in err
