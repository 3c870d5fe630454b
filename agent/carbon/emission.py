"""From an amount of a carrier to energy, standard coal and CO2: one set of multipliers per carrier and date.

Fuels are in `agent.carbon.burnt`, electricity and heat in `agent.carbon.bought`. Working media carry standard coal
(GB/T 2589-2020, Table B.1) but no CO2: that was emitted where their energy was used, and is counted there or not at
all.
"""

from datetime import date

from agent.carbon.bought import electricity, heat
from agent.carbon.burnt import fuel
from agent.carbon.conversion import (
    ENERGY_AND_MEDIA,
    MJ_PER_KGCE,
    MJ_PER_KWH,
    Choices,
    Conversion,
    coefficient,
    coefficient_source,
    row_units,
)
from agent.carbon.errors import CarbonError
from agent.carbon.factor_set import Row
from agent.carbon.factors import FactorLibrary
from agent.carbon.measured import Measured
from drivers.document import nearest

__all__ = ["MJ_PER_KGCE", "MJ_PER_KWH", "Choices", "Conversion", "carriers", "conversion"]

_HEAT = ("heat", "steam", "hot_water")
_ALIASES = {"water": "fresh_water"}
_COALS = "anthracite, bituminous_coal or lignite"


def conversion(
    library: FactorLibrary,
    *,
    carrier: str,
    unit: str,
    when: date,
    choices: Choices,
    direction: str = "import",
    measured: Measured | None = None,
) -> Conversion:
    """Return the multipliers of a carrier on a date.

    `unit` is the native unit of the account (a symbol of `drivers.unit`), `direction` where it goes: import (bought or
    burnt), export, generation, charge or discharge; `measured` what was measured of a fuel. The result holds for the
    whole calendar day and may be kept. Raises CarbonError for an unknown carrier, region or set, for a unit the
    carrier is not counted in, and for a direction it cannot go.
    """
    if carrier == "electricity" and measured:
        raise CarbonError("electricity is no fuel", "its contracts stand in [[green_power]]")
    if carrier == "electricity":
        return electricity(library, unit=unit, when=when, choices=choices, direction=direction)
    if carrier in _HEAT:
        return heat(library, carrier=carrier, unit=unit, when=when, direction=direction, measured=measured)
    if direction != "import":
        raise CarbonError(
            f"'{carrier}' has no direction '{direction}'", "only electricity and heat have one; leave it out"
        )
    if measured and measured.complete and carrier not in _counted(library, choices.fuel_set):
        row = measured.alone(carrier)
    else:
        row = _row_of(library, carrier, choices.fuel_set)
    if row.role == "fuel":
        return fuel(library, row, carrier=carrier, unit=unit, when=when, choices=choices, measured=measured)
    if measured:
        raise CarbonError(f"'{carrier}' is no fuel", "a [[fuel]] table tells of what is burnt")
    return _medium(library, row, carrier=carrier, unit=unit, when=when)


def carriers(library: FactorLibrary, fuel_set: str) -> tuple[str, ...]:
    """Return every carrier `conversion` knows with a chosen fuel set, sorted."""
    return tuple(sorted({"electricity", *_HEAT, *_ALIASES, *_counted(library, fuel_set)}))


def _counted(library: FactorLibrary, fuel_set: str) -> dict[str, Row]:
    """Return fuels and media by id; those of the chosen set come before the general ones."""
    rows = {**library.get(ENERGY_AND_MEDIA).rows, **library.get(fuel_set).rows}
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
        analysis = "give its ncv, carbon_content and oxidation in a [[fuel]] table"
        raise CarbonError(
            f"factor set '{fuel_set}' has no '{carrier}'", f"sets that have it: {', '.join(elsewhere)}; or {analysis}"
        )
    raise CarbonError(f"unknown carrier '{carrier}'", nearest(carrier, carriers(library, fuel_set)))


def _medium(library: FactorLibrary, row: Row, *, carrier: str, unit: str, when: date) -> Conversion:
    share = row_units(row, carrier, unit)
    kgce = coefficient(row)
    factor = library.of_row(row, kgce, f"kgce/{row.unit}", when)
    kwh = kgce * MJ_PER_KGCE / MJ_PER_KWH * share
    return Conversion(
        carrier=carrier,
        unit=unit,
        kwh_per_unit=kwh,
        kgce_per_unit=kgce * share,
        co2_kg_per_unit=None,
        co2_market_kg_per_unit=None,
        scope=None,
        factor=factor,
        market_factor=None,
        kgce_source=coefficient_source(row),
        unverified=factor.unverified,
        physical_kwh_per_unit=kwh,
    )
