"""What one unit of a carrier amounts to, and the choices that decide it."""

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from fractions import Fraction
from typing import Any, Literal

from agent.carbon.errors import CarbonError
from agent.carbon.factor_set import Row
from agent.carbon.factors import Factor
from drivers import unit as units
from drivers.document import nearest
from drivers.unit import UNITS
from drivers.value import frozen

MJ_PER_KGCE = 29.3076
"""Heat of one kilogram of standard coal [MJ], GB/T 2589-2020."""
MJ_PER_KWH = 3.6
ENERGY_AND_MEDIA = "GB/T 2589-2020 A.2/B.1"

Scope = Literal[1, 2]


@frozen
class Choices:
    """What a site has chosen: its region (ISO 3166-2), fuel set, report of global warming potentials, coal rates.

    `coal_rates` are kgce per kWh generated, and the document that says so, by year: for the equivalent value of
    electricity, which without any is not given.
    """

    region: str
    fuel_set: str
    gwp: str = "AR5"
    coal_rates: Mapping[int, tuple[float, str]] = field(default_factory=dict)


@frozen
class Conversion:
    """What one native unit of a carrier amounts to, and by which factors.

    What leaves the site (`direction` export) has figures below zero, so that sums are net.
    """

    carrier: str
    unit: str
    kwh_per_unit: float
    kgce_per_unit: float
    co2_kg_per_unit: float | None
    """Scope 1, or scope 2 by location; None for working media, whose CO2 is not this account's."""
    co2_market_kg_per_unit: float | None
    """Scope 2 by market, without any green-power contract; electricity only."""
    scope: Scope | None
    factor: Factor
    """The CO2 factor; for working media, the coefficient of standard coal."""
    market_factor: Factor | None
    kgce_source: str
    unverified: bool
    """Whether any figure used here carries the mark *unverified*."""
    physical_kwh_per_unit: float
    """Energy that flows, whatever of it counts: also that into and out of a storage."""
    kgce_equivalent_per_unit: float | None = None
    """Electricity by its equivalent value (GB/T 2589-2020): what its generation took; None where not chosen."""
    kgce_equivalent_source: str = ""
    ch4_kg_per_unit: float | None = None
    n2o_kg_per_unit: float | None = None
    co2e_kg_per_unit: float | None = None
    """CO2, CH4 and N2O together, by `gwp`; None where the set has no CH4 and N2O."""
    gwp: str = ""


_PER_UNIT = (
    *("kwh_per_unit", "kgce_per_unit", "co2_kg_per_unit", "co2_market_kg_per_unit", "physical_kwh_per_unit"),
    *("kgce_equivalent_per_unit", "ch4_kg_per_unit", "n2o_kg_per_unit", "co2e_kg_per_unit"),
)


def mean_of(parts: Sequence[tuple[float, Conversion]]) -> Conversion:
    """Return what one unit of several amounts, oldest first, comes to in the mean; the rest is that of the last.

    What one of them does not have, the mean does not have either; it is marked *unverified* as soon as one is.
    """
    told = [(amount, each) for amount, each in parts if amount] or [parts[-1]]
    total = sum(amount for amount, _ in told)
    last = told[-1][1]
    if not total or len(told) == 1:
        return last
    mean: dict[str, Any] = {}
    for name in _PER_UNIT:
        values = [getattr(each, name) for _, each in told]
        weighed = [amount * value for (amount, _), value in zip(told, values, strict=True) if value is not None]
        mean[name] = sum(weighed) / total if len(weighed) == len(told) else None
    return replace(last, **mean, unverified=any(each.unverified for _, each in told))


def coefficient(row: Row) -> float:
    """Return the printed coefficient of standard coal [kgce per unit]; raise CarbonError when there is none."""
    if row.kgce is None:
        raise CarbonError(f"factor set '{row.set}' gives no kgce for '{row.id}'", "add it to the set")
    return row.kgce


def coefficient_source(row: Row) -> str:
    """Return where the printed coefficient comes from."""
    return f"{row.kgce} kgce/{row.unit} ({row.kgce_source or row.set})"


def row_units(row: Row, carrier: str, unit: str) -> float:
    """Return how many units of a row one native unit is; a volume becomes a mass where the row has a density."""
    count, base = row.base_unit
    if unit not in UNITS:
        raise CarbonError(f"unknown unit '{unit}' of carrier '{carrier}'", nearest(unit, UNITS))
    native = UNITS[unit]
    if native.dimension == UNITS[base].dimension:
        return float(units.conversion(native, UNITS[base])[0] / count)
    if row.density is not None and native.dimension == UNITS[row.density.unit].dimension:
        tonnes = units.conversion(native, UNITS[row.density.unit])[0] * Fraction(row.density.tonnes)
        return float(tonnes * units.conversion(UNITS["t"], UNITS[base])[0] / count)
    raise CarbonError(
        f"'{carrier}' cannot be counted in {unit}, which measures {native.dimension}", _remedy(unit, base)
    )


def _remedy(unit: str, base: str) -> str:
    """Return what to do about an account that is counted in a unit its factors are not given for."""
    same = " or ".join([symbol for symbol, other in UNITS.items() if other.dimension == UNITS[base].dimension][:4])
    measures, given = UNITS[unit].dimension, UNITS[base].dimension
    if (measures, given) in (("volume", "normal volume"), ("mass", "heat"), ("volume", "heat")):
        return f"count it in {same}, or give the account pressure and temperature"
    if given == "mass" and measures in ("volume", "normal volume"):
        like = "0.84 t/m3" if measures == "volume" else "0.75 kg/Nm3"
        return f'count it in {same}, or give its density in a [[fuel]] table, like density = "{like}"'
    return f"count it in {same}"
