"""What somebody types about registers: hex digits, and values read off a display."""

import re
from collections.abc import Sequence

from agent.commissioning.layout import Shown
from drivers.document import nearest
from drivers.entry import MAX_REGISTERS
from drivers.quantity import VOCABULARY
from drivers.unit import UNITS

_NUMBER = re.compile(r"([+-]?\d+(?:\.(\d+))?)\s*(\S.*)?")


def registers(words: Sequence[str]) -> list[int]:
    """Return the registers in hex digits, however they are grouped; raise ValueError with the remedy."""
    digits = "".join(re.sub(r"0[xX]", "", word) for word in words)
    digits = re.sub(r"[\s:,_-]", "", digits)
    if not digits or re.search(r"[^0-9a-fA-F]", digits):
        wrong = re.sub(r"[0-9a-fA-F]", "", digits)[:1]
        raise ValueError(f"'{' '.join(words)}': '{wrong}' is no hex digit: write registers such as 4366 0000, or a URL")
    if len(digits) % 4:
        raise ValueError(f"'{' '.join(words)}': {len(digits)} hex digits: a register has four, write all of them")
    if len(digits) > 4 * MAX_REGISTERS:
        raise ValueError(f"{len(digits) // 4} registers are more than the {MAX_REGISTERS} of a reply: leave some out")
    return [int(digits[at : at + 4], 16) for at in range(0, len(digits), 4)]


def shown_value(text: str, name: str = "") -> Shown:
    """Return a value as a display shows it, such as "230.1" or "12.3 kW"; raise ValueError with the remedy."""
    found = _NUMBER.fullmatch(text.strip())
    if not found:
        raise ValueError(f"'{text}' is no number: write it as the display shows it, such as 230.1")
    number, decimals, unit = found.groups()
    quantity = VOCABULARY.get(name)
    if unit is not None:
        if unit not in UNITS:
            raise ValueError(f"'{text}': unknown unit '{unit}': {nearest(unit, UNITS)}")
        if quantity and UNITS[unit].dimension != quantity.unit.dimension:
            fitting = ", ".join(key for key, known in UNITS.items() if known.dimension == quantity.unit.dimension)
            raise ValueError(f"'{text}': {name} is no {UNITS[unit].dimension}: give it in {fitting}")
    symbol = unit or (quantity.unit.symbol if quantity else "")
    return Shown(name, float(number), len(decimals or ""), symbol)


def named(text: str) -> tuple[str, str | None]:
    """Return name and value of NAME or NAME=VALUE; raise ValueError for a name outside the vocabulary."""
    name, equals, value = text.partition("=")
    name = name.strip()
    if name not in VOCABULARY:
        raise ValueError(f"--as: no quantity '{name}': {nearest(name, VOCABULARY)}")
    return name, value if equals else None
