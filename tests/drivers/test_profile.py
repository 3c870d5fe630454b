import hashlib
from pathlib import Path

import pytest

from drivers.errors import ProfileError
from drivers.profile import AccountSpec, Identity, Profile
from drivers.profile_file import catalogue, load_profile
from drivers.reading import Block

HEAD = 'model = "M"\nkind = "plc"\nsource = "manual"\nfunction = 3\ntype = "uint16"\n'


def profile(tmp_path: Path, points: str, head: str = HEAD, tail: str = "") -> Profile:
    (tmp_path / "p.toml").write_text(f"{head}[points]\n{points}\n{tail}", encoding="utf-8")
    return load_profile("p.toml", relative_to=tmp_path)


def problems(tmp_path: Path, points: str, head: str = HEAD, tail: str = "") -> list[str]:
    """Return what loading complains about, without the file's name."""
    with pytest.raises(ProfileError) as caught:
        profile(tmp_path, points, head, tail)
    return [str(problem).replace(f"{tmp_path / 'p.toml'}:", "") for problem in caught.value.problems]


def test_a_full_profile_is_loaded(tmp_path: Path) -> None:
    head = """\
model = "Eastron SDM630-Modbus V2"
kind = "electricity-meter"
source = "SDM630 Modbus Protocol Implementation, V1.7, table 1.1"
function = 4
type = "float32"
max_registers = 80
max_gap = 8
holes = [{ address = 0x60, count = 4 }, { address = 9, count = 1, function = 3 }]
[identity]
address = 0xFC00
count = 2
function = 3
expect = "0070 00AB"
"""
    points = """\
active_power = { address = 0x0034, unit = "W" }
active_energy_import = { address = 0x0048, unit = "kWh", every = "1min" }
serial_number = { address = 100, type = "string", length = 8, function = 3 }
"""
    tail = """\
[[accounts]]
name = "electricity"
carrier = "electricity"
from = "active_energy_import"
check = "active_power"
"""

    loaded = profile(tmp_path, points, head, tail)

    assert (loaded.name, loaded.model, loaded.kind) == ("p.toml", "Eastron SDM630-Modbus V2", "electricity-meter")
    assert loaded.source.startswith("SDM630")
    assert loaded.digest == "sha256:" + hashlib.sha256((tmp_path / "p.toml").read_bytes()).hexdigest()
    assert dict(loaded.index) == {"active_power": 0, "active_energy_import": 1, "serial_number": 2}
    power = loaded.point("active_power")
    assert power.quantity is not None
    assert power.quantity.key == "active_power_kw"
    assert (power.function, power.address, power.length, power.type) == (4, 0x34, 2, "float32")
    assert (power.numerator, power.denominator, power.offset, power.resolution) == (1, 1000, 0, 0)
    assert (power.word_order, power.byte_order, power.every_s) == ("big", "big", None)
    assert loaded.point("active_energy_import").every_s == 60
    assert (loaded.point("serial_number").function, loaded.point("serial_number").length) == (3, 8)
    assert loaded.accounts == (AccountSpec("electricity", "electricity", "active_energy_import", "active_power"),)
    assert loaded.identity == Identity(3, 0xFC00, 2, "007000ab")
    assert (loaded.max_registers, loaded.max_gap) == (80, 8)
    assert loaded.holes == (Block(4, 0x60, 4), Block(3, 9, 1))


@pytest.mark.parametrize(
    ("entry", "numerator", "denominator", "offset"),
    [
        ('voltage = { address = 0, unit = "V", scale = 0.1 }', 1, 10, 0),
        ('voltage = { address = 0, unit = "mV" }', 1, 1000, 0),
        ('active_power = { address = 0, unit = "W", scale = 10 }', 1, 100, 0),
        ('active_power = { address = 0, unit = "MW", scale = 0.001 }', 1, 1, 0),
        ('temperature = { address = 0, unit = "°C", scale = 0.1, offset = -40 }', 1, 10, -400),
        ('temperature = { address = 0, unit = "K", scale = 0.1 }', 2, 20, -5463),
        ('temperature = { address = 0, unit = "°F" }', 5, 9, -160),
        ('gas_volume = { address = 0, unit = "m3(20C)" }', 5463, 5863, 0),
        ("power_factor = { address = 0, scale = -1e-3 }", -1, 1000, 0),
    ],
)
def test_scale_and_unit_combine_exactly(
    tmp_path: Path, entry: str, numerator: float, denominator: float, offset: float
) -> None:
    point = profile(tmp_path, entry).points[0]

    assert point.numerator * denominator == numerator * point.denominator
    assert point.offset * denominator == offset * point.denominator
    assert point.numerator.is_integer()
    assert point.denominator.is_integer()


def test_what_is_said_of_the_source_may_take_several_lines(tmp_path: Path) -> None:
    head = HEAD.replace('source = "manual"', 'source = """\nmanual,\ntable 3"""')
    assert profile(tmp_path, "active_power = { address = 0, unit = 'W' }", head).source == "manual,\ntable 3"


def test_a_factor_too_long_for_exact_integers_becomes_the_nearest_float(tmp_path: Path) -> None:
    point = profile(tmp_path, 'active_power = { address = 0, unit = "hp" }').points[0]

    assert (point.numerator, point.denominator, point.offset) == (0.74569987158227022, 1.0, 0.0)


@pytest.mark.parametrize(
    ("entry", "modulus", "resolution"),
    [
        ('unit = "Wh", type = "uint32", counter = { bits = 32 }', 4294967.296, 0.001),
        ('unit = "kWh", scale = 0.1, counter = { bits = 16 }', 6553.6, 0.1),
        ('unit = "kWh", type = "uint32", scale = 0.1, counter = { limit = 99999999.9 }', 1e8, 0.1),
        ('unit = "MWh", type = "float32", counter = { limit = 99999.99 }', 1e8, 0),
        ('unit = "kWh", type = "bcd32", counter = { limit = 99999999 }', 1e8, 1),
        ('unit = "kWh"', None, 1),
    ],
)
def test_a_counter_knows_where_it_starts_again(
    tmp_path: Path, entry: str, modulus: float | None, resolution: float
) -> None:
    point = profile(tmp_path, f"active_energy_import = {{ address = 0, {entry} }}").points[0]

    assert (point.modulus, point.resolution) == (modulus, resolution)


def test_a_range_is_kept_in_the_canonical_unit(tmp_path: Path) -> None:
    point = profile(tmp_path, 'temperature = { address = 0, unit = "°F", range = [-40, 212] }').points[0]

    assert (point.low, point.high) == (-40, 100)


def test_missing_values_of_signed_types_may_be_written_as_the_manual_prints_them(tmp_path: Path) -> None:
    text = 'voltage = { address = 0, unit = "V", type = "int16", missing = [0x8000, -1, 0x7FFF] }'

    assert profile(tmp_path, text).points[0].missing == (-32768, -1, 32767)


def test_missing_values_of_64_bit_stay_exact(tmp_path: Path) -> None:
    text = 'voltage = { address = 0, unit = "V", type = "uint64", missing = [0xFFFFFFFFFFFFFFFF] }'

    assert profile(tmp_path, text).points[0].missing == (2**64 - 1,)


def test_single_bits_need_no_type(tmp_path: Path) -> None:
    point = profile(tmp_path, "running = { address = 5, function = 1 }").points[0]

    assert (point.type, point.length) == ("bool", 1)


def test_a_helper_point_scales_others(tmp_path: Path) -> None:
    loaded = profile(
        tmp_path,
        'voltage = { address = 0, unit = "V", scale_from = "_sf" }\n'
        '_sf = { address = 1, unit = "exponent", type = "int16" }',
    )

    assert (loaded.point("_sf").quantity, loaded.point("_sf").scales) == (None, "exponent")
    assert (loaded.point("voltage").scale_from, loaded.point("voltage").resolution) == ("_sf", 0)


@pytest.mark.parametrize(
    ("name", "entry", "expected"),
    [
        ("voltag", '{ address = 0, unit = "V" }', "is no word of the vocabulary: did you mean 'voltage'"),
        ("_Sf", '{ address = 0, unit = "factor" }', "is no word of the vocabulary"),
        ("voltage", '{ address = 0, unit = "v" }', "unit: unknown unit 'v': did you mean 'V' or 'mV'?"),
        ("voltage", '{ address = 0, unit = "kW" }', "unit: kW measures power, not voltage: known: V, kV, mV"),
        ("voltage", "{ address = 0 }", "unit: is missing: give the unit that the manual prints; known: V, kV, mV"),
        (
            "voltage",
            '{ address = 0, unit = "V", type = "int61" }',
            "type: unknown type 'int61': did you mean 'int64' or 'int16'?",
        ),
        ("voltage", '{ address = 65536, unit = "V" }', "address: 65536 is too much: use less than 65536"),
        (
            "voltage",
            '{ address = 65535, unit = "V", type = "float32" }',
            "address: 2 registers from 65535 pass 65535: correct the address",
        ),
        ("voltage", '{ address = "1", unit = "V" }', "address: input should be a valid integer"),
        ("voltage", '{ address = 0, unit = "V", scale = true }', "scale: must be a finite number"),
        ("voltage", '{ address = 0, unit = "V", scale = inf }', "scale: must be a finite number"),
        ("voltage", '{ address = 0, unit = "V", scale = 1e300 }', "scale: must lie within 1e+30"),
        ("voltage", '{ address = 0, unit = "V", scale = 0 }', "scale: is zero: remove it or correct it"),
        ("voltage", '{ address = 0, unit = "V", bit = 3 }', "bit: needs type = 'bit', not 'uint16'"),
        ("running", "{ address = 0, type = 'bit' }", "bit: is missing: give the bit of the register"),
        ("running", "{ address = 0 }", "type: uint16 is no yes or no"),
        ("running", "{ address = 0, type = 'bit', bit = 16 }", "bit: 16 is too much: use 15 or less"),
        ("running", "{ address = 0, type = 'bool', scale = 2 }", "scale: means nothing for type bool: remove it"),
        (
            "fault",
            "{ address = 0, type = 'bit', bit = 0, function = 2 }",
            "type: function 2 reads single bits, not bit",
        ),
        ("voltage", '{ address = 0, unit = "V", type = "string", length = 2 }', "type: string is no number"),
        ("serial_number", "{ address = 0 }", "type: uint16 is no text"),
        ("serial_number", "{ address = 0, type = 'string' }", "length: is missing: give the length"),
        (
            "voltage",
            '{ address = 0, unit = "V", length = 2 }',
            "length: 2 does not fit uint16, which takes 1: remove it",
        ),
        (
            "voltage",
            '{ address = 0, unit = "V", range = [5, 5] }',
            "range: 5 is not below 5: write it as [lowest, highest]",
        ),
        ("voltage", '{ address = 0, unit = "V", range = [5] }', "range: list should have at least 2 items"),
        ("voltage", '{ address = 0, unit = "V", missing = [65536] }', "missing: 65536 does not fit uint16"),
        ("voltage", '{ address = 0, unit = "V", missing = [1.5] }', "missing: 1.5 is no raw value of uint16"),
        (
            "voltage",
            '{ address = 0, unit = "V", type = "float32", missing = [1e39] }',
            "missing: 1e+39 does not fit float32",
        ),
        (
            "voltage",
            '{ address = 0, unit = "V", counter = { bits = 16 } }',
            "counter: stands on something that does not count",
        ),
        (
            "run_hours",
            '{ address = 0, unit = "h", counter = { bits = 17 } }',
            "counter: 17 bits do not fit uint16: give at most 16",
        ),
        (
            "run_hours",
            '{ address = 0, unit = "h", type = "float32", counter = { bits = 16 } }',
            "counter: float32 does not wrap behind bits",
        ),
        (
            "run_hours",
            '{ address = 0, unit = "h", counter = { bits = 16, limit = 5 } }',
            "counter: says not how it wraps: give either",
        ),
        ("run_hours", '{ address = 0, unit = "h", counter = { limit = 0 } }', "counter: limit is not above zero"),
        ("voltage", '{ address = 0, unit = "V", every = "fast" }', "every: 'fast' is no duration: write text such as"),
        ("voltage", '{ address = 0, unit = "V", every = "0s" }', "every: '0s' is no duration"),
        (
            "voltage",
            '{ address = 0, unit = "V", scale_from = "_sf" }',
            "scale_from: '_sf' is no helper point of this file",
        ),
        (
            "voltage",
            '{ address = 0, unit = "V", word_order = "middle" }',
            "word_order: input should be 'big' or 'little'",
        ),
        ("voltage", '{ adress = 0, unit = "V" }', "'address' is missing in [points.voltage]: add it"),
        (
            "voltage",
            '{ address = 0, unit = "V", scala = 1 }',
            "unknown key 'scala' in [points.voltage]: did you mean 'scale'",
        ),
        ("voltage", "5", "points.voltage: must be a table: write { key = value }"),
        (
            "_sf",
            "{ address = 0 }",
            "unit: does not say what the helper point holds: give unit = 'exponent' or 'factor'",
        ),
        (
            "_sf",
            "{ address = 0, unit = 'factor', every = '1h' }",
            "every: a helper point is read with the points that it scales",
        ),
        (
            "_sf",
            "{ address = 0, unit = 'factor', scale_from = '_sf' }",
            "scale_from: a helper point cannot be scaled by another one",
        ),
    ],
)
def test_a_mistake_in_a_point_names_line_point_and_remedy(tmp_path: Path, name: str, entry: str, expected: str) -> None:
    found = problems(tmp_path, f'frequency = {{ address = 99, unit = "Hz" }}\n{name} = {entry}')

    assert any(expected in text for text in found)
    assert all(text.startswith("8:") and f"points.{name}" in text for text in found)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (('"plc"', '"pcl"'), "2: kind: unknown kind 'pcl': did you mean 'plc'?"),
        (('source = "manual"\n', ""), "1: 'source' is missing: add it"),
        (("function = 3", "function = 6"), "4: function: input should be 1, 2, 3 or 4"),
        (('"uint16"', '"uint17"'), "5: type: unknown type 'uint17': did you mean 'uint16'"),
        (('type = "uint16"', "max_registers = 126"), "5: max_registers: 126 is too much: use 125 or less"),
        (("function = 3", "functoin = 3"), "4: unknown key 'functoin': did you mean 'function'?"),
        (('type = "uint16"', ""), "7: points.voltage.type: is missing: add it here or at the top of the file"),
    ],
)
def test_a_mistake_at_the_top_names_its_line(tmp_path: Path, change: tuple[str, str], expected: str) -> None:
    found = problems(tmp_path, 'voltage = { address = 0, unit = "V" }', HEAD.replace(*change))

    assert any(text.startswith(expected) for text in found)


def test_what_only_follows_from_a_reported_mistake_is_not_reported(tmp_path: Path) -> None:
    found = problems(tmp_path, "running = { address = 0 }", HEAD.replace("uint16", "bitt"))

    assert found == ["5: type: unknown type 'bitt': did you mean 'bit'?"]
    assert problems(tmp_path, "voltage = { address = 0, unit = 5 }") == [
        "7: points.voltage.unit: input should be a valid string",
    ]


def test_a_point_that_stands_on_its_own_is_judged_whatever_is_wrong_at_the_top(tmp_path: Path) -> None:
    head = HEAD.replace("uint16", "bitt").replace("function = 3", "function = 7")
    found = problems(tmp_path, "running = { address = 0, function = 3, type = 'bit' }", head)

    assert [text.split(":")[0] for text in found] == ["4", "5", "7"]


@pytest.mark.parametrize(
    ("identity", "expected"),
    [
        ("address = 65535\ncount = 2", "8: identity.count: passes address 65535"),
        ("address = 0\ncount = 2\nexpect = '00ab'", "9: identity.expect: holds 1 registers, not 2"),
        ("address = 0\ncount = 1\nexpect = 'ab'", "9: identity.expect: is not registers in hex"),
        ("address = 0\ncount = 1\nfunction = 2", "9: identity.function: input should be 3 or 4"),
        ("address = 0\ncount = 90", "8: identity.count: is more than max_registers = 80"),
    ],
)
def test_a_mistake_in_the_identity_names_its_line(tmp_path: Path, identity: str, expected: str) -> None:
    head = HEAD.replace('type = "uint16"', f"max_registers = 80\n[identity]\n{identity}")
    found = problems(tmp_path, 'voltage = { address = 0, unit = "V", type = "uint16" }', head)

    assert found[0].startswith(expected)
    assert len(found) == 1


ACCOUNT = '[[accounts]]\nname = "a"\ncarrier = "electricity"\n'


@pytest.mark.parametrize(
    ("account", "expected"),
    [
        (
            ACCOUNT + 'from = "active_energy_exprt"',
            "15: accounts.from: 'active_energy_exprt' is no point of this file: did you",
        ),
        (ACCOUNT + 'from = "_sf"', "15: accounts.from: '_sf' is no point of this file"),
        (ACCOUNT + 'from = "voltage"', "15: accounts.from: 'voltage' neither counts nor can be integrated"),
        (
            ACCOUNT + 'from = "active_energy_import"\ncheck = "steam_flow"',
            "16: accounts.check: 'steam_flow' measures mass flow and",
        ),
        (ACCOUNT + 'from = "active_energy_import"\ncheck = "voltage"', "16: accounts.check: 'voltage' neither counts"),
        (ACCOUNT, "12: 'from' is missing in [accounts]: add it"),
        (ACCOUNT.replace('"a"', '"A b"') + 'from = "steam_flow"', "13: accounts.name: string should match"),
        (ACCOUNT + 'from = "steam_flow"\n' + ACCOUNT + 'from = "steam_flow"', "17: accounts.name: 'a' stands twice"),
        (ACCOUNT + 'form = "steam_flow"', "15: unknown key 'form' in [accounts]: did you mean 'from'?"),
    ],
)
def test_a_mistake_in_an_account_names_its_line(tmp_path: Path, account: str, expected: str) -> None:
    points = """\
voltage = { address = 0, unit = "V" }
active_energy_import = { address = 1, unit = "kWh" }
_sf = { address = 2, unit = "factor" }
steam_flow = { address = 3, unit = "t/h", scale_from = "_sf" }
"""
    found = problems(tmp_path, points, HEAD, account)

    assert any(text.startswith(expected) for text in found)


def test_points_in_a_hole_and_points_longer_than_a_request_are_refused(tmp_path: Path) -> None:
    head = HEAD.replace(
        'type = "uint16"', "max_registers = 4\nholes = [{ address = 8, count = 2 }, { address = 65535, count = 2 }]"
    )
    points = """\
voltage = { address = 7, unit = "V", type = "float32" }
current = { address = 7, unit = "A", type = "uint16" }
frequency = { address = 8, unit = "Hz", type = "uint16", function = 4 }
power_factor = { address = 10, type = "uint16" }
serial_number = { address = 20, type = "string", length = 5 }
"""

    assert problems(tmp_path, points, head) == [
        "6: holes.count: the hole passes address 65535: correct it",
        "8: points.voltage.address: lies in the hole of 2 from 8: correct the address or the hole",
        "12: points.serial_number: takes 5 registers, more than max_registers = 4: correct the length or max_registers",
    ]


def test_one_run_shows_every_mistake_of_a_file(tmp_path: Path) -> None:
    head = HEAD.replace('"plc"', '"plcc"').replace("function = 3", "function = 3\nmax_gap = -1")
    points = """\
voltag = { address = 0, unit = "V" }
voltage = { address = 0, unit = "W", scale = 0, colour = 1 }
current = { address = -1, unit = "kA", bit = 1 }
active_energy_import = { address = 4, unit = "kWh" }
"""
    tail = ACCOUNT + 'from = "active_energy_imprt"\ncheck = "voltage"\n'

    found = problems(tmp_path, points, head, tail)

    assert [text.split(":")[0] for text in found] == ["2", "5", "8", "9", "9", "9", "10", "10", "16", "17"]


def test_a_profile_without_points_is_refused(tmp_path: Path) -> None:
    assert problems(tmp_path, "") == ["6: points: dictionary should have at least 1 item after validation, not 0"]


def test_a_syntax_error_is_one_problem(tmp_path: Path) -> None:
    assert problems(tmp_path, "voltage = { address = }") == [
        '7: not valid TOML: Invalid value: correct the syntax; text stands in straight quotes: "…"'
    ]


def test_a_missing_file_is_one_problem(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match=r"none\.toml: cannot be read \(No such file or directory\)"):
        load_profile("none.toml", relative_to=tmp_path)


def test_a_folder_is_one_problem(tmp_path: Path) -> None:
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(ProfileError, match=r"folder\.toml: cannot be read \(Is a directory\)"):
        load_profile("folder.toml", relative_to=tmp_path)


def test_an_unknown_catalogue_name_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(
        ProfileError, match=r"no profile 'eastron/sdm631' in the catalogue: did you mean 'eastron/sdm630'"
    ):
        load_profile("eastron/sdm631", relative_to=tmp_path)


def test_the_catalogue_is_sorted_and_loads() -> None:
    names = catalogue()

    assert list(names) == sorted(names)
    assert [load_profile(name).name for name in names] == list(names)
