"""The raw types of registers, and where each byte of a value stands on the wire."""

import struct
from functools import cache
from typing import Literal

from drivers.value import frozen

Order = Literal["big", "little"]

_FLOAT32_REGISTERS = 2


@frozen
class RawType:
    """A way to read registers as a value.

    `dtype` is the numpy type of the gathered little-endian bytes. `low` and `high` are the raw values it can
    hold, None for floats and text. BCD, `bool` and `bit` count as the unsigned word they stand in.
    """

    name: str
    registers: int
    """Length in registers; 0 when the point says it."""
    dtype: str
    low: int | None = None
    high: int | None = None

    @property
    def bits(self) -> int:
        """Width of the value [bit]."""
        return self.registers * 16

    @property
    def integer(self) -> bool:
        """Whether the raw value is counted in steps: integers and BCD."""
        return self.low is not None and self.name not in {"bool", "bit"}


RAW_TYPES: dict[str, RawType] = {
    raw.name: raw
    for raw in (
        RawType("uint16", 1, "<u2", 0, 2**16 - 1),
        RawType("int16", 1, "<i2", -(2**15), 2**15 - 1),
        RawType("uint32", 2, "<u4", 0, 2**32 - 1),
        RawType("int32", 2, "<i4", -(2**31), 2**31 - 1),
        RawType("uint64", 4, "<u8", 0, 2**64 - 1),
        RawType("int64", 4, "<i8", -(2**63), 2**63 - 1),
        RawType("float32", 2, "<f4"),
        RawType("float64", 4, "<f8"),
        RawType("bcd16", 1, "<u2", 0, 2**16 - 1),
        RawType("bcd32", 2, "<u4", 0, 2**32 - 1),
        RawType("bool", 1, "<u2", 0, 2**16 - 1),
        RawType("bit", 1, "<u2", 0, 2**16 - 1),
        RawType("string", 0, ""),
    )
}
"""Every type a profile may name."""


@cache
def wire_positions(registers: int, word_order: str, byte_order: str) -> tuple[int, ...]:
    """Return where on the wire each byte of a value stands, the least significant byte first.

    Modbus sends a register's high byte first; `word_order` big means that the first register is the most
    significant one, `byte_order` little that the device swapped the bytes inside each register.
    """
    words = range(registers - 1, -1, -1) if word_order == "big" else range(registers)
    low, high = (1, 0) if byte_order == "big" else (0, 1)
    return tuple(2 * word + byte for word in words for byte in (low, high))


def raw_number(name: str, octets: bytes, word_order: str, byte_order: str) -> int | float:
    """Return the raw number in the bytes of one value as on the wire: what the device holds, before any scale.

    Raises ValueError for text, and for packed decimals with a digit above nine.
    """
    raw = RAW_TYPES[name]
    if len(octets) != 2 * raw.registers or not raw.registers:
        raise ValueError(f"{len(octets)} bytes are no {name}")
    significant = bytes(octets[at] for at in reversed(wire_positions(raw.registers, word_order, byte_order)))
    if not raw.integer and raw.dtype.startswith("<f"):
        (number,) = struct.unpack(">f" if raw.registers == _FLOAT32_REGISTERS else ">d", significant)
        return float(number)
    if name.startswith("bcd"):
        return int(significant.hex(), 10)
    return int.from_bytes(significant, signed=raw.low is not None and raw.low < 0)
