"""Numbers to registers: what a device with given values would answer. The inverse of the codec, for simulators."""

import math
import struct
from collections import defaultdict
from collections.abc import Mapping
from fractions import Fraction

from drivers.point import Point
from drivers.profile import Profile
from drivers.rawtype import RAW_TYPES, wire_positions
from drivers.scaling import POWERS

# Up to here a quotient of floats is nearer to the right integer than to any other.
_FLOAT_IS_EXACT = 2.0**48


def encode(profile: Profile, values: Mapping[str, float | str]) -> dict[int, dict[int, int]]:
    """Return {function: {address: register or bit}} for canonical values by point name.

    A helper point that is not among `values` holds exponent 0 or factor 1. NaN stands for "not available":
    the first `missing` raw value, or NaN itself for floats. Raises ValueError, naming the point, when a value
    does not fit its registers or would read as "not available"; nothing saturates.
    """
    unknown = sorted(set(values) - set(profile.index))
    if unknown:
        raise ValueError(f"{profile.name} has no point '{unknown[0]}'")
    held = {point.name: 0.0 if point.scales == "exponent" else 1.0 for point in profile.points if point.scales}
    given: dict[str, float | str] = {**held, **values}
    memory: dict[int, dict[int, int]] = defaultdict(dict)
    # Bits last: they stand in registers that another point may give as a whole.
    for point in sorted(profile.points, key=lambda point: point.type == "bit"):
        if point.name not in given:
            continue
        try:
            _write(memory[point.function], profile, point, given)
        except (ValueError, OverflowError) as error:
            raise ValueError(f"{point.name} = {given[point.name]}: {error}") from error
    return dict(memory)


def _write(cells: dict[int, int], profile: Profile, point: Point, given: Mapping[str, float | str]) -> None:
    value = given[point.name]
    if point.type == "string":
        octets = _text_octets(point, value)
    elif isinstance(value, str):
        raise ValueError("is no number")
    elif point.type in {"bit", "bool"} and not math.isnan(value):
        cells[point.address] = _switched(cells.get(point.address, 0), point, value)
        return
    else:
        octets = _number_octets(point, _raw(point, float(value), _parts(profile, point, given)))
    for at in range(point.length):
        cells[point.address + at] = int.from_bytes(octets[2 * at : 2 * at + 2])


def _switched(cell: int, point: Point, value: float) -> int:
    """Return a register with the point's bit as `value` says, or the cell of a single bit."""
    if value not in {0, 1}:
        raise ValueError("is neither 0 nor 1")
    bit = point.bit or 0
    if point.byte_order == "little":
        bit ^= 8  # the lower half of the word stands in the upper half of the register
    if point.function in {1, 2}:
        return int(value)
    return (cell if point.type == "bit" else 0) & ~(1 << bit) | int(value) << bit


def _parts(profile: Profile, point: Point, given: Mapping[str, float | str]) -> tuple[float, float, float]:
    """Return (numerator, offset, denominator) with the value of the helper point in them."""
    if point.scale_from is None:
        return point.numerator, point.offset, point.denominator
    held = float(given[point.scale_from])
    if not math.isfinite(held):
        raise ValueError(f"{point.scale_from} holds no number")
    if profile.point(point.scale_from).scales == "factor":
        if held == 0:
            raise ValueError(f"{point.scale_from} is zero")
        return point.numerator * held, point.offset, point.denominator
    if not held.is_integer() or abs(held) >= POWERS.size:
        raise ValueError(f"{point.scale_from} = {held} is no usable exponent of ten")
    times, parts = float(POWERS[max(int(held), 0)]), float(POWERS[max(-int(held), 0)])
    return point.numerator * times, point.offset * parts, point.denominator * parts


def _raw(point: Point, value: float, parts: tuple[float, float, float]) -> int | float:
    """Return the raw value, for BCD the word with its digits."""
    kind = RAW_TYPES[point.type]
    if math.isnan(value):
        if kind.low is not None and not point.missing:
            raise ValueError("has no raw value for 'not available'")
        return value if kind.low is None else point.missing[0]
    if not math.isfinite(value):
        raise ValueError("is no finite number")
    numerator, offset, denominator = parts
    raw: int | float = (value * denominator - offset) / numerator
    if kind.low is not None:
        raw = round(raw) if abs(raw) < _FLOAT_IS_EXACT else _exact_raw(value, parts)
        if point.type.startswith("bcd"):
            raw = _bcd(raw, kind.bits // 4)
    if raw in point.missing:
        raise ValueError("would read as 'not available'")
    return raw


def _exact_raw(value: float, parts: tuple[float, float, float]) -> int:
    numerator, offset, denominator = map(Fraction, parts)
    return round((Fraction(value) * denominator - offset) / numerator)


def _number_octets(point: Point, raw: float) -> bytes:
    """Return the bytes of a raw number in wire order."""
    if point.type == "float32":
        octets = struct.pack("<f", raw)
    elif point.type == "float64":
        octets = struct.pack("<d", raw)
    else:
        signed = (RAW_TYPES[point.type].low or 0) < 0
        octets = int(raw).to_bytes(2 * point.length, "little", signed=signed)
    wire = bytearray(len(octets))
    for octet, at in zip(octets, wire_positions(point.length, point.word_order, point.byte_order), strict=True):
        wire[at] = octet
    return bytes(wire)


def _bcd(number: int, digits: int) -> int:
    if not 0 <= number < 10**digits:
        raise ValueError(f"does not fit {digits} decimal digits")
    return int(str(number), 16)


def _text_octets(point: Point, value: float | str) -> bytes:
    if not isinstance(value, str):
        raise ValueError("is no text")  # noqa: TRY004  # one error type for whatever does not fit
    octets = value.encode("ascii").ljust(2 * point.length, b"\0")
    if len(octets) > 2 * point.length:
        raise ValueError(f"is longer than {2 * point.length} characters")
    if point.byte_order == "little":
        octets = b"".join(octets[at : at + 2][::-1] for at in range(0, len(octets), 2))
    return octets
