"""Which days are holidays, and which days of a weekend are worked on."""

from dataclasses import field
from datetime import date
from enum import StrEnum

from drivers.value import frozen

_SATURDAY = 5


class DayKind(StrEnum):
    """What a day is to a tariff."""

    WORKDAY = "workday"
    WEEKEND = "weekend"
    HOLIDAY = "holiday"


@frozen
class Calendar:
    """The public holidays of a site and its make-up workdays, which are Saturdays and Sundays worked on."""

    holidays: frozenset[date] = field(default_factory=frozenset)
    workdays: frozenset[date] = field(default_factory=frozenset)

    def kind(self, day: date) -> DayKind:
        """Return what a day is."""
        if day in self.holidays:
            return DayKind.HOLIDAY
        if day in self.workdays or day.weekday() < _SATURDAY:
            return DayKind.WORKDAY
        return DayKind.WEEKEND

    def knows(self, year: int) -> bool:
        """Return whether any day of a year was listed; of other years nobody said which days are holidays."""
        return any(day.year == year for day in self.holidays | self.workdays)
