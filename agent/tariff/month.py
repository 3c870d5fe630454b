"""What a month has come to so far: energy by period and price, reactive energy, and the highest demand."""

from collections.abc import Mapping
from dataclasses import field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from agent.metering.amount import NS_PER_S
from agent.tariff.schedule import Period
from agent.tariff.tariff import Charge
from drivers.value import mutable


class Line(NamedTuple):
    """What has the same price: a line of the bill. Texts, so that a state gives back the very same decimals."""

    period: str
    price: str
    surcharge: str

    @staticmethod
    def of(charge: Charge | None) -> "Line":
        """Return the line an interval belongs to; empty texts where something is not known."""
        if charge is None:
            return Line("", "", "")
        known = charge.price is not None and charge.surcharge is not None
        return Line(charge.period, str(charge.price) if known else "", str(charge.surcharge) if known else "")

    @property
    def charge(self) -> Charge | None:
        """How the energy of this line is charged."""
        if not self.period:
            return None
        prices = (Decimal(self.price), Decimal(self.surcharge)) if self.price else (None, None)
        return Charge(Period(self.period), *prices)


class Peak(NamedTuple):
    """The highest demand of a month [kW]: when its window ended, and how far it is measured and estimated (0 to 1)."""

    kw: float
    end_ns: int
    coverage: float
    estimated: float


@mutable
class Month:
    """The sums of one meter over a local month, in quanta of kWh and kvarh; all follow revisions."""

    energy: dict[Line, int] = field(default_factory=dict)
    estimated: int = 0
    measured_ns: int = 0
    to_ns: int = 0
    """End of the latest interval that is in."""
    reactive: dict[str, int] = field(default_factory=dict)
    peak: Peak | None = None

    @property
    def quanta(self) -> int:
        """All energy of the month so far."""
        return sum(self.energy.values())

    def state(self) -> dict[str, Any]:
        """Return the month as JSON values."""
        return {
            "energy": [[*line, amount] for line, amount in self.energy.items()],
            "estimated": self.estimated,
            "measured_ns": self.measured_ns,
            "to_ns": self.to_ns,
            "reactive": self.reactive,
            "peak": list(self.peak) if self.peak else None,
        }

    @staticmethod
    def restored(state: Mapping[str, Any]) -> "Month":
        """Return the month that `state` came from."""
        energy = {Line(period, price, surcharge): int(amount) for period, price, surcharge, amount in state["energy"]}
        reactive = {str(name): int(amount) for name, amount in state["reactive"].items()}
        peak = Peak(*state["peak"]) if state["peak"] else None
        return Month(energy, state["estimated"], state["measured_ns"], state["to_ns"], reactive, peak)


def month_of(time_ns: int, zone: ZoneInfo) -> str:
    """Return the local month of a moment, such as "2026-01"."""
    return f"{datetime.fromtimestamp(time_ns // NS_PER_S, zone):%Y-%m}"


def start_of(month: str, zone: ZoneInfo) -> int:
    """Return when a local month begins [Unix ns]."""
    first = date.fromisoformat(f"{month}-01")
    return int(datetime(first.year, first.month, 1, tzinfo=zone).timestamp()) * NS_PER_S
