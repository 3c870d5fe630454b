"""Registers as numbers, in every type and order that a profile can name, and how plausible each is.

The rules, in bits for or against a reading (docs/commissioning.md prints them):

* A float that is no number, tiny or huge is none; one of an everyday size is rarely met by chance.
* A 32- or 64-bit integer whose upper words are zero (or all ones, when signed) reads in the right order.
* Packed decimals need every digit below ten. Characters need to be printable, letters among them.
* 49.5-50.5 or 59.5-60.5 looks like the mains frequency, 198-253 and 345-440 like mains voltages.
* The order of the standard, high word and high byte first, comes before the others.
* Of two samples a moment apart: steady or slowly growing speaks for a reading, a jump against it.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from drivers.rawtype import RAW_TYPES, raw_number, wire_positions
from drivers.value import frozen

ORDERS = (("big", "big"), ("little", "big"), ("big", "little"), ("little", "little"))
"""Word order and byte order, the most common first."""
_ORDER_BITS = {("big", "big"): 0.0, ("little", "big"): -0.5, ("big", "little"): -1.5, ("little", "little"): -1.0}
_FREQUENCIES = ((49.5, 50.5), (59.5, 60.5))
_VOLTAGES = ((198.0, 253.0), (345.0, 440.0))
_EVERYDAY = (1e-3, 1e7)
_FAR = (1e-6, 1e12)
_MODEST = 10**8
_WORD, _HALF_WORD = 1 << 16, 1 << 15
_PRINTABLE = range(0x20, 0x7F)
_TEXT_REGISTERS = 8
_JUMP, _STEADY = 0.5, 0.05
_LONG, _LONGEST = 2, 4


@frozen(kw_only=True)
class Candidate:
    """One way to read registers: `raw` is the number they hold, NaN for text; `bits` says how plausible it is."""

    address: int
    registers: int
    type: str
    word_order: str
    byte_order: str
    octets: bytes
    raw: float
    text: str = ""
    scale: float = 1.0
    bits: float = 0.0
    why: tuple[str, ...] = ()

    @property
    def end(self) -> int:
        """First address behind it."""
        return self.address + self.registers

    @property
    def value(self) -> float:
        """The raw number with its scale, in as few digits as tell it from its neighbours."""
        number = float(str(np.float32(self.raw))) if self.type == "float32" else self.raw
        return float(f"{number * self.scale:.12g}")

    @property
    def keys(self) -> dict[str, str | float | int]:
        """What a profile says of such a point besides its address; orders only where there is a choice."""
        found: dict[str, str | float | int] = {"type": self.type}
        if self.registers > 1 and self.type != "string":
            found["word_order"] = self.word_order
        if self.byte_order != "big":
            found["byte_order"] = self.byte_order
        if self.type == "string":
            found["length"] = self.registers
        if self.scale != 1.0:
            found["scale"] = self.scale
        return found


def candidates(
    words: Mapping[int, int], later: Mapping[int, int] | None = None, *, orders: Sequence[tuple[str, str]] = ORDERS
) -> list[Candidate]:
    """Return every reading of registers given by address, judged; `later` are the same registers a moment after."""
    found = []
    for address in sorted(words):
        found += [_weighed(candidate, later) for candidate in _numbers(words, address, orders)]
        found += _texts(words, address, orders)
    return found


def order_bits(word_order: str, byte_order: str) -> float:
    """Return what is known of an order before any register is read [bit]."""
    return _ORDER_BITS[word_order, byte_order]


def octets(words: Mapping[int, int], address: int, registers: int) -> bytes | None:
    """Return registers as on the wire; None where one is missing."""
    wanted = range(address, address + registers)
    if any(at not in words for at in wanted):
        return None
    return b"".join(words[at].to_bytes(2, "big") for at in wanted)


def _numbers(words: Mapping[int, int], address: int, orders: Sequence[tuple[str, str]]) -> Iterator[Candidate]:
    for raw in RAW_TYPES.values():
        if raw.name in {"bool", "bit", "string"}:
            continue
        data = octets(words, address, raw.registers)
        if data is None:
            continue
        arranged = set()
        for word_order, byte_order in orders:
            # Orders that bring the same bytes into the same place are one reading.
            placed = bytes(data[at] for at in wire_positions(raw.registers, word_order, byte_order))
            if placed in arranged:
                continue
            arranged.add(placed)
            try:
                number = float(raw_number(raw.name, data, word_order, byte_order))
            except ValueError:
                continue  # a packed decimal with a digit above nine
            yield Candidate(
                address=address,
                registers=raw.registers,
                type=raw.name,
                word_order=word_order,
                byte_order=byte_order,
                octets=data,
                raw=number,
            )


def _texts(words: Mapping[int, int], address: int, orders: Sequence[tuple[str, str]]) -> Iterator[Candidate]:
    for byte_order in sorted({byte_order for _, byte_order in orders}):
        text = ""
        while len(text) < 2 * _TEXT_REGISTERS and (word := words.get(address + len(text) // 2)) is not None:
            pair = word.to_bytes(2, "big" if byte_order == "big" else "little")
            if any(character not in _PRINTABLE for character in pair):
                break
            text += pair.decode("ascii")
        if len(text) // 2 >= _LONG and sum(character.isalnum() for character in text) > len(text) // 2:
            registers = len(text) // 2
            yield Candidate(
                address=address,
                registers=registers,
                type="string",
                word_order="big",
                byte_order=byte_order,
                octets=octets(words, address, registers) or b"",
                raw=math.nan,
                text=text.rstrip(),
                bits=1.6 * registers - (1.5 if byte_order == "little" else 0.0),
                why=("printable characters",),
            )


def _weighed(candidate: Candidate, later: Mapping[int, int] | None) -> Candidate:
    judge = _float_bits if candidate.type.startswith("float") else _integer_bits
    bits, why = judge(candidate)
    scale, looks, extra = _mains(candidate)
    bits += extra + order_bits("big" if candidate.registers == 1 else candidate.word_order, candidate.byte_order)
    reasons = [*why, *([looks] if looks else [])]
    if later is not None and (moved := octets(later, candidate.address, candidate.registers)):
        more, reason = _course(candidate, moved)
        bits += more
        reasons += [reason] if reason else []
    return replace(candidate, scale=scale, bits=round(bits, 2), why=tuple(reasons))


def _float_bits(candidate: Candidate) -> tuple[float, list[str]]:
    size = abs(candidate.raw)
    gain = 3.0 if candidate.registers == _LONG else 5.0
    if size == 0.0:
        return 0.1, []
    if not math.isfinite(size):
        return -2.0 * gain, ["no number"]
    if _EVERYDAY[0] <= size <= _EVERYDAY[1]:
        return gain, ["everyday size"]
    if _FAR[0] <= size <= _FAR[1]:
        return 0.0, []
    return -2.0 * gain, ["tiny" if size < 1.0 else "huge"]


def _integer_bits(candidate: Candidate) -> tuple[float, list[str]]:
    raw, kind = candidate.raw, candidate.type
    if raw == 0:
        return (0.1 if kind == "uint16" else 0.05 if kind.startswith("uint") else 0.0), []
    if kind.startswith("bcd"):
        return (1.0 if candidate.registers == _LONG and raw >= 10**4 else -0.5), ["all digits below ten"]
    if candidate.registers == 1:
        return _short_bits(candidate)
    if kind.startswith("int") and raw > 0:
        unsigned, why = _long_bits(raw, candidate.registers)
        return unsigned - 0.3, why
    if raw < 0:
        return (2.0, ["small and negative"]) if raw > -_MODEST // 100 else (-3.0, ["far below zero"])
    return _long_bits(raw, candidate.registers)


def _short_bits(candidate: Candidate) -> tuple[float, list[str]]:
    if candidate.type == "int16":
        return (0.6, ["small and negative"]) if -_HALF_WORD // 8 < candidate.raw < 0 else (-0.3, [])
    return (0.3, []) if candidate.raw < _HALF_WORD else (0.0, [])


def _long_bits(raw: float, registers: int) -> tuple[float, list[str]]:
    if registers == _LONGEST:
        return (2.0, ["upper words are zero"]) if raw < _MODEST * 100 and raw >= _WORD else (-3.0, [])
    if raw < _WORD:
        return 2.0, ["upper word is zero"]
    return (1.5, ["modest size"]) if raw < _MODEST else (-3.0, ["huge"])


def _mains(candidate: Candidate) -> tuple[float, str, float]:
    """Return the scale under which a number looks like the mains, what it looks like, and its weight [bit]."""
    if candidate.type.startswith("float"):
        scales: tuple[float, ...] = (1.0,)
    elif candidate.type in {"uint64", "int64"}:
        return 1.0, "", 0.0
    else:
        scales = (0.01, 0.1, 0.001)
    for scale in scales:
        value = candidate.raw * scale
        if any(low <= value <= high for low, high in _FREQUENCIES):
            return scale, f"mains frequency: {value:.6g} Hz", 2.5
    for scale in (0.1,) if scales[0] != 1.0 else scales:
        value = candidate.raw * scale
        if any(low <= value <= high for low, high in _VOLTAGES):
            return scale, f"mains voltage: {value:.6g} V", 1.5
    return 1.0, "", 0.0


def _course(candidate: Candidate, moved: bytes) -> tuple[float, str]:
    """Return what a second sample says [bit], and how the number went."""
    if moved == candidate.octets:
        return 0.0, "unchanged"
    try:
        after = float(raw_number(candidate.type, moved, candidate.word_order, candidate.byte_order))
    except ValueError:
        return -2.0, "no number a moment later"
    step, size = after - candidate.raw, max(abs(after), abs(candidate.raw))
    if not math.isfinite(step) or abs(step) > _JUMP * size:
        return -2.0, "jumps"
    if step == 0.0 or abs(step) > _STEADY * size:
        return 0.0, ""
    if step > 0 and step < size / 1000:
        return 1.5, f"grows slowly, by {step * candidate.scale:.4g}: perhaps a counter"
    return 1.0, "moves a little"
