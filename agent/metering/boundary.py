"""Where intervals begin and end: on the wall clock of a time zone, counted from local midnight."""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from agent.metering.amount import NS_PER_S

_DAY_NS = 86_400 * NS_PER_S


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
    """

    def __init__(self, length_s: float, zone: ZoneInfo) -> None:
        self.length_ns = round(length_s * NS_PER_S)
        if self.length_ns < NS_PER_S or _DAY_NS % self.length_ns:
            raise ValueError(f"an interval of {length_s} s does not divide a day; choose one such as 900 s")
        self._zone = zone
        self._day = (0, 0)
        """The local midnights around the time asked for last: most questions are about one day."""

    def around(self, time_ns: int) -> tuple[int, int]:
        """Return start and end [Unix ns] of the interval with start <= time < end."""
        midnight_ns, next_ns = self._day
        if not midnight_ns <= time_ns < next_ns:
            local = (datetime.fromtimestamp(0, UTC) + timedelta(seconds=time_ns // NS_PER_S)).astimezone(self._zone)
            midnight_ns, next_ns = self._day = _day(self._zone, local.toordinal())
        start_ns = time_ns - (time_ns - midnight_ns) % self.length_ns
        return start_ns, min(start_ns + self.length_ns, next_ns)

    def back(self, time_ns: int, count: int) -> int:
        """Return the start [Unix ns] of the interval about `count` intervals before the one around `time_ns`."""
        return self.around(self.around(time_ns)[0] - count * self.length_ns)[0]
