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

from agent.carbon.errors import FactorFileError
from agent.carbon.factor_set import COUNTED_UNITS, ROLES, Density, FactorSet, GridRow, Gwp, Region, Role, Row
from drivers.checked import check
from drivers.declared import After, Table, Within, key, rule
from drivers.document import Document, DocumentError, nearest
from drivers.unit import UNITS

_VERSION_LENGTH = len("sha256:") + 16
_Text = Annotated[str, Within(min_length=1)]
_Positive = Annotated[float, Within(strict=True, gt=0, allow_inf_nan=False)]
_NotNegative = Annotated[float, Within(strict=True, ge=0, allow_inf_nan=False)]
_Share = Annotated[float, Within(strict=True, gt=0, le=1)]
_EnergyUnit = Literal["GJ", "MJ"]


def _unit_is_known(unit: str) -> str:
    known = {*COUNTED_UNITS, *UNITS}
    if unit not in known:
        raise ValueError(f"unknown unit '{unit}'; {nearest(unit, known)}")
    return unit


class _RowEntry(Table):
    en: _Text
    zh: _Text
    unit: Annotated[_Text, After(_unit_is_known)]
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

    @rule
    def _carbon_is_complete(self) -> None:
        if (self.carbon_content is None) != (self.oxidation is None):
            raise ValueError("carbon_content and oxidation go together; give both")
        if self.carbon_content is not None and self.ncv is None:
            raise ValueError("carbon_content is per GJ, but there is no ncv; give ncv")
        if self.carbon_content is not None and self.co2_t is not None:
            raise ValueError("both co2_t and carbon_content give the CO2; leave one out")
        if self.ncv is None and not (self.ch4 is None and self.n2o is None):
            raise ValueError("ch4 and n2o are per TJ, but there is no ncv; give ncv")


class _GridEntry(Table):
    value: _NotNegative
    confidence: _Text


class _GwpEntry(Table):
    ch4: _Positive
    n2o: _Positive
    confidence: _Text


class _RegionEntry(Table):
    en: _Text
    zh: _Text
    within: str | None = None
    confidence: str = ""
    note: str = ""


class _SetEntry(Table):
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
    year: Annotated[int, Within(strict=True, ge=1990, le=2100)] | None = None
    unit: Literal["tCO2/MWh", "kgCO2e/kWh"] = "tCO2/MWh"
    fuel: dict[str, _RowEntry] = key({})
    energy: dict[str, _RowEntry] = key({})
    medium: dict[str, _RowEntry] = key({})
    grid: dict[str, dict[str, _GridEntry]] = key({})
    region: dict[str, _RegionEntry] = key({})
    gwp: dict[str, _GwpEntry] = key({})

    @rule
    def _grid_has_a_year(self) -> None:
        if self.grid and self.year is None:
            raise ValueError("grid factors need the year of their data; give year = 2023 or the like")

    @rule
    def _ids_are_unique(self) -> None:
        twice = (self.fuel.keys() & self.energy) | (self.fuel.keys() & self.medium) | (self.energy.keys() & self.medium)
        if twice:
            raise ValueError(f"{', '.join(sorted(twice))}: in two tables; an id stands once in a file")


def load_factor_file(path: Path) -> tuple[Document, FactorSet]:
    """Read one factor file; return it with its document, which knows the lines. Raises FactorFileError."""
    try:
        document = Document.load(path)
    except DocumentError as error:
        raise FactorFileError([error.problem]) from error
    entry, problems = check(document, _SetEntry, document.data)
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
        regions=tuple(Region(code, **region.values()) for code, region in entry.region.items()),
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
    figures = {name: value for name, value in row.values().items() if name != "density_t_per_m3"}
    density = Density(row.density_t_per_m3, "m3") if row.density_t_per_m3 is not None else None
    return Row(set=entry.id, id=name, role=role, density=density, **{**figures, **taken_over})
