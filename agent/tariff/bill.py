"""The bill of a month so far: energy by period, the fixed part, and what the power factor adds or takes.

Every line is rounded to the fen, as on a paper bill; all before that is exact.
"""

from collections.abc import Mapping
from dataclasses import field
from datetime import date
from decimal import Decimal

from agent.metering.amount import QUANTA_PER_UNIT
from agent.tariff.month import Line, Month
from agent.tariff.power_factor import STANDARDS, adjustment, mean_power_factor
from agent.tariff.price import Basis, to_fen
from agent.tariff.tariff import Tariff
from drivers.value import frozen

_HIGH_USE_KWH_PER_KVA = 260
_HIGH_USE_SHARE = Decimal("0.9")
"""发改价格(2023)526号: who uses 260 kWh per kVA in a month pays 90 % of the demand price; not checked against it."""
_DEMAND_STEP = Decimal("0.0001")
"""Meters show demand to 0.0001 kW. That it is theirs of 15 minutes sliding by one was not checked in a document."""
_HUNDRED = Decimal(100)


@frozen
class Item:
    """A figure of the bill: None when something is `missing`."""

    value: Decimal | None
    inputs: Mapping[str, Decimal] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    unverified: bool = False


@frozen
class Bill:
    """The items of a bill [CNY]; `power_factor` is the mean of the month, `adjustment` in percent."""

    energy: Item
    fixed: Item
    power_factor: Item
    adjustment: Item
    reactive: Item
    """What the power factor adds, or takes if below zero."""
    total: Item


def bill(tariff: Tariff, month: Month, day: date) -> Bill:
    """Return what a month has come to by a day of it; the fixed part is charged by the price valid on that day."""
    energy = _energy(month)
    fixed = _fixed(tariff, month, day)
    factor = _power_factor(tariff, month)
    adjusted = _adjustment(tariff, factor)
    reactive = _reactive(energy, fixed, adjusted, month)
    parts = (energy, fixed, reactive)
    named = zip(("energy_cny", "fixed_cny", "power_factor_cny"), parts, strict=True)
    total = Item(
        _sum(parts),
        {name: item.value for name, item in named if item.value is not None},
        _missing(parts),
        any(item.unverified for item in parts),
    )
    return Bill(energy, fixed, factor, adjusted, reactive, total)


def _kwh(quanta: int) -> Decimal:
    return Decimal(quanta) / QUANTA_PER_UNIT


def _sum(items: tuple[Item, ...]) -> Decimal | None:
    values = [item.value for item in items]
    return None if None in values else sum((value for value in values if value is not None), Decimal(0))


def _missing(items: tuple[Item, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(what for item in items for what in item.missing))


def _energy(month: Month) -> Item:
    if not month.to_ns:
        return Item(None, missing=("a closed interval of this month",))
    inputs: dict[str, Decimal] = {}
    total = Decimal(0)
    missing = []
    for line, quanta in month.energy.items():
        name = f"{line.period or 'unknown_period'}_kwh"
        inputs[name] = inputs.get(name, Decimal(0)) + _kwh(quanta)
        charge = line.charge
        cost = charge.cost(quanta) if charge else None
        if cost is not None:
            total += to_fen(cost)
        elif quanta:
            missing.append("a valid price" if line.period else "the holidays of this year")
    return Item(None if missing else total, inputs, tuple(dict.fromkeys(missing)))


def _fixed(tariff: Tariff, month: Month, day: date) -> Item:
    if tariff.basis is None:
        return Item(Decimal(0))
    price = tariff.price(day)
    if price is None or price.fixed is None:
        return Item(None, missing=("a valid price",))
    if tariff.basis is Basis.CAPACITY:
        capacity = tariff.capacity_kva or Decimal(0)
        return Item(to_fen(capacity * price.fixed), {"capacity_kva": capacity, "price_cny_per_kva": price.fixed})
    if month.peak is None:
        return Item(None, missing=("a whole demand window of this month",))
    demand = Decimal(repr(month.peak.kw)).quantize(_DEMAND_STEP)
    inputs = {"demand_kw": demand, "price_cny_per_kw": price.fixed}
    if not tariff.capacity_kva:
        return Item(to_fen(demand * price.fixed), inputs, unverified=True)
    used = _kwh(month.quanta) / tariff.capacity_kva
    share = _HIGH_USE_SHARE if used >= _HIGH_USE_KWH_PER_KVA else Decimal(1)
    inputs |= {"use_kwh_per_kva": used, "share": share}
    return Item(to_fen(demand * price.fixed * share), inputs, unverified=True)


def _power_factor(tariff: Tariff, month: Month) -> Item:
    if missing := tuple(name for name in tariff.reactive if name not in month.reactive):
        return Item(None, missing=missing)
    if not tariff.reactive:
        return Item(None, missing=("an account of reactive energy",))
    reactive = sum(abs(quanta) for quanta in month.reactive.values())
    found = mean_power_factor(month.quanta, reactive)
    inputs = {"active_kwh": _kwh(month.quanta), "reactive_kvarh": _kwh(reactive)}
    return Item(found, inputs, () if found is not None else ("energy",))


def _adjustment(tariff: Tariff, factor: Item) -> Item:
    if tariff.standard is None:
        return Item(Decimal(0))
    if factor.value is None:
        return Item(None, missing=factor.missing)
    inputs = {"power_factor": factor.value, "standard": tariff.standard}
    unverified = not STANDARDS[tariff.standard].verified
    return Item(adjustment(tariff.standard, factor.value), inputs, unverified=unverified)


def _reactive(energy: Item, fixed: Item, adjusted: Item, month: Month) -> Item:
    """Return the adjustment of all but government funds [CNY]."""
    if adjusted.value is not None and not adjusted.inputs:
        return Item(Decimal(0))  # no standard applies
    parts = (energy, fixed, adjusted)
    unverified = any(item.unverified for item in parts)
    if energy.value is None or fixed.value is None or adjusted.value is None:
        return Item(None, missing=_missing(parts), unverified=unverified)
    funds = to_fen(sum((_funds(line, quanta) for line, quanta in month.energy.items()), Decimal(0)))
    base = energy.value + fixed.value - funds
    inputs = {"base_cny": base, "funds_cny": funds, "adjustment_percent": adjusted.value}
    return Item(to_fen(base * adjusted.value / _HUNDRED), inputs, unverified=unverified)


def _funds(line: Line, quanta: int) -> Decimal:
    return Decimal(line.surcharge or 0) * quanta / QUANTA_PER_UNIT
