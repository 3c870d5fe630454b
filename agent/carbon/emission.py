"""From an amount of a carrier to energy, standard coal and CO2: one set of multipliers per carrier and date.

Fuels (GB/T 32150-2025, 7.5.2): ``E = AD x NCV x CC x OF x 44/12`` with the activity AD [unit], the net calorific
value NCV [GJ/unit], the carbon content CC [tC/GJ] and the oxidation factor OF. Standard coal (GB/T 2589-2020):
the calorific value divided by 29.3076 MJ/kgce; the printed coefficient where a set gives no calorific value.

Electricity and heat: kgce by the calorific coefficients of GB/T 2589-2020, Table A.2 (0.1229 kgce/kWh, 0.03412
kgce/MJ); CO2 by the grid factor of place and date, and by 0.11 tCO2/GJ (GB/T 32150-2025, 7.5.6).

Working media carry standard coal (GB/T 2589-2020, Table B.1) but no CO2: that was emitted where their energy was
used, and is counted there or not at all.
"""

from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction
from typing import Literal

from agent.carbon.errors import CarbonError
from agent.carbon.factor_file import Row
from agent.carbon.factors import RESIDUAL_PROXY, Factor, FactorLibrary
from drivers import unit as units
from drivers.document import nearest
from drivers.unit import UNITS

MJ_PER_KGCE = 29.3076
"""Heat of one kilogram of standard coal [MJ], GB/T 2589-2020."""
MJ_PER_KWH = 3.6

Scope = Literal[1, 2]

_ENERGY_AND_MEDIA = "GB/T 2589-2020 A.2/B.1"
_PURCHASED_HEAT = ("GB/T 32150-2025", "purchased_heat")
_HEAT = ("heat", "steam", "hot_water")
_ALIASES = {"water": "fresh_water"}
_COALS = "anthracite, bituminous_coal or lignite"
_RESIDUAL_NOTE = (
    "national average without market-traded non-fossil electricity, standing for the residual mix by judgement: "
    "no official residual factor is published"
)


@dataclass(frozen=True, slots=True)
class Conversion:
    """What one native unit of a carrier amounts to, and by which factors."""

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


def conversion(
    library: FactorLibrary, *, carrier: str, unit: str, when: date, region: str, fuel_set: str
) -> Conversion:
    """Return the multipliers of a carrier that was bought or burnt on a date at a place.

    `unit` is the native unit of the account (a symbol of `drivers.unit`), `region` an ISO 3166-2 code, `fuel_set`
    the name of the chosen set of fuel parameters. The result holds for the whole calendar day and may be kept.
    Raises CarbonError for an unknown carrier, region or set, and for a unit the carrier is not counted in.
    """
    if carrier == "electricity":
        return _electricity(library, unit=unit, when=when, region=region)
    if carrier in _HEAT:
        return _heat(library, carrier=carrier, unit=unit, when=when)
    row = _row_of(library, carrier, fuel_set)
    if row.role == "fuel":
        return _fuel(library, row, carrier=carrier, unit=unit, when=when)
    return _medium(library, row, carrier=carrier, unit=unit, when=when)


def carriers(library: FactorLibrary, fuel_set: str) -> tuple[str, ...]:
    """Return every carrier `conversion` knows with a chosen fuel set, sorted."""
    return tuple(sorted({"electricity", *_HEAT, *_ALIASES, *_counted(library, fuel_set)}))


def _counted(library: FactorLibrary, fuel_set: str) -> dict[str, Row]:
    """Return fuels and media by id; those of the chosen set come before the general ones."""
    rows = {**library.get(_ENERGY_AND_MEDIA).rows, **library.get(fuel_set).rows}
    return {name: row for name, row in rows.items() if row.role != "energy"}


def _row_of(library: FactorLibrary, carrier: str, fuel_set: str) -> Row:
    rows = _counted(library, fuel_set)
    name = carrier if carrier in rows else _ALIASES.get(carrier, carrier)
    if name in rows:
        return rows[name]
    if carrier == "coal":
        raise CarbonError("carrier 'coal' says too little", f"name its kind: {_COALS}")
    elsewhere = [item.id for item in library.sets() if carrier in library.get(item.id).rows]
    if elsewhere:
        raise CarbonError(f"factor set '{fuel_set}' has no '{carrier}'", f"sets that have it: {', '.join(elsewhere)}")
    raise CarbonError(f"unknown carrier '{carrier}'", nearest(carrier, carriers(library, fuel_set)))


def _fuel(library: FactorLibrary, row: Row, *, carrier: str, unit: str, when: date) -> Conversion:
    factor = library.fuel(row.set, row.id, when)
    share = _row_units(row, carrier, unit)
    gj, kgce, kgce_source = _heat_of(row)
    return Conversion(
        carrier=carrier,
        unit=unit,
        kwh_per_unit=gj * 1000 / MJ_PER_KWH * share,
        kgce_per_unit=kgce * share,
        co2_kg_per_unit=factor.value * 1000 * share,
        co2_market_kg_per_unit=None,
        scope=1,
        factor=factor,
        market_factor=None,
        kgce_source=kgce_source,
        unverified=factor.unverified,
    )


def _heat_of(row: Row) -> tuple[float, float, str]:
    """Return heat [GJ] and standard coal [kgce] per unit of a fuel, and where the coal comes from."""
    if row.gj is not None:
        source = f"{row.ncv} {row.ncv_unit} ({row.set}) / {MJ_PER_KGCE} MJ/kgce (GB/T 2589-2020)"
        return row.gj, row.gj * 1000 / MJ_PER_KGCE, source
    if row.kgce is not None:
        return row.kgce * MJ_PER_KGCE / 1000, row.kgce, f"{row.kgce} kgce/{row.unit} ({row.kgce_source or row.set})"
    raise CarbonError(f"factor set '{row.set}' gives '{row.id}' neither ncv nor kgce", "add one of them to the set")


def _electricity(library: FactorLibrary, *, unit: str, when: date, region: str) -> Conversion:
    row = library.row(_ENERGY_AND_MEDIA, "electricity_equiv")
    kwh = _row_units(row, "electricity", unit)
    location = library.grid(region, when)
    residual = library.grid(region, when, RESIDUAL_PROXY)
    market = replace(residual, note="; ".join(part for part in (residual.note, _RESIDUAL_NOTE) if part))
    return Conversion(
        carrier="electricity",
        unit=unit,
        kwh_per_unit=kwh,
        kgce_per_unit=_coefficient(row) * kwh,
        co2_kg_per_unit=location.value * kwh,
        co2_market_kg_per_unit=market.value * kwh,
        scope=2,
        factor=location,
        market_factor=market,
        kgce_source=_coefficient_source(row),
        unverified=location.unverified or market.unverified or "unverified" in row.confidence,
    )


def _heat(library: FactorLibrary, *, carrier: str, unit: str, when: date) -> Conversion:
    row = library.row(_ENERGY_AND_MEDIA, "heat_equiv")
    gj = _row_units(row, carrier, unit)
    factor = library.fuel(*_PURCHASED_HEAT, when)
    return Conversion(
        carrier=carrier,
        unit=unit,
        kwh_per_unit=gj * 1000 / MJ_PER_KWH,
        kgce_per_unit=_coefficient(row) * gj,
        co2_kg_per_unit=factor.value * 1000 * gj,
        co2_market_kg_per_unit=None,
        scope=2,
        factor=factor,
        market_factor=None,
        kgce_source=_coefficient_source(row),
        unverified=factor.unverified or "unverified" in row.confidence,
    )


def _medium(library: FactorLibrary, row: Row, *, carrier: str, unit: str, when: date) -> Conversion:
    share = _row_units(row, carrier, unit)
    kgce = _coefficient(row)
    factor = library.of_row(row, kgce, f"kgce/{row.unit}", when)
    return Conversion(
        carrier=carrier,
        unit=unit,
        kwh_per_unit=kgce * MJ_PER_KGCE / MJ_PER_KWH * share,
        kgce_per_unit=kgce * share,
        co2_kg_per_unit=None,
        co2_market_kg_per_unit=None,
        scope=None,
        factor=factor,
        market_factor=None,
        kgce_source=_coefficient_source(row),
        unverified=factor.unverified,
    )


def _coefficient(row: Row) -> float:
    if row.kgce is None:
        raise CarbonError(f"factor set '{row.set}' gives no kgce for '{row.id}'", "add it to the set")
    return row.kgce


def _coefficient_source(row: Row) -> str:
    return f"{row.kgce} kgce/{row.unit} ({row.kgce_source or row.set})"


def _row_units(row: Row, carrier: str, unit: str) -> float:
    """Return how many units of a row one native unit is; a volume becomes a mass where the row has a density."""
    count, base = row.base_unit
    if unit not in UNITS:
        raise CarbonError(f"unknown unit '{unit}' of carrier '{carrier}'", nearest(unit, UNITS))
    native = UNITS[unit]
    if native.dimension == UNITS[base].dimension:
        return float(units.conversion(native, UNITS[base])[0] / count)
    if row.density_t_per_m3 is not None and native.dimension == "volume":
        tonnes = units.conversion(native, UNITS["m3"])[0] * Fraction(row.density_t_per_m3)
        return float(tonnes * units.conversion(UNITS["t"], UNITS[base])[0] / count)
    same = [symbol for symbol, other in UNITS.items() if other.dimension == UNITS[base].dimension]
    what = f"'{carrier}' cannot be counted in {unit}, which measures {native.dimension}"
    raise CarbonError(what, f"count it in {' or '.join(same[:4])}")
