"""How two factor sets differ, figure by figure."""

from agent.carbon.factor_set import FactorSet, Row
from drivers.value import frozen


@frozen
class Difference:
    """One figure that both sets have, per the same unit; `percent` is how much more the second one says."""

    id: str
    figure: str
    unit: str
    first: float
    second: float

    @property
    def percent(self) -> float | None:
        """How much more the second set says than the first [%]; None where the first says zero."""
        return (self.second / self.first - 1) * 100 if self.first else None


def differences(first: FactorSet, second: FactorSet) -> list[Difference]:
    """Return every figure that stands in both sets, in the order of the first; equal ones too.

    Grid factors are compared by region and kind, whatever their years.
    """
    found = []
    for name, row in first.rows.items():
        other = second.rows.get(name)
        if other is not None:
            found += _of_rows(row, other)
    grid = {(row.kind, row.region): row for row in second.grid}
    for cell in first.grid:
        match = grid.get((cell.kind, cell.region))
        if match is not None and match.unit == cell.unit:
            found.append(Difference(cell.region, cell.kind, cell.unit, cell.value, match.value))
    return found


def only_in(first: FactorSet, second: FactorSet) -> list[str]:
    """Return what only the first set has: rows by id, regions of grid factors by code."""
    rows = [name for name in first.rows if name not in second.rows]
    known = {row.region for row in second.grid}
    return rows + list(dict.fromkeys(row.region for row in first.grid if row.region not in known))


def _of_rows(row: Row, other: Row) -> list[Difference]:
    """Return the figures of two rows; those per unit only where one unit is a multiple of the other."""
    (count, unit), (other_count, other_unit) = row.base_unit, other.base_unit
    pairs = [
        ("carbon", "tC/GJ", row.carbon_content, other.carbon_content, 1.0),
        ("oxidation", "", row.oxidation, other.oxidation, 1.0),
    ]
    if unit == other_unit:
        ratio = count / other_count
        pairs += [
            ("NCV", f"GJ/{row.unit}", row.gj, other.gj, ratio),
            ("CO2", f"t/{row.unit}", row.co2, other.co2, ratio),
            ("kgce", f"kgce/{row.unit}", row.kgce, other.kgce, ratio),
        ]
    return [
        Difference(row.id, figure, per, one, two * ratio)
        for figure, per, one, two, ratio in pairs
        if one is not None and two is not None
    ]
