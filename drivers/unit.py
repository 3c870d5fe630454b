"""Units as manuals print them, and their exact conversion to the canonical ones.

A conversion is kept as integers ``value * numerator / denominator + offset`` so that a raw count is
turned into a canonical value with one rounding, not with one for each factor on the way.
"""

from fractions import Fraction

from drivers.value import frozen


@frozen
class Unit:
    """A unit of measurement and its relation to the canonical unit of its dimension."""

    symbol: str
    dimension: str
    factor: Fraction = Fraction(1)
    offset: Fraction = Fraction(0)
    key: str = ""
    """Suffix of JSON keys for values in this unit; only canonical units have one."""


def _unit(symbol: str, dimension: str, factor: str = "1", *, offset: str = "0", key: str = "") -> Unit:
    return Unit(symbol, dimension, Fraction(factor), Fraction(offset), key)


# 0 °C and 20 °C at 101.325 kPa, the two reference conditions on Chinese gas meters; 15 °C is ISO 13443.
_NORMAL_PER_20C = "27315/29315"
_NORMAL_PER_15C = "27315/28815"

UNITS: dict[str, Unit] = {
    unit.symbol: unit
    for unit in (
        _unit("1", "ratio"),
        _unit("%", "percent", key="percent"),
        _unit("ratio", "percent", "100"),
        _unit("‰", "percent", "0.1"),
        _unit("ppm", "ppm", key="ppm"),
        _unit("count", "count"),
        _unit("word", "word"),
        _unit("bool", "bool"),
        _unit("text", "text"),
        _unit("V", "voltage", key="v"),
        _unit("mV", "voltage", "0.001"),
        _unit("kV", "voltage", "1000"),
        _unit("A", "current", key="a"),
        _unit("mA", "current", "0.001"),
        _unit("kA", "current", "1000"),
        _unit("kW", "power", key="kw"),
        _unit("W", "power", "0.001"),
        _unit("MW", "power", "1000"),
        _unit("hp", "power", "0.74569987158227022"),
        _unit("kvar", "reactive power", key="kvar"),
        _unit("var", "reactive power", "0.001"),
        _unit("Mvar", "reactive power", "1000"),
        _unit("kVA", "apparent power", key="kva"),
        _unit("VA", "apparent power", "0.001"),
        _unit("MVA", "apparent power", "1000"),
        _unit("kWh", "energy", key="kwh"),
        _unit("Wh", "energy", "0.001"),
        _unit("MWh", "energy", "1000"),
        _unit("GWh", "energy", "1000000"),
        _unit("kvarh", "reactive energy", key="kvarh"),
        _unit("varh", "reactive energy", "0.001"),
        _unit("Mvarh", "reactive energy", "1000"),
        _unit("kVAh", "apparent energy", key="kvah"),
        _unit("VAh", "apparent energy", "0.001"),
        _unit("MVAh", "apparent energy", "1000"),
        _unit("GJ", "heat", key="gj"),
        _unit("MJ", "heat", "0.001"),
        _unit("kJ", "heat", "0.000001"),
        _unit("kWh(heat)", "heat", "0.0036"),
        _unit("MWh(heat)", "heat", "3.6"),
        _unit("Hz", "frequency", key="hz"),
        _unit("rpm", "speed", key="rpm"),
        _unit("N·m", "torque", key="nm"),
        _unit("kN·m", "torque", "1000"),
        _unit("°C", "temperature", key="degc"),
        _unit("K", "temperature", offset="-273.15"),
        _unit("°F", "temperature", "5/9", offset="-160/9"),
        _unit("kPa", "pressure", key="kpa"),
        _unit("Pa", "pressure", "0.001"),
        _unit("MPa", "pressure", "1000", key="mpa"),
        _unit("bar", "pressure", "100"),
        _unit("mbar", "pressure", "0.1"),
        _unit("t", "mass", key="t"),
        _unit("kg", "mass", "0.001"),
        _unit("t/h", "mass flow", key="t_h"),
        _unit("kg/h", "mass flow", "0.001"),
        _unit("kg/s", "mass flow", "3.6"),
        _unit("m3", "volume", key="m3"),
        _unit("L", "volume", "0.001"),
        _unit("m3/h", "volume flow", key="m3_h"),
        _unit("L/min", "volume flow", "0.06"),
        _unit("L/s", "volume flow", "3.6"),
        _unit("m3/min", "volume flow", "60"),
        _unit("Nm3", "normal volume", key="nm3"),
        _unit("m3(20C)", "normal volume", _NORMAL_PER_20C),
        _unit("m3(15C)", "normal volume", _NORMAL_PER_15C),
        _unit("Nm3/h", "normal volume flow", key="nm3_h"),
        _unit("m3(20C)/h", "normal volume flow", _NORMAL_PER_20C),
        _unit("m3(15C)/h", "normal volume flow", _NORMAL_PER_15C),
        _unit("h", "duration", key="h"),
        _unit("min", "duration", "1/60"),
        _unit("s", "duration", "1/3600"),
        _unit("mg/m3", "concentration", key="mg_m3"),
        _unit("mm", "length", key="mm"),
        _unit("mm/s", "vibration", key="mm_s"),
        _unit("°", "angle", key="deg"),
    )
}
"""Every unit a profile may name, by symbol."""


def conversion(unit: Unit, canonical: Unit) -> tuple[Fraction, Fraction]:
    """Return (factor, offset) with ``canonical value = value * factor + offset``, exactly.

    Raises ValueError when the two units measure different things.
    """
    if unit.dimension != canonical.dimension:
        raise ValueError(f"{unit.symbol} measures {unit.dimension}, not {canonical.dimension}")
    return unit.factor / canonical.factor, (unit.offset - canonical.offset) / canonical.factor
