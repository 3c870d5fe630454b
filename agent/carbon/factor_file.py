"""The form of a factor file: one published set of factors, with its source, in one TOML file.

A file may hold any of these tables:

- ``[fuel]`` what is burnt, ``[energy]`` electricity and heat, ``[medium]`` working media: one row per id;
- ``[grid.<kind>]`` electricity factors of one data ``year``: one row per region;
- ``[gwp]`` global warming potentials: one row per assessment report;
- ``[region]`` regions, and where a look-up goes on when nothing is published for one of them.
"""

from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from agent.carbon.errors import FactorFileError
from agent.carbon.factor_set import COUNTED_UNITS, ROLES, Density, FactorSet, GridRow, Gwp, Region, Role, Row
from drivers.document import Document, DocumentError, nearest
from drivers.unit import UNITS

_VERSION_LENGTH = len("sha256:") + 16
_Text = Annotated[str, Field(min_length=1)]
_Positive = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
_NotNegative = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]
_Share = Annotated[float, Field(strict=True, gt=0, le=1)]
_EnergyUnit = Literal["GJ", "MJ"]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class _RowEntry(_Entry):
    en: _Text
    zh: _Text
    unit: _Text
    ncv: _Positive | None = None
    ncv_unit: _EnergyUnit | None = None
    carbon_content: _NotNegative | None = None
    oxidation: _Share | None = None
    co2_t: _NotNegative | None = None
    ch4: _NotNegative | None = None
    n2o: _NotNegative | None = None
    kgce: _Positive | None = None
    kgce_range: tuple[_Positive, _Positive] | None = None
    kgce_source: str | None = None
    density_t_per_m3: _Positive | None = None
    source: str | None = None
    confidence: _Text
    note: str = ""

    @field_validator("unit")
    @classmethod
    def _unit_is_known(cls, unit: str) -> str:
        known = {*COUNTED_UNITS, *UNITS}
        if unit not in known:
            raise ValueError(f"unknown unit '{unit}'; {nearest(unit, known)}")
        return unit

    @model_validator(mode="after")
    def _carbon_is_complete(self) -> "_RowEntry":
        if (self.carbon_content is None) != (self.oxidation is None):
            raise ValueError("carbon_content and oxidation go together; give both")
        if self.carbon_content is not None and self.ncv is None:
            raise ValueError("carbon_content is per GJ, but there is no ncv; give ncv")
        if self.carbon_content is not None and self.co2_t is not None:
            raise ValueError("both co2_t and carbon_content give the CO2; leave one out")
        if self.ncv is None and not (self.ch4 is None and self.n2o is None):
            raise ValueError("ch4 and n2o are per TJ, but there is no ncv; give ncv")
        return self


class _GridEntry(_Entry):
    value: _NotNegative
    confidence: _Text


class _GwpEntry(_Entry):
    ch4: _Positive
    n2o: _Positive
    confidence: _Text


class _RegionEntry(_Entry):
    en: _Text
    zh: _Text
    within: str | None = None
    confidence: str = ""
    note: str = ""


class _SetEntry(_Entry):
    id: _Text
    title: _Text
    title_zh: _Text
    issuer: _Text
    source: _Text
    issued: date | None = None
    effective: date | None = None
    expires: date | None = None
    note: str = ""
    ncv_unit: _EnergyUnit = "GJ"
    kgce_source: str = ""
    gas_confidence: str = ""
    year: Annotated[int, Field(strict=True, ge=1990, le=2100)] | None = None
    unit: Literal["tCO2/MWh", "kgCO2e/kWh"] = "tCO2/MWh"
    fuel: dict[str, _RowEntry] = {}
    energy: dict[str, _RowEntry] = {}
    medium: dict[str, _RowEntry] = {}
    grid: dict[str, dict[str, _GridEntry]] = {}
    region: dict[str, _RegionEntry] = {}
    gwp: dict[str, _GwpEntry] = {}

    @model_validator(mode="after")
    def _grid_has_a_year(self) -> "_SetEntry":
        if self.grid and self.year is None:
            raise ValueError("grid factors need the year of their data; give year = 2023 or the like")
        return self

    @model_validator(mode="after")
    def _ids_are_unique(self) -> "_SetEntry":
        twice = (self.fuel.keys() & self.energy) | (self.fuel.keys() & self.medium) | (self.energy.keys() & self.medium)
        if twice:
            raise ValueError(f"{', '.join(sorted(twice))}: in two tables; an id stands once in a file")
        return self


def load_factor_file(path: Path) -> tuple[Document, FactorSet]:
    """Read one factor file; return it with its document, which knows the lines. Raises FactorFileError."""
    try:
        document = Document.load(path)
    except DocumentError as error:
        raise FactorFileError([error.problem]) from error
    entry, problems = document.check(_SetEntry, document.data)
    if entry is None:
        raise FactorFileError(problems)
    return document, _factor_set(entry, document)


def _factor_set(entry: _SetEntry, document: Document) -> FactorSet:
    version = document.digest[:_VERSION_LENGTH]
    return FactorSet(
        id=entry.id,
        title=entry.title,
        title_zh=entry.title_zh,
        issuer=entry.issuer,
        source=entry.source,
        issued=entry.issued,
        effective=entry.effective,
        expires=entry.expires,
        note=entry.note,
        file=document.file,
        content=document.content,
        version=version,
        rows={name: _row(entry, role, name, row) for role in ROLES for name, row in getattr(entry, role).items()},
        grid=tuple(
            GridRow(entry.id, kind, region, entry.year, row.value, entry.unit, entry.source, row.confidence, version)
            for kind, table in entry.grid.items()
            for region, row in table.items()
            if entry.year is not None
        ),
        regions=tuple(Region(code, **region.model_dump()) for code, region in entry.region.items()),
        gwp=tuple(Gwp(entry.id, name, row.ch4, row.n2o, row.confidence) for name, row in entry.gwp.items()),
    )


def _row(entry: _SetEntry, role: Role, name: str, row: _RowEntry) -> Row:
    """Return a row with what it takes over from its set."""
    taken_over = {
        "source": row.source or entry.source,
        "kgce_source": row.kgce_source or (entry.kgce_source if row.kgce is not None else ""),
        "gas_confidence": entry.gas_confidence if row.ch4 is not None else "",
        "ncv_unit": f"{row.ncv_unit or entry.ncv_unit}/{row.unit}" if row.ncv is not None else "",
    }
    figures = row.model_dump(exclude={"density_t_per_m3"})
    density = Density(row.density_t_per_m3, "m3") if row.density_t_per_m3 is not None else None
    return Row(set=entry.id, id=name, role=role, density=density, **{**figures, **taken_over})
