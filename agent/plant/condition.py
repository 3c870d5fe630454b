"""Pressure and temperature of what an account counts, and what its counter's unit is worth by them.

Invariants:

- A reading is weighed by the state that its own frame shows, or the latest one before it; before the first one it
  is no reading. A state older than three of its cadences makes the reading `uncertain:stale`, hence what is booked
  from it estimated; so does one that cannot be (water where steam should be).
- Nothing here looks at a clock: the same frames give the same weights, bit for bit.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from agent.carbon.condition import (
    Matter,
    State,
    hot_water_gj_per_t,
    normal_m3_per_m3,
    steam_gj_per_t,
    water_t_per_m3,
)
from agent.carbon.errors import CarbonError
from agent.carbon.steam import SteamReference
from agent.metering.amount import Condition, condition_of
from agent.sections.carbon import StateKeys, number_and_unit
from drivers.profile import Profile
from drivers.quantity import Quantity
from drivers.reading import Quality
from drivers.unit import UNITS
from drivers.value import frozen

if TYPE_CHECKING:
    from drivers.frame import Frame  # with numpy, which reading a configuration does without

_STALE = Quality.STALE.label
_FRESH_CADENCES = 3
_KPA = {"kPa": 1.0, "MPa": 1000.0}


class ConditionError(Exception):
    """Raised when a state cannot be formed from the configuration; says what, what to do, and by which `key`."""

    def __init__(self, what: str, remedy: str, *, key: str) -> None:
        super().__init__(f"{what}: {remedy}")
        self.what, self.remedy, self.key = what, remedy, key


@frozen
class Given:
    """A pressure [kPa] or temperature [°C]: measured by `quantity`, times `factor`, or declared as `value`."""

    quantity: Quantity | None
    factor: float = 1.0
    value: float = 0.0
    fresh_ns: int = 0


@frozen
class ConditionSource:
    """Where the state of an account comes from; `counted` is the unit of its counter, `unit` that of its amount."""

    matter: Matter
    counted: str
    unit: str
    pressure: Given | None
    temperature: Given | None
    returned: Given | None
    above_kpa: float
    """What the pressure is above: that of the atmosphere for a gauge pressure, 0 for an absolute one."""
    compressibility: float
    meter_in_return: bool

    def weight(self, state: State, reference: SteamReference) -> float:
        """Return how many `unit` one `counted` is in a state; raise CarbonError for one that cannot be."""
        if self.matter is Matter.GAS:
            return normal_m3_per_m3(state, self.compressibility)
        if self.matter is Matter.STEAM:
            return steam_gj_per_t(state, reference)
        heat = hot_water_gj_per_t(state, reference)
        return heat if self.counted == "t" else heat * water_t_per_m3(state, in_return=self.meter_in_return)


def condition_source(
    keys: StateKeys, carrier: str, counted: str, profile: Profile, every_s: float
) -> ConditionSource | None:
    """Return where the state of an account comes from, None when its table gives none.

    Raises ConditionError for keys that do not fit the carrier or each other, or name what is not read.
    """
    if keys.pressure is None and keys.temperature is None and keys.return_temperature is None:
        return None
    matter = {"steam": Matter.STEAM, "hot_water": Matter.HOT_WATER}.get(carrier, Matter.GAS)
    units = {Matter.STEAM: ("t",), Matter.HOT_WATER: ("t", "m3"), Matter.GAS: ("m3",)}[matter]
    if counted not in units:
        what = f"'{carrier}' counted in {counted} does not depend on pressure and temperature"
        raise ConditionError(what, "leave them out", key="pressure" if keys.pressure else "temperature")
    if keys.pressure is None and matter is not Matter.HOT_WATER:
        raise ConditionError(f"the pressure of '{carrier}' is missing", "add pressure", key="temperature")
    if keys.temperature is None and matter is not Matter.STEAM:
        raise ConditionError(f"the temperature of '{carrier}' is missing", "add temperature", key="pressure")
    if keys.meter_in == "return" and keys.return_temperature is None:
        raise ConditionError("the temperature at the meter is missing", "add return_temperature", key="meter_in")

    def given(key: str, dimension: str) -> Given | None:
        text = getattr(keys, key)
        return None if text is None else _given(key, text, dimension, profile, every_s)

    pressure = given("pressure", "pressure")
    return ConditionSource(
        matter=matter,
        counted=counted,
        unit="Nm3" if matter is Matter.GAS else "GJ",
        pressure=pressure,
        temperature=given("temperature", "temperature"),
        returned=given("return_temperature", "temperature"),
        above_kpa=_above_kpa(keys, pressure),
        compressibility=keys.compressibility,
        meter_in_return=keys.return_temperature is not None and keys.meter_in != "supply",
    )


def _above_kpa(keys: StateKeys, pressure: Given | None) -> float:
    """Return what a pressure is above; a declared one, and that of a gas meter, must say so."""
    if pressure is None or keys.pressure_is == "absolute":
        return 0.0
    says_so = pressure.quantity is not None and "gauge" in pressure.quantity.label
    if keys.pressure_is is None and not says_so:
        what = f"pressure '{keys.pressure}' may be above the atmosphere's or absolute, which differ by 101 kPa"
        raise ConditionError(what, 'add pressure_is = "gauge" or "absolute"', key="pressure")
    return keys.atmosphere_kpa


def _given(key: str, text: str, dimension: str, profile: Profile, every_s: float) -> Given:
    if re.match(r"\s*-?[0-9]", text):
        try:
            number, symbol = number_and_unit(text, "0.8 MPa" if dimension == "pressure" else "104 °C")
        except ValueError as error:
            what, _, remedy = str(error).partition("; ")
            raise ConditionError(what, remedy, key=key) from error
        if symbol not in UNITS or UNITS[symbol].dimension != dimension:
            raise ConditionError(f"'{symbol}' is no unit of {dimension}", "write kPa or °C", key=key)
        return Given(None, value=float(number * UNITS[symbol].factor + UNITS[symbol].offset))
    point = next((each for each in profile.points if each.name == text and each.quantity), None)
    if point is None or point.quantity is None or point.quantity.unit.dimension != dimension:
        known = [each.name for each in profile.points if each.quantity and each.quantity.unit.dimension == dimension]
        remedy = f"name one of {', '.join(known)}" if known else 'declare it, like "0.8 MPa" or "104 °C"'
        raise ConditionError(f"no {dimension} '{text}' is read from the device", remedy, key=key)
    fresh_ns = round(_FRESH_CADENCES * max(point.every_s or every_s, every_s) * 1e9)
    return Given(point.quantity, factor=_KPA.get(point.quantity.unit.symbol, 1.0), fresh_ns=fresh_ns)


class ConditionReader:
    """Follows the state of one account from frame to frame."""

    def __init__(self, source: ConditionSource, index: Mapping[str, int], reference: SteamReference) -> None:
        self._source = source
        self._index = index
        self._reference = reference
        self._seen: dict[str, tuple[float, int]] = {}
        self._latest: Condition | None = None

    def at(self, frame: "Frame") -> tuple[Condition, str] | None:
        """Return the state by which a frame's reading is weighed, and what is in doubt about it; None before any.

        Takes every frame of the device: pressure and temperature may be read at another cadence than the counter.
        """
        doubt = ""
        found: dict[str, float] = {}
        given = (self._source.pressure, self._source.temperature, self._source.returned)
        for name, each in zip(("pressure", "temperature", "return"), given, strict=True):
            if each is None:
                continue
            if each.quantity is None:
                found[name] = each.value
            elif value := self._value(each.quantity, frame):
                found[name] = value[0] * each.factor
                doubt = _STALE if frame.monotonic_ns - value[1] > each.fresh_ns else doubt
        if len(found) < sum(each is not None for each in given):
            return None
        try:
            self._latest = self._condition(found)
        except CarbonError:
            doubt = _STALE
        return (self._latest, doubt) if self._latest else None

    def memory(self) -> dict[str, Any]:
        """Return the values seen latest, and the state formed latest, as JSON values."""
        return {
            "seen": {name: [*seen] for name, seen in self._seen.items()},
            "latest": self._latest and [*self._latest],
        }

    def remember(self, memory: Mapping[str, Any]) -> None:
        """Take over what `memory` returned."""
        self._seen = {str(name): (float(value), int(at_ns)) for name, (value, at_ns) in memory["seen"].items()}
        self._latest = condition_of(memory["latest"]) if memory["latest"] else None

    def _value(self, quantity: Quantity, frame: "Frame") -> tuple[float, int] | None:
        """Return the latest value of a quantity and when it was read (monotonic clock, ns)."""
        point = self._index[quantity.name]
        if int(frame.quality[point]) < Quality.COMM_LOST:
            self._seen[quantity.name] = (float(frame.values[point]), frame.monotonic_ns)
        return self._seen.get(quantity.name)

    def _condition(self, found: Mapping[str, float]) -> Condition:
        pressure = found["pressure"] + self._source.above_kpa if "pressure" in found else None
        state = State(pressure, found.get("temperature"), found.get("return"))
        named = (
            ("pressure_kpa", state.pressure_kpa),
            ("temperature_degc", state.temperature_degc),
            ("return_temperature_degc", state.return_degc),
        )
        weight = self._source.weight(state, self._reference)
        return Condition(weight, tuple((name, value) for name, value in named if value is not None))
