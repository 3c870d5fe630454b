"""A tariff: which accounts pay by it, when which price holds, and what an amount costs."""

from datetime import date
from decimal import Decimal

from agent.metering.amount import QUANTA_PER_UNIT
from agent.tariff.price import Basis, Price
from agent.tariff.schedule import Period, Schedule
from drivers.value import frozen

WINDOW_S = 900.0
"""Demand is the mean power over this time [s]."""


@frozen
class Charge:
    """In which period an interval lies, and what a kWh costs in it [CNY]; None where no valid price is known."""

    period: Period
    price: Decimal | None
    surcharge: Decimal | None

    def cost(self, quanta: int) -> Decimal | None:
        """Return what an amount [millionths of a kWh] costs [CNY], exactly."""
        return None if self.price is None else self.price * quanta / QUANTA_PER_UNIT


@frozen
class Tariff:
    """What a supplier charges for one meter.

    `meter` is the account of imported kWh that is billed; `accounts` are others whose intervals are priced alike, and
    `reactive` those of kvarh that give the power factor. `capacity_kva` is that of the transformers.
    """

    name: str
    meter: str
    accounts: tuple[str, ...]
    reactive: tuple[str, ...]
    schedule: Schedule
    prices: tuple[Price, ...]
    basis: Basis | None
    capacity_kva: Decimal | None
    standard: Decimal | None
    source: str

    def price(self, day: date) -> Price | None:
        """Return the price that is valid on a local day."""
        return next((price for price in self.prices if price.holds(day)), None)

    def charge(self, start_ns: int) -> Charge | None:
        """Return how an interval is charged by its start; None when it is not known which period it lies in.

        An interval lies in one period: the configuration is refused where a period begins within one.
        """
        period = self.schedule.period(start_ns)
        if period is None:
            return None
        price = self.price(self.schedule.local(start_ns).date())
        return Charge(period, price.energy[period], price.surcharge) if price else Charge(period, None, None)
