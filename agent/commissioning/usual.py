"""What values usually are in a plant: the yardstick for guesses, never a limit on what is accepted.

Weights are in bits: the binary logarithm of how much more often a right reading shows such a value than
registers read in a wrong way do.
"""

import math

from drivers.point import Point
from drivers.quantity import Kind, Quantity
from drivers.rawtype import RAW_TYPES

_BY_DIMENSION: dict[str, tuple[float, float]] = {
    # canonical unit of the dimension: the range of what stands in plants
    "voltage": (80.0, 40_000.0),
    "current": (0.0, 10_000.0),
    "power": (-50_000.0, 50_000.0),
    "reactive power": (-50_000.0, 50_000.0),
    "apparent power": (0.0, 50_000.0),
    "energy": (0.0, 1e9),
    "reactive energy": (0.0, 1e9),
    "apparent energy": (0.0, 1e9),
    "heat": (0.0, 1e8),
    "frequency": (0.0, 400.0),
    "ratio": (-1.0, 1.0),
    "percent": (0.0, 150.0),
    "angle": (-360.0, 360.0),
    "speed": (0.0, 30_000.0),
    "temperature": (-50.0, 1600.0),
    "pressure": (-200.0, 40_000.0),
}
_BY_NAME: dict[str, tuple[float, float]] = {
    "frequency": (45.0, 65.0),
    "steam_pressure": (0.0, 10.0),
    "stack_oxygen": (0.0, 21.0),
    "humidity": (0.0, 100.0),
    "torque_percent": (-300.0, 300.0),
}
_WIDE = (-1e9, 1e9)
_NEVER_ZERO = frozenset({"frequency", "voltage", "voltage_ln", "voltage_ll", "voltage_l1"})
_RARE_BITS = -6.0
"""For a value that hardly any plant shows."""
_FLOAT_BITS = 3.0
"""One float in eight of random registers lies between 0.001 and 1e7."""
_MOST_BITS = 6.0
_SMALLEST_FLOAT = 1e-6


def usual_range(quantity: Quantity) -> tuple[float, float]:
    """Return the range that a quantity usually keeps to, in its canonical unit."""
    return _BY_NAME.get(quantity.name) or _BY_DIMENSION.get(quantity.unit.dimension, _WIDE)


def weight_of(point: Point, value: float) -> float:
    """Return what a decoded value (canonical unit) says for its point being the right one [bit]; 0 for nothing."""
    quantity = point.quantity
    if quantity is None or quantity.kind in {Kind.STATE, Kind.TEXT}:
        return 0.0
    if value == 0.0:
        return _RARE_BITS / 2 if quantity.name in _NEVER_ZERO else 0.0
    low, high = usual_range(quantity)
    if not low <= value <= high:
        return _RARE_BITS
    raw = RAW_TYPES[point.type]
    if raw.low is None or raw.high is None:
        return _FLOAT_BITS if abs(value) >= _SMALLEST_FLOAT else _RARE_BITS
    if point.scale_from is not None:
        return 0.5
    return _surprise(point, raw.low, raw.high, low, high)


def _surprise(point: Point, raw_low: int, raw_high: int, low: float, high: float) -> float:
    """Return how rarely a random raw count would have given a value of the usual range [bit]."""
    ends = [(raw * point.numerator + point.offset) / point.denominator for raw in (raw_low, raw_high)]
    span = max(ends) - min(ends)
    inside = min(max(ends), high) - max(min(ends), low)
    return min(_MOST_BITS, -math.log2(max(inside / span, 2**-_MOST_BITS))) if inside > 0 else _RARE_BITS
