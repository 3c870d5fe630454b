import math
import struct
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.codec import Codec, encode
from drivers.errors import BadReply, LineDown, LineError, NoReply, Refused
from drivers.plan import plan
from drivers.reading import Block, Exchange, Outcome, Quality
from tests.drivers.registers import HEAD, NUMERIC, SCALED, exchange, profile, read


def value(entry: str, registers: str, head: str = HEAD) -> tuple[float, Quality]:
    """Return the only point's value and quality for registers in hex from address 0 on."""
    words = {at: int(word, 16) for at, word in enumerate(registers.split())}
    frame = read(profile(f"active_power = {{ address = 0, unit = 'kW', {entry} }}", head), {3: words, 4: words})
    return float(frame.values[0]), Quality(frame.quality[0])


# Bytes worked out by hand from two's complement, IEEE 754 and the digits themselves.
@pytest.mark.parametrize(
    ("type_name", "registers", "expected"),
    [
        ("uint16", "0000", 0),
        ("uint16", "FFFF", 65535),
        ("uint16", "1234", 0x1234),
        ("int16", "FFFF", -1),
        ("int16", "8000", -32768),
        ("int16", "7FFF", 32767),
        ("uint32", "0001 0000", 65536),
        ("uint32", "1234 5678", 0x12345678),
        ("uint32", "FFFF FFFF", 4294967295),
        ("int32", "FFFF FFFE", -2),
        ("int32", "8000 0000", -2147483648),
        ("uint64", "0123 4567 89AB CDEF", float(0x0123456789ABCDEF)),
        ("uint64", "001F FFFF FFFF FFFF", 2**53 - 1),
        ("uint64", "FFFF FFFF FFFF FFFF", 2.0**64),
        ("int64", "FFFF FFFF FFFF FFFF", -1),
        ("int64", "FFE0 0000 0000 0001", -(2**53) + 1),
        ("float32", "3F80 0000", 1.0),  # sign 0, exponent 127, fraction 0
        ("float32", "C048 0000", -3.125),  # -1.1001b * 2
        ("float32", "4366 8000", 230.5),  # 1.110011010b * 2**7
        ("float32", "0000 0001", 2.0**-149),  # the smallest denormal
        ("float32", "7F7F FFFF", (2 - 2**-23) * 2.0**127),  # the largest
        ("float32", "8000 0000", 0.0),
        ("float64", "3FF0 0000 0000 0000", 1.0),
        ("float64", "C059 0000 0000 0000", -100.0),  # -1.1001b * 2**6
        ("float64", "4009 21FB 5444 2D18", math.pi),
        ("bcd16", "1234", 1234),
        ("bcd16", "9999", 9999),
        ("bcd32", "1234 5678", 12345678),
        ("bcd32", "0000 0010", 10),
    ],
)
def test_registers_are_read_as_their_type(type_name: str, registers: str, expected: float) -> None:
    assert value(f"type = '{type_name}'", registers) == (expected, Quality.GOOD)


@pytest.mark.parametrize(
    ("type_name", "word_order", "byte_order", "registers"),
    [
        ("uint16", "big", "little", "3412"),
        ("uint16", "little", "big", "1234"),
        ("int16", "little", "little", "3412"),
        ("bcd16", "big", "little", "3412"),
    ],
)
def test_bytes_of_one_register_may_be_swapped(type_name: str, word_order: str, byte_order: str, registers: str) -> None:
    entry = f"type = '{type_name}', word_order = '{word_order}', byte_order = '{byte_order}'"

    assert value(entry, registers)[0] == (1234 if type_name == "bcd16" else 0x1234)


@pytest.mark.parametrize(
    ("word_order", "byte_order", "two", "four"),
    [
        ("big", "big", "1234 5678", "0123 4567 89AB CDEF"),
        ("little", "big", "5678 1234", "CDEF 89AB 4567 0123"),
        ("big", "little", "3412 7856", "2301 6745 AB89 EFCD"),
        ("little", "little", "7856 3412", "EFCD AB89 6745 2301"),
    ],
)
@pytest.mark.parametrize("place", ["point", "file"])
def test_words_and_bytes_may_stand_in_any_order(
    word_order: str, byte_order: str, two: str, four: str, place: str
) -> None:
    orders = f"word_order = '{word_order}'{{}}byte_order = '{byte_order}'"
    entry = ", " + orders.format(", ") if place == "point" else ""
    head = HEAD + (orders.format("\n") + "\n" if place == "file" else "")

    assert value("type = 'uint32'" + entry, two, head)[0] == 0x12345678
    assert value("type = 'bcd32'" + entry, two, head)[0] == 12345678
    assert value("type = 'float32'" + entry, two, head)[0] == struct.unpack(">f", bytes.fromhex("12345678"))[0]
    assert value("type = 'uint64'" + entry, four, head)[0] == float(0x0123456789ABCDEF)
    assert value("type = 'float64'" + entry, four, head)[0] == struct.unpack(">d", bytes.fromhex("0123456789ABCDEF"))[0]


@pytest.mark.parametrize(
    ("entry", "registers", "quality"),
    [
        ("type = 'float32'", "7FC0 0000", Quality.NOT_AVAILABLE),  # quiet NaN
        ("type = 'float32'", "7F80 0001", Quality.NOT_AVAILABLE),  # signalling NaN
        ("type = 'float32'", "7F80 0000", Quality.INVALID),  # infinity
        ("type = 'float64'", "FFF0 0000 0000 0000", Quality.INVALID),  # minus infinity
        ("type = 'float64', scale = 1e30", "7FE0 0000 0000 0000", Quality.INVALID),  # more than a float64 holds
        ("type = 'bcd16'", "12A4", Quality.INVALID),
        ("type = 'bcd32'", "F000 0000", Quality.INVALID),
        ("type = 'bcd16', missing = [0xFFFF]", "FFFF", Quality.NOT_AVAILABLE),
        ("type = 'uint16', missing = [0xFFFF, 0xFFFE]", "FFFE", Quality.NOT_AVAILABLE),
        ("type = 'int16', missing = [0x8000]", "8000", Quality.NOT_AVAILABLE),
        ("type = 'int32', missing = [0x7FFFFFFF]", "7FFF FFFF", Quality.NOT_AVAILABLE),
        ("type = 'uint64', missing = [0xFFFFFFFFFFFFFFFF]", "FFFF FFFF FFFF FFFF", Quality.NOT_AVAILABLE),
        ("type = 'float32', missing = [-9999.9]", "C61C 3F9A", Quality.NOT_AVAILABLE),
        ("range = [10, 20]", "0009", Quality.OUT_OF_RANGE),
        ("range = [10, 20]", "0015", Quality.OUT_OF_RANGE),
    ],
)
def test_what_is_no_value_is_nan_with_its_reason(entry: str, registers: str, quality: Quality) -> None:
    found, reason = value(entry, registers)

    assert math.isnan(found)
    assert reason is quality


@pytest.mark.parametrize(
    ("entry", "registers", "expected"),
    [
        ("range = [10, 20]", "000A", 10),
        ("range = [10, 20]", "0014", 20),
        ("scale = 0.1, range = [0, 0.3]", "0003", 0.3),  # 3 * 0.1 in floats is 0.30000000000000004
        ("missing = [0xFFFF]", "FFFE", 65534),
        ("type = 'uint64', missing = [0xFFFFFFFFFFFFFFFF]", "FFFF FFFF FFFF FFFE", 2.0**64),
        ("type = 'int16', scale = 0.01, offset = -5", "FFFF", -5.01),
        ("type = 'uint32', scale = 0.001", "4996 02D2", 1234567.89),
    ],
)
def test_values_are_scaled_with_one_rounding(entry: str, registers: str, expected: float) -> None:
    assert value(entry, registers) == (expected, Quality.GOOD)


def test_kelvin_and_fahrenheit_leave_no_rounding_noise() -> None:
    known = profile(
        "temperature = { address = 0, unit = 'K', scale = 0.1 }\n"
        "motor_temperature = { address = 1, unit = '°F', range = [32, 212] }"
    )

    assert read(known, {3: {0: 2981, 1: 212}}).values.tolist() == [24.95, 100.0]


@settings(max_examples=200, deadline=None)
@given(
    raw=st.integers(-(2**31), 2**31 - 1),
    scale=st.sampled_from(["1", "0.1", "0.01", "0.001", "10", "0.125", "2.5"]),
    offset=st.sampled_from(["0", "-40", "0.05"]),
)
def test_a_scaled_integer_is_the_nearest_float_to_the_exact_value(raw: int, scale: str, offset: str) -> None:
    known = profile(f"temperature = {{ address = 0, unit = '°F', type = 'int32', scale = {scale}, offset = {offset} }}")
    words = (raw & 0xFFFFFFFF).to_bytes(4)

    found = read(known, {3: {0: int.from_bytes(words[:2]), 1: int.from_bytes(words[2:])}}).values[0]

    assert found == float((raw * Fraction(scale) + Fraction(offset) - 32) * Fraction(5, 9))


def test_bits_of_a_register_are_told_apart() -> None:
    points = """\
running = { address = 0, type = "bit", bit = 0 }
fault = { address = 0, type = "bit", bit = 15 }
alarm = { address = 0, type = "bit", bit = 1 }
remote = { address = 1, type = "bool" }
ready = { address = 2, type = "bool", missing = [0xFFFF] }
status_word = { address = 0 }
"""
    frame = read(profile(points), {3: {0: 0x8001, 1: 0x0100, 2: 0xFFFF}})

    assert frame.values.tolist()[:4] == [1, 1, 0, 1]
    assert math.isnan(frame.values[4])
    assert frame.quality.tolist() == [0, 0, 0, 0, Quality.NOT_AVAILABLE, 0]
    assert frame.values[5] == 0x8001


def test_a_bit_of_a_swapped_register_is_counted_after_swapping() -> None:
    known = profile('running = { address = 0, type = "bit", bit = 0, byte_order = "little" }')

    assert read(known, {3: {0: 0x0100}}).values[0] == 1
    assert encode(known, {"running": 1}) == {3: {0: 0x0100}}


@pytest.mark.parametrize("function", [1, 2])
def test_coils_and_discrete_inputs_are_packed_from_the_lowest_bit_on(function: int) -> None:
    known = profile(
        f"running = {{ address = 5, function = {function} }}\nready = {{ address = 12, function = {function} }}\n"
        f"fault = {{ address = 14, function = {function} }}"
    )
    planned = plan(known, every_s=1)
    block = Block(function, 5, 10)
    # Addresses 5..12 in the first byte, 13 and 14 in the second.
    frame = Codec(known, planned).decode("d", {block: exchange(block, bytes([0b1000_0001, 0b0000_0000]))})

    assert [item.block for item in planned] == [block]
    assert frame.values.tolist() == [1, 1, 0]


@pytest.mark.parametrize(
    ("registers", "byte_order", "text"),
    [
        ("5344 4D36 3330", "big", "SDM630"),
        ("4453 364D 3033", "little", "SDM630"),
        ("2041 4220 0000", "big", "AB"),
        ("4142 0043 4400", "big", "AB"),
        ("41FF 4200 0000", "big", "A\N{REPLACEMENT CHARACTER}B"),
    ],
)
def test_texts_are_trimmed(registers: str, byte_order: str, text: str) -> None:
    head = HEAD + f"byte_order = '{byte_order}'\nword_order = 'little'\n"
    known = profile("model_name = { address = 0, type = 'string', length = 3 }", head)

    frame = read(known, {3: {at: int(word, 16) for at, word in enumerate(registers.split())}})

    assert dict(frame.texts) == {"model_name": text}
    assert frame.quality.tolist() == [Quality.GOOD]
    assert math.isnan(frame.values[0])


def test_an_empty_text_is_not_available() -> None:
    frame = read(profile("model_name = { address = 0, type = 'string', length = 2 }"), {})

    assert dict(frame.texts) == {}
    assert frame.quality.tolist() == [Quality.NOT_AVAILABLE]


@pytest.mark.parametrize(
    ("registers", "values"),
    [
        ((1234, 2300, 2981, 0, 1, 0), [1.234, 230, 24.95]),
        ((1234, 2300, 298, 1, 20, 1), [12.34, 4600, 24.85]),
        ((0xFFFF, 1, 29815, 0xFFFD, 3, 0xFFFF), [-0.000001, 0.3, 25]),
    ],
)
def test_helper_points_scale_before_the_offset(registers: tuple[int, ...], values: list[float]) -> None:
    frame = read(profile(SCALED), {3: dict(enumerate(registers))})

    assert frame.values[:3].tolist() == values
    assert frame.quality.tolist() == [0] * 6


@pytest.mark.parametrize(
    ("registers", "quality"),
    [
        ((1, 1, 1, 0x8000, 1, 0), [Quality.NOT_AVAILABLE, 0, 0]),
        ((1, 1, 1, 23, 1, 0), [Quality.INVALID, 0, 0]),
        ((0, 1, 1, 0xFFE9, 1, 0), [Quality.INVALID, 0, 0]),
        ((1, 1, 1, 0, 0, 0), [0, Quality.OUT_OF_RANGE, 0]),
        ((10000, 1, 1, 1, 1, 0), [Quality.OUT_OF_RANGE, 0, 0]),
    ],
)
def test_a_bad_helper_makes_what_it_scales_bad(registers: tuple[int, ...], quality: list[int]) -> None:
    frame = read(profile(SCALED), {3: dict(enumerate(registers))})

    assert frame.quality[:3].tolist() == quality
    assert np.isnan(frame.values[:3]).tolist() == [code != 0 for code in quality]


def test_an_exponent_that_is_no_integer_is_no_scale() -> None:
    points = "voltage = { address = 0, unit = 'V', scale_from = '_e' }\n"
    known = profile(points + "_e = { address = 1, unit = 'exponent', scale = 0.5 }")

    assert read(known, {3: {0: 5, 1: 2}}).values[0] == 50
    assert read(known, {3: {0: 5, 1: 3}}).quality.tolist() == [Quality.INVALID, Quality.GOOD]


def test_a_factor_of_zero_is_no_scale() -> None:
    known = profile("voltage = { address = 0, unit = 'V', scale_from = '_r' }\n_r = { address = 1, unit = 'factor' }")

    assert read(known, {3: {0: 5, 1: 0}}).quality[0] == Quality.INVALID


def test_a_helper_that_was_not_read_leaves_no_value() -> None:
    known = profile(
        "voltage = { address = 0, unit = 'V', scale_from = '_r' }\n_r = { address = 50, unit = 'factor' }\n"
        "current = { address = 1, unit = 'A' }"
    )
    first, second = (item.block for item in plan(known, every_s=1))
    good = exchange(first, bytes(4))
    outcomes: list[tuple[dict[Block, Exchange | LineError], list[int]]] = [
        ({first: good, second: NoReply("silent")}, [Quality.COMM_LOST, Quality.COMM_LOST, 0]),
        ({first: good}, [Quality.NOT_READ, Quality.NOT_READ, 0]),
    ]

    for exchanges, quality in outcomes:
        frame = Codec(known, plan(known, every_s=1)).decode("d", exchanges)
        assert frame.quality.tolist() == quality
        assert np.isnan(frame.values).tolist() == [True, True, False]


@pytest.mark.parametrize("helper", ["", ", scale_from = '_r'"])
def test_what_is_read_more_often_is_decoded_without_the_rest(helper: str) -> None:
    known = profile(
        "voltage = { address = 0, unit = 'V', scale_from = '_r' }\n_r = { address = 1, unit = 'factor' }\n"
        f"current = {{ address = 2, unit = 'A', every = '10s'{helper} }}\n"
        "serial_number = { address = 3, type = 'string', length = 1, every = '10s' }"
    )
    planned = plan(known, every_s=1)
    often, seldom = (item.block for item in planned)
    both = {often: exchange(often, bytes.fromhex("0007 0002")), seldom: exchange(seldom, bytes.fromhex("0003 4142"))}

    alone = Codec(known, planned).decode("d", {often: both[often]})
    together = Codec(known, planned).decode("d", both)

    by_position = dict(zip([point.name for point in known.points], range(4), strict=True))
    order = [by_position[name] for name in ("voltage", "_r", "current", "serial_number")]
    assert alone.quality[order].tolist() == [0, 0, Quality.NOT_READ, Quality.NOT_READ]
    assert alone.values[order[:2]].tolist() == [14, 2]
    assert np.isnan(alone.values[order[2:]]).all()
    assert together.quality[order].tolist() == [0, 0, 0, 0]
    assert together.values[order[:3]].tolist() == [14, 2, 6 if helper else 3]
    assert dict(together.texts) == {"serial_number": "AB"}


def test_a_point_whose_helper_lies_in_a_hole_has_no_address() -> None:
    known = profile("voltage = { address = 0, unit = 'V', scale_from = '_r' }\n_r = { address = 50, unit = 'factor' }")
    planned = plan(known, every_s=1, holes=[Block(3, 50, 1)])

    frame = Codec(known, planned).decode("d", {planned[0].block: exchange(planned[0].block, bytes(2))})

    assert frame.quality.tolist() == [Quality.NO_SUCH_ADDRESS] * 2


TWO_BLOCKS = """\
active_energy_import = { address = 0, unit = "kWh", type = "uint32" }
serial_number = { address = 2, type = "string", length = 1 }
active_energy_export = { address = 50, unit = "kWh", type = "uint32", word_order = "little" }
frequency = { address = 52, unit = "Hz" }
"""
FIRST, SECOND = Block(3, 0, 3), Block(3, 50, 3)


@pytest.mark.parametrize(
    ("failure", "quality"),
    [
        (NoReply("silent"), Quality.COMM_LOST),
        (LineDown("unplugged"), Quality.COMM_LOST),
        (BadReply("for another unit"), Quality.COMM_LOST),
        (Refused(2, exchange(FIRST, b"")), Quality.NO_SUCH_ADDRESS),
        (Refused(1, exchange(FIRST, b"")), Quality.REFUSED),
        (Refused(3, exchange(FIRST, b"")), Quality.REFUSED),
        (Refused(4, exchange(FIRST, b"")), Quality.REFUSED),
        (Refused(6, exchange(FIRST, b"")), Quality.REFUSED),
        (Refused(10, exchange(FIRST, b"")), Quality.COMM_LOST),
        (Refused(11, exchange(FIRST, b"")), Quality.COMM_LOST),
        (exchange(FIRST, b"", outcome=Outcome.NO_REPLY), Quality.COMM_LOST),
        (exchange(FIRST, b"", outcome=Outcome.EXCEPTION, exception=2), Quality.NO_SUCH_ADDRESS),
        (exchange(FIRST, b"", outcome=Outcome.EXCEPTION, exception=6), Quality.REFUSED),
        (exchange(FIRST, bytes(5)), Quality.COMM_LOST),
        (None, Quality.NOT_READ),
    ],
)
def test_a_failed_block_costs_only_its_own_points(failure: LineError | Exchange | None, quality: Quality) -> None:
    known = profile(TWO_BLOCKS)
    exchanges: dict[Block, Exchange | LineError] = {SECOND: exchange(SECOND, bytes.fromhex("0002 0001 0032"))}
    if failure is not None:
        exchanges[FIRST] = failure

    frame = Codec(known, plan(known, every_s=1)).decode("d", exchanges)

    assert frame.quality.tolist() == [quality, quality, Quality.GOOD, Quality.GOOD]
    assert np.isnan(frame.values[:2]).all()
    assert frame.values[2:].tolist() == [0x00010002, 50]
    assert dict(frame.raw) == {2: bytes.fromhex("0002 0001")}
    assert dict(frame.texts) == {}


def test_counters_keep_their_registers_as_they_stood_on_the_wire() -> None:
    known = profile(TWO_BLOCKS)
    exchanges = {FIRST: exchange(FIRST, bytes.fromhex("000100024100")), SECOND: exchange(SECOND, bytes(6))}

    frame = Codec(known, plan(known, every_s=1)).decode("meter", exchanges)

    assert frame.device == "meter"
    assert dict(frame.raw) == {0: bytes.fromhex("00010002"), 2: bytes(4)}
    assert frame.values[0] == 65538


def test_a_frame_bears_the_time_of_the_last_accepted_reply() -> None:
    known = profile(TWO_BLOCKS)
    codec = Codec(known, plan(known, every_s=1))
    late = NoReply("silent", exchange(SECOND, b"", outcome=Outcome.NO_REPLY, at=99))

    accepted = codec.decode("d", {FIRST: exchange(FIRST, bytes(6), at=5), SECOND: exchange(SECOND, bytes(6), at=9)})
    half = codec.decode("d", {FIRST: exchange(FIRST, bytes(6), at=5), SECOND: late})
    none = codec.decode("d", {SECOND: late})

    assert (accepted.monotonic_ns, accepted.time_ns) == (9, 1009)
    assert (half.monotonic_ns, half.time_ns) == (5, 1005)
    assert (none.monotonic_ns, none.time_ns) == (99, 1099)
    assert none.quality.tolist() == [255, 255, 100, 100]


def test_without_any_exchange_there_is_no_frame() -> None:
    known = profile(TWO_BLOCKS)
    codec = Codec(known, plan(known, every_s=1))

    with pytest.raises(ValueError, match="at least one exchange"):
        codec.decode("d", {})
    with pytest.raises(ValueError, match="at least one exchange"):
        codec.decode("d", {FIRST: LineDown("unplugged")})


def test_points_outside_the_plan_have_no_address() -> None:
    known = profile(TWO_BLOCKS)
    planned = plan(known, every_s=1, holes=[Block(3, 0, 3)])

    frame = Codec(known, planned).decode("d", {SECOND: exchange(SECOND, bytes(6))})

    assert frame.quality.tolist() == [Quality.NO_SUCH_ADDRESS, Quality.NO_SUCH_ADDRESS, 0, 0]


def test_many_points_of_many_types_are_decoded_side_by_side() -> None:
    entries: list[str] = []
    cells: dict[int, int] = {}
    names = [f"{base}{phase}" for base in ("current", "current_thd", "voltage") for phase in ("_l1", "_l2", "_l3")]
    units = {"current": "A", "current_thd": "%", "voltage": "V"}
    kinds = list(NUMERIC.items()) * 2
    for at, name in enumerate(names):
        kind, (length, code) = kinds[at]
        octets = struct.pack(code, 1000 + at)
        cells |= {at * 4 + word: int.from_bytes(octets[2 * word : 2 * word + 2]) for word in range(length)}
        entries.append(f"{name} = {{ address = {at * 4}, unit = '{units[name[:-3]]}', type = '{kind}' }}")

    assert read(profile("\n".join(entries)), {3: cells}).values.tolist() == list(range(1000, 1009))
