"""What a machine uses per unit of what it moves, and a server room per unit that its computers use."""

from agent.equipment.errors import NoFigureError

COMPRESSOR_NORM = "GB 19153-2019"
PUMP_NORM = "GB/T 13469"
FAN_NORM = "GB/T 13470"
PUE_NORM = "ISO/IEC 30134-2"
_MINUTES_PER_HOUR = 60.0


def per_volume_kwh_m3(electricity_kwh: float, volume_m3: float) -> float:
    """Return the electricity per volume [kWh/m3]; raise NoFigureError while nothing flows."""
    if volume_m3 <= 0:
        raise NoFigureError("nothing was delivered")
    return electricity_kwh / volume_m3


def specific_power(electricity_kwh: float, volume_m3: float) -> float:
    """Return the input power per volume flow at inlet conditions [kW/(m3/min)]; raise NoFigureError without flow."""
    return per_volume_kwh_m3(electricity_kwh, volume_m3) * _MINUTES_PER_HOUR


def pue(total_kwh: float, computers_kwh: float) -> float:
    """Return the energy of the whole room by that of its computers; raise NoFigureError while they use none."""
    if computers_kwh <= 0:
        raise NoFigureError("the computers used nothing")
    return total_kwh / computers_kwh


def per_unit_kg(steam_t: float, fuel: float) -> float:
    """Return the steam per unit of fuel [kg per unit]; raise NoFigureError while no fuel is used."""
    if fuel <= 0:
        raise NoFigureError("no fuel was used")
    return steam_t * 1000 / fuel
