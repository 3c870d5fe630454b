"""What is used of a budget, and how an hour compares with the same hour a week before, from sums of records."""

from collections.abc import Iterable, Mapping
from typing import Literal

from agent.figure import Figure
from agent.metering.amount import NS_PER_S, QUANTA_PER_UNIT
from agent.rollup.total import Part
from drivers.value import frozen

GREEN, YELLOW, RED = 0.0, 1.0, 2.0
ENOUGH = 0.9
"""Share of an hour that must be measured for it to be compared."""
_PERCENT = 100.0
_DECIMALS = 6
_US_PER_S = 1_000_000


@frozen
class Budget:
    """`amount` of `key` (`energy_kwh` or `co2_kg`) that accounts may use per period; yellow beyond so many percent."""

    name: str
    place: str
    accounts: tuple[str, ...]
    per: Literal["day", "month", "year"]
    key: str
    amount: float
    yellow: float


def budget_figure(name: str) -> str:
    """Return the name of the figure that says how much of a budget is used [%]."""
    return f"budget_{name.replace('-', '_')}"


def used(
    budget: Budget, found: Mapping[str, Iterable[Part]], start_ns: int, end_ns: int, time_ns: int
) -> tuple[Figure, Figure]:
    """Return what is used of a budget [%], and whether that is green, yellow or red (0, 1, 2).

    `found` are the parts of each account since the period began at `start_ns`, which ends at `end_ns`. An account
    without any is missing, not zero.
    """
    parts = {name: list(found.get(name, ())) for name in budget.accounts}
    missing = [f"{name}: no records of this {budget.per}" for name, of_account in parts.items() if not of_account]
    every = [part for of_account in parts.values() for part in of_account]
    if any(budget.key not in part.sums for part in every):
        missing.append(f"{budget.key} of every record")
    name = budget_figure(budget.name)
    if missing:
        told = tuple(missing)
        return (
            Figure(name, budget.place, budget.per, time_ns, "%", None, missing=told, coverage=0.0),
            Figure(f"{name}_state", budget.place, budget.per, time_ns, "", None, missing=told, coverage=0.0),
        )
    total = sum(part.sums[budget.key] for part in every) / QUANTA_PER_UNIT
    percent = total / budget.amount * _PERCENT
    state = RED if percent > _PERCENT else YELLOW if percent > budget.yellow else GREEN
    inputs = {
        f"used_{budget.key}": round(total, _DECIMALS),
        f"budget_{budget.key}": budget.amount,
        "elapsed_percent": round((time_ns - start_ns) / (end_ns - start_ns) * _PERCENT, 3),
    }
    known = _known(every, len(parts), (time_ns - start_ns) // NS_PER_S)
    unverified = any(part.unverified for part in every)

    def figure(name: str, unit: str, value: float) -> Figure:
        rounded = round(value, _DECIMALS)
        return Figure(name, budget.place, budget.per, time_ns, unit, rounded, "", inputs, (), *known, unverified)

    return figure(name, "%", percent), figure(f"{name}_state", "", state)


def _known(parts: list[Part], accounts: int, elapsed_s: int) -> tuple[float, float]:
    """Return coverage and estimated share of parts that are added up."""
    measured_s = sum(part.measured_us for part in parts) / _US_PER_S
    amount = sum(abs(part.sums.get("amount", 0)) for part in parts)
    estimated = sum(part.estimated for part in parts)
    coverage = min(1.0, measured_s / (elapsed_s * accounts)) if elapsed_s > 0 else 0.0
    return round(coverage, _DECIMALS), round(min(1.0, estimated / amount), _DECIMALS) if amount else 0.0


def week_figure(account: str) -> str:
    """Return the name of the figure that compares an account's last hour with the same hour a week before [%]."""
    return f"last_week_deviation_{account.partition('/')[2].replace('-', '_')}"


def against_last_week(
    account: str, place: str, hours: tuple[Part | None, Part | None], hour_s: int, time_ns: int
) -> Figure:
    """Return by how many percent the last whole hour differs from the same hour a week before, in that order."""
    now, before = (hour if hour and hour.measured_us >= ENOUGH * hour_s * _US_PER_S else None for hour in hours)
    names = ("the last hour", "the same hour a week before")
    missing = [f"{account}: {what} as measured" for what, hour in zip(names, (now, before), strict=True) if not hour]
    if before and not before.sums["amount"]:
        missing.append(f"{account}: an amount in {names[1]}")
    name = week_figure(account)
    if missing or not now or not before:
        return Figure(name, place, "hour", time_ns, "%", None, missing=tuple(missing), coverage=0.0)
    amounts = [hour.sums["amount"] / QUANTA_PER_UNIT for hour in (now, before)]
    value = round((amounts[0] / amounts[1] - 1.0) * _PERCENT, _DECIMALS)
    inputs = {"last_hour": amounts[0], "a_week_before": amounts[1]}
    known = [_known([hour], 1, hour_s) for hour in (now, before)]
    coverage, estimated = min(each[0] for each in known), max(each[1] for each in known)
    unverified = now.unverified or before.unverified
    return Figure(name, place, "hour", time_ns, "%", value, "", inputs, (), coverage, estimated, unverified)
