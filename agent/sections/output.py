"""The tables of what the plant makes and of what that takes: `[[output]]`, `[[intensity]]` and `[[target]]`."""

import math
from typing import Annotated, Literal

from agent.sections.measure import Duration
from agent.sections.section import Name, Section
from drivers.declared import After, Before, Written, key, rule

UNIT_KEYS = {
    "t": "t",
    "m3": "m3",
    "Nm3": "nm3",
    "kWh": "kwh",
    "GJ": "gj",
    "count": "count",
    "m": "m",
    "m2": "m2",
    "10kCNY": "10kcny",
}
"""Units of outputs that no device counts, with what stands for them in keys; 10kCNY is 10⁴ yuan of value added."""
_NEEDED_BY_TOPIC = 'say what it counts, like unit = "t" or, for value added, unit = "10kCNY"'


def _topic(value: str) -> str:
    if not value or value.startswith(("/", "$")) or any(sign in value for sign in "+# \t"):
        raise ValueError(f"'{value}' is no single topic; write it like 'mes/line-1/count', without + and #")
    return value


def _unit(value: str) -> str:
    if value not in UNIT_KEYS:
        raise ValueError(f"'{value}' is no unit of an output; use one of {', '.join(UNIT_KEYS)}")
    return value


class OutputSection(Section):
    """`[[output]]`: what the plant makes, read from a device, told by another system, or entered by people."""

    name: Name
    device: str | None = None
    source: str | None = key(None, alias="from")
    topic: Annotated[str, After(_topic)] | None = None
    entered: bool = key(False, strict=True)
    unit: Annotated[str, After(_unit)] | None = None
    area: Name = "output"
    counts: Literal["total", "increment"] = "total"
    value: str | None = None
    time: str | None = None
    every: Duration = 300.0

    @rule
    def _from_one_place(self) -> None:
        ways = [key for key in ("device", "topic", "entered") if getattr(self, key)]
        if len(ways) != 1:
            what = f"'{ways[0]}' and '{ways[1]}'" if ways else "none of 'device', 'topic', 'entered'"
            raise ValueError(f"{what}; say with one of them where the amount comes from")
        if bool(self.device) != bool(self.source):
            raise ValueError("'device' and 'from' belong together; name the device and the quantity read from it")
        own = self.given
        foreign = {"unit", "area"} if self.device else set()
        foreign |= set() if self.topic else {"counts", "value", "time", "every"}
        if wrong := sorted(own & foreign):
            raise ValueError(f"'{wrong[0]}' says nothing about an output by '{ways[0]}'; remove it")
        if not self.device and self.unit is None:
            raise ValueError(f"'unit' is missing; {_NEEDED_BY_TOPIC}")
        if self.time and not self.value:
            raise ValueError("'time' without 'value'; name the JSON key of the number, too")


class IntensitySection(Section):
    """`[[intensity]]`: accounts per output."""

    name: Name
    accounts: tuple[str, ...] = key(min_length=1)
    water: tuple[str, ...] = ()
    per: str


def _change(value: object) -> float:
    """Return a change like "-13.5%" as a share of the base."""
    text = value.strip() if isinstance(value, str) else ""
    try:
        share = float(text.removesuffix("%")) / 100 if text.endswith("%") else math.nan
    except ValueError:
        share = math.nan
    if not -1 <= share <= 1:
        raise ValueError(f"'{value}' is no change; write one like '-13.5%'")
    return share


Change = Annotated[float, Before(_change), Written({"type": "string", "examples": ["-13.5%"]})]


class TargetSection(Section):
    """`[[target]]`: by how much an intensity is to change against a year that was."""

    intensity: str
    base_year: int = key(ge=1990, le=2100, strict=True)
    by: int = key(ge=1990, le=2100, strict=True)
    base_energy_kwh: float | None = key(None, gt=0)
    base_kgce: float | None = key(None, gt=0)
    base_co2_kg: float | None = key(None, gt=0)
    energy: Change | None = None
    co2: Change | None = None
    source: str = ""

    @rule
    def _with_what_it_is_held_to(self) -> None:
        if self.energy is None and self.co2 is None:
            raise ValueError("neither 'energy' nor 'co2'; say by how much one of them is to change, like '-13.5%'")
        if self.energy is not None and (self.base_energy_kwh is None) == (self.base_kgce is None):
            raise ValueError(
                "'energy' needs one of 'base_energy_kwh' and 'base_kgce'; write what one unit took in base_year"
            )
        if self.co2 is not None and self.base_co2_kg is None:
            raise ValueError("'co2' needs 'base_co2_kg'; write what a unit emitted in that year")
        if self.by <= self.base_year:
            raise ValueError(f"'by' {self.by} is not after 'base_year' {self.base_year}; swap them")
