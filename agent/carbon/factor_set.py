"""A published set of factors: its rows of fuels, energy and media, its grid factors, its regions."""

from collections.abc import Mapping
from datetime import date
from typing import Literal

from drivers.value import frozen

CARBON_TO_CO2 = 44 / 12
"""Mass of CO2 per mass of carbon: the ratio of the molar masses used by every set."""
COUNTED_UNITS = {"1e4Nm3": (10_000, "Nm3")}
"""Units of published tables that count several of one of the vocabulary."""

Role = Literal["fuel", "energy", "medium"]
ROLES: tuple[Role, ...] = ("fuel", "energy", "medium")


@frozen
class Density:
    """Mass [t] per volume of a unit: m3 of a liquid, Nm3 of a gas."""

    tonnes: float
    unit: str


@frozen
class Row:
    """Figures of one fuel, form of energy or working medium, each per `unit`."""

    set: str
    id: str
    role: Role
    en: str
    zh: str
    unit: str
    ncv: float | None
    """Net calorific value [ncv_unit]."""
    ncv_unit: str
    """Such as "GJ/1e4Nm3" or "MJ/m3"; always per `unit`."""
    carbon_content: float | None
    """Carbon per heat [tC/GJ]."""
    oxidation: float | None
    """Share of the carbon that is oxidised, above 0 up to 1."""
    co2_t: float | None
    """CO2 given directly [tCO2 per unit], where the source does not go through carbon."""
    ch4: float | None
    """Methane of complete use [kg/TJ]."""
    n2o: float | None
    """Nitrous oxide of complete use [kg/TJ]."""
    kgce: float | None
    """Standard coal equivalent as printed [kgce per unit]; the upper end where a range is printed."""
    kgce_range: tuple[float, float] | None
    kgce_source: str
    density: Density | None
    source: str
    confidence: str
    note: str
    gas_confidence: str = ""
    """Of CH4 and N2O, where the set says it apart."""

    @property
    def base_unit(self) -> tuple[int, str]:
        """Return how many of which unit of the vocabulary make one `unit`: (10000, "Nm3") for "1e4Nm3"."""
        return COUNTED_UNITS.get(self.unit, (1, self.unit))

    @property
    def gj(self) -> float | None:
        """Net calorific value [GJ per unit]."""
        if self.ncv is None:
            return None
        return self.ncv / 1000 if self.ncv_unit.startswith("MJ") else self.ncv

    @property
    def co2(self) -> float | None:
        """CO2 of complete use [tCO2 per unit]: as given, else NCV x CC x OF x 44/12 (GB/T 32150-2025, 7.5.2)."""
        if self.co2_t is not None or self.gj is None or self.carbon_content is None or self.oxidation is None:
            return self.co2_t
        return self.gj * self.carbon_content * self.oxidation * CARBON_TO_CO2


@frozen
class GridRow:
    """One published factor of electricity: a kind, a region, a year of data."""

    set: str
    kind: str
    region: str
    year: int
    value: float
    unit: str
    source: str
    confidence: str
    version: str


@frozen
class Gwp:
    """Global warming potentials over 100 years of one assessment report [kgCO2e/kg]."""

    set: str
    name: str
    ch4: float
    n2o: float
    confidence: str


@frozen
class Region:
    """A place with an ISO 3166-2 code, or a grid or nation that such places lie within."""

    code: str
    en: str
    zh: str
    within: str | None
    confidence: str
    """Confidence that it lies within `within`."""
    note: str


@frozen
class FactorSet:
    """One file of factors."""

    id: str
    title: str
    title_zh: str
    issuer: str
    source: str
    issued: date | None
    effective: date | None
    expires: date | None
    note: str
    file: str
    content: bytes
    """The file as it was read: it may be another by now."""
    version: str
    """Digest of the file's bytes: two sets with the same version hold the same figures."""
    rows: Mapping[str, Row]
    grid: tuple[GridRow, ...]
    regions: tuple[Region, ...]
    gwp: tuple[Gwp, ...] = ()
