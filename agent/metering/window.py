"""Rolling windows over cumulative amounts: one subtraction per window, for all accounts at once.

A window ends with the newest row. It begins with the row nearest to where its span begins, of rows whose **grain**
(the time from one to the next) is fine enough for the span: the coarsest of 1 s, 10 s, 1 min, 5 min, 15 min and 1 h
that is no shorter than the tick and at most a sixtieth of the span; the tick itself where there is none. So a minute
reads rows of a second, a quarter of an hour rows of 10 s, an hour rows of a minute, a day rows of 15 minutes. There is
one ring of rows for each grain in use, as long as the longest span that reads it, and one of ticks, at least of the
newest two.

A row is kept in the first tick of its grain. So a window begins within half a grain, and half a tick, of where its
span does; after missed ticks (the process was paused) with the last row before that; while history is shorter than
the span with the oldest row. The time that really lies between the two rows is returned with the difference: means
and coverage are exact whatever was missed.

What no window was declared for is asked of `grown`: any time back to the longest span. It looks into the finest ring
that reaches back so far, and takes amounts to have grown evenly between the two rows around the beginning: so it
covers the very time asked for. A step of the power within a grain of 10 s is then wrong by at most 2.5 s of the step,
0.28 % of it in a demand of 15 minutes. What must be looked at minute by minute over the longest span, such as every
period of demand within a day, has a ring of its own with one number a minute.

Rows of earlier runs, one a minute, are put before those of this one in every ring, one for each grain; so are the rows
of windows that other columns, spans or ticks have ended.
"""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from agent.metering.amount import NS_PER_S
from agent.metering.ring import CumulativeRing, one_each_grain

MINUTE_NS = 60 * NS_PER_S
"""Time between two of the rows that outlive a run [ns]."""
_GRAINS_NS = tuple(seconds * NS_PER_S for seconds in (1, 10, 60, 300, 900, 3600))
_GRAINS_PER_SPAN = 60
_SPARE_SLOTS = 2


class Sparse(NamedTuple):
    """From which age on [ns] a row of an earlier run is needed only each grain [ns], not each minute."""

    after_ns: int
    grain_ns: int


EVERY_MINUTE = Sparse(1 << 62, MINUTE_NS)
"""Rows of every age are needed each minute."""


def grain_ns(span_ns: int, tick_ns: int) -> int:
    """Return the time [ns] between two of the rows that a window of a span may begin with."""
    fitting = [grain for grain in _GRAINS_NS if tick_ns <= grain and grain * _GRAINS_PER_SPAN <= span_ns]
    return max(fitting, default=tick_ns)


def _slots(span_ns: int, grain: int) -> int:
    return math.ceil(span_ns / grain) + _SPARE_SLOTS


class Windows:
    """Rolling differences of `columns` cumulative amounts over each of `spans_s`; see the module for what they are.

    Times are those of the monotonic clock, which never steps. The caller's
    columns hold whatever accumulates: amounts, CO2, output, and the measured seconds that give coverage. Those named
    in `by_minute` have a row a minute as far back as the longest span.
    """

    def __init__(self, columns: int, *, tick_s: float, spans_s: Sequence[float], by_minute: Iterable[int] = ()) -> None:
        self._tick_ns = round(tick_s * NS_PER_S)
        spans_ns = [round(span * NS_PER_S) for span in spans_s]
        grains = [grain_ns(span_ns, self._tick_ns) for span_ns in spans_ns]
        longest_ns = {self._tick_ns: 0} | {
            grain: max(span_ns for span_ns, of in zip(spans_ns, grains, strict=True) if of == grain)
            for grain in sorted(grains)
        }
        self._rings = {grain: CumulativeRing(_slots(span_ns, grain), columns) for grain, span_ns in longest_ns.items()}
        self._ticks = self._rings[self._tick_ns]
        self.by_minute = {
            column: CumulativeRing(_slots(max(spans_ns, default=0), MINUTE_NS), 1) for column in sorted(set(by_minute))
        }
        """A row a minute of each of some columns, as far back as the longest span."""
        self._grains = dict(zip(spans_s, grains, strict=True))
        self._differences = {span: np.zeros(columns, np.float64) for span in spans_s}

    @property
    def tick_s(self) -> float:
        """Time between two ticks [s]."""
        return self._tick_ns / NS_PER_S

    @property
    def sparse(self) -> Sparse:
        """Which rows of earlier runs no window needs; what is kept by the minute needs them all the same."""
        coarse = [grain for grain in self._rings if grain > MINUTE_NS]
        fine_s = max((span for span, grain in self._grains.items() if grain <= MINUTE_NS), default=0.0)
        return Sparse(round(fine_s * NS_PER_S) + 2 * MINUTE_NS, min(coarse)) if coarse else EVERY_MINUTE

    @property
    def nbytes(self) -> int:
        """Memory of the rings and the results [bytes]."""
        rings = (*self._rings.values(), *self.by_minute.values())
        return sum(ring.nbytes for ring in rings) + sum(result.nbytes for result in self._differences.values())

    def tick(self, time_ns: int, row: npt.NDArray[np.float64]) -> bool:
        """Take the cumulative amounts [float64, columns] at a time; return whether it is the first of its minute.

        Raises ValueError when time does not advance.
        """
        first_of_minute = not self._ticks.within(time_ns, MINUTE_NS)
        for grain, ring in self._rings.items():
            if grain == self._tick_ns or not ring.within(time_ns, grain):
                ring.write(time_ns, row)
        if first_of_minute:
            for column, ring in self.by_minute.items():
                ring.write(time_ns, row[column : column + 1])
        return first_of_minute

    def refill(self, times: npt.NDArray[np.int64], rows: npt.NDArray[np.float64]) -> None:
        """Put rows of earlier runs, oldest first, before those of this one."""
        for grain, ring in self._rings.items():
            ring.prepend(times, rows, grain)

    def refill_minutes(self, times: npt.NDArray[np.int64], rows: npt.NDArray[np.float64]) -> None:
        """Put rows of earlier runs [float64, columns kept by the minute] before those of this one."""
        for place, ring in enumerate(self.by_minute.values()):
            ring.prepend(times, rows[:, place : place + 1], MINUTE_NS)

    def take_over(self, former: "Windows", sources: npt.NDArray[np.intp], row: npt.NDArray[np.float64]) -> None:
        """Begin with the rows of windows that other columns or spans have ended.

        `sources` [one per column] says which column of the former windows each one was, -1 for a new one, which
        begins with its amount in `row`.
        """
        places = former.places()
        times = np.array([time_ns for time_ns, _, _ in places], np.int64)
        known = np.flatnonzero(sources >= 0)
        theirs = sources[known]
        for grain, ring in self._rings.items():
            chosen = one_each_grain(times, grain)[-len(ring.times) :]
            rows = np.tile(row, (len(chosen), 1))
            for place, (_, kept, slot) in enumerate(places[each] for each in chosen):
                rows[place, known] = kept.rows[slot, theirs]
            ring.prepend(times[chosen], rows, grain)
        for column, ring in self.by_minute.items():
            source = int(sources[column])
            if minutes := former.by_minute.get(source):
                ring.prepend(*minutes.in_order(), MINUTE_NS)
            amounts = [kept.rows[slot, source] if source >= 0 else row[column] for _, kept, slot in places]
            ring.prepend(times, np.array(amounts).reshape(-1, 1), MINUTE_NS)

    def places(self) -> list[tuple[int, CumulativeRing, int]]:
        """Return where the rows of all grains stand, oldest first: time [ns], ring and slot."""
        found = {
            time_ns: (time_ns, ring, slot)
            for ring in self._rings.values()
            for slot, time_ns in enumerate(ring.times[: len(ring)].tolist())
        }
        return [found[time_ns] for time_ns in sorted(found)]

    def spread(
        self, columns: npt.NDArray[np.intp], growth: npt.NDArray[np.float64], start_ns: int | None, end_ns: int
    ) -> None:
        """Give an outage its share: what `columns` grew by between two times, only now known, evenly in between.

        Without this, all of it would fall into the newest tick, and short windows would show a power that never was.
        Without a start, the outage began before all rows.
        """
        for ring in self._rings.values():
            ring.spread(columns, growth, start_ns, end_ns)
        for column, amount in zip(columns.tolist(), growth, strict=True):
            if column in self.by_minute:
                self.by_minute[column].spread(np.zeros(1, np.intp), np.array([amount]), start_ns, end_ns)

    def difference(self, span_s: float) -> tuple[float, npt.NDArray[np.float64]]:
        """Return the time covered [s] and what each column grew by; (0, zeros) before the first tick.

        The array is the same one at every call for a span: copy it to keep it. Raises KeyError for a span that
        was not declared.
        """
        result, grain = self._differences[span_s], self._grains[span_s]
        if not len(self._ticks):
            return 0.0, result
        ring, now_ns = self._rings[grain], self._ticks.newest_ns
        start = ring.at_or_before(now_ns - round(span_s * NS_PER_S) + grain // 2)
        np.subtract(self._ticks.rows[self._ticks.newest], ring.rows[start], out=result)
        return (now_ns - int(ring.times[start])) / NS_PER_S, result

    def grown(self, span_s: float) -> tuple[float, npt.NDArray[np.float64]]:
        """Return the same for any span up to the longest declared, in a new array; less far back, as far as known.

        Between two rows, amounts are taken to have grown evenly.
        """
        if not len(self._ticks):
            return 0.0, np.zeros(self._ticks.rows.shape[1])
        now_ns, newest = self._ticks.newest_ns, self._ticks.rows[self._ticks.newest]
        begin_ns = now_ns - round(span_s * NS_PER_S)
        by_grain = [self._rings[grain] for grain in sorted(self._rings)]
        ring = next((ring for ring in by_grain if ring.oldest_ns <= begin_ns), by_grain[-1])
        start = ring.at_or_before(begin_ns)
        start_ns, result = int(ring.times[start]), newest - ring.rows[start]
        if start_ns >= begin_ns:
            return (now_ns - start_ns) / NS_PER_S, result
        after_ns, after = now_ns, newest
        if start != ring.newest:
            following = (start + 1) % len(ring.times)
            after_ns, after = int(ring.times[following]), ring.rows[following]
        result -= (after - ring.rows[start]) * ((begin_ns - start_ns) / (after_ns - start_ns))
        return (now_ns - begin_ns) / NS_PER_S, result
