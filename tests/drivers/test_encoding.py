"""From numbers to registers, and back: what is encoded is what would be read."""

import math
import struct
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.codec import encode
from drivers.reading import Quality
from tests.drivers.registers import NUMERIC, SCALED, profile, read

ORDER = st.sampled_from(["big", "little"])


@st.composite
def numbers(draw: st.DrawFn) -> tuple[str, dict[int, int], float]:
    """Return a point of any type, registers for it made without the codec, and the exact canonical value."""
    name = draw(st.sampled_from([*NUMERIC, "bcd16", "bcd32"]))
    scale = draw(st.sampled_from(["1", "0.1", "0.001", "10", "-0.5", "7"]))
    offset = draw(st.sampled_from(["0", "-100", "0.25"]))
    if name.startswith("bcd"):
        length = int(name[3:]) // 16
        raw: float = draw(st.integers(0, 10 ** (4 * length) - 1))
        octets = bytes.fromhex(f"{raw:0{4 * length}d}")
    else:
        length, code = NUMERIC[name]
        if code[1] in "fd":
            width = 16 * length
            raw = draw(st.floats(width=32 if width == 32 else 64, min_value=-(2.0**40), max_value=2.0**40))
            scale, offset = ("1", "0") if width == 64 else (scale, "0")
        else:
            edge = min(2 ** (16 * length - code[1].islower()), 2**45)
            raw = draw(st.integers(-edge if code[1].islower() else 0, edge - 1))
        octets = struct.pack(code, raw)
    word_order, byte_order = draw(ORDER), draw(ORDER)
    words = [octets[at : at + 2] for at in range(0, len(octets), 2)]
    words = words if word_order == "big" else words[::-1]
    cells = {3 + at: int.from_bytes(word, byte_order) for at, word in enumerate(words)}  # type: ignore[arg-type]  # big or little
    entry = (
        f"reactive_power = {{ address = 3, unit = 'kvar', type = '{name}', scale = {scale}, offset = {offset}, "
        f"word_order = '{word_order}', byte_order = '{byte_order}' }}"
    )
    return entry, cells, float(Fraction(raw) * Fraction(scale) + Fraction(offset))


@settings(max_examples=400, deadline=None)
@given(numbers())
def test_decoding_and_encoding_are_inverse_for_all_types_orders_and_scales(
    case: tuple[str, dict[int, int], float],
) -> None:
    entry, cells, expected = case
    known = profile(entry)

    frame = read(known, {3: cells})

    assert frame.quality[0] == Quality.GOOD
    assert frame.values[0] == expected
    encoded = encode(known, {"reactive_power": float(frame.values[0])})
    assert read(known, encoded).values[0] == expected
    if expected != 0:  # zero has two signs among floats
        assert encoded == {3: cells}


@settings(max_examples=100, deadline=None)
@given(
    st.integers(-32000, 32000),
    st.integers(-6, 6),
    st.integers(1, 400),
    st.integers(0, 65535),
    st.booleans(),
    st.text("ABC xyz0", max_size=6).map(str.strip),
)
def test_a_whole_device_survives_the_way_out_and_back(
    raw: int,
    exponent: int,
    factor: int,
    volts: int,
    running: bool,  # noqa: FBT001  # hypothesis passes by position
    text: str,
) -> None:
    known = profile(
        """\
active_power = { address = 0, unit = "W", type = "int16", scale_from = "_sf" }
_sf = { address = 1, unit = "exponent", type = "int16" }
voltage = { address = 2, unit = "V", scale_from = "_ratio" }
_ratio = { address = 3, unit = "factor" }
status_word = { address = 4 }
running = { address = 4, type = "bit", bit = 3 }
fault = { address = 9, function = 2 }
model_name = { address = 5, type = "string", length = 3, function = 4 }
"""
    )
    values: dict[str, float | str] = {
        "active_power": raw * 10.0**exponent / 1000 if exponent > 0 else raw / (1000 * 10**-exponent),
        "_sf": exponent,
        "voltage": float(volts * factor),
        "_ratio": factor,
        "status_word": 0xFF00,
        "running": running,
        "fault": not running,
        "model_name": text,
    }
    frame = read(known, encode(known, values))

    assert frame.values[known.index["active_power"]] == values["active_power"]
    assert frame.values[known.index["voltage"]] == values["voltage"]
    assert frame.values[known.index["status_word"]] == 0xFF00 + 8 * running
    assert frame.values[known.index["running"]] == running
    assert frame.values[known.index["fault"]] == (not running)
    assert frame.texts.get("model_name", "") == text


@pytest.mark.parametrize(
    ("entry", "number", "expected"),
    [
        ("unit = 'kW'", 4660, {0: 0x1234}),
        ("unit = 'W', type = 'int32'", -0.002, {0: 0xFFFF, 1: 0xFFFE}),
        ("unit = 'kW', type = 'float32'", 1.0, {0: 0x3F80, 1: 0}),
        ("unit = 'kW', type = 'bcd32', scale = 0.1", 1234567.8, {0: 0x1234, 1: 0x5678}),
        ("unit = 'kW', type = 'uint64'", 2.0**53, {0: 0x0020, 1: 0, 2: 0, 3: 0}),
        ("unit = 'kW', type = 'int16', missing = [0x8000]", math.nan, {0: 0x8000}),
        ("unit = 'kW', type = 'bcd16', missing = [0xFFFF]", math.nan, {0: 0xFFFF}),
        ("unit = 'kW', type = 'float32'", math.nan, {0: 0x7FC0, 1: 0}),
    ],
)
def test_values_are_encoded_as_worked_out_by_hand(entry: str, number: float, expected: dict[int, int]) -> None:
    known = profile(f"active_power = {{ address = 0, {entry} }}")

    assert encode(known, {"active_power": number}) == {3: expected}


def test_large_counts_come_back_to_the_last_one() -> None:
    known = profile("active_power = { address = 0, unit = 'W', type = 'uint64' }")
    cells = {3: dict(enumerate((0x000F, 0xB084, 0x6E64, 0xBA3F)))}
    count = 4416207484926527

    assert read(known, cells).values[0] == count / 1000
    assert encode(known, {"active_power": count / 1000}) == cells


def test_helper_points_hold_no_scale_by_default() -> None:
    known = profile(SCALED)

    assert encode(known, {"active_power": 1.234}) == {3: {0: 1234, 3: 0, 4: 1, 5: 0}}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"voltage": 65536}, "voltage = 65536: .*too big"),
        ({"voltage": -1}, "voltage = -1: .*negative"),
        ({"voltage": math.nan}, "voltage = nan: has no raw value for 'not available'"),
        ({"voltage": math.inf}, "voltage = inf: is no finite number"),
        ({"voltage": "high"}, "voltage = high: is no number"),
        ({"current": 65535}, "current = 65535: would read as 'not available'"),
        ({"frequency": 10000}, "frequency = 10000: does not fit 4 decimal digits"),
        ({"active_power": 1e39}, "active_power = 1e.39: .*too large"),
        ({"running": 2}, "running = 2: is neither 0 nor 1"),
        ({"model_name": "too long"}, "model_name = too long: is longer than 4 characters"),
        ({"model_name": 5}, "model_name = 5: is no text"),
        ({"model_name": "Öl"}, "model_name = Öl: .*ascii"),
        ({"voltag": 1}, "p has no point 'voltag'"),
        ({"torque": 1, "_sf": 0.5}, "_sf = 0.5 is no usable exponent"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(values: dict[str, float | str], message: str) -> None:
    known = profile(
        """\
voltage = { address = 0, unit = "V" }
current = { address = 1, unit = "A", missing = [0xFFFF] }
frequency = { address = 2, unit = "Hz", type = "bcd16" }
active_power = { address = 3, unit = "kW", type = "float32" }
running = { address = 5, type = "bool" }
model_name = { address = 6, type = "string", length = 2 }
torque = { address = 8, unit = "N·m", scale_from = "_sf" }
_sf = { address = 9, unit = "exponent", scale = 0.1 }
"""
    )
    with pytest.raises(ValueError, match=message):
        encode(known, values)
