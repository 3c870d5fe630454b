"""A device without physics of its own: every quantity keeps one plausible value.

Stands in for device types the simulators do not model, and for what the modelled ones do not say.
"""

from drivers.profile import Point
from drivers.quantity import Kind, Quantity

_BY_DIMENSION = {
    "ratio": 0.95,
    "percent": 50.0,
    "ppm": 20.0,
    "count": 10.0,
    "word": 0.0,
    "bool": 0.0,
    "voltage": 220.0,
    "current": 10.0,
    "power": 5.0,
    "reactive power": 1.5,
    "apparent power": 5.2,
    "energy": 1234.5,
    "reactive energy": 345.6,
    "apparent energy": 1280.0,
    "heat": 12.5,
    "frequency": 50.0,
    "speed": 1470.0,
    "torque": 80.0,
    "temperature": 25.0,
    "pressure": 300.0,
    "mass": 12.5,
    "mass flow": 0.8,
    "volume": 125.0,
    "volume flow": 4.0,
    "normal volume": 125.0,
    "normal volume flow": 4.0,
    "duration": 1000.0,
    "concentration": 25.0,
    "length": 10.0,
    "vibration": 1.2,
    "angle": 18.0,
}
_BY_NAME = {"voltage_ll": 380.0, "voltage_l1_l2": 380.0, "voltage_l2_l3": 380.0, "voltage_l3_l1": 380.0}
_SMALL_PERCENT = ("thd", "unbalance")


def plausible(point: Point, quantity: Quantity) -> float | str:
    """Return a value that a healthy device could show at this point, in its canonical unit, within its range."""
    if quantity.kind is Kind.TEXT:
        return "SIMULATED"[: 2 * point.length]
    value = _BY_NAME.get(quantity.name, _BY_DIMENSION[quantity.unit.dimension])
    if any(word in quantity.name for word in _SMALL_PERCENT):
        value = 2.0
    low = point.low if point.low is not None else value
    high = point.high if point.high is not None else value
    return min(max(value, low), max(low, high))
