"""Targets of base years: how far the year so far is from what was promised."""

from collections.abc import Iterator, Mapping
from typing import Any

from agent.figure import Figure
from agent.intensity.ratio import per_key
from agent.record import AGENT
from agent.sections.output import TargetSection

YEAR = "year"
_UNITS = {"energy_kwh": "kWh", "kgce": "kgce", "co2_kg": "kgCO2"}
_DECIMALS = 6

Body = dict[str, Any]


def progress(target: TargetSection, year: Body, unit: str, days: int, time_ns: int) -> Iterator[Figure]:
    """Yield for energy and CO2 by how much the year so far differs from the base year [%], and from the target.

    `year` is the intensity of the year so far, in which `days` whole days are; `unit` is that of its output. The
    figures are of all of it: a year of few months is no year, and `days` says so.
    """
    energy = "base_energy_kwh" if target.base_energy_kwh is not None else "base_kgce"
    if target.energy is not None:
        yield _figure(target, "energy", (energy, getattr(target, energy), target.energy), year, unit, days, time_ns)
    if target.co2 is not None and target.base_co2_kg is not None:
        base = ("base_co2_kg", target.base_co2_kg, target.co2)
        yield _figure(target, "co2", base, year, unit, days, time_ns)


def _figure(
    target: TargetSection,
    name: str,
    base: tuple[str, float, float],
    year: Mapping[str, Any],
    unit: str,
    days: int,
    time_ns: int,
) -> Figure:
    key, was, change = base[0].removeprefix("base_"), base[1], base[2]
    per = per_key(unit)
    promised = was * (1 + change)
    inputs = {
        f"base_{key}_per_{per}": was,
        f"target_{key}_per_{per}": promised,
        "target_percent": change * 100,
        "base_year": float(target.base_year),
        "target_year": float(target.by),
        "days": float(days),
    }
    found = year.get(f"{key}_per_{per}")
    value = None
    if found is not None:
        value = round((found / was - 1) * 100, _DECIMALS)
        inputs |= {f"{key}_per_{per}": found, f"above_target_{key}_per_{per}": found - promised}
        inputs["above_target_percent"] = (found / promised - 1) * 100 if promised else 0.0
        if not promised:
            del inputs["above_target_percent"]
    return Figure(
        name=f"target_{target.intensity.replace('-', '_')}_{name}",
        place=AGENT,
        span=YEAR,
        time_ns=time_ns,
        unit="%",
        value=value,
        norm=target.source,
        inputs={each: round(number, _DECIMALS) for each, number in inputs.items()},
        missing=() if found is not None else _missing(year, key),
        coverage=year.get("coverage", 0.0),
        estimated=year.get("estimated", 0.0),
        unverified=bool(year.get("unverified")),
    )


def _missing(year: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """Return what a year has no figure without."""
    if "missing" in year:
        return tuple(f"a whole day of {name}" for name in year["missing"])
    if key.startswith("co2") and "incomplete" in year:
        return tuple(f"a CO2 factor of {name}" for name in year["incomplete"])
    return (f"an amount of {year.get('output', 'the output')} this year",)
