"""The hours, shifts, days and months of a site's wall clock.

An hour, like an interval, is counted in real time from local midnight, so a day on which clocks change has 23 or 25;
where the clocks change by half an hour the last is cut at midnight. A shift belongs to the day it begins on.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise
from types import MappingProxyType
from typing import NamedTuple
from zoneinfo import ZoneInfo

from agent.metering.amount import NS_PER_S
from drivers.value import frozen

ONE_INTERVAL = "interval"
"""The period of an interval record, beside longer ones; its class is `agent.record.INTERVAL`."""
HOUR = "hour"
SHIFT = "shift"
DAY = "day"
MONTH = "month"
PERIODS = (ONE_INTERVAL, HOUR, SHIFT, DAY, MONTH)
"""What records are added up to; intervals are those of virtual accounts."""
_HOUR_S = 3600


class Span(NamedTuple):
    """One period [start_ns, end_ns) (Unix); a shift has a name."""

    period: str
    name: str
    start_ns: int
    end_ns: int


@frozen
class Shift:
    """A shift on each day; one that does not end after it begins ends on the next day."""

    name: str
    begin: time
    end: time


class Calendar:
    """The periods of a time zone, for intervals of `length_s`: an interval belongs to the periods it starts in.

    Intervals of another length may be recorded, from before it was changed.
    """

    def __init__(self, zone: ZoneInfo, length_s: float, shifts: Sequence[Shift] = ()) -> None:
        self._zone, self._shifts = zone, tuple(shifts)
        self.length_ns = round(length_s * NS_PER_S)
        self._hours = _HOUR_S * NS_PER_S % self.length_ns == 0
        self._asked = (0, 0)
        """A moment, and the next end after it: accounts ask in a row for the same."""
        self.of_day = lru_cache(maxsize=128)(self._of_day)

    def day(self, time_ns: int) -> date:
        """Return the local day of a moment."""
        utc = datetime.fromtimestamp(0, UTC) + timedelta(seconds=time_ns // NS_PER_S)
        return utc.astimezone(self._zone).date()

    def midnight(self, day: date) -> int:
        """Return when a local day begins [Unix ns]."""
        return self._at(day, time())

    def month(self, time_ns: int) -> Span:
        """Return the local month around a moment."""
        first = self.day(time_ns).replace(day=1)
        following = (first + timedelta(days=32)).replace(day=1)
        return Span(MONTH, "", self.midnight(first), self.midnight(following))

    def _of_day(self, day: date) -> tuple[Span, ...]:
        """Return the hours, shifts and the day that begin on a local day."""
        begin, end, step = self.midnight(day), self.midnight(day + timedelta(days=1)), _HOUR_S * NS_PER_S
        hours = range(begin, end, step) if self._hours else ()
        shifts = [
            Span(SHIFT, each.name, self._at(day, each.begin), self._at(self._end_day(day, each), each.end))
            for each in self._shifts
        ]
        held = [shift for shift in shifts if shift.start_ns < shift.end_ns]  # not wholly in the time a clock skips
        return (*(Span(HOUR, "", at, min(at + step, end)) for at in hours), *held, Span(DAY, "", begin, end))

    def next_end(self, after_ns: int) -> int:
        """Return when the next hour, shift or day ends."""
        since_ns, end_ns = self._asked
        if not since_ns <= after_ns < end_ns:  # nothing ends between the two
            end_ns = min(span.end_ns for span in self._around(after_ns) if span.end_ns > after_ns)
            self._asked = (after_ns, end_ns)
        return end_ns

    def ending(self, end_ns: int) -> list[Span]:
        """Return the hours, shifts and the day that end at a moment."""
        return [span for span in self._around(end_ns) if span.end_ns == end_ns]

    def overlapping(self, day: date) -> list[Span]:
        """Return the hours, shifts and the day that have a part in a local day."""
        begin = self.midnight(day)
        found = (*self.of_day(day - timedelta(days=1)), *self.of_day(day))
        return [span for span in found if span.end_ns > begin]

    def interval(self, time_ns: int) -> Span:
        """Return the interval around a moment, as intervals are cut now."""
        day = self.day(time_ns)
        begin, end = self.midnight(day), self.midnight(day + timedelta(days=1))
        start = time_ns - (time_ns - begin) % self.length_ns
        return Span(ONE_INTERVAL, "", start, min(start + self.length_ns, end))

    def expected(self, span: Span, lengths: Mapping[int, int] = MappingProxyType({})) -> int:
        """Return how many intervals start within a period.

        `lengths` are those of the intervals it has [ns], by when the first of each length starts [Unix ns]: each part
        of the period is counted by its own, what lies before the first by that; without any as they are cut now.
        """
        told = lengths or {span.start_ns: self.length_ns}
        starts = [span.start_ns, *sorted(told)[1:], span.end_ns]
        parts = zip(pairwise(starts), (told[start] for start in sorted(told)), strict=True)
        return sum(self._cuts(since, until, length) for (since, until), length in parts)

    def _cuts(self, since_ns: int, until_ns: int, length_ns: int) -> int:
        """Return how many intervals of a length, cut from each midnight on, start in [since_ns, until_ns)."""
        day, count = self.day(since_ns), 0
        while (begin := self.midnight(day)) < until_ns:
            day += timedelta(days=1)
            since, until = max(begin, since_ns), min(self.midnight(day), until_ns)
            count += -((begin - until) // length_ns) + ((begin - since) // length_ns)
        return count

    def _around(self, time_ns: int) -> Iterator[Span]:
        day = self.day(time_ns)
        for offset in (-2, -1, 0, 1):
            yield from self.of_day(day + timedelta(days=offset))

    def _end_day(self, day: date, shift: Shift) -> date:
        return day if shift.end > shift.begin else day + timedelta(days=1)

    def _at(self, day: date, local: time) -> int:
        """Return when the clock shows a time first, or goes past it where it is set forward [Unix ns]."""
        at = int(datetime.combine(day, local, self._zone).timestamp())
        shown = datetime.fromtimestamp(at, self._zone)
        if shown.time() != local:
            before = int(datetime.combine(day, local.replace(fold=1), self._zone).timestamp())
            while at - before > 1:
                middle = (before + at) // 2
                passed = datetime.fromtimestamp(middle, self._zone).utcoffset() == shown.utcoffset()
                before, at = (before, middle) if passed else (middle, at)
        return at * NS_PER_S
