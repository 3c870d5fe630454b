"""Where intervals begin and end: on the wall clock of a time zone, counted from local midnight."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from agent.metering.amount import NS_PER_S

_DAY_NS = 86_400 * NS_PER_S
_MOST_STEPS = 1_000
"""Boundaries looked at for one that two lengths share: more than any two have before the next midnight."""


@lru_cache(maxsize=256)
def _day(zone: ZoneInfo, ordinal: int) -> tuple[int, int]:
    """Return the Unix times [ns] of the local midnights around a day; 23 or 25 h apart when clocks change."""

    def midnight(day: int) -> int:
        return int(datetime.combine(date.fromordinal(day), time(), zone).timestamp()) * NS_PER_S

    return midnight(ordinal), midnight(ordinal + 1)


class Boundaries:
    """Cuts time into intervals of `length_s`, a divisor of a day, from each local midnight to the next.

    On a day of 23 or 25 hours the count goes on in real time from midnight, so there are fewer or more intervals,
    and the last is cut at midnight where the length does not divide that day. Raises ValueError for other lengths.

    What was cut otherwise before stays so: `go_on` lets the new cut begin where intervals of both begin.
    """

    def __init__(self, length_s: float, zone: ZoneInfo) -> None:
        self.length_ns = round(length_s * NS_PER_S)
        if self.length_ns < NS_PER_S or _DAY_NS % self.length_ns:
            raise ValueError(f"an interval of {length_s} s does not divide a day; choose one such as 900 s")
        self._zone = zone
        self._from_ns = 0
        self._before: Boundaries | None = None
        self._day = (0, 0)
        """The local midnights around the time asked for last: most questions are about one day."""

    def around(self, time_ns: int) -> tuple[int, int]:
        """Return start and end [Unix ns] of the interval with start <= time < end."""
        if self._before and time_ns < self._from_ns:
            start_ns, end_ns = self._before.around(time_ns)
            return start_ns, min(end_ns, self._from_ns)
        midnight_ns, next_ns = self._day
        if not midnight_ns <= time_ns < next_ns:
            local = (datetime.fromtimestamp(0, UTC) + timedelta(seconds=time_ns // NS_PER_S)).astimezone(self._zone)
            midnight_ns, next_ns = self._day = _day(self._zone, local.toordinal())
        start_ns = time_ns - (time_ns - midnight_ns) % self.length_ns
        return max(start_ns, self._from_ns), min(start_ns + self.length_ns, next_ns)

    def back(self, time_ns: int, count: int) -> int:
        """Return the start [Unix ns] of the interval about `count` intervals before the one around `time_ns`."""
        return self.around(self.around(time_ns)[0] - count * self.length_ns)[0]

    def state(self) -> list[Any]:
        """Return how time is cut, and was before, as JSON values."""
        return [self.length_ns, str(self._zone), self._from_ns, self._before.state() if self._before else None]

    def go_on(self, saved: Sequence[Any], from_ns: int) -> None:
        """Keep the cuts that `state` returned, up to the first common boundary at or after a time [Unix ns]."""
        length_ns, zone, since_ns, earlier = saved
        if (length_ns, zone) != (self.length_ns, str(self._zone)):
            former = Boundaries(length_ns / NS_PER_S, ZoneInfo(zone))
            if earlier:
                former.go_on([length_ns, zone, since_ns, [*earlier[:2], 0, None]], from_ns)
            self._from_ns, self._before = self._common(former, from_ns), former
        elif earlier:
            self._from_ns, self._before = since_ns, Boundaries(earlier[0] / NS_PER_S, ZoneInfo(earlier[1]))
            self._before.go_on(earlier, from_ns)

    def _common(self, other: "Boundaries", from_ns: int) -> int:
        """Return the first boundary of both at or after a time; where zones have none, that time."""
        at_ns = from_ns
        for _ in range(_MOST_STEPS):
            ends = [end_ns for start_ns, end_ns in (self.around(at_ns), other.around(at_ns)) if start_ns != at_ns]
            if not ends:
                return at_ns
            at_ns = max(ends)
        return from_ns
