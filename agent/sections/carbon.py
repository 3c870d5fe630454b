"""The tables that say how amounts become energy and CO2: choices, measured fuels, contracts of green power."""

import re
from collections.abc import Mapping
from datetime import date
from fractions import Fraction
from typing import Annotated, Literal, Self

from agent.carbon.factor_set import COUNTED_UNITS, Density
from agent.carbon.steam import SteamReference
from agent.sections.section import AccountName, Section
from drivers.declared import After, Before, Instead, Within, Written, key, rule
from drivers.document import nearest
from drivers.unit import UNITS
from drivers.value import frozen

STANDARD_ATMOSPHERE = "101.325 kPa"

Direction = Literal["import", "export", "generation", "charge", "discharge"]
"""Where an account's energy goes, seen from the site; `charge` and `discharge` are those of its own storage."""

_MOST_CARBON = 0.2
"""Beyond any fuel [tC/GJ]: blast-furnace gas has 0.071."""

_MJ: Mapping[str, Fraction] = {
    "GJ": Fraction(1000),
    "MJ": Fraction(1),
    "kJ": Fraction(1, 1000),
    "kcal": Fraction("0.0041868"),
}
"""Heat [MJ] as laboratories state it; 7000 kcal are the 29.3076 MJ of GB/T 2589-2020."""


_VOLUMES = {"volume": "m3", "normal volume": "Nm3"}
"""What a density is per, by what the unit measures."""


def number_and_unit(text: object, example: str) -> tuple[Fraction, str]:
    """Return the parts of a text such as "36.2 MJ/Nm3"; raise ValueError for any other."""
    found = re.fullmatch(r"\s*(-?[0-9]+(?:\.[0-9]+)?)\s*([^\s0-9.]\S*)\s*", text) if isinstance(text, str) else None
    if not found:
        raise ValueError(f"'{text}' is not understood; write it as text with a unit, like \"{example}\"")
    return Fraction(found[1]), found[2]


@frozen
class CalorificValue:
    """A calorific value: heat [MJ] per `unit`, which may count several, as `1e4Nm3` does."""

    mj: float
    unit: str


def _calorific_value(value: object) -> object:
    if isinstance(value, CalorificValue):
        return value
    number, unit = number_and_unit(value, "36.2 MJ/Nm3")
    heat, _, per = unit.partition("/")
    if heat not in _MJ or per not in {*UNITS, *COUNTED_UNITS}:
        raise ValueError(f"'{unit}' is no unit of a calorific value; use {', '.join(_MJ)} per kg, t, m3, Nm3 or 1e4Nm3")
    if number <= 0:
        raise ValueError("a calorific value is above zero; correct it")
    return CalorificValue(mj=float(number * _MJ[heat]), unit=per)


def _density(value: object) -> object:
    if isinstance(value, Density):
        return value
    number, unit = number_and_unit(value, "0.84 t/m3")
    mass, _, per = unit.partition("/")
    weighs, fills = UNITS.get(mass), UNITS.get(per)
    canonical = _VOLUMES.get(fills.dimension) if fills else None
    if weighs is None or weighs.dimension != "mass" or fills is None or canonical is None:
        raise ValueError(f"'{unit}' is no unit of a density; use t or kg per m3, or per Nm3 of a gas")
    if number <= 0:
        raise ValueError("a density is above zero; correct it")
    return Density(float(number * weighs.factor / fills.factor), canonical)


def _in(value: object, dimension: str, example: str) -> float:
    """Return a text with a unit of a dimension in its canonical unit."""
    number, unit = number_and_unit(value, example)
    known = [each.symbol for each in UNITS.values() if each.dimension == dimension]
    if unit not in known:
        raise ValueError(f"'{unit}' is no unit of it; {nearest(unit, known)}")
    if number <= 0:
        raise ValueError("must be above zero; correct it")
    return float(number * UNITS[unit].factor)


def kpa(value: str) -> float:
    """Return a pressure [kPa] given like "101.325 kPa"; raise ValueError for any other text."""
    return _in(value, "pressure", "101.325 kPa")


def _pressure(value: str) -> str:
    kpa(value)
    return value


_CalorificValue = Annotated[
    CalorificValue, Instead(_calorific_value), Written({"type": "string", "examples": ["36.2 MJ/Nm3"]})
]
_Density = Annotated[
    Density,
    Instead(_density),
    Written({"type": "string", "examples": ["0.84 t/m3", "0.75 kg/Nm3"]}),
]
_Energy = Annotated[
    float,
    Before(lambda value: _in(value, "energy", "500 MWh")),
    Written({"type": "string", "examples": ["500 MWh"]}),
]
Pressure = Annotated[str, After(_pressure)]
_Reference = Annotated[SteamReference, Written({"type": "string", "enum": [str(each) for each in SteamReference]})]
_Text = Annotated[str, Within(min_length=1)]
_Share = Annotated[float, Within(gt=0, le=1)]


class CoalRate(Section):
    """`[[carbon.coal_rate]]`: standard coal per kWh generated in a year, for the equivalent value of the next."""

    year: int = key(ge=1990, le=2100, strict=True)
    kgce_per_kwh: float = key(gt=0.1229, lt=1)
    document: _Text


class CarbonSection(Section):
    """`[carbon]`: the choices by which amounts become energy, standard coal and CO2."""

    factors: str | None = None
    steam_reference: _Reference = SteamReference.NONE
    gwp: str = "AR5"
    coal_rate: tuple[CoalRate, ...] = ()


class _Period(Section):
    since: date = key(alias="from")

    def applies(self, day: date) -> bool:
        """Whether a day lies within the period."""
        until = getattr(self, "to", None)
        return self.since <= day and (until is None or day <= until)


class FuelSection(_Period):
    """`[[fuel]]`: what was measured of a fuel, or of purchased heat, from a day on until the next one, or to a day."""

    carrier: str
    accounts: tuple[AccountName, ...] = ()
    ncv: _CalorificValue | None = None
    carbon_content: float | None = key(None, ge=0)
    oxidation: float | None = key(None, gt=0)
    density: _Density | None = None
    co2_per_gj: float | None = key(None, ge=0, lt=1)
    to: date | None = None
    by: _Text
    document: _Text

    @rule
    def _shares_are_no_percentages(self) -> None:
        if (self.carbon_content or 0) >= _MOST_CARBON:
            raise ValueError("carbon_content is tC/GJ, like 0.0253; divide the carbon by mass by the calorific value")
        if (self.oxidation or 0) > 1:
            raise ValueError("oxidation is a share, like 0.99; divide percent by 100")

    @rule
    def _something_is_measured(self) -> None:
        if not {"ncv", "carbon_content", "oxidation", "density", "co2_per_gj"} & self.given:
            raise ValueError("nothing is measured; give ncv, carbon_content, oxidation or density; co2_per_gj of heat")
        if self.to is not None and self.to < self.since:
            raise ValueError("'to' lies before 'from'; correct one of them")


class GreenPowerSection(_Period):
    """`[[green_power]]`: electricity of some accounts that is green by contract, an amount or a share of it."""

    certificate: _Text
    contract: _Text
    accounts: tuple[AccountName, ...] = key(min_length=1)
    amount: _Energy | None = None
    share: _Share | None = None
    to: date

    @rule
    def _amount_or_share(self) -> None:
        if (self.amount is None) == (self.share is None):
            raise ValueError('give either amount, like "500 MWh", or share, like 0.3')
        if self.to < self.since:
            raise ValueError("'to' lies before 'from'; correct one of them")


class StateKeys(Section):
    """Keys of an `[[account]]` whose amount depends on pressure and temperature, and of one that does not come in."""

    direction: Direction = "import"
    pressure: str | None = None
    pressure_is: Literal["gauge", "absolute"] | None = None
    temperature: str | None = None
    return_temperature: str | None = None
    meter_in: Literal["supply", "return"] | None = None
    atmosphere: Pressure = STANDARD_ATMOSPHERE
    compressibility: float = key(1.0, gt=0.1, lt=3)

    @property
    def atmosphere_kpa(self) -> float:
        """Pressure of the atmosphere [kPa], above which a gauge pressure is."""
        return kpa(self.atmosphere)

    def on_site(self, atmosphere: str) -> Self:
        """Return the keys with the atmosphere of the site where they give none of their own."""
        given = "atmosphere" in self.given
        return self if given else self.with_(atmosphere=atmosphere)
