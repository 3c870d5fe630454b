"""What a tonne or a cubic metre is worth in the state it passed the meter in.

Steam and hot water (GJ per t or m3): by enthalpy, IAPWS-IF97. Gas (Nm3 per m3): by the law of real gases, as volume
converters do it (EN 12405-1): ``V(0 °C) = V x p / 101.325 kPa x 273.15 K / T / K`` with the relative
compressibility K = Z/Zn. Pressures are absolute [kPa], temperatures [°C].
"""

from enum import StrEnum

from agent.carbon.errors import CarbonError
from agent.carbon.steam import (
    SteamReference,
    saturation_temperature_degc,
    steam_enthalpy_kj_kg,
    steam_heat_gj_per_t,
    water_density_t_per_m3,
    water_enthalpy_kj_kg,
)
from drivers.value import frozen

NORMAL_KPA = 101.325
ZERO_DEGC_K = 273.15
WATER_KPA = 1600.0
"""Pressure at which the properties of hot water are taken where none is given: that of the tables of heat meters
(EN 1434-1); 1 MPa more or less changes the heat by less than a thousandth."""
_SENSOR_K = 5.0
"""Saturated steam may read this much too cold: the pressure and a thermometer in a pocket are never quite one state."""
_CRITICAL_MPA = 22.064


class Matter(StrEnum):
    """What passes the meter."""

    STEAM = "steam"
    HOT_WATER = "hot_water"
    GAS = "gas"


@frozen
class State:
    """Pressure and temperatures at one time; None where neither measured nor declared."""

    pressure_kpa: float | None = None
    temperature_degc: float | None = None
    return_degc: float | None = None
    """Temperature of the feed water of steam, or of the return of hot water."""


def steam_gj_per_t(state: State, reference: SteamReference) -> float:
    """Return the heat of steam; saturated without a temperature, or where that reads a little below boiling.

    Raises CarbonError for a state that is no steam, or when the pressure or what the reference needs is missing.
    """
    if state.pressure_kpa is None:
        raise CarbonError("steam without a pressure has no enthalpy", "give pressure")
    pressure_mpa = state.pressure_kpa / 1000
    temperature = state.temperature_degc
    if temperature is not None and pressure_mpa <= _CRITICAL_MPA:
        boiling = saturation_temperature_degc(pressure_mpa)
        if boiling - _SENSOR_K <= temperature <= boiling:
            temperature = None
    enthalpy = steam_enthalpy_kj_kg(pressure_mpa, temperature)
    feed = None if state.return_degc is None else water_enthalpy_kj_kg(pressure_mpa, state.return_degc)
    return steam_heat_gj_per_t(enthalpy, reference, feed)


def hot_water_gj_per_t(state: State, reference: SteamReference) -> float:
    """Return the heat of hot water above its return, without one above the chosen reference; never below zero."""
    if state.temperature_degc is None:
        raise CarbonError("hot water without a temperature has no enthalpy", "give temperature")
    pressure_mpa = (state.pressure_kpa or WATER_KPA) / 1000
    supply = water_enthalpy_kj_kg(pressure_mpa, state.temperature_degc)
    if state.return_degc is not None:
        returned = water_enthalpy_kj_kg(pressure_mpa, state.return_degc)
        return max(0.0, steam_heat_gj_per_t(supply, SteamReference.MEASURED, returned))
    return max(0.0, steam_heat_gj_per_t(supply, reference))


def water_t_per_m3(state: State, *, in_return: bool) -> float:
    """Return the density of hot water where its meter stands."""
    temperature = state.return_degc if in_return else state.temperature_degc
    if temperature is None:
        raise CarbonError("water of unknown temperature has no density", "give the temperature where the meter is")
    return water_density_t_per_m3((state.pressure_kpa or WATER_KPA) / 1000, temperature)


def normal_m3_per_m3(state: State, compressibility: float = 1.0) -> float:
    """Return how many Nm3 (0 °C, 101.325 kPa) one cubic metre of gas at operating conditions is."""
    if state.pressure_kpa is None or state.temperature_degc is None:
        raise CarbonError("gas at operating conditions needs pressure and temperature", "give both")
    kelvin = state.temperature_degc + ZERO_DEGC_K
    if state.pressure_kpa <= 0 or kelvin <= 0:
        raise CarbonError(f"no gas has {state.pressure_kpa} kPa and {state.temperature_degc} °C", "correct the reading")
    return state.pressure_kpa / NORMAL_KPA * ZERO_DEGC_K / kelvin / compressibility
