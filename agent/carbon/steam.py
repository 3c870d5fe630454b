"""Enthalpy of water and steam by IAPWS-IF97, and the heat that a mass of steam delivers.

Pressures are absolute [MPa], temperatures [°C], enthalpies [kJ/kg]; zero is the liquid at the triple point.
"""

from enum import StrEnum

import seuif97

from agent.carbon.errors import CarbonError

_ENTHALPY = 4  # seuif97's number of the property
_VOLUME = 3
_TEMPERATURE = 1
_CRITICAL_PRESSURE_MPA = 22.064
_LOWEST_PRESSURE_MPA = 0.000611657  # triple point: below it there is no liquid
_HIGHEST_PRESSURE_MPA = 100.0
_HIGHEST_TEMPERATURE_DEGC = 800.0


class SteamReference(StrEnum):
    """What is taken off the enthalpy of steam before it counts as heat."""

    NONE = "none"
    """Nothing: GB/T 32151.34-2024, equation 13."""
    FEED_WATER = "feed_water_83.74"
    """Feed water of 20 °C: the guidelines of NDRC (2013-2015); unverified."""
    MEASURED = "feed_water"
    """The feed water (or return) as measured, by its own enthalpy."""


_REFERENCE_KJ_KG = {SteamReference.NONE: 0.0, SteamReference.FEED_WATER: 83.74}


def saturation_temperature_degc(pressure_mpa: float) -> float:
    """Return the boiling temperature at a pressure; raise CarbonError outside the saturation line."""
    if not _LOWEST_PRESSURE_MPA <= pressure_mpa <= _CRITICAL_PRESSURE_MPA:
        low, high = _LOWEST_PRESSURE_MPA, _CRITICAL_PRESSURE_MPA
        raise CarbonError(
            f"no saturated steam at {pressure_mpa} MPa", f"give an absolute pressure of {low} to {high} MPa"
        )
    return float(seuif97.px(pressure_mpa, 1.0, _TEMPERATURE))


def steam_enthalpy_kj_kg(pressure_mpa: float, temperature_degc: float | None = None) -> float:
    """Return the enthalpy of saturated (no temperature) or superheated steam.

    Raises CarbonError for a state outside IF97 regions 1 to 3, and for one that is water, not steam.
    """
    if temperature_degc is None:
        saturation_temperature_degc(pressure_mpa)
        return float(seuif97.px(pressure_mpa, 1.0, _ENTHALPY))
    _check_state(pressure_mpa, temperature_degc)
    if pressure_mpa <= _CRITICAL_PRESSURE_MPA and temperature_degc <= (
        boiling := saturation_temperature_degc(pressure_mpa)
    ):
        what = f"{temperature_degc} °C at {pressure_mpa} MPa is not superheated: it boils at {boiling:.2f} °C"
        raise CarbonError(what, "correct the reading, or give no temperature for saturated steam")
    return float(seuif97.pt(pressure_mpa, temperature_degc, _ENTHALPY))


def latent_heat_kj_kg(pressure_mpa: float) -> float:
    """Return what turns boiling water into dry steam; raise CarbonError outside the saturation line."""
    saturation_temperature_degc(pressure_mpa)
    dry, boiling = (float(seuif97.px(pressure_mpa, share, _ENTHALPY)) for share in (1.0, 0.0))
    return dry - boiling


def water_enthalpy_kj_kg(pressure_mpa: float, temperature_degc: float) -> float:
    """Return the enthalpy of liquid water, such as feed water; raise CarbonError for a state that is steam."""
    _check_state(pressure_mpa, temperature_degc)
    if pressure_mpa <= _CRITICAL_PRESSURE_MPA and temperature_degc >= (
        boiling := saturation_temperature_degc(pressure_mpa)
    ):
        what = f"water at {pressure_mpa} MPa is no liquid at {temperature_degc} °C: it boils at {boiling:.2f} °C"
        raise CarbonError(what, "correct pressure or temperature")
    return float(seuif97.pt(pressure_mpa, temperature_degc, _ENTHALPY))


def water_density_t_per_m3(pressure_mpa: float, temperature_degc: float) -> float:
    """Return the density of liquid water; raise CarbonError for a state that is steam."""
    water_enthalpy_kj_kg(pressure_mpa, temperature_degc)
    return 1 / float(seuif97.pt(pressure_mpa, temperature_degc, _VOLUME)) / 1000


def steam_heat_gj_per_t(
    enthalpy_kj_kg: float, reference: SteamReference, feed_water_kj_kg: float | None = None
) -> float:
    """Return the heat one tonne of steam or water counts for [GJ/t], above the chosen reference.

    Raises CarbonError when the reference is the measured feed water, and its enthalpy is not given.
    """
    taken_off = feed_water_kj_kg if reference is SteamReference.MEASURED else _REFERENCE_KJ_KG[reference]
    if taken_off is None:
        raise CarbonError("the enthalpy of the feed water is not given", "measure it, or choose another reference")
    return (enthalpy_kj_kg - taken_off) / 1000


def _check_state(pressure_mpa: float, temperature_degc: float) -> None:
    if not (
        _LOWEST_PRESSURE_MPA <= pressure_mpa <= _HIGHEST_PRESSURE_MPA
        and 0 <= temperature_degc <= _HIGHEST_TEMPERATURE_DEGC
    ):
        raise CarbonError(
            f"{pressure_mpa} MPa and {temperature_degc} °C lie outside the steam tables",
            f"absolute {_LOWEST_PRESSURE_MPA} to {_HIGHEST_PRESSURE_MPA} MPa, 0 to {_HIGHEST_TEMPERATURE_DEGC} °C",
        )
