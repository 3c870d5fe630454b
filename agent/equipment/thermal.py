"""The figures of a boiler."""

from collections.abc import Iterator

from agent.equipment.boiler import (
    FLUE_GAS_NORM,
    MOST_DIVERGENCE,
    NORM,
    Losses,
    Steam,
    direct_efficiency_percent,
    useful_kwh,
)
from agent.equipment.consumption import per_unit_kg
from agent.equipment.gather import Inputs, Moment, unit_key
from agent.figure import NOW, Figure
from agent.sections.equipment import BoilerSection

_KWH_PER_GJ = 1000 / 3.6


def boiler(section: BoilerSection, place: str, span: str, moment: Moment) -> Iterator[Figure]:
    """Yield direct efficiency, steam per fuel, indirect efficiency, and how far both efficiencies lie apart."""
    direct = indirect = None
    if section.fuel:
        direct = _direct(section, moment.over(place, span))
        yield direct
        if section.steam:
            yield _steam_per_fuel(section, section.steam, moment.over(place, span))
    if section.flue_gas_m is not None:
        indirect = _indirect(section, moment.over(place, NOW))
        yield indirect
    if direct and indirect:
        yield from _divergence(direct, indirect, moment.over(place, span))


def _direct(section: BoilerSection, inputs: Inputs) -> Figure:
    fuel = inputs.energy_kwh(section.fuel, "fuel_kwh")
    if section.heat:
        heat = inputs.amounts([section.heat], "GJ", "heat_gj")
        return inputs.figure(
            "boiler_efficiency_direct", "%", NORM, lambda: direct_efficiency_percent(heat * _KWH_PER_GJ, fuel)
        )
    made = inputs.amounts([section.steam or ""], "t", "steam_mass_t")
    gauge = inputs.reading(section.device, "steam_pressure")
    pressure = gauge + inputs.declared("atmosphere_mpa", inputs.moment.atmosphere_mpa)
    feed_water = inputs.reading(section.device, "feed_water_temperature")
    if section.steam_state == "superheated":
        steam = Steam(pressure, feed_water, inputs.reading(section.device, "steam_temperature"))
    else:
        moisture = inputs.declared("steam_moisture_percent", section.steam_moisture)
        steam = Steam(pressure, feed_water, moisture_percent=moisture)

    def work() -> float:
        heat_kj_kg = inputs.values["steam_heat_kj_kg"] = steam.heat_kj_kg()
        return direct_efficiency_percent(useful_kwh(made, heat_kj_kg), fuel)

    return inputs.figure("boiler_efficiency_direct", "%", NORM, work)


def _steam_per_fuel(section: BoilerSection, steam: str, inputs: Inputs) -> Figure:
    unit = inputs.moment.ledger.books[section.fuel[0]].account.unit
    fuel = inputs.amounts(section.fuel, unit, f"fuel_{unit_key(unit)}")
    made = inputs.amounts([steam], "t", "steam_mass_t")
    return inputs.figure("boiler_steam_per_fuel", f"kg/{unit}", "GB/T 17954", lambda: per_unit_kg(made, fuel))


def _indirect(section: BoilerSection, inputs: Inputs) -> Figure:
    declared = {name: inputs.declared(f"flue_gas_{name}", getattr(section, f"flue_gas_{name}")) for name in ("m", "n")}
    declared |= {name: inputs.declared(f"{name}_percent", getattr(section, name)) for name in ("q3", "q4", "q5", "q6")}
    losses = Losses(**declared)
    oxygen = inputs.reading(section.device, "stack_oxygen")
    flue_gas = inputs.reading(section.device, "stack_temperature")
    cold_air = inputs.reading(section.device, "ambient_temperature")

    def work() -> float:
        q2 = inputs.values["q2_percent"] = losses.flue_gas_percent(oxygen, flue_gas, cold_air)
        return losses.efficiency_percent(q2)

    return inputs.figure("boiler_efficiency_indirect", "%", f"{NORM}; q2: {FLUE_GAS_NORM}", work)


def _divergence(direct: Figure, indirect: Figure, inputs: Inputs) -> Iterator[Figure]:
    """Yield direct less indirect efficiency, and whether a meter must be wrong because they lie too far apart."""
    for figure in (direct, indirect):
        inputs.missing += figure.missing
        if figure.value is not None:
            inputs.values[f"{figure.name}_percent"] = figure.value
        inputs.coverage = min(inputs.coverage, figure.coverage)
        inputs.estimated = max(inputs.estimated, figure.estimated)
    apart = (direct.value or 0.0) - (indirect.value or 0.0)
    yield inputs.figure("boiler_efficiency_divergence", "%", NORM, lambda: apart)
    inputs.values["limit_percent"] = MOST_DIVERGENCE
    yield inputs.figure("boiler_efficiency_diverges", "bool", NORM, lambda: float(abs(apart) > MOST_DIVERGENCE))
