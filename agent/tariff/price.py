"""Prices with the dates they are valid on, all in exact decimals [CNY]."""

from collections.abc import Mapping
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum

from agent.tariff.schedule import Period
from drivers.value import frozen

_FEN = Decimal("0.01")


class Basis(StrEnum):
    """What the fixed part of a two-part tariff is charged by."""

    DEMAND = "demand"
    CAPACITY = "capacity"


def to_fen(amount: Decimal) -> Decimal:
    """Return an amount of money rounded to the fen, as a line of a bill is."""
    return amount.quantize(_FEN, ROUND_HALF_UP)


@frozen
class Price:
    """What is paid from a day to another (None: until further notice), both included.

    `energy` is the whole price of a kWh by period; `surcharge` the part of it that goes to government funds [CNY/kWh],
    which the power factor does not touch. `fixed` is the price of a month [CNY/kW or CNY/kVA].
    """

    first: date
    last: date | None
    energy: Mapping[Period, Decimal]
    surcharge: Decimal
    fixed: Decimal | None

    def holds(self, day: date) -> bool:
        """Return whether it is valid on a day."""
        return self.first <= day and (self.last is None or day <= self.last)
