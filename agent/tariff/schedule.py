"""Periods of time-of-use prices: which one a moment belongs to, by season, kind of day and local time of day."""

from collections.abc import Sequence
from datetime import date, datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from agent.metering.amount import NS_PER_S
from agent.tariff.calendar import Calendar, DayKind
from drivers.value import frozen

_LEAP_YEAR = 2024


class Period(StrEnum):
    """The five periods in use: 尖, 峰, 平, 谷, 深谷."""

    SHARP = "sharp"
    PEAK = "peak"
    FLAT = "flat"
    VALLEY = "valley"
    DEEP_VALLEY = "deep_valley"


@frozen
class Hours:
    """A period from one minute of the day up to, not including, another."""

    start_min: int
    end_min: int
    period: Period


@frozen
class Season:
    """Days of every year from one (month, day) to another, both included, maybe across New Year."""

    first: tuple[int, int]
    last: tuple[int, int]

    def holds(self, day: date) -> bool:
        """Return whether a day lies within."""
        at = (day.month, day.day)
        if self.first <= self.last:
            return self.first <= at <= self.last
        return at >= self.first or at <= self.last


@frozen
class DayPlan:
    """The hours of the days it is for; no seasons mean the whole year, no kinds every day."""

    seasons: tuple[Season, ...]
    kinds: frozenset[DayKind]
    hours: tuple[Hours, ...]

    def fits(self, day: date, kind: DayKind) -> bool:
        """Return whether it is for a day of a kind."""
        in_season = not self.seasons or any(season.holds(day) for season in self.seasons)
        return in_season and (not self.kinds or kind in self.kinds)

    def at(self, minute: int) -> Period:
        """Return the period around a minute of the day."""
        return next(each.period for each in self.hours if each.start_min <= minute < each.end_min)


def unplanned(plans: Sequence[DayPlan]) -> str:
    """Return a day that no plan is for ("07-15, a holiday"), empty when there is none."""
    for ordinal in range(366):
        day = date.fromordinal(date(_LEAP_YEAR, 1, 1).toordinal() + ordinal)
        for kind in DayKind:
            if not any(plan.fits(day, kind) for plan in plans):
                return f"{day:%m-%d}, if a {kind}"
    return ""


@frozen
class Schedule:
    """The periods of a site: the first plan that fits a day holds."""

    plans: tuple[DayPlan, ...]
    calendar: Calendar
    zone: ZoneInfo

    def local(self, time_ns: int) -> datetime:
        """Return the local wall-clock time of a moment."""
        return datetime.fromtimestamp(time_ns // NS_PER_S, self.zone)

    def period(self, time_ns: int) -> Period | None:
        """Return the period of a moment; None when nobody listed the holidays of its year and they matter."""
        local = self.local(time_ns)
        day = local.date()
        if any(plan.kinds for plan in self.plans) and not self.calendar.knows(day.year):
            return None
        kind = self.calendar.kind(day)
        plan = next(plan for plan in self.plans if plan.fits(day, kind))
        return plan.at(local.hour * 60 + local.minute)
