"""The library of factor sets, and the look-up of one factor by place and date.

Everything that is chosen in place of what was asked for (another year, a wider region) is said in the `note` of
the factor. No look-up depends on today's date: the same question always has the same answer.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date

from agent.carbon.errors import CarbonError
from agent.carbon.factor_set import FactorSet, GridRow, Gwp, Region, Row
from drivers.document import nearest
from drivers.value import frozen

AVERAGE = "average"
"""Kind of the average factor of a grid: the location-based figure."""
RESIDUAL_PROXY = "average_excl_market_traded_nonfossil"
"""Kind of the average without the non-fossil electricity that is traded by contract."""


@frozen
class Factor:
    """The published number behind a figure, with all that is needed to find it again."""

    set: str
    id: str
    value: float
    unit: str
    source: str
    confidence: str
    version: str
    valid_from: date | None
    valid_to: date | None
    note: str

    @property
    def unverified(self) -> bool:
        """Whether a part of the figure was never checked against its source."""
        return "unverified" in self.confidence


@frozen
class SetSummary:
    """One line about a set, for lists."""

    id: str
    title: str
    title_zh: str
    issuer: str
    issued: date | None
    effective: date | None
    factors: int
    unverified: int
    version: str


class FactorLibrary:
    """All factor sets of an installation; immutable once loaded."""

    def __init__(self, sets: Sequence[FactorSet]) -> None:
        self._sets = {item.id: item for item in sets}
        self._regions = {region.code: region for item in sets for region in item.regions}
        self._gwp = {row.name: row for item in sets for row in item.gwp}
        grid: dict[tuple[str, str], dict[int, GridRow]] = defaultdict(dict)
        for item in sets:
            for row in item.grid:
                grid[row.kind, row.region][row.year] = row
        self._grid: Mapping[tuple[str, str], Mapping[int, GridRow]] = dict(grid)

    def sets(self) -> tuple[SetSummary, ...]:
        """Return a summary of every set, sorted by id."""
        return tuple(_summary(self._sets[name]) for name in sorted(self._sets))

    @property
    def versions(self) -> dict[str, str]:
        """The version of each set by its id, which tells its figures from others."""
        return {summary.id: summary.version for summary in self.sets()}

    def get(self, name: str) -> FactorSet:
        """Return a whole set: values, sources, validity, confidence. Raises CarbonError when there is none."""
        if name not in self._sets:
            raise CarbonError(f"unknown factor set '{name}'", nearest(name, self._sets))
        return self._sets[name]

    def gwp(self, name: str) -> Gwp:
        """Return the global warming potentials of an assessment report; raise CarbonError for an unknown one."""
        if name not in self._gwp:
            raise CarbonError(f"unknown global warming potentials '{name}'", nearest(name, self._gwp))
        return self._gwp[name]

    def regions(self) -> Mapping[str, Region]:
        """Return every region by code."""
        return self._regions

    def row(self, set_name: str, row_id: str) -> Row:
        """Return the figures of one fuel, form of energy or medium; raise CarbonError when the set has none."""
        rows = self.get(set_name).rows
        if row_id not in rows:
            others = [name for name in sorted(self._sets) if row_id in self._sets[name].rows]
            remedy = f"sets that have it: {', '.join(others)}" if others else nearest(row_id, rows)
            raise CarbonError(f"factor set '{set_name}' has no '{row_id}'", remedy)
        return rows[row_id]

    def fuel(self, set_name: str, fuel_id: str, when: date) -> Factor:
        """Return the CO2 factor of a row [tCO2 per unit]; raise CarbonError when the set gives none."""
        row = self.row(set_name, fuel_id)
        if row.co2 is None:
            others = [name for name in sorted(self._sets) if self._gives_co2(name, fuel_id)]
            chosen = f"choose {' or '.join(others)}, or " if others else ""
            remedy = f"{chosen}give its carbon_content and oxidation in a [[fuel]] table"
            raise CarbonError(f"factor set '{set_name}' gives no CO2 for '{fuel_id}'", remedy)
        return self.of_row(row, row.co2, f"tCO2/{row.unit}", when)

    def of_row(self, row: Row, value: float, unit: str, when: date) -> Factor:
        """Return a factor drawn from a row, saying so when `when` lies outside the validity of its set."""
        owner = self.get(row.set)
        notes = [row.note] if row.note else []
        if owner.effective is not None and when < owner.effective:
            notes.append(f"used for {when}, before it took effect on {owner.effective}")
        if owner.expires is not None and when > owner.expires:
            notes.append(f"used for {when}, after it expired on {owner.expires}")
        return Factor(
            set=row.set,
            id=row.id,
            value=value,
            unit=unit,
            source=row.source,
            confidence=row.confidence,
            version=owner.version,
            valid_from=owner.effective,
            valid_to=owner.expires,
            note="; ".join(notes),
        )

    def grid(self, region: str, when: date, kind: str = AVERAGE) -> Factor:
        """Return the factor of electricity [tCO2/MWh, which is kg/kWh] used in `region` on a date.

        The region itself comes before its grid, the grid before the nation. Of the place found, the factor whose
        data year is the calendar year of `when` applies; where none is published, the latest earlier one; where
        there is none either, the earliest. Raises CarbonError for an unknown region or kind.
        """
        kinds = {known for known, _ in self._grid}
        if kind not in kinds:
            raise CarbonError(f"unknown kind of grid factor '{kind}'", nearest(kind, kinds))
        asked = self._region(region)
        for place in self._outwards(asked):
            years = self._grid.get((kind, place.code))
            if years:
                earlier = [year for year in years if year <= when.year]
                return _grid_factor(years[max(earlier) if earlier else min(years)], asked, place, when)
        raise CarbonError(
            f"no grid factor '{kind}' for '{region}' or a wider region", "add a factor file that gives it"
        )

    def _gives_co2(self, set_name: str, row_id: str) -> bool:
        row = self._sets[set_name].rows.get(row_id)
        return row is not None and row.co2 is not None

    def _region(self, code: str) -> Region:
        if code not in self._regions:
            raise CarbonError(f"unknown region '{code}'", nearest(code, self._regions))
        return self._regions[code]

    def _outwards(self, region: Region) -> Iterator[Region]:
        current: Region | None = region
        while current is not None:
            yield current
            current = self._regions[current.within] if current.within else None


def _grid_factor(row: GridRow, asked: Region, place: Region, when: date) -> Factor:
    notes = []
    confidence = row.confidence
    if place is not asked:
        notes.append(f"{place.code} factor used for {asked.code}: none published for {asked.code}")
        if asked.note:
            notes.append(f"{asked.code}: {asked.note}")
        if place.code == asked.within and "unverified" in asked.confidence:
            confidence += f"; {asked.code} within {place.code} unverified"
    if row.year != when.year:
        since = " or before" if row.year > when.year else ""
        notes.append(f"{row.year} factor used for {when.year}: none published for {when.year}{since}")
    return Factor(
        set=row.set,
        id=row.region,
        value=row.value,
        unit=row.unit,
        source=row.source,
        confidence=confidence,
        version=row.version,
        valid_from=date(row.year, 1, 1),
        valid_to=date(row.year, 12, 31),
        note="; ".join(notes),
    )


def _summary(item: FactorSet) -> SetSummary:
    rows: list[Row | GridRow | Gwp] = [*item.rows.values(), *item.grid, *item.gwp]
    return SetSummary(
        id=item.id,
        title=item.title,
        title_zh=item.title_zh,
        issuer=item.issuer,
        issued=item.issued,
        effective=item.effective,
        factors=len(rows),
        unverified=sum("unverified" in row.confidence for row in rows),
        version=item.version,
    )
