"""The site configuration: every mistake at once, each with its line."""

from pathlib import Path

import pytest

from agent.config import ConfigError
from agent.config.load import load_config
from drivers.profile_file import profile_path
from tests.agent.frames import configured

GOOD = """[site]
name = "hefei-works"
timezone = "Asia/Shanghai"
electricity_region = "CN-AH"

[[line]]
name = "boiler-house"
url = "tcp://127.0.0.1:5020"

[[device]]
name = "boiler-1"
area = "boiler-house"
line = "boiler-house"
unit = 1
profile = "generic/steam-boiler"
every = "5s"
rated_power = "700 kW"

[[device]]
name = "main-meter"
area = "substation"
line = "boiler-house"
unit = 2
profile = "eastron/sdm630"

[[output]]
name = "steam"
device = "boiler-1"
from = "steam_mass"

[[intensity]]
name = "steam"
accounts = ["boiler-1/natural_gas", "main-meter/electricity"]
per = "steam"
"""


def complaints(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        configured(tmp_path, text)
    return [str(problem).removeprefix(f"{tmp_path}/") for problem in caught.value.problems]


def line_of(text: str, fragment: str) -> int:
    return next(number for number, line in enumerate(text.splitlines(), 1) if fragment in line)


def test_a_right_file_gives_its_tables_and_defaults(tmp_path: Path) -> None:
    config = configured(tmp_path, GOOD)

    assert config.devices[0].every == 5.0
    assert config.devices[0].rated_power == 700.0
    assert config.devices[1].every == 1.0
    assert config.store.max_size == 2**30
    assert config.windows.spans_s == {"1min": 60.0, "15min": 900.0, "1h": 3600.0, "24h": 86400.0}
    assert config.mqtt is None
    assert config.profiles["main-meter"].model.startswith("Eastron SDM630")


def test_ten_mistakes_in_one_file_are_ten_problems_with_their_lines(tmp_path: Path) -> None:
    text = (
        GOOD.replace('name = "hefei-works"', 'name = "Hefei Works"')
        .replace('timezone = "Asia/Shanghai"', 'timezone = "Asia/Hefei"')
        .replace('electricity_region = "CN-AH"', 'electricity_region = "CN-XX"')
        .replace('url = "tcp://127.0.0.1:5020"', 'url = "tpc://127.0.0.1:5020"')
        .replace('every = "5s"', 'evry = "5s"')
        .replace('rated_power = "700 kW"', "rated_power = 700")
        .replace('profile = "eastron/sdm630"', 'profile = "eastron/sdm603"')
        .replace("unit = 2", "unit = 0")
        .replace('from = "steam_mass"', 'from = "steam_mas"')
        .replace('accounts = ["boiler-1/natural_gas",', 'accounts = ["boiler-1/natural_gasoline",')
    )

    found = complaints(tmp_path, text)

    mistakes = [
        "Hefei Works",
        "Asia/Hefei",
        "CN-XX",
        "tpc://",
        "evry",
        "rated_power",
        "sdm603",
        "unit = 0",
        '"steam_mas"',
        "natural_gasoline",
    ]
    lines = [int(problem.split(":")[1]) for problem in found]
    assert lines == sorted(line_of(text, mistake) for mistake in mistakes), found
    assert any("'evry'" in problem and "'every'" in problem for problem in found)


@pytest.mark.parametrize(
    ("wrong", "right", "said"),
    [
        ('line = "boiler-hose"', 'line = "boiler-house"', "did you mean 'boiler-house'"),
        ('from = "steam_mas"', 'from = "steam_mass"', "did you mean 'steam_mass'"),
        ('per = "steem"', 'per = "steam"', "no output 'steem'"),
        ('electricity_region = "CN-XX"', 'electricity_region = "CN-AH"', "no grid factor for region 'CN-XX'"),
        ('electricity_region = "Anhui"', 'electricity_region = "CN-AH"', "such as CN-AH for Anhui"),
        ('electricity_region = "cn-ah"', 'electricity_region = "CN-AH"', "did you mean 'CN-AH'"),
        ('profile = "meters/own.toml"', 'profile = "eastron/sdm630"', "meters/own.toml cannot be read (No such file"),
        ('profile = "eastron/sdm603"', 'profile = "eastron/sdm630"', "eastron/sdm630"),
        ('device = "boiler-2"', 'device = "boiler-1"', "no device 'boiler-2'"),
        ('"boiler-1/natural_gass"', '"boiler-1/natural_gas"', "did you mean 'boiler-1/natural_gas'"),
        ("unit = 1", "unit = 2", "is already"),
        ('name = "main-meter"', 'name = "boiler-1"', "stands twice"),
    ],
)
def test_a_name_that_does_not_fit_is_shown_with_the_nearest_one(
    tmp_path: Path, wrong: str, right: str, said: str
) -> None:
    text = GOOD.replace(wrong, right) if wrong.startswith("unit") else GOOD.replace(right, wrong, 1)
    if wrong.startswith("unit"):
        text = GOOD.replace("unit = 2", "unit = 1")
    if wrong.startswith("name"):
        text = GOOD.replace('name = "main-meter"', 'name = "boiler-1"')

    assert any(said in problem for problem in complaints(tmp_path, text)), complaints(tmp_path, text)


USES = """
[[green_power]]
accounts = ["main-meter/electricity"]
share = 0.5
from = 2026-01-01
to = 2027-01-01
certificate = "GEC-1"
contract = "2026/1"

[[initial_reading]]
account = "main-meter/electricity"
time = 2026-01-01T00:00:00
reading = 0
author = "Li Wei"
reason = "start"

[[virtual]]
name = "office/electricity"
sum = ["main-meter/electricity"]

[[budget]]
name = "year"
accounts = ["main-meter/electricity"]
per = "year"
energy_kwh = 1000
"""


def test_what_a_wrong_profile_would_have_counted_is_not_said_to_be_unknown_as_well(tmp_path: Path) -> None:
    text = GOOD.replace('profile = "eastron/sdm630"', 'profile = "own.toml"') + USES
    right = profile_path("eastron/sdm630").read_text(encoding="utf-8")
    (tmp_path / "own.toml").write_text(right, encoding="utf-8")
    configured(tmp_path, text)

    wrong = right.replace('from    = "active_energy_import"', 'from    = "active_energy_imprt"')
    (tmp_path / "own.toml").write_text(wrong, encoding="utf-8")
    told = complaints(tmp_path, text)
    assert any("'active_energy_imprt' is no point of this file" in each for each in told)
    assert not [each for each in told if "no account" in each]


def test_a_missing_file_and_a_syntax_error_are_one_line_each(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as missing:
        load_config(tmp_path / "none.toml")
    assert "none.toml: cannot be read" in str(missing.value)

    broken = complaints(tmp_path, GOOD.replace('name = "hefei-works"', 'name = "hefei-works'))
    assert len(broken) == 1
    assert broken[0].startswith("site.toml:2: not valid TOML")


def test_listening_beyond_this_machine_needs_a_token(tmp_path: Path) -> None:
    (problem,) = complaints(tmp_path, GOOD + '\n[http]\nlisten = "0.0.0.0:8081"\n')

    assert "can be reached from outside" in problem


def test_an_interval_that_does_not_divide_a_day_is_refused(tmp_path: Path) -> None:
    (problem,) = complaints(tmp_path, GOOD + '\n[interval]\nlength = "7min"\n')

    assert "divide a day" in problem


def test_an_account_may_take_the_place_of_one_from_the_profile(tmp_path: Path) -> None:
    text = GOOD + (
        '\n[[account]]\nname = "boiler-1/natural_gas"\ndevice = "boiler-1"\n'
        'carrier = "natural_gas"\nfrom = "gas_flow"\n'
    )

    assert configured(tmp_path, text).accounts[0].source == "gas_flow"


def test_a_carrier_nobody_knows_is_shown_where_it_is_chosen(tmp_path: Path) -> None:
    text = (
        GOOD + '\n[[account]]\nname = "boiler-1/x"\ndevice = "boiler-1"\ncarrier = "natural_gaz"\nfrom = "gas_flow"\n'
    )

    (problem,) = complaints(tmp_path, text)

    assert problem.startswith(f"site.toml:{line_of(text, 'natural_gaz')}:")


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("name", "boiler-2/x", "does not start with its device"),
        ("from", "steam_flwo", "did you mean 'steam_flow'"),
        ("check", "gas_flwo", "did you mean 'gas_flow'"),
    ],
)
def test_what_is_wrong_with_an_account_is_shown_at_the_key_that_says_it(
    tmp_path: Path, key: str, value: str, said: str
) -> None:
    table = {"name": "boiler-1/x", "device": "boiler-1", "carrier": "natural_gas", "from": "gas_volume", key: value}
    text = GOOD + "\n[[account]]\n" + "".join(f'{name} = "{entry}"\n' for name, entry in table.items())

    (problem,) = complaints(tmp_path, text)

    assert problem.startswith(f"site.toml:{line_of(text, value)}:")
    assert said in problem


@pytest.mark.parametrize("name", ["boiler-1", "boiler-1/", "boiler-1/a b", "boiler-1/a/b", "boiler-1/Gas", "/x"])
def test_the_name_of_an_account_fits_into_topics_and_tags(tmp_path: Path, name: str) -> None:
    table = 'device = "boiler-1"\ncarrier = "natural_gas"\nfrom = "gas_volume"\n'

    (problem,) = complaints(tmp_path, f'{GOOD}\n[[account]]\nname = "{name}"\n{table}')

    assert f"'{name}' is no name of an account: write device/word" in problem


def test_an_account_counts_once_in_an_intensity(tmp_path: Path) -> None:
    again = '  "boiler-1/natural_gas"]'
    text = GOOD.replace('"main-meter/electricity"]', f'"main-meter/electricity",\n{again}')

    (problem,) = complaints(tmp_path, text)

    assert problem == (
        f"site.toml:{line_of(text, again)}: account 'boiler-1/natural_gas' stands twice and would count twice: keep one"
    )


def test_windows_without_a_span_are_refused(tmp_path: Path) -> None:
    (problem,) = complaints(tmp_path, GOOD + "\n[windows]\nspans = []\n")

    assert "no span is named: name at least one, such as '1min'" in problem


def test_a_span_that_no_memory_would_hold_is_refused(tmp_path: Path) -> None:
    (problem,) = complaints(tmp_path, GOOD + '\n[windows]\nspans = ["1min", "100000000d"]\n')

    assert "span '100000000d' is longer than a year" in problem
    assert configured(tmp_path, GOOD + '\n[windows]\nspans = ["366d"]\n').windows.spans_s == {"366d": 366 * 86400.0}


def test_a_store_too_small_to_be_used_is_found_before_the_start(tmp_path: Path) -> None:
    (problem,) = complaints(tmp_path, GOOD + '\n[store]\nmax_size = "1KiB"\n')

    assert "store.max_size: is too small" in problem


def test_captures_that_have_no_room_are_found_before_the_start(tmp_path: Path) -> None:
    (problem,) = complaints(tmp_path, GOOD + '\n[capture]\nmode = "full"\nmax_size = "1MiB"\n')

    assert "capture.max_size: is too small" in problem


def test_a_database_at_an_impossible_port_is_found_before_the_start(tmp_path: Path) -> None:
    (problem,) = complaints(tmp_path, GOOD + '\n[influx]\nurl = "http://127.0.0.1:99999"\n')

    assert "has no valid port" in problem


def test_a_file_nested_beyond_reason_is_one_problem(tmp_path: Path) -> None:
    (problem,) = complaints(tmp_path, "a = " + "[" * 5000 + "]" * 5000)

    assert "nested too deeply" in problem


def test_a_number_longer_than_python_reads_is_one_problem(tmp_path: Path) -> None:
    (problem,) = complaints(tmp_path, GOOD.replace("unit = 2", f"unit = {'9' * 6000}"))

    assert "not valid TOML" in problem
    assert "shorten that number" in problem


@pytest.mark.parametrize("name", ["a" * 5000, "a/" * 3000 + "x.toml", "a\\u0000b.toml"])
def test_a_profile_name_that_no_file_can_have_is_one_problem(tmp_path: Path, name: str) -> None:
    (problem,) = complaints(tmp_path, GOOD.replace("eastron/sdm630", name))

    assert problem.startswith(f"site.toml:{line_of(GOOD, 'eastron/sdm630')}: ")


@pytest.mark.parametrize("written", ["true", "1.0", '"1"'])
def test_a_unit_is_a_whole_number_and_nothing_that_could_be_taken_for_one(tmp_path: Path, written: str) -> None:
    text = GOOD.replace("unit = 1\n", f"unit = {written}\n")

    (problem,) = complaints(tmp_path, text)

    assert problem.startswith(f"site.toml:{line_of(text, 'unit = ')}: device.unit: ")


def test_a_control_character_in_a_path_is_named_with_its_key(tmp_path: Path) -> None:
    text = GOOD + '[store]\npath = "/var/lib/energy\\u0000agent.db"\n'

    (problem,) = complaints(tmp_path, text)

    assert problem.startswith(f"site.toml:{line_of(text, 'path = ')}: store.path: holds a control character")


def test_captures_go_beside_the_store_unless_a_folder_is_named(tmp_path: Path) -> None:
    beside = configured(tmp_path, GOOD + '\n[store]\npath = "kept/store.db"\n')
    named = configured(tmp_path, GOOD + '\n[store]\npath = "kept/store.db"\n[capture]\ndirectory = "raw"\n')

    assert beside.capture_folder == tmp_path / "kept" / "capture"
    assert named.capture_folder == tmp_path / "raw"
