import re
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from agent.cli import main
from agent.commands.check import accounts_of, plan_of
from tests.agent.frames import DEVICES, SITE, configured

EXAMPLE = Path(__file__).parents[3] / "deploy" / "energy-agent.example.toml"
SERIAL = """[site]
name = "works"

[[line]]
name = "bus"
url = "rtu:///dev/ttyUSB0?baud=1200&parity=E"
pause = "100ms"

[[device]]
name = "meter"
area = "hall"
line = "bus"
unit = 1
profile = "eastron/sdm630"
every = "1s"
"""


def test_the_example_is_right_and_shows_its_plan_its_load_and_its_memory(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["check", str(EXAMPLE)])

    out, err = capsys.readouterr()
    assert code == 0
    assert err == ""
    assert out.startswith(f"{EXAMPLE}: no problems found\n")
    for word in ("Lines", "Reads on substation", "Accounts", "boiler-1/natural_gas", "0x0000", "Memory of the rings"):
        assert word in out
    assert "counter-check  boiler-house/boiler-1" in out, "the account in place of the profile's is checked as that is"


def test_the_plan_as_json_has_every_request_and_the_memory(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["check", str(EXAMPLE), "--json"])

    plan = orjson.loads(capsys.readouterr().out)
    assert code == 0
    assert plan["ok"] is True
    assert {line["line"] for line in plan["lines"]} == {"boiler-house", "substation"}
    assert plan["memory"]["columns"] == 5 * (len(plan["memory"]["accounts"]) + len(plan["memory"]["outputs"]))
    columns = plan["memory"]["columns"]
    assert plan["memory"]["ring_bytes"] == 314 * 8 * (columns + 1) + 4 * 8 * columns
    assert all(0 < line["load_percent"] < 100 for line in plan["lines"])


def test_a_request_takes_its_bytes_on_the_wire_the_devices_thought_and_the_pause(tmp_path: Path) -> None:
    (line,) = plan_of(configured(tmp_path, SERIAL))

    first = line["requests"][0]
    # At 1200 Bd with parity a byte is 11 bits; 8 bytes go and 5 + 2 per register come, each with 3.5 bytes' silence.
    wire_ms = (8 + 5 + 2 * first["count"] + 2 * 3.5) * 11 / 1200 * 1000
    assert first["takes_ms"] == pytest.approx(wire_ms + 20 + 100, abs=0.02)
    assert line["load_percent"] == pytest.approx(100 * sum(entry["load"] for entry in line["requests"]), abs=0.01)


def test_a_line_that_cannot_keep_up_is_no_and_says_by_how_much(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = configured(tmp_path, SERIAL).path
    codes = main(["check", str(path)]), main(["check", str(path), "--json"])

    out, err = capsys.readouterr()
    assert codes == (1, 1)
    assert "site.toml: line 'bus' would be busy" in err
    assert '% of the time: poll its devices no more often than every = "5s", raise the baud rate' in err
    assert "no problems found" not in out + err
    assert " % too high " in out
    assert '"ok": false' in out


def test_a_line_with_little_room_is_called_high_and_is_no_problem(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = configured(tmp_path, SERIAL.replace('"1s"', '"4s"')).path

    assert main(["check", str(path)]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^bus +80\.8 % high ", out, re.MULTILINE)
    assert 'bus: little room is left for time-outs and repeats: poll its devices no more often than every = "5s"' in out


def test_two_lines_to_one_gateway_are_a_problem_and_many_connections_to_one_host_a_note(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = SERIAL.replace("rtu:///dev/ttyUSB0?baud=1200&parity=E", "tcp://10.0.0.5:4001").replace(
        "[[device]]", "{}[[device]]"
    )
    line = '[[line]]\nname = "more-{0}"\nurl = "tcp://10.0.0.5:{0}"\n\n'
    (tmp_path / "same.toml").write_text(text.format(line.format(4001)), encoding="utf-8")
    (tmp_path / "many.toml").write_text(text.format("".join(map(line.format, range(4002, 4006)))), encoding="utf-8")

    codes = main(["check", str(tmp_path / "same.toml")]), main(["check", str(tmp_path / "many.toml")])

    out, err = capsys.readouterr()
    assert codes == (2, 0)
    assert "line 'more-4001' has the same address as line 'bus': put the devices of both on one line, for many" in err
    assert "5 lines connect to 10.0.0.5: look up how many connections it accepts at once" in out


def test_accounts_name_their_source_and_carriers_their_factor(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = configured(tmp_path, SITE + DEVICES).path
    assert main(["check", str(path)]) == 0
    out = capsys.readouterr().out
    rows = [line.split() for line in out.splitlines()]
    assert ["boiler-1/natural_gas", "natural_gas", "gas_volume", "Nm3"] in rows
    assert ["steam", "(output)", "steam_mass", "t"] in rows
    assert "natural_gas  Nm3  2.1622    GB/T 32151.34-2024: natural_gas" in out

    assert main(["check", str(path), "--json"]) == 0
    accounts = {entry["account"]: entry for entry in orjson.loads(capsys.readouterr().out)["accounts"]}
    assert accounts["fan-1/electricity"]["factor"]["id"] == "CN-AH"
    assert "factor" not in accounts["steam"]


def test_a_factor_that_stands_in_for_another_says_so_and_one_that_was_not_checked_is_marked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = configured(
        tmp_path, (SITE + DEVICES).replace('"CN-AH"', '"CN-AH"\nfuel_parameters = "NDRC-2015-other-industry"')
    )
    future = int(datetime(2031, 1, 1, tzinfo=UTC).timestamp()) * 10**9

    by_name = {account["account"]: account for account in accounts_of(config, future)}
    assert "used for 2031: none published for 2031" in by_name["fan-1/electricity"]["factor"]["note"]
    assert main(["check", str(config.path)]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^natural_gas +Nm3 +\d\.\d{4} +\? +NDRC-2015-other-industry: natural_gas$", out, re.MULTILINE)
    assert "? a factor behind it was not checked against its source" in out


def test_accounts_that_nothing_holds_against_a_rating_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = SITE + DEVICES
    rated = text.replace('profile = "generic/', 'rated_power = "500 kW"\nprofile = "generic/')
    assert text.count('profile = "generic/') == 2
    told = []
    for each in (text, rated):
        assert main(["check", str(configured(tmp_path, each).path)]) == 0
        told += [
            re.findall(r"without rated_power a wrong scale or word order may be booked: (.*)", capsys.readouterr().out)
        ]

    assert told == [["fan-1/electricity, boiler-1/natural_gas"], []]


def test_ten_mistakes_are_ten_lines_a_count_and_two(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = SITE + DEVICES
    for right, wrong in (
        ('name = "works"', 'name = "Works"'),
        ('"CN-AH"', '"CN-HA-1"'),
        ("tcp://127.0.0.1:1502", "tpc://127.0.0.1:1502"),
        ('area = "boiler-house"\nline = "hall"\nunit = 1', 'area = "Boiler"\nline = "hal"\nunit = 300'),
        ('profile = "generic/steam-boiler"', 'profile = "generic/steam-boyler"'),
        ('from = "steam_mass"', 'form = "steam_mass"'),
        ('per = "steam"', 'per = "stem"'),
        ('length = "1min"', 'length = "7min"'),
    ):
        assert right in text
        text = text.replace(right, wrong, 1)
    path = tmp_path / "site.toml"
    path.write_text(text, encoding="utf-8")

    code = main(["check", str(path)])

    out, err = capsys.readouterr()
    *problems, count = err.splitlines()
    assert (code, out) == (2, "")
    assert len(problems) >= 10
    assert count == f"{len(problems)} problems found"
    assert all(problem.startswith(f"{path}:") and problem.split(":")[1].isdigit() for problem in problems)


def test_a_file_that_is_missing_or_a_folder_is_one_problem(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    codes = main(["check", str(tmp_path / "none.toml")]), main(["check", str(tmp_path)])

    err = capsys.readouterr().err
    assert codes == (2, 2)
    assert err.splitlines() == [
        f"{tmp_path}/none.toml: cannot be read (No such file or directory): check path and rights",
        f"{tmp_path}: cannot be read (Is a directory): check path and rights",
    ]


def test_what_is_made_or_fed_in_hides_no_factor_of_what_is_bought(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fed_in = '\n[[account]]\nname = "meter/fed_in"\ndevice = "meter"\ncarrier = "electricity"\n'
    path = configured(tmp_path, f'{SERIAL}{fed_in}from = "active_energy_export"\ndirection = "export"\n').path
    assert main(["check", str(path)]) in {0, 1}

    factors = capsys.readouterr().out.partition("\nFactors")[2].splitlines()[2:4]
    bought, sold = (line.split("kWh")[1].split()[0] for line in factors)
    assert (bought, sold) == (sold.removeprefix("-"), f"-{bought}")


def test_the_balances_of_the_levels_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pump = SERIAL.partition("[[device]]")[2].replace("unit = 1", "unit = 2").replace('"meter"', '"pump"')
    path = configured(tmp_path, f'{SERIAL}meters = "site"\n\n[[device]]{pump}').path
    assert main(["check", str(path)]) in {0, 1}

    shown = capsys.readouterr().out.partition("\nBalances\n")[2].splitlines()[:3]
    assert shown == ["site/electricity, in kWh", "  in:      meter/electricity", "  metered: pump/electricity"]


RECEIVERS = """
[mqtt]
url = "mqtts://broker.example"
username = "works"
password_file = "{file}"
ca_file = "certificates/ca.pem"

[influx]
url = "https://influx.example"
token_file = "token"
"""


def test_files_that_a_configuration_names_and_nobody_made_are_told_with_their_lines_beside_every_other_mistake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "site.toml"
    path.write_text(SERIAL + RECEIVERS.format(file="password.txt") + "\n[interval]\nlenght = '1min'\n")

    assert main(["check", str(path)]) == 2

    first, second, third, fourth, count = capsys.readouterr().err.splitlines()
    line = SERIAL.count("\n") + 1
    remedy = "does not exist: create it, or correct the path"
    assert first == f"{path}:{line + 4}: [mqtt] password_file 'password.txt' {remedy}"
    assert second == f"{path}:{line + 5}: [mqtt] ca_file 'certificates/ca.pem' {remedy}"
    assert third == f"{path}:{line + 9}: [influx] token_file 'token' {remedy}"
    assert "unknown key 'lenght'" in fourth
    assert count == "4 problems found"


def test_a_credential_of_the_service_may_be_there_only_while_it_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "site.toml"
    (tmp_path / "certificates").mkdir()
    for name in ("certificates/ca.pem", "token"):
        (tmp_path / name).write_text("x")
    credential = "/run/credentials/energy-agent.service/mqtt"
    path.write_text(SITE + DEVICES + RECEIVERS.format(file=credential))

    assert main(["check", str(path)]) == 0

    out, err = capsys.readouterr()
    note = f"{path}:{(SITE + DEVICES).count(chr(10)) + 5}: [mqtt] password_file '{credential}' is not there now: "
    assert note + "a credential is there while its service runs\n" in out
    assert err == ""
    assert main(["check", str(path), "--json"]) == 0
    assert orjson.loads(capsys.readouterr().out)["notes"][0].startswith(note)
