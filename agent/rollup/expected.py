"""How many intervals a period has, each part of it by the length that intervals had then."""

from collections.abc import Iterator
from datetime import timedelta

from agent.metering.amount import NS_PER_S
from agent.rollup.periods import DAY, MONTH, ONE_INTERVAL, Calendar, Span
from agent.rollup.total import Part

_DAY_NS = 86_400 * NS_PER_S


class Expected:
    """Takes the parts of one period in the order of their starts, and counts how many there should be."""

    def __init__(self) -> None:
        self._lengths: dict[int, int] = {}
        self._days: dict[int, int] = {}

    def add(self, start_ns: int, part: Part) -> None:
        """Take an interval or, of a month, a day that starts at a time."""
        if part.expected:
            self._days[start_ns] = part.expected
            return
        length = part.end_ns - start_ns
        whole = length > 0 and not _DAY_NS % length  # not one cut short where clocks or the time zone change
        if whole and (not self._lengths or next(reversed(self._lengths.values())) != length):
            self._lengths[start_ns] = length

    def count(self, calendar: Calendar, span: Span) -> int:
        """Return how many intervals a period has."""
        if span.period == ONE_INTERVAL:
            return 1
        if span.period != MONTH:
            return calendar.expected(span, self._lengths)
        return sum(self._days.get(day.start_ns) or calendar.expected(day) for day in _days_of(calendar, span))


def _days_of(calendar: Calendar, month: Span) -> Iterator[Span]:
    day, start_ns = calendar.day(month.start_ns), month.start_ns
    while start_ns < month.end_ns:
        day += timedelta(days=1)
        end_ns = calendar.midnight(day)
        yield Span(DAY, "", start_ns, end_ns)
        start_ns = end_ns
