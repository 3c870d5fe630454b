"""Measures as people write them in a configuration: "15min", "1GiB", "700 kW", "1000 kVA"."""

import math
import re
from typing import Annotated

from drivers.declared import Before, Written

_SECONDS = {"ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_SHORTEST_S = 1e-3
_LONGEST_S = 366 * 86400.0
"""Longer is a mistake; clocks of threads and sockets do not reach for ever."""
_BYTES = {"B": 1.0, "KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30, "TiB": 2.0**40, "kB": 1e3, "MB": 1e6, "GB": 1e9}
_KILOWATTS = {"W": 1e-3, "kW": 1.0, "MW": 1e3}
_KILOVOLTAMPERES = {"kVA": 1.0, "MVA": 1e3}


def _parse(value: object, units: dict[str, float], example: str) -> float:
    if isinstance(value, str):
        found = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]+)\s*", value)
        if found and found[2] in units:
            amount = float(found[1]) * units[found[2]]
            if math.isfinite(amount):
                return amount
    raise ValueError(f"'{value}' is not understood; write it as text with a unit ({', '.join(units)}), like {example}")


def seconds(value: object) -> float:
    """Return a duration in seconds, such as 900.0 for "15min"; raise ValueError otherwise."""
    return _parse(value, _SECONDS, '"15min"')


def _positive_seconds(value: object) -> float:
    duration = seconds(value)
    if duration < _SHORTEST_S:
        raise ValueError("must be longer than zero, at least '1ms'; give a duration such as '1s'")
    if duration > _LONGEST_S:
        raise ValueError("must be at most a year; give a duration such as '15min'")
    return duration


def seconds_text(value: float) -> str:
    """Return a duration [s] as a configuration writes it: "15min" for 900.0."""
    return _text(value, _SECONDS)


def bytes_text(value: float) -> str:
    """Return a size [bytes] as a configuration writes it: "1GiB" for 2**30."""
    return _text(value, _BYTES)


def _text(value: float, units: dict[str, float]) -> str:
    """Return a value in the largest unit of which it is a whole multiple, else in the smallest."""
    whole = [unit for unit, size in units.items() if (value / size).is_integer()]
    unit = max(whole, key=units.__getitem__) if whole else min(units, key=units.__getitem__)
    return f"{value / units[unit]:.15g}{unit}"


def _size(value: object) -> int:
    return int(_parse(value, _BYTES, '"1GiB"'))


def _power(value: object) -> float:
    power = _parse(value, _KILOWATTS, '"700 kW"')
    if power <= 0:
        raise ValueError("must be more than zero; give the power on the nameplate, or leave it out")
    return power


def _capacity(value: object) -> float:
    capacity = _parse(value, _KILOVOLTAMPERES, '"1000 kVA"')
    if capacity <= 0:
        raise ValueError("must be more than zero; give the capacity on the nameplate, or leave it out")
    return capacity


def _schema(title: str, units: dict[str, float], *examples: str, above_zero: bool = False) -> Written:
    """Return what JSON Schema says of a measure: a text, although it becomes a number here."""
    digit = "(?=[0-9.]*[1-9])" if above_zero else ""
    pattern = rf"^\s*{digit}[0-9]+(\.[0-9]+)?\s*({'|'.join(units)})\s*$"
    return Written({"type": "string", "title": title, "pattern": pattern, "examples": list(examples)})


Duration = Annotated[float, Before(_positive_seconds), _schema("duration", _SECONDS, "1s", "15min", above_zero=True)]
"""A duration [s], above zero."""
Pause = Annotated[float, Before(seconds), _schema("duration", _SECONDS, "0ms", "20ms")]
"""A duration [s], zero allowed."""
Size = Annotated[int, Before(_size), _schema("size", _BYTES, "1GiB", "500MB")]
"""A size [bytes]."""
Power = Annotated[float, Before(_power), _schema("power", _KILOWATTS, "700 kW", "1.5 MW", above_zero=True)]
"""A power [kW], above zero."""
Capacity = Annotated[
    float, Before(_capacity), _schema("capacity", _KILOVOLTAMPERES, "1000 kVA", "2.5 MVA", above_zero=True)
]
"""A capacity of transformers [kVA], above zero."""
