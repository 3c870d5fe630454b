"""One point of a profile: where it stands in a device, and how its registers become a canonical value."""

import math
import re
from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

from drivers.document import nearest
from drivers.entry import ADDRESSES, CounterEntry, PointEntry
from drivers.quantity import VOCABULARY, Kind, Quantity
from drivers.rawtype import RAW_TYPES, RawType
from drivers.unit import UNITS, conversion
from drivers.value import frozen

_EXACT = 2**53
# From here on float32 rounds to infinity.
_FLOAT32_END = float(2**128 - 2**103)
_HELPER_UNITS = ("exponent", "factor")


@frozen
class Point:
    """A value of a device: ``canonical = (raw * numerator + offset) / denominator``.

    The three are integers wherever they fit 2**53, so that a raw count is rounded once. `length` counts
    registers, or bits for functions 1 and 2. `low`, `high`, `modulus` and `resolution` are in the canonical
    unit of the quantity.
    """

    name: str
    quantity: Quantity | None
    """None for helper points, which start with an underscore and are never published."""
    function: int
    address: int
    length: int
    type: str
    bit: int | None
    word_order: str
    byte_order: str
    numerator: float
    denominator: float
    offset: float
    scale_from: str | None
    """The helper point whose value scales this one before the offset."""
    missing: tuple[int | float, ...]
    """Raw values that mean "not available"."""
    low: float | None
    high: float | None
    modulus: float | None
    """Amount at which a counter starts again from zero; None when unknown."""
    resolution: float
    """Amount of one raw count; 0 for floats and where a helper point scales."""
    every_s: float | None
    """Slower cadence [s]; None: that of the device."""
    scales: str | None = None
    """What a helper point holds: `exponent` (of ten) or `factor`."""

    @property
    def end(self) -> int:
        """First address behind the point."""
        return self.address + self.length


class Fault(NamedTuple):
    """A mistake in one key of a point."""

    key: str
    what: str
    remedy: str


class Defaults(NamedTuple):
    """What a profile says for all of its points."""

    function: int | None
    type: str | None
    word_order: str
    byte_order: str


def resolve(name: str, entry: PointEntry, defaults: Defaults) -> tuple[Point | None, list[Fault]]:
    """Return the point an entry describes, or None and everything that contradicts itself in it.

    A name outside the vocabulary is reported as a fault of the key "".
    """
    helper = name.startswith("_")
    quantity = VOCABULARY.get(name)
    faults = []
    if quantity is None and not re.fullmatch(r"_[a-z0-9_]+", name):
        faults.append(Fault("", "is no word of the vocabulary", nearest(name, VOCABULARY)))
    function = entry.function or defaults.function
    if function is None:
        faults.append(Fault("function", "is missing", "add it here or at the top of the file"))
    # Coils and discrete inputs can be nothing else than switches.
    type_name = entry.type or ("bool" if function in {1, 2} else defaults.type)
    if type_name is None:
        faults.append(Fault("type", "is missing", "add it here or at the top of the file"))
    if quantity or helper:
        faults += _unit_faults(quantity, entry)
    if type_name is not None and function is not None:
        raw = RAW_TYPES[type_name]
        faults += [
            *_type_faults(quantity, entry, raw, function),
            *_length_faults(entry, raw),
            *_scale_faults(entry, raw, helper=helper),
            *_missing_faults(entry, raw, function),
            *_counter_faults(quantity, entry, raw),
        ]
        if not faults:
            return _build(name, quantity, entry, raw, defaults._replace(function=function)), []
    return None, faults


def _unit_faults(quantity: Quantity | None, entry: PointEntry) -> Iterator[Fault]:
    if quantity is None:
        if entry.unit not in _HELPER_UNITS:
            yield Fault("unit", "does not say what the helper point holds", "give unit = 'exponent' or 'factor'")
        return
    own = [unit.symbol for unit in UNITS.values() if unit.dimension == quantity.unit.dimension]
    if entry.unit is None:
        if quantity.unit.key:
            yield Fault("unit", "is missing", f"give the unit that the manual prints; {nearest('', own)}")
    elif entry.unit not in UNITS:
        yield Fault("unit", f"unknown unit '{entry.unit}'", nearest(entry.unit, own))
    elif UNITS[entry.unit].dimension != quantity.unit.dimension:
        dimension = UNITS[entry.unit].dimension
        yield Fault("unit", f"{entry.unit} measures {dimension}, not {quantity.unit.dimension}", nearest("", own))


def _type_faults(quantity: Quantity | None, entry: PointEntry, raw: RawType, function: int) -> Iterator[Fault]:
    switch = raw.name in {"bool", "bit"}
    if function in {1, 2} and raw.name != "bool":
        yield Fault("type", f"function {function} reads single bits, not {raw.name}", "use type = 'bool'")
    if raw.name == "bit" and entry.bit is None:
        yield Fault("bit", "is missing", "give the bit of the register, 0 (lowest) to 15")
    if raw.name != "bit" and entry.bit is not None:
        yield Fault("bit", f"needs type = 'bit', not '{raw.name}'", "correct the type or remove bit")
    dimension = quantity.unit.dimension if quantity else "ratio"
    if dimension == "bool" and not switch:
        yield Fault("type", f"{raw.name} is no yes or no", "use type = 'bit' with a bit, or 'bool'")
    elif dimension == "text" and raw.name != "string":
        yield Fault("type", f"{raw.name} is no text", "use type = 'string' with a length in registers")
    elif dimension not in {"bool", "text"} and (switch or raw.name == "string"):
        yield Fault("type", f"{raw.name} is no number", "use an integer, float or BCD type")


def _length_faults(entry: PointEntry, raw: RawType) -> Iterator[Fault]:
    length = raw.registers or entry.length
    if length is None:
        yield Fault("length", "is missing", "give the length of the text in registers")
    elif entry.length not in {None, length}:
        yield Fault("length", f"{entry.length} does not fit {raw.name}, which takes {length}", "remove it")
    elif entry.address + length > ADDRESSES:
        yield Fault("address", f"{length} registers from {entry.address} pass 65535", "correct the address")


def _scale_faults(entry: PointEntry, raw: RawType, *, helper: bool) -> Iterator[Fault]:
    if raw.name in {"bool", "bit", "string"}:
        for key in ("scale", "offset", "scale_from", "range"):
            if getattr(entry, key) is not None:
                yield Fault(key, f"means nothing for type {raw.name}", "remove it")
    if entry.scale == 0:
        yield Fault("scale", "is zero", "remove it or correct it")
    if entry.range and entry.range[0] >= entry.range[1]:
        yield Fault("range", f"{entry.range[0]} is not below {entry.range[1]}", "write it as [lowest, highest]")
    if helper and entry.scale_from is not None:
        yield Fault("scale_from", "a helper point cannot be scaled by another one", "remove it")
    if helper and entry.every is not None:
        yield Fault("every", "a helper point is read with the points that it scales", "remove it")


def _missing_faults(entry: PointEntry, raw: RawType, function: int) -> Iterator[Fault]:
    if entry.missing and (raw.name == "string" or function in {1, 2}):
        yield Fault("missing", "means nothing for texts and single bits", "remove it")
        return
    for value in entry.missing:
        if raw.low is None or raw.high is None:
            if raw.name == "float32" and abs(value) >= _FLOAT32_END:
                yield Fault("missing", f"{value} does not fit float32", "correct the value or the type")
        elif not isinstance(value, int):
            yield Fault("missing", f"{value} is no raw value of {raw.name}", "give integers, such as 0x8000")
        elif not raw.low <= value < 2**raw.bits:
            yield Fault("missing", f"{value} does not fit {raw.name}", "correct the value or the type")


def _counter_faults(quantity: Quantity | None, entry: PointEntry, raw: RawType) -> Iterator[Fault]:
    if entry.counter is None:
        return
    if quantity is None or quantity.kind is not Kind.COUNTER:
        yield Fault("counter", "stands on something that does not count", "remove it")
    bits, limit = entry.counter.bits, entry.counter.limit
    if bits is not None:
        if not raw.integer or raw.name.startswith("bcd"):
            yield Fault("counter", f"{raw.name} does not wrap behind bits", "give limit, the largest value it shows")
        elif bits > raw.bits:
            yield Fault("counter", f"{bits} bits do not fit {raw.name}", f"give at most {raw.bits}")
        if entry.scale_from is not None:
            yield Fault("counter", "the amount of a count is known only to scale_from", "give limit instead of bits")
    elif limit is not None and limit <= 0:
        yield Fault("counter", "limit is not above zero", "give the largest value the counter shows")


def _build(name: str, quantity: Quantity | None, entry: PointEntry, raw: RawType, defaults: Defaults) -> Point:
    factor, shift = Fraction(1), Fraction(0)
    if quantity:
        factor, shift = conversion(UNITS[entry.unit] if entry.unit else quantity.unit, quantity.unit)
    gain = _exact(entry.scale, default=1) * factor
    numerator, denominator, offset = _as_floats(gain, _exact(entry.offset, default=0) * factor + shift)
    low, high = (float(_exact(end) * factor + shift) for end in entry.range) if entry.range else (None, None)
    step = abs(gain) if raw.integer and entry.scale_from is None else Fraction(0)
    function = defaults.function or 0
    return Point(
        name=name,
        quantity=quantity,
        function=function,
        address=entry.address,
        length=raw.registers or entry.length or 0,
        type=raw.name,
        bit=entry.bit,
        word_order=entry.word_order or defaults.word_order,
        byte_order=entry.byte_order or defaults.byte_order,
        numerator=numerator,
        denominator=denominator,
        offset=offset,
        scale_from=entry.scale_from,
        missing=tuple(_signed(value, raw) for value in entry.missing),
        low=low,
        high=high,
        modulus=_modulus(entry.counter, step, factor),
        resolution=float(step),
        every_s=entry.every,
        scales=None if quantity else entry.unit,
    )


def _exact(value: float | None, default: int = 0) -> Fraction:
    """Return a number of the file exactly as its decimal digits say it."""
    return Fraction(default) if value is None else Fraction(str(value))


def _as_floats(gain: Fraction, bias: Fraction) -> tuple[float, float, float]:
    """Return (numerator, denominator, offset) over one common denominator, nearest floats where it is too large."""
    denominator = math.lcm(gain.denominator, bias.denominator)
    numerator, offset = int(gain * denominator), int(bias * denominator)
    if max(abs(numerator), denominator, abs(offset)) > _EXACT:
        return float(gain), 1.0, float(bias)
    return float(numerator), float(denominator), float(offset)


def _signed(value: float, raw: RawType) -> float:
    # Manuals print 0x8000 for the int16 -32768.
    if raw.high is not None and value > raw.high:
        return value - (1 << raw.bits)
    return value


def _modulus(counter: CounterEntry | None, step: Fraction, factor: Fraction) -> float | None:
    if counter is None:
        return None
    if counter.bits is not None:
        return float(2**counter.bits * step)
    limit = str(counter.limit)
    # A display of 99999999.9 starts again one last digit later; a register may count coarser than its display.
    digits = Fraction(1, 10 ** len(limit.partition(".")[2])) if "e" not in limit else Fraction(0)
    return float(Fraction(limit) * factor + max(step, digits * factor))
