"""What accounts spend per unit of what is made.

Nothing is zero or infinite for want of an output: without one there is no intensity. What the CO2 of one account
lacks, the CO2 of all lacks, and the accounts are named.
"""

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any

from agent.books.bodies import interval_quality, rounded
from agent.sections.output import UNIT_KEYS
from drivers.unit import UNITS
from drivers.value import frozen

ENERGY = ("energy_kwh", "kgce")
CO2 = ("co2_kg", "co2_market_kg")
WATER = "water_m3"

Body = dict[str, Any]


@frozen
class Spent:
    """What one account comes to over a time, by the keys above; a key that is absent is not known."""

    account: str
    figures: Mapping[str, float]
    coverage: float
    estimated: float
    doubts: frozenset[str] = frozenset()
    unverified: bool = False


@frozen
class Made:
    """What was made over the same time, in its unit."""

    output: str
    amount: float
    unit: str
    coverage: float
    estimated: float
    doubts: frozenset[str] = frozenset()


@frozen
class Members:
    """What an intensity is made of: accounts of energy, and of water, over one time."""

    energy: Sequence[Spent]
    water: Sequence[Spent] = field(default=())


def per_key(unit: str) -> str:
    """Return what stands for a unit of output in keys like `energy_kwh_per_t`."""
    return UNIT_KEYS.get(unit) or (UNITS[unit].key if unit in UNITS else "") or unit


def ratio(members: Members, made: Made) -> Body:
    """Return the sums over all members and, unless nothing was made, each per unit of output."""
    spent, lacking = _sums(members)
    every = (*members.energy, *members.water)
    covered = min([made.coverage, *(each.coverage for each in every)])
    estimated = max([made.estimated, *(each.estimated for each in every)])
    doubts = made.doubts.union(*(each.doubts for each in every))
    body: Body = {
        "output": made.output,
        "output_amount": rounded(made.amount),
        "output_unit": made.unit,
        **{key: rounded(amount) for key, amount in spent.items()},
        "coverage": covered,
        "estimated": estimated,
    }
    quality = interval_quality(covered, estimated, *doubts)
    if quality != "good":
        body["quality"] = quality
    if lacking:
        body["incomplete"] = lacking
    if any(each.unverified for each in every):
        body["unverified"] = True
    if rounded(made.amount) > 0:
        per = per_key(made.unit)
        body |= {f"{key}_per_{per}": rounded(amount / made.amount) for key, amount in spent.items()}
    return body


def _sums(members: Members) -> tuple[dict[str, float], list[str]]:
    """Return what is spent in all, and the accounts whose CO2 is not known."""
    spent = dict.fromkeys(ENERGY, 0.0)
    for each in members.energy:
        for key in ENERGY:
            spent[key] += each.figures.get(key, 0.0)
    lacking = [each.account for each in members.energy if CO2[0] not in each.figures]
    if not lacking:
        spent[CO2[0]] = sum((each.figures[CO2[0]] for each in members.energy), 0.0)
        # What is burnt here has no market: it counts the same in both.
        spent[CO2[1]] = sum((each.figures.get(CO2[1], each.figures[CO2[0]]) for each in members.energy), 0.0)
    if members.water:
        spent[WATER] = sum(each.figures.get(WATER, 0.0) for each in members.water)
    return spent, lacking
