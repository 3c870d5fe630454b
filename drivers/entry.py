"""A profile file as it stands: its keys, one by one, before they are judged together."""

import math
import re
from fractions import Fraction
from typing import Annotated, Any, ClassVar, Literal

from drivers.declared import After, Instead, Table, key, rule
from drivers.document import nearest
from drivers.rawtype import RAW_TYPES, Order
from drivers.unit import UNITS, conversion

MAX_REGISTERS = 125
"""Registers in one request, by the Modbus application protocol specification V1.1b3, 6.3 and 6.4."""
ADDRESSES = 65536
_LARGEST_AMOUNT = 1e30
_KINDS = (
    "electricity-meter",
    "gas-meter",
    "heat-meter",
    "water-meter",
    "boiler",
    "motor-drive",
    "pump",
    "fan",
    "compressor",
    "transformer",
    "kiln",
    "pv-inverter",
    "battery",
    "sensor",
    "plc",
)

Function = Literal[1, 2, 3, 4]


def _number(value: object) -> int | float:
    # bool is an int to Python, not to the author of a profile.
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < math.inf:
        raise ValueError("must be a finite number")
    return value


def _amount(value: object) -> int | float:
    number = _number(value)
    if abs(number) > _LARGEST_AMOUNT:
        raise ValueError(f"must lie within {_LARGEST_AMOUNT:g}")
    return number


def _type_name(value: str) -> str:
    if value not in RAW_TYPES:
        raise ValueError(f"unknown type '{value}'; {nearest(value, RAW_TYPES)}")
    return value


def _cadence(value: object) -> float:
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*", value) if isinstance(value, str) else None
    unit = UNITS.get(found[2]) if found else None
    if not found or not unit or unit.dimension != "duration" or not Fraction(found[1]):
        raise ValueError(f'\'{value}\' is no duration; write text such as "60s", "15min" or "1h"')
    return float(Fraction(found[1]) * conversion(unit, UNITS["s"])[0])


Number = Annotated[int | float, Instead(_number)]
Amount = Annotated[int | float, Instead(_amount)]
"""A number that can be multiplied with a raw value and stay finite."""
TypeName = Annotated[str, After(_type_name)]


class Entry(Table):
    """Base of what stands in a profile file: exact types, known keys only."""

    strict: ClassVar[bool] = True


class CounterEntry(Entry):
    """How a counter starts again: behind so many bits of raw count, or behind the largest value it shows."""

    bits: int | None = key(None, ge=1, le=64)
    limit: Amount | None = None

    @rule
    def _one_of_both(self) -> None:
        if (self.bits is None) == (self.limit is None):
            raise ValueError("says not how it wraps; give either bits = 32 or limit = 99999999.9")


class PointEntry(Entry):
    """A point as it stands in a profile file."""

    address: int = key(ge=0, lt=ADDRESSES)
    type: TypeName | None = None
    bit: int | None = key(None, ge=0, le=15)
    length: int | None = key(None, ge=1, le=MAX_REGISTERS)
    function: Function | None = None
    scale: Amount | None = None
    offset: Amount | None = None
    scale_from: str | None = None
    word_order: Order | None = None
    byte_order: Order | None = None
    unit: str | None = None
    missing: list[Number] = key([])
    range: list[Amount] | None = key(None, min_length=2, max_length=2)
    counter: CounterEntry | None = None
    every: Annotated[float, Instead(_cadence)] | None = None


def _hex(value: str) -> str:
    digits = value.replace(" ", "").lower()
    if not re.fullmatch(r"(?:[0-9a-f]{4})+", digits):
        raise ValueError("is not registers in hex; write four digits for each, such as '00ab 0001'")
    return digits


def _kind(value: str) -> str:
    if value not in _KINDS:
        raise ValueError(f"unknown kind '{value}'; {nearest(value, _KINDS)}")
    return value


class IdentityEntry(Entry):
    """Registers that never change."""

    address: int = key(ge=0, lt=ADDRESSES)
    count: int = key(ge=1, le=MAX_REGISTERS)
    function: Literal[3, 4] | None = None
    expect: Annotated[str, After(_hex)] | None = None


class HoleEntry(Entry):
    """Addresses that must not be read."""

    address: int = key(ge=0, lt=ADDRESSES)
    count: int = key(ge=1, le=ADDRESSES)
    function: Function | None = None


class AccountEntry(Entry):
    """An account of every device of the type."""

    name: str = key(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    carrier: str = key(pattern=r"^[a-z0-9][a-z0-9_]*$")
    from_: str = key(alias="from")
    check: str | None = None


class ProfileEntry(Entry):
    """A whole file; points and accounts are judged one by one."""

    model: str = key(min_length=1)
    kind: Annotated[str, After(_kind)]
    source: str = key(min_length=1)
    function: Function | None = None
    type: TypeName | None = None
    word_order: Order = "big"
    byte_order: Order = "big"
    max_registers: int = key(MAX_REGISTERS, ge=1, le=MAX_REGISTERS)
    max_gap: int = key(0, ge=0, le=MAX_REGISTERS)
    identity: IdentityEntry | None = None
    holes: list[HoleEntry] = key([])
    points: dict[str, Any] = key(min_length=1)
    accounts: list[Any] = key([])
