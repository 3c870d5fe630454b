"""Fuels: heat, standard coal and the emission of scope 1.

GB/T 32150-2025, 7.5.2: ``E = AD x NCV x CC x OF x 44/12`` with the activity AD [unit], the net calorific value NCV
[GJ/unit], the carbon content CC [tC/GJ] and the oxidation factor OF. Standard coal (GB/T 2589-2020): the calorific
value divided by 29.3076 MJ/kgce; the printed coefficient where a set gives no calorific value. CH4 and N2O, where a
set has them [kg/TJ]: times the heat; with the global warming potentials of the chosen report they make CO2e.
"""

from dataclasses import replace
from datetime import date

from agent.carbon.conversion import MJ_PER_KGCE, MJ_PER_KWH, Choices, Conversion, row_units
from agent.carbon.errors import CarbonError
from agent.carbon.factor_set import Row
from agent.carbon.factors import Factor, FactorLibrary
from agent.carbon.measured import SET, Measured


def fuel(
    library: FactorLibrary,
    published: Row,
    *,
    carrier: str,
    unit: str,
    when: date,
    choices: Choices,
    measured: Measured | None,
) -> Conversion:
    """Return the conversion of a fuel by its published row, or by what was measured of it as far as that goes."""
    if measured and measured.co2_t_per_gj is not None:
        raise CarbonError(f"'{carrier}' is burnt here, not bought as heat", "give ncv, carbon_content and oxidation")
    row = measured.over(published) if measured else published
    factor = _factor(library, published, row, measured, when)
    share = row_units(row, carrier, unit)
    gj, kgce, kgce_source = _heat_of(row)
    burnt = Conversion(
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
        physical_kwh_per_unit=gj * 1000 / MJ_PER_KWH * share,
    )
    return _with_gases(library, burnt, row, gj * share, choices.gwp)


def _factor(library: FactorLibrary, published: Row, row: Row, measured: Measured | None, when: date) -> Factor:
    if measured is None:
        return library.fuel(published.set, published.id, when)
    if row.co2 is None:
        what = f"'{row.id}' has no carbon content or oxidation, neither measured nor in '{published.set}'"
        raise CarbonError(what, "give both in [[fuel]], or choose a set that has them")
    base = published_factor(library, published, when)
    return measured.factor(base, row.co2, f"tCO2/{row.unit}")


def published_factor(library: FactorLibrary, row: Row, when: date) -> Factor:
    """Return a factor of a row for its notes and marks alone, also where the row gives no CO2 by itself."""
    if row.set != SET:
        return library.of_row(row, row.co2 or 0.0, f"tCO2/{row.unit}", when)
    return Factor(SET, row.id, 0.0, "", row.source, row.confidence, "", None, None, "")


def _heat_of(row: Row) -> tuple[float, float, str]:
    """Return heat [GJ] and standard coal [kgce] per unit of a fuel, and where the coal comes from."""
    if row.gj is not None:
        source = f"{row.ncv} {row.ncv_unit} ({row.set}) / {MJ_PER_KGCE} MJ/kgce (GB/T 2589-2020)"
        return row.gj, row.gj * 1000 / MJ_PER_KGCE, source
    if row.kgce is not None:
        return row.kgce * MJ_PER_KGCE / 1000, row.kgce, f"{row.kgce} kgce/{row.unit} ({row.kgce_source or row.set})"
    raise CarbonError(f"factor set '{row.set}' gives '{row.id}' neither ncv nor kgce", "add one of them to the set")


def _with_gases(library: FactorLibrary, burnt: Conversion, row: Row, gj: float, name: str) -> Conversion:
    """Return a conversion with CH4 and N2O, if the row has them; `gj` is the heat of one native unit."""
    if row.ch4 is None or row.n2o is None or burnt.co2_kg_per_unit is None:
        return burnt
    gwp = library.gwp(name)
    ch4, n2o = row.ch4 * gj / 1000, row.n2o * gj / 1000
    factor = burnt.factor
    if factor.set == SET:
        factor = replace(factor, note=f"{factor.note}; CH4, N2O of {row.set}")
    return replace(
        burnt,
        factor=factor,
        ch4_kg_per_unit=ch4,
        n2o_kg_per_unit=n2o,
        co2e_kg_per_unit=burnt.co2_kg_per_unit + ch4 * gwp.ch4 + n2o * gwp.n2o,
        gwp=gwp.name,
        # What was measured of a fuel says nothing of these: its row may be marked where its factor is not.
        unverified=burnt.unverified
        or "unverified" in gwp.confidence
        or "unverified" in (row.gas_confidence or row.confidence),
    )
