"""Efficiency of a boiler, direct and indirect (GB/T 10180-2017); all formulas unverified.

Direct: useful heat by the heat of the fuel. Of steam, ``D (h_s - r w/100 - h_fw)`` with the mass D, the enthalpy h_s
of dry steam, its latent heat r, its moisture w [%] and the enthalpy h_fw of feed water; blow-down is no useful heat.
Indirect: what the losses leave of 100 %, the flue gas loss q2 by the simplified formula of TSG G0003,
``q2 = (m + n alpha) (t_flue - t_cold) / 100 (1 - q4/100)`` with the excess air ``alpha = 21 / (21 - O2)``.
Calorific values are net: of a condensing boiler the efficiency may exceed 100 %.
"""

from agent.carbon.steam import latent_heat_kj_kg, steam_enthalpy_kj_kg, water_enthalpy_kj_kg
from agent.equipment.errors import NoFigureError
from drivers.value import frozen

NORM = "GB/T 10180-2017"
FLUE_GAS_NORM = "TSG G0003"
MOST_DIVERGENCE = 5.0
"""Percentage points within which both efficiencies should agree (GB/T 10180); beyond it a meter is wrong."""
_MJ_PER_KWH = 3.6
_OXYGEN_OF_AIR = 21.0


@frozen
class Steam:
    """State of steam: absolute pressure [MPa]; the temperature [°C] of superheated, the moisture [%] of saturated."""

    pressure_mpa: float
    feed_water_degc: float
    temperature_degc: float | None = None
    moisture_percent: float = 0.0

    def heat_kj_kg(self) -> float:
        """Return what one kilogram took up from feed water on [kJ/kg]; raise CarbonError for no state of steam."""
        feed_water = water_enthalpy_kj_kg(self.pressure_mpa, self.feed_water_degc)
        if self.temperature_degc is not None:
            return steam_enthalpy_kj_kg(self.pressure_mpa, self.temperature_degc) - feed_water
        wet = latent_heat_kj_kg(self.pressure_mpa) * self.moisture_percent / 100
        return steam_enthalpy_kj_kg(self.pressure_mpa) - wet - feed_water


def useful_kwh(steam_t: float, heat_kj_kg: float) -> float:
    """Return the useful heat of a mass of steam [kWh]."""
    return steam_t * heat_kj_kg / _MJ_PER_KWH


def direct_efficiency_percent(useful_kwh: float, fuel_kwh: float) -> float:
    """Return useful heat by heat of the fuel [%]; raise NoFigureError while no fuel is used."""
    if fuel_kwh <= 0:
        raise NoFigureError("no fuel was used")
    return useful_kwh / fuel_kwh * 100


def excess_air(oxygen_percent: float) -> float:
    """Return the excess air of dry flue gas; raise NoFigureError for pure air."""
    if not 0 <= oxygen_percent < _OXYGEN_OF_AIR:
        raise NoFigureError(f"flue gas with {oxygen_percent:g} % oxygen comes from no fire")
    return _OXYGEN_OF_AIR / (_OXYGEN_OF_AIR - oxygen_percent)


@frozen
class Losses:
    """What is declared of a boiler's losses: coefficients m and n of q2, and q3 to q6 [%]."""

    m: float
    n: float
    q3: float
    q4: float
    q5: float
    q6: float

    def flue_gas_percent(self, oxygen_percent: float, flue_gas_degc: float, cold_air_degc: float) -> float:
        """Return q2 [%]; raise NoFigureError for what comes from no fire."""
        above = flue_gas_degc - cold_air_degc
        return (self.m + self.n * excess_air(oxygen_percent)) * above / 100 * (1 - self.q4 / 100)

    def efficiency_percent(self, flue_gas_percent: float) -> float:
        """Return the indirect efficiency [%]."""
        return 100 - (flue_gas_percent + self.q3 + self.q4 + self.q5 + self.q6)
