"""The tables of what electricity costs: the calendar of the site, and tariffs with their periods and prices."""

import itertools
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from agent.sections.measure import Capacity, Power
from agent.sections.section import AccountName, Name, Section
from drivers.declared import After, Before, Written, key, rule

PERIODS = ("sharp", "peak", "flat", "valley", "deep_valley")
_DAY_MIN = 24 * 60
_MOST_CNY = 1e9
"""Beyond it, and without a bound, a number is no price: no float can hold every integer that TOML can."""
_LONGEST_RANGE = 366
_LEAP_YEAR = 2024
"""A year in which every day of every year occurs."""


def _day(value: str) -> date:
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        raise ValueError
    return date.fromisoformat(value)


def _checked(read: Callable[[str], object], like: str) -> Callable[[str], str]:
    """Return a validator that leaves a text as it is if it can be read."""

    def check(value: str) -> str:
        try:
            read(value)
        except ValueError as error:
            raise ValueError(f"'{value}' is not understood; write it like {like}") from error
        return value

    return check


def days_of(text: str) -> frozenset[date]:
    """Return the days of "2026-05-01" or "2026-10-01/2026-10-07"; raise ValueError for other texts."""
    first, _, last = text.partition("/")
    begin, end = _day(first).toordinal(), _day(last or first).toordinal()
    if not begin <= end < begin + _LONGEST_RANGE:
        raise ValueError
    return frozenset(date.fromordinal(day) for day in range(begin, end + 1))


def season_of(text: str) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the first and last (month, day) of "07-15/08-31"; raise ValueError for other texts."""
    ends = []
    for part in text.split("/"):
        if not re.fullmatch(r"\d\d-\d\d", part):
            raise ValueError
        day = _day(f"{_LEAP_YEAR}-{part}")
        ends.append((day.month, day.day))
    first, last = ends
    return first, last


def hours_of(text: str) -> list[tuple[int, int]]:
    """Return the minutes of the day of "08:00-11:30", two pairs across midnight; raise ValueError for other texts."""
    if not re.fullmatch(r"\d\d:\d\d-\d\d:\d\d", text):
        raise ValueError
    begin, end = (int(part[:2]) * 60 + int(part[3:]) for part in text.split("-"))
    if int(text[3:5]) > 59 or int(text[9:]) > 59 or begin >= _DAY_MIN or end > _DAY_MIN or begin == end:  # noqa: PLR2004  # minutes of an hour
        raise ValueError
    return [(begin, end)] if begin < end else [(begin, _DAY_MIN), *([(0, end)] if end else [])]


def _money(value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _MOST_CNY:
        raise ValueError(f"'{value}' is no price; write a number of yuan, like 0.6519")
    return Decimal(repr(value))


def _date(value: object) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        return _day(str(value))
    except ValueError as error:
        raise ValueError(f"'{value}' is no day; write it like 2026-01-31") from error


Days = Annotated[str, After(_checked(days_of, "'2026-05-01' or '2026-10-01/2026-10-07'"))]
SeasonText = Annotated[str, After(_checked(season_of, "'07-01/08-31', month and day"))]
HoursText = Annotated[str, After(_checked(hours_of, "'08:00-11:30' or '23:00-07:00'"))]
Money = Annotated[Decimal, Before(_money), Written({"type": "number", "title": "money [CNY]"})]
Day = Annotated[date, Before(_date), Written({"type": "string", "format": "date"})]


class CalendarSection(Section):
    """`[calendar]`: public holidays, and the Saturdays and Sundays that are worked on in exchange."""

    holidays: tuple[Days, ...] = ()
    workdays: tuple[Days, ...] = ()

    @property
    def holiday_dates(self) -> frozenset[date]:
        """Every holiday."""
        return frozenset[date]().union(*map(days_of, self.holidays))

    @property
    def workday_dates(self) -> frozenset[date]:
        """Every make-up workday."""
        return frozenset[date]().union(*map(days_of, self.workdays))

    @rule
    def _no_day_is_both(self) -> None:
        if both := self.holiday_dates & self.workday_dates:
            raise ValueError(f"{min(both)} is both a holiday and a workday; keep one")


class HoursSection(Section):
    """`hours` of a `[[tariff.day]]`: when each period is; together they cover the day."""

    sharp: tuple[HoursText, ...] = ()
    peak: tuple[HoursText, ...] = ()
    flat: tuple[HoursText, ...] = ()
    valley: tuple[HoursText, ...] = ()
    deep_valley: tuple[HoursText, ...] = ()

    @property
    def by_period(self) -> Mapping[str, tuple[str, ...]]:
        """Texts of the hours of each period that has any."""
        return {period: texts for period in PERIODS if (texts := getattr(self, period))}

    @property
    def minutes(self) -> list[tuple[int, int, str]]:
        """(start, end, period) in minutes of the day."""
        return sorted(
            (begin, end, period)
            for period, texts in self.by_period.items()
            for text in texts
            for begin, end in hours_of(text)
        )

    @rule
    def _they_cover_the_day_once(self) -> None:
        at = 0
        for begin, end, _ in [*self.minutes, (_DAY_MIN, _DAY_MIN, "")]:
            if begin != at:
                what = "no period" if begin > at else "two periods"
                raise ValueError(f"{_clock(min(at, begin))} to {_clock(max(at, begin))} has {what}; give it one")
            at = end


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


class TariffDaySection(Section):
    """`[[tariff.day]]`: the hours of the days of a season and kind; without these, of every day left."""

    season: tuple[SeasonText, ...] = ()
    days: tuple[Literal["workday", "weekend", "holiday"], ...] = ()
    hours: HoursSection


class TariffPriceSection(Section):
    """`[[tariff.price]]`: what a kWh costs in each period, from a day to another, both included."""

    first: Day = key(alias="from")
    until: Day | None = None
    sharp: Money | None = None
    peak: Money | None = None
    flat: Money | None = None
    valley: Money | None = None
    deep_valley: Money | None = None
    funds: Money | None = None
    demand: Money | None = None
    capacity: Money | None = None

    @rule
    def _it_begins_before_it_ends(self) -> None:
        if self.until is not None and self.until < self.first:
            raise ValueError(f"'until' {self.until} lies before 'from' {self.first}; swap them")

    @property
    def by_period(self) -> Mapping[str, Decimal]:
        """Price of each period that has one [CNY/kWh]."""
        return {period: price for period in PERIODS if (price := getattr(self, period)) is not None}


class TariffSection(Section):
    """`[[tariff]]`: what the supplier charges for a meter."""

    name: Name
    meter: AccountName
    accounts: tuple[AccountName, ...] = ()
    reactive: tuple[str, ...] = ()
    power_factor: float | None = None
    two_part: Literal["demand", "capacity"] | None = None
    capacity: Capacity | None = None
    contract_demand: Power | None = None
    source: str = ""
    day: tuple[TariffDaySection, ...] = key(min_length=1)
    price: tuple[TariffPriceSection, ...] = key(min_length=1)

    @classmethod
    def prepared(cls, data: Any) -> Any:
        """Refuse a list that is one table."""
        for name in ("day", "price"):
            if isinstance(data, dict) and isinstance(data.get(name), dict):
                raise ValueError(f"'{name}' is one table; write it as [[tariff.{name}]]")  # noqa: TRY004  # what tables raise
        return data

    @rule
    def _what_is_charged_has_a_price(self) -> None:
        used = {period for day in self.day for period in day.hours.by_period}
        for price in self.price:
            lacking = [period for period in PERIODS if period in used and period not in price.by_period]
            if lacking:
                raise ValueError(f"the price from {price.first} on lacks '{lacking[0]}'; add what a kWh costs then")
            if self.two_part and getattr(price, self.two_part) is None:
                raise ValueError(f"the price from {price.first} on lacks '{self.two_part}'; add that of a month")
        if self.two_part == "capacity" and self.capacity is None:
            raise ValueError("a tariff by capacity needs 'capacity'; add that of the transformers, like '1000 kVA'")
        if self.power_factor is not None and not self.reactive:
            raise ValueError("'power_factor' needs 'reactive'; name the accounts of reactive energy")

    @rule
    def _one_price_at_a_time(self) -> None:
        ordered = sorted(self.price, key=lambda price: price.first)
        for earlier, later in itertools.pairwise(ordered):
            if earlier.until is None or earlier.until >= later.first:
                what = f"the prices from {earlier.first} and from {later.first} on overlap"
                raise ValueError(f"{what}; let the first end with 'until'")
