"""Electricity and heat: what is bought, what leaves the site, what it makes itself.

Standard coal by the calorific coefficients of GB/T 2589-2020, Table A.2 (0.1229 kgce/kWh, 0.03412 kgce/MJ); CO2 by
the grid factor of place and date, and by 0.11 tCO2/GJ (GB/T 32150-2025, 7.5.6). What is exported is subtracted
(7.5.7). Electricity made on the site without fuel is energy without emission; what a storage takes and gives is
neither, for it was counted when it came. The equivalent value of electricity is that of the year before.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date

from agent.carbon.conversion import (
    ENERGY_AND_MEDIA,
    MJ_PER_KWH,
    Choices,
    Conversion,
    coefficient,
    coefficient_source,
    row_units,
)
from agent.carbon.errors import CarbonError
from agent.carbon.factors import RESIDUAL_PROXY, Factor, FactorLibrary
from agent.carbon.measured import Measured

_OWN = "own-energy"
_PURCHASED_HEAT = ("GB/T 32150-2025", "purchased_heat")
_RESIDUAL_NOTE = (
    "national average without market-traded non-fossil electricity, standing for the residual mix by judgement: "
    "no official residual factor is published"
)
_EXPORT_NOTE = "exported: subtracted, GB/T 32150-2025, 7.5.7"


def electricity(library: FactorLibrary, *, unit: str, when: date, choices: Choices, direction: str) -> Conversion:
    """Return the conversion of electricity that goes in a direction."""
    row = library.row(ENERGY_AND_MEDIA, "electricity_equiv")
    kwh = row_units(row, "electricity", unit)
    location = library.grid(choices.region, when)
    residual = library.grid(choices.region, when, RESIDUAL_PROXY)
    market = _noted(residual, _RESIDUAL_NOTE)
    rate, source = _coal_rate(choices.coal_rates, when)
    bought = Conversion(
        carrier="electricity",
        unit=unit,
        kwh_per_unit=kwh,
        kgce_per_unit=coefficient(row) * kwh,
        co2_kg_per_unit=location.value * kwh,
        co2_market_kg_per_unit=market.value * kwh,
        scope=2,
        factor=location,
        market_factor=market,
        kgce_source=coefficient_source(row),
        unverified=location.unverified or market.unverified or "unverified" in row.confidence,
        physical_kwh_per_unit=kwh,
        kgce_equivalent_per_unit=None if rate is None else rate * kwh,
        kgce_equivalent_source=source,
    )
    if direction == "import":
        return bought
    if direction == "export":
        return _exported(bought)
    return _own(library, bought, when, stored=direction != "generation")


def heat(
    library: FactorLibrary, *, carrier: str, unit: str, when: date, direction: str, measured: Measured | None = None
) -> Conversion:
    """Return the conversion of heat, steam or hot water that is bought or sold, by its supplier's CO2 if measured."""
    row = library.row(ENERGY_AND_MEDIA, "heat_equiv")
    gj = row_units(row, carrier, unit)
    factor = library.fuel(*_PURCHASED_HEAT, when)
    if measured:
        if measured.co2_t_per_gj is None:
            raise CarbonError(f"nothing is said of the CO2 of '{carrier}'", "give co2_per_gj, in tCO2/GJ")
        factor = measured.factor(factor, measured.co2_t_per_gj, factor.unit)
    bought = Conversion(
        carrier=carrier,
        unit=unit,
        kwh_per_unit=gj * 1000 / MJ_PER_KWH,
        kgce_per_unit=coefficient(row) * gj,
        co2_kg_per_unit=factor.value * 1000 * gj,
        co2_market_kg_per_unit=None,
        scope=2,
        factor=factor,
        market_factor=None,
        kgce_source=coefficient_source(row),
        unverified=factor.unverified or "unverified" in row.confidence,
        physical_kwh_per_unit=gj * 1000 / MJ_PER_KWH,
    )
    if direction in ("import", "export"):
        return bought if direction == "import" else _exported(bought)
    raise CarbonError(f"'{carrier}' has no direction '{direction}'", "leave it out, or write export for what is sold")


def _noted(factor: Factor, note: str) -> Factor:
    return replace(factor, note="; ".join(part for part in (factor.note, note) if part))


def _negative(value: float | None) -> float | None:
    return None if value is None else -value


def _exported(bought: Conversion) -> Conversion:
    """Return the conversion of what leaves the site: the same, below zero."""
    return replace(
        bought,
        kwh_per_unit=-bought.kwh_per_unit,
        kgce_per_unit=-bought.kgce_per_unit,
        co2_kg_per_unit=_negative(bought.co2_kg_per_unit),
        co2_market_kg_per_unit=_negative(bought.co2_market_kg_per_unit),
        kgce_equivalent_per_unit=_negative(bought.kgce_equivalent_per_unit),
        factor=_noted(bought.factor, _EXPORT_NOTE),
        market_factor=_noted(bought.market_factor, _EXPORT_NOTE) if bought.market_factor else None,
    )


def _own(library: FactorLibrary, bought: Conversion, when: date, *, stored: bool) -> Conversion:
    """Return the conversion of what the site generates, or moves through its storage."""
    row = library.row(_OWN, "storage" if stored else "generation")
    factor = library.of_row(row, 0.0, f"tCO2/{row.unit}", when)
    counted = 0.0 if stored else 1.0
    equivalent = bought.kgce_equivalent_per_unit
    return replace(
        bought,
        kwh_per_unit=bought.kwh_per_unit * counted,
        kgce_per_unit=bought.kgce_per_unit * counted,
        co2_kg_per_unit=0.0,
        co2_market_kg_per_unit=0.0,
        kgce_equivalent_per_unit=None if equivalent is None else equivalent * counted,
        factor=factor,
        market_factor=factor,
        unverified=factor.unverified,
    )


def _coal_rate(rates: Mapping[int, tuple[float, str]], when: date) -> tuple[float | None, str]:
    """Return the coal rate [kgce/kWh] for a date, that of the year before or the latest one earlier, and its source."""
    earlier = [year for year in rates if year < when.year]
    if not earlier:
        return None, ""
    year = max(earlier)
    rate, document = rates[year]
    stands_in = "" if year == when.year - 1 else f", in place of that of {when.year - 1}"
    return rate, f"{rate} kgce/kWh, coal rate of {year}{stands_in} ({document}); GB/T 2589-2020 Table A.2"
