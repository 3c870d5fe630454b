"""The catalogue against the makers' manuals: tables written down here once more, and exchanges that were published.

The tables keep the numbers in the form in which the manual prints them (input register 30053, register 3060,
parameter 0103), so that a wrong conversion to the address on the wire shows.
"""

import itertools
import math
import re
import struct
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

from drivers.codec import Codec, encode
from drivers.frame import Frame
from drivers.guard import crc16
from drivers.plan import plan
from drivers.point import Point
from drivers.profile import Profile
from drivers.profile_file import catalogue, load_profile
from drivers.quantity import VOCABULARY
from drivers.reading import Block, Exchange, Outcome, Quality

ROOT = Path(__file__).parents[2]
CATALOGUE = ROOT / "drivers" / "catalogue"
NAMES = catalogue()
PAGES = ("devices.md", "devices.zh-CN.md")
FIRST_COUNTER = 0x0010
"""Where the states of the generic maps end."""

Facts = Mapping[str, tuple[int, str, float]]
"""Point -> (number in the manual, raw type, canonical amount of one raw count)."""

# Eastron SDM630 protocol, input register numbers; also in mbmd, bernisys/sdm630 and the SolarNetwork datum source.
SDM630: Facts = {
    "voltage_l1": (30001, "float32", 1),
    "voltage_l2": (30003, "float32", 1),
    "voltage_l3": (30005, "float32", 1),
    "current_l1": (30007, "float32", 1),
    "current_l2": (30009, "float32", 1),
    "current_l3": (30011, "float32", 1),
    "active_power_l1": (30013, "float32", 0.001),
    "active_power_l2": (30015, "float32", 0.001),
    "active_power_l3": (30017, "float32", 0.001),
    "apparent_power_l1": (30019, "float32", 0.001),
    "apparent_power_l2": (30021, "float32", 0.001),
    "apparent_power_l3": (30023, "float32", 0.001),
    "reactive_power_l1": (30025, "float32", 0.001),
    "reactive_power_l2": (30027, "float32", 0.001),
    "reactive_power_l3": (30029, "float32", 0.001),
    "power_factor_l1": (30031, "float32", 1),
    "power_factor_l2": (30033, "float32", 1),
    "power_factor_l3": (30035, "float32", 1),
    "phase_angle_l1": (30037, "float32", 1),
    "phase_angle_l2": (30039, "float32", 1),
    "phase_angle_l3": (30041, "float32", 1),
    "voltage_ln": (30043, "float32", 1),
    "current": (30047, "float32", 1),
    "active_power": (30053, "float32", 0.001),
    "apparent_power": (30057, "float32", 0.001),
    "reactive_power": (30061, "float32", 0.001),
    "power_factor": (30063, "float32", 1),
    "phase_angle": (30067, "float32", 1),
    "frequency": (30071, "float32", 1),
    "active_energy_import": (30073, "float32", 1),
    "active_energy_export": (30075, "float32", 1),
    "reactive_energy_import": (30077, "float32", 1),
    "reactive_energy_export": (30079, "float32", 1),
    "apparent_energy": (30081, "float32", 1),
    "active_power_demand": (30085, "float32", 0.001),
    "active_power_demand_max": (30087, "float32", 0.001),
    "voltage_l1_l2": (30201, "float32", 1),
    "voltage_l2_l3": (30203, "float32", 1),
    "voltage_l3_l1": (30205, "float32", 1),
    "voltage_ll": (30207, "float32", 1),
    "current_n": (30225, "float32", 1),
    "voltage_thd_l1": (30235, "float32", 1),
    "voltage_thd_l2": (30237, "float32", 1),
    "voltage_thd_l3": (30239, "float32", 1),
    "current_thd_l1": (30241, "float32", 1),
    "current_thd_l2": (30243, "float32", 1),
    "current_thd_l3": (30245, "float32", 1),
    "voltage_thd": (30249, "float32", 1),
    "current_thd": (30251, "float32", 1),
    "active_energy_total": (30343, "float32", 1),
    "active_energy_import_l1": (30347, "float32", 1),
    "active_energy_import_l2": (30349, "float32", 1),
    "active_energy_import_l3": (30351, "float32", 1),
    "active_energy_export_l1": (30353, "float32", 1),
    "active_energy_export_l2": (30355, "float32", 1),
    "active_energy_export_l3": (30357, "float32", 1),
}
# Table SDM230-Modbus Input Register; also in mbmd (sdm230.go) and on lamaplc.com.
SDM230: Facts = {
    "voltage": (30001, "float32", 1),
    "current": (30007, "float32", 1),
    "active_power": (30013, "float32", 0.001),
    "apparent_power": (30019, "float32", 0.001),
    "reactive_power": (30025, "float32", 0.001),
    "power_factor": (30031, "float32", 1),
    "phase_angle": (30037, "float32", 1),
    "frequency": (30071, "float32", 1),
    "active_energy_import": (30073, "float32", 1),
    "active_energy_export": (30075, "float32", 1),
    "reactive_energy_import": (30077, "float32", 1),
    "reactive_energy_export": (30079, "float32", 1),
    "active_energy_total": (30343, "float32", 1),
}
# Schneider register list, numbered from 1; also on star.ke.st (same numbers) and in SolarNetwork (numbers minus 1).
PM5XXX: Facts = {
    "current_l1": (3000, "float32", 1),
    "current_l2": (3002, "float32", 1),
    "current_l3": (3004, "float32", 1),
    "current_n": (3006, "float32", 1),
    "current": (3010, "float32", 1),
    "voltage_l1_l2": (3020, "float32", 1),
    "voltage_l2_l3": (3022, "float32", 1),
    "voltage_l3_l1": (3024, "float32", 1),
    "voltage_ll": (3026, "float32", 1),
    "voltage_l1": (3028, "float32", 1),
    "voltage_l2": (3030, "float32", 1),
    "voltage_l3": (3032, "float32", 1),
    "voltage_ln": (3036, "float32", 1),
    "active_power_l1": (3054, "float32", 1),
    "active_power_l2": (3056, "float32", 1),
    "active_power_l3": (3058, "float32", 1),
    "active_power": (3060, "float32", 1),
    "reactive_power_l1": (3062, "float32", 1),
    "reactive_power_l2": (3064, "float32", 1),
    "reactive_power_l3": (3066, "float32", 1),
    "reactive_power": (3068, "float32", 1),
    "apparent_power_l1": (3070, "float32", 1),
    "apparent_power_l2": (3072, "float32", 1),
    "apparent_power_l3": (3074, "float32", 1),
    "apparent_power": (3076, "float32", 1),
    "frequency": (3110, "float32", 1),
    "active_energy_import": (3204, "int64", 0.001),
    "active_energy_export": (3208, "int64", 0.001),
    "reactive_energy_import": (3220, "int64", 0.001),
    "reactive_energy_export": (3224, "int64", 0.001),
    "apparent_energy": (3236, "int64", 0.001),
    "model_name": (50, "string", 1),
}
# Acrel DTSD1352 manual, section 9.1, addresses as on the wire; also in the Arduino library ACREL_DTSD1352.
DTSD1352: Facts = {
    "active_energy_total": (0x0000, "uint32", 0.01),
    "active_energy_import": (0x000A, "uint32", 0.01),
    "active_energy_export": (0x0014, "uint32", 0.01),
    "reactive_energy_import": (0x0028, "uint32", 0.01),
    "reactive_energy_export": (0x0032, "uint32", 0.01),
    "voltage_l1": (0x0061, "uint16", 0.1),
    "voltage_l2": (0x0062, "uint16", 0.1),
    "voltage_l3": (0x0063, "uint16", 0.1),
    "current_l1": (0x0064, "uint16", 0.01),
    "current_l2": (0x0065, "uint16", 0.01),
    "current_l3": (0x0066, "uint16", 0.01),
    "frequency": (0x0077, "uint16", 0.01),
    "_current_ratio": (0x008E, "uint16", 1),
    "active_power_l1": (0x0164, "int32", 0.001),
    "active_power_l2": (0x0166, "int32", 0.001),
    "active_power_l3": (0x0168, "int32", 0.001),
    "active_power": (0x016A, "int32", 0.001),
    "reactive_power_l1": (0x016C, "int32", 0.001),
    "reactive_power_l2": (0x016E, "int32", 0.001),
    "reactive_power_l3": (0x0170, "int32", 0.001),
    "reactive_power": (0x0172, "int32", 0.001),
    "apparent_power_l1": (0x0174, "uint32", 0.001),
    "apparent_power_l2": (0x0176, "uint32", 0.001),
    "apparent_power_l3": (0x0178, "uint32", 0.001),
    "apparent_power": (0x017A, "uint32", 0.001),
    "power_factor_l1": (0x017C, "int16", 0.001),
    "power_factor_l2": (0x017D, "int16", 0.001),
    "power_factor_l3": (0x017E, "int16", 0.001),
    "power_factor": (0x017F, "int16", 0.001),
}
# ABB parameter numbers; addresses by the rule that the ACH550, ACS510 and ACQ550 manuals print: number - 1.
ACS550: Facts = {
    "status_word": (4, "uint16", 1),
    "speed": (102, "int16", 1),
    "output_frequency": (103, "int16", 0.1),
    "output_current": (104, "int16", 0.1),
    "torque_percent": (105, "int16", 0.1),
    "output_power": (106, "int16", 0.1),
    "dc_voltage": (107, "int16", 1),
    "output_voltage": (109, "int16", 1),
    "active_energy_import": (115, "uint16", 1),
    "fault_code": (401, "uint16", 1),
}
# INVT Goodrive200A manual, chapter 9; also in the Arduino library INVT_GD200A and on star.ke.st.
GD200A: Facts = {
    "operating_mode": (0x2100, "uint16", 1),
    "status_word": (0x2101, "uint16", 1),
    "fault_code": (0x2102, "uint16", 1),
    "output_frequency": (0x3000, "uint16", 0.01),
    "dc_voltage": (0x3002, "uint16", 0.1),
    "output_current": (0x3004, "uint16", 0.1),
    "speed": (0x3005, "uint16", 1),
    "load_percent": (0x3006, "int16", 0.1),
}
# Profile -> (function, number in the manual of wire address 0, facts).
MANUALS: Mapping[str, tuple[int, int, Facts]] = {
    "abb/acs550": (3, 1, ACS550),
    "acrel/dtsd1352": (3, 0, DTSD1352),
    "eastron/sdm230": (4, 30001, SDM230),
    "eastron/sdm630": (4, 30001, SDM630),
    "invt/gd200a": (3, 0, GD200A),
    "schneider/pm5xxx": (3, 1, PM5XXX),
}


def read(profile: Profile, memory: Mapping[int, Mapping[int, int]]) -> Frame:
    """Decode what a device with these registers, {function: {address: register}}, answers; the rest is zero."""
    planned = plan(profile, every_s=1.0)
    exchanges = {}
    for block in (item.block for item in planned):
        cells = memory.get(block.function, {})
        data = struct.pack(f">{block.count}H", *(cells.get(at, 0) for at in range(block.address, block.end)))
        exchanges[block] = Exchange("line", 1, block, b"", b"", data, 0, 0, 0, Outcome.OK)
    return Codec(profile, planned).decode("device", exchanges)


def value(profile: Profile, frame: Frame, name: str) -> float:
    position = profile.index[name]
    assert frame.quality[position] == Quality.GOOD
    return float(frame.values[position])


def registers(request: str, reply: str) -> dict[int, dict[int, int]]:
    """Return the registers that a published RTU exchange carries, after checking its checksums and counts."""
    sent, received = bytes.fromhex(request), bytes.fromhex(reply)
    assert crc16(sent) == 0
    assert crc16(received) == 0
    function, address, count = struct.unpack_from(">xBHH", sent)
    assert received[:3] == bytes((sent[0], function, 2 * count))
    return {function: dict(enumerate(struct.unpack(f">{count}H", received[3:-2]), address))}


def is_bit(point: Point) -> bool:
    return point.type == "bit"


@pytest.mark.parametrize("name", NAMES)
def test_every_profile_can_be_read_completely(name: str) -> None:
    profile = load_profile(name)
    planned = plan(profile, every_s=1.0)
    assert sorted(itertools.chain.from_iterable(item.points for item in planned)) == list(range(len(profile.points)))


@pytest.mark.parametrize("name", NAMES)
def test_every_profile_names_its_manual_and_its_cross_checks(name: str) -> None:
    assert len(load_profile(name).source) > len("manual V1.0")
    text = (CATALOGUE / f"{name}.toml").read_text(encoding="utf-8")
    assert name.startswith("generic/") or "# Cross-checked with" in text


@pytest.mark.parametrize("name", NAMES)
def test_no_two_points_share_a_register_except_bits_and_their_word(name: str) -> None:
    points = load_profile(name).points
    for first, second in itertools.combinations(points, 2):
        if first.function == second.function and first.address < second.end and second.address < first.end:
            assert (first.bit, first.address) != (second.bit, second.address)
            assert is_bit(first) or is_bit(second)
            assert first.length == second.length == 1


@pytest.mark.parametrize("name", NAMES)
def test_an_account_is_checked_by_a_gauge_of_the_same_device(name: str) -> None:
    profile = load_profile(name)
    for account in profile.accounts:
        assert account.name in {"electricity", "natural_gas"}
        assert account.check in profile.index
        assert VOCABULARY[account.from_].kind == "counter"


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("name", NAMES)
def test_the_documentation_lists_every_profile_as_it_is(name: str, page: str) -> None:
    profile = load_profile(name)
    published = sum(point.quantity is not None for point in profile.points)
    account = ", ".join(account.name for account in profile.accounts) or "-"
    row = rf"^\| `{name}` \| [^|]+ \| {published} \| {account} \| [^|]+ \|$"
    assert re.search(row, (ROOT / "docs" / page).read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("generic/")])
def test_the_documentation_gives_the_map_of_a_generic_device(name: str, page: str) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    chapter = text.split(f"### `{name}`")[1].split("###")[0]
    rows = re.findall(r"^\| ([0-9A-F]{4})H \| (\w+)[^|]*\| (\w+) \|[^|]*\| ?(?:([0-9A-F]+)H)?", chapter, re.MULTILINE)
    documented = {name: (int(address, 16), type_, missing) for address, name, type_, missing in rows}
    raw_text = {-0x8000: "8000", 0xFFFF: "FFFF", -0x80000000: "80000000"}
    assert documented == {
        point.name: (point.address, point.type, "".join(raw_text[int(value)] for value in point.missing))
        for point in load_profile(name).points
        if point.address >= FIRST_COUNTER
    }


@pytest.mark.parametrize("page", PAGES)
def test_the_example_in_the_documentation_is_a_profile(page: str, tmp_path: Path) -> None:
    example = (ROOT / "docs" / page).read_text(encoding="utf-8").split("```toml\n")[1].split("```")[0]
    (tmp_path / "pm-1.toml").write_text(example, encoding="utf-8")
    profile = load_profile("pm-1.toml", relative_to=tmp_path)
    assert [point.name for point in profile.points] == ["voltage_l1", "active_power", "active_energy_import", "fault"]


def test_every_makers_profile_has_a_table_here() -> None:
    assert set(MANUALS) == {name for name in NAMES if not name.startswith("generic/")}


@pytest.mark.parametrize("name", MANUALS)
def test_points_stand_where_the_manual_says(name: str) -> None:
    function, first, facts = MANUALS[name]
    profile = load_profile(name)
    found = {
        point.name: (point.function, point.address, point.type, point.numerator / point.denominator, point.offset)
        for point in profile.points
    }
    assert found == {
        point: (function, number - first, type_, gain, 0.0) for point, (number, type_, gain) in facts.items()
    }


@pytest.mark.parametrize("name", MANUALS)
def test_devices_send_the_most_significant_byte_first(name: str) -> None:
    assert {(point.word_order, point.byte_order) for point in load_profile(name).points} == {("big", "big")}


def test_the_sdm630_manuals_example_is_230_volts() -> None:
    profile = load_profile("eastron/sdm630")
    frame = read(profile, registers("01 04 00 00 00 02 71 CB", "01 04 04 43 66 33 34 1B 38"))
    assert value(profile, frame, "voltage_l1") == pytest.approx(230.2, rel=2**-24)


@pytest.mark.parametrize("name", ["eastron/sdm630", "eastron/sdm230"])
def test_eastron_meters_are_asked_for_whole_values_and_not_too_many(name: str) -> None:
    # At 60 s nothing is slower than the device, and requests grow longest.
    blocks = [item.block for every_s in (1.0, 60.0) for item in plan(load_profile(name), every_s=every_s)]
    assert all(block.address % 2 == 0 and block.count % 2 == 0 and block.count <= 80 for block in blocks)


def test_an_sdm630_is_asked_for_everything_fast_in_one_request() -> None:
    blocks = [item.block for item in plan(load_profile("eastron/sdm630"), every_s=1.0)]
    assert Block(4, 0x0000, 0x0050) in blocks


def test_the_serial_number_of_an_sdm630_is_its_identity() -> None:
    identity = load_profile("eastron/sdm630").identity
    assert identity is not None
    assert (identity.function, 400001 + identity.address, identity.count) == (3, 464513, 2)


def test_a_read_of_a_pm5310_from_address_zero_shows_its_name() -> None:
    # pymodbus issue 958: words 49 to 51 of the answer are 504D 3533 3130; the register list says register 50.
    profile = load_profile("schneider/pm5xxx")
    frame = read(profile, {3: {49: 0x504D, 50: 0x3533, 51: 0x3130}})
    assert frame.texts["model_name"] == "PM5310"


def test_a_read_of_a_pm5350_shows_the_mains_frequency() -> None:
    # j2mod issue 26: reference 3110 of the tool modpoll, which sends address 3109, answered 426F FC67.
    profile = load_profile("schneider/pm5xxx")
    frame = read(profile, {3: {3109: 0x426F, 3110: 0xFC67}})
    assert value(profile, frame, "frequency") == pytest.approx(59.9965, abs=1e-4)


def test_a_pm5xxx_energy_of_many_digits_keeps_its_last_watt_hour() -> None:
    profile = load_profile("schneider/pm5xxx")
    wh = 1_234_567_890_123
    cells = dict(enumerate(struct.unpack(">4H", wh.to_bytes(8, "big")), 3203))
    assert value(profile, read(profile, {3: cells}), "active_energy_import") == wh / 1000


def test_what_a_pm5xxx_does_not_offer_is_not_available() -> None:
    profile = load_profile("schneider/pm5xxx")
    cells = {3109: 0xFFC0, 3110: 0x0000, 3203: 0x8000, 3204: 0, 3205: 0, 3206: 0}
    frame = read(profile, {3: cells})
    for name in ("frequency", "active_energy_import"):
        assert frame.quality[profile.index[name]] == Quality.NOT_AVAILABLE
        assert math.isnan(frame.values[profile.index[name]])


@pytest.mark.parametrize(("words", "kwh"), [((0, 39773), 397.73), ((2, 34119), 1651.91)])
def test_published_words_of_a_dtsd1352_are_what_its_display_showed(words: tuple[int, int], kwh: float) -> None:
    # Issue 410 of a Home Assistant integration for Solis inverters; words of the meter, read on its display.
    profile = load_profile("acrel/dtsd1352")
    frame = read(profile, {3: {0x000A: words[0], 0x000B: words[1], 0x008E: 1}})
    assert value(profile, frame, "active_energy_import") == kwh


def test_a_dtsd1352_behind_transformers_is_multiplied_by_its_current_ratio() -> None:
    profile = load_profile("acrel/dtsd1352")
    # -1.5 kW at the meter's inputs, by transformers of 200/5 A.
    minus_1500 = struct.unpack(">2H", struct.pack(">i", -1500))
    cells = {0x008E: 40, 0x016A: minus_1500[0], 0x016B: minus_1500[1], 0x0064: 217, 0x0061: 2302, 0x000B: 100}
    frame = read(profile, {3: cells})
    assert value(profile, frame, "active_power") == pytest.approx(-60.0)
    assert value(profile, frame, "current_l1") == pytest.approx(86.8)
    assert value(profile, frame, "voltage_l1") == 230.2
    assert value(profile, frame, "active_energy_import") == pytest.approx(40.0)


def test_a_dtsd1352_with_a_voltage_ratio_is_not_taken_for_one_without() -> None:
    identity = load_profile("acrel/dtsd1352").identity
    assert identity is not None
    assert (identity.function, identity.address, identity.count, identity.expect) == (3, 0x008D, 1, "0001")


def test_an_acs550_is_never_asked_for_a_register_without_a_parameter() -> None:
    profile = load_profile("abb/acs550")
    asked = {at for item in plan(profile, every_s=1.0) for at in range(item.block.address, item.block.end)}
    assert asked == {point.address for point in profile.points}


def test_an_acs550_in_reverse_has_negative_speed_and_torque() -> None:
    profile = load_profile("abb/acs550")
    frame = read(profile, {3: {101: 0x10000 - 1480, 102: 497, 104: 0x10000 - 553, 105: 82, 114: 65535}})
    assert value(profile, frame, "speed") == -1480
    assert value(profile, frame, "output_frequency") == 49.7
    assert value(profile, frame, "torque_percent") == -55.3
    assert value(profile, frame, "output_power") == 8.2
    assert value(profile, frame, "active_energy_import") == 65535


def test_the_invt_manuals_example_is_a_stopped_drive() -> None:
    profile = load_profile("invt/gd200a")
    frame = read(profile, registers("01 03 21 00 00 01 8E 36", "01 03 02 00 03 F8 45"))
    assert value(profile, frame, "operating_mode") == 3


def test_an_invt_drive_is_asked_for_at_most_sixteen_registers() -> None:
    assert max(item.block.count for item in plan(load_profile("invt/gd200a"), every_s=1.0)) <= 16


@pytest.mark.parametrize("name", ["generic/steam-boiler", "generic/vfd-motor"])
def test_a_generic_device_is_read_with_one_request(name: str) -> None:
    assert len(plan(load_profile(name), every_s=1.0)) == 1


BOILER = {
    "ready": 1.0,
    "running": 1.0,
    "remote": 1.0,
    "fault_code": 0.0,
    "gas_volume": 412.5,
    "steam_mass": 5.432,
    "run_hours": 1234.5,
    "gas_flow": 296.5,
    "steam_pressure": 1.012,
    "feed_water_temperature": 104.3,
    "ambient_temperature": -12.5,
    "stack_oxygen": 3.52,
    "drum_level": -4.5,
}


def test_a_generic_boiler_says_what_it_holds() -> None:
    profile = load_profile("generic/steam-boiler")
    frame = read(profile, encode(profile, BOILER))
    assert {name: value(profile, frame, name) for name in BOILER} == BOILER


def test_the_generic_boilers_registers_are_those_of_the_documentation() -> None:
    memory = encode(load_profile("generic/steam-boiler"), BOILER)[3]
    assert memory[0x0000] == 0b10011
    assert (memory[0x0010], memory[0x0011]) == (0, 4125)
    assert (memory[0x0020], memory[0x0021]) == struct.unpack(">2H", struct.pack(">f", 296.5))
    assert memory[0x0029] == 1012
    assert memory[0x002D] == 0x10000 - 125


@pytest.mark.parametrize(
    ("name", "register"),
    [("gas_pressure", 0xFFFF), ("steam_temperature", 0x8000), ("stack_oxygen", 0xFFFF), ("drum_level", 0x8000)],
)
def test_a_value_that_a_generic_boiler_does_not_measure_is_not_available(name: str, register: int) -> None:
    profile = load_profile("generic/steam-boiler")
    frame = read(profile, {3: {profile.point(name).address: register}})
    assert frame.quality[profile.index[name]] == Quality.NOT_AVAILABLE


@pytest.mark.parametrize(
    ("profile_name", "counter", "wraps_at"),
    [
        ("generic/steam-boiler", "gas_volume", 429_496_729.6),
        ("generic/steam-boiler", "steam_mass", 4_294_967.296),
        ("generic/vfd-motor", "active_energy_import", 42_949_672.96),
    ],
)
def test_a_generic_counter_starts_again_behind_32_bits(profile_name: str, counter: str, wraps_at: float) -> None:
    assert load_profile(profile_name).point(counter).modulus == wraps_at


def test_the_counters_of_makers_whose_manuals_do_not_say_how_they_wrap_have_no_modulus() -> None:
    assert {point.modulus for name in MANUALS for point in load_profile(name).points} == {None}


def test_a_generic_motor_gives_its_status_as_bits_and_as_a_word() -> None:
    profile = load_profile("generic/vfd-motor")
    values = {
        "active_energy_import": 4711.25,
        "active_power": 12.345,
        "current": 21.87,
        "output_frequency": 41.25,
        "speed": -1215.0,
        "torque_percent": -63.4,
        "power_factor": 0.953,
    }
    frame = read(profile, encode(profile, values | {"running": 1.0, "fault": 1.0}))
    assert {name: value(profile, frame, name) for name in values} == values
    assert [value(profile, frame, name) for name in ("ready", "running", "fault", "alarm", "remote")] == [0, 1, 1, 0, 0]
    assert value(profile, frame, "status_word") == 0b110


def test_catalogue_files_stand_in_one_folder_for_each_maker() -> None:
    files = {path.relative_to(CATALOGUE).with_suffix("").as_posix() for path in CATALOGUE.rglob("*.toml")}
    assert files == set(NAMES)
    assert all(tomllib.loads((CATALOGUE / f"{name}.toml").read_text(encoding="utf-8"))["model"] for name in files)
