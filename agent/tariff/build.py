"""From the tables of a configuration to calendars, schedules, prices and tariffs."""

from collections.abc import Iterable
from decimal import Decimal
from zoneinfo import ZoneInfo

from agent.sections.tariff import (
    CalendarSection,
    TariffDaySection,
    TariffPriceSection,
    TariffSection,
    season_of,
)
from agent.tariff.calendar import Calendar, DayKind
from agent.tariff.price import Basis, Price
from agent.tariff.schedule import DayPlan, Hours, Period, Schedule, Season
from agent.tariff.tariff import Tariff

_HUNDREDTH = Decimal("0.01")


def calendar(section: CalendarSection) -> Calendar:
    """Return the calendar of a site."""
    return Calendar(section.holiday_dates, section.workday_dates)


def day_plan(section: TariffDaySection) -> DayPlan:
    """Return the hours of some days."""
    hours = tuple(Hours(begin, end, Period(period)) for begin, end, period in section.hours.minutes)
    return DayPlan(
        tuple(Season(*season_of(text)) for text in section.season), frozenset(map(DayKind, section.days)), hours
    )


def _price(section: TariffPriceSection, basis: Basis | None) -> Price:
    energy = {Period(name): price for name, price in section.by_period.items()}
    fixed = {None: None, Basis.DEMAND: section.demand, Basis.CAPACITY: section.capacity}[basis]
    return Price(section.first, section.until, energy, section.funds or Decimal(0), fixed)


def tariff(section: TariffSection, days: Calendar, zone: ZoneInfo) -> Tariff:
    """Return the tariff a checked table describes."""
    basis = Basis(section.two_part) if section.two_part else None
    return Tariff(
        name=section.name,
        meter=section.meter,
        accounts=section.accounts,
        reactive=section.reactive,
        schedule=Schedule(tuple(map(day_plan, section.day)), days, zone),
        prices=tuple(_price(price, basis) for price in section.price),
        basis=basis,
        capacity_kva=None if section.capacity is None else Decimal(repr(section.capacity)),
        standard=None if section.power_factor is None else Decimal(repr(section.power_factor)).quantize(_HUNDREDTH),
        source=section.source,
    )


def tariffs(sections: Iterable[TariffSection], days: CalendarSection, zone: ZoneInfo) -> tuple[Tariff, ...]:
    """Return all tariffs of a site."""
    known = calendar(days)
    return tuple(tariff(section, known, zone) for section in sections)
