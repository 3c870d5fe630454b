"""What registers mean, worked out a second time: from the profiles' TOML alone, with struct and fractions.

Nothing here comes from the agent or its drivers. Known are the types, units and orders that the profiles of the
trial plant use; anything else is an error, not a guess.
"""

import math
import struct
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

_CATALOGUE = Path(__file__).parents[2] / "drivers" / "catalogue"
_FORMATS = {"uint16": ">H", "int16": ">h", "uint32": ">I", "int32": ">i", "float32": ">f", "bit": ">H"}
# Unit of the manual: (suffix of the JSON key, canonical amount of one).
_UNITS = {
    "": ("", Fraction(1)),
    "1": ("", Fraction(1)),
    "count": ("", Fraction(1)),
    "V": ("v", Fraction(1)),
    "A": ("a", Fraction(1)),
    "W": ("kw", Fraction(1, 1000)),
    "VA": ("kva", Fraction(1, 1000)),
    "var": ("kvar", Fraction(1, 1000)),
    "kWh": ("kwh", Fraction(1)),
    "kvarh": ("kvarh", Fraction(1)),
    "kVAh": ("kvah", Fraction(1)),
    "Hz": ("hz", Fraction(1)),
    "rpm": ("rpm", Fraction(1)),
    "%": ("percent", Fraction(1)),
    "°": ("deg", Fraction(1)),
    "°C": ("degc", Fraction(1)),
    "kPa": ("kpa", Fraction(1)),
    "MPa": ("mpa", Fraction(1)),
    "t": ("t", Fraction(1)),
    "t/h": ("t_h", Fraction(1)),
    "Nm3": ("nm3", Fraction(1)),
    "Nm3/h": ("nm3_h", Fraction(1)),
    "h": ("h", Fraction(1)),
}

Words = Mapping[tuple[int, int], bytes]
"""Two bytes by function and address."""


@dataclass(frozen=True, slots=True)
class Point:
    """A point of a profile, as its file says it."""

    name: str
    key: str
    function: int
    address: int
    type: str
    bit: int
    factor: Fraction
    """Canonical amount of one raw count."""
    missing: frozenset[int]
    """Raw bits that mean "not available"."""
    low: float
    high: float
    every: str

    @property
    def places(self) -> list[tuple[int, int]]:
        """Function and address of each register."""
        return [(self.function, self.address + n) for n in range(struct.calcsize(_FORMATS[self.type]) // 2)]

    def octets(self, words: Words) -> bytes:
        """Return the point's bytes as they were on the wire."""
        return b"".join(words[place] for place in self.places)

    def value(self, words: Words) -> float | None:
        """Return the canonical value, rounded once from the exact one; None when the device says there is none."""
        octets = self.octets(words)
        if int.from_bytes(octets) in self.missing:
            return None
        (raw,) = struct.unpack(_FORMATS[self.type], octets)
        if self.type == "bit":
            return float(raw >> self.bit & 1)
        if isinstance(raw, float) and not math.isfinite(raw):
            return None
        # A fraction has no negative zero.
        value = float(Fraction(raw) * self.factor) if raw else float(raw)
        return value if self.low <= value <= self.high else None


def load(profile: str) -> list[Point]:
    """Return the points of a profile of the catalogue."""
    text = (_CATALOGUE / f"{profile}.toml").read_text(encoding="utf-8")
    # Scales such as 0.1 are meant as decimals, not as the nearest binary fraction.
    document = tomllib.loads(text, parse_float=Fraction)
    assert document.get("word_order", "big") == document.get("byte_order", "big") == "big"
    return [_point(name, document, entry) for name, entry in document["points"].items()]


def _point(name: str, document: dict[str, Any], entry: dict[str, Any]) -> Point:
    known = {"address", "type", "bit", "scale", "unit", "missing", "range", "counter", "every"}
    assert not entry.keys() - known, f"{name}: this trial does not know {entry.keys() - known}"
    suffix, unit = _UNITS[entry.get("unit", "")]
    low, high = entry.get("range", (-math.inf, math.inf))
    return Point(
        name=name,
        key=f"{name}_{suffix}" if suffix and not name.endswith(f"_{suffix}") else name,
        function=document["function"],
        address=entry["address"],
        type=entry.get("type", document["type"]),
        bit=entry.get("bit", 0),
        factor=Fraction(entry.get("scale", 1)) * unit,
        missing=frozenset(entry.get("missing", ())),
        low=float(low * unit) if math.isfinite(low) else low,
        high=float(high * unit) if math.isfinite(high) else high,
        every=entry.get("every", "1s"),
    )
