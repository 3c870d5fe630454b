"""Rolling windows over cumulative amounts: one subtraction per window, for all accounts at once."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from agent.metering.amount import NS_PER_S
from agent.metering.ring import CumulativeRing

_FINE_SPAN_S = 15 * 60.0
_MINUTE_NS = 60 * NS_PER_S
_SPARE_SLOTS = 2


class Windows:
    """Rolling differences of `columns` cumulative amounts over each of `spans_s`.

    Spans up to 15 minutes read a ring with one row per tick, longer ones a second ring with one row per minute;
    the end of every window is the newest row. The start is the row nearest to where the span begins, to half a
    tick or half a minute; after missed ticks (the process was paused) it is the last row before that. While
    history is shorter than the span, it is the oldest row. The time that really lies between the two rows is
    returned with the difference, so means and coverage are exact whatever was missed.

    Times are those of the monotonic clock, which never steps. The caller's
    columns hold whatever accumulates: amounts, CO2, output, and the measured seconds that give coverage.
    """

    def __init__(self, columns: int, *, tick_s: float, spans_s: Sequence[float]) -> None:
        fine_s = max((span for span in spans_s if span <= _FINE_SPAN_S), default=0.0)
        coarse_s = max((span for span in spans_s if span > _FINE_SPAN_S), default=0.0)
        self._tick_ns = round(tick_s * NS_PER_S)
        self._fine = CumulativeRing(math.ceil(fine_s / tick_s) + _SPARE_SLOTS, columns)
        self._coarse = CumulativeRing(math.ceil(coarse_s * NS_PER_S / _MINUTE_NS) + _SPARE_SLOTS, columns)
        self._differences = {span: np.zeros(columns, np.float64) for span in spans_s}
        self._minute = -1

    @property
    def nbytes(self) -> int:
        """Memory of the rings and the results [bytes]."""
        return self._fine.nbytes + self._coarse.nbytes + sum(result.nbytes for result in self._differences.values())

    def tick(self, time_ns: int, row: npt.NDArray[np.float64]) -> None:
        """Take the cumulative amounts [float64, columns] at a time; raise ValueError when time does not advance."""
        self._fine.write(time_ns, row)
        minute = time_ns // _MINUTE_NS
        if minute != self._minute:
            self._minute = minute
            self._coarse.write(time_ns, row)

    def spread(
        self, columns: npt.NDArray[np.intp], growth: npt.NDArray[np.float64], start_ns: int, end_ns: int
    ) -> None:
        """Give an outage its share: what `columns` grew by between two times, only now known, evenly in between.

        Without this, all of it would fall into the newest tick, and short windows would show a power that never was.
        """
        for ring in (self._fine, self._coarse):
            ring.spread(columns, growth, start_ns, end_ns)

    def difference(self, span_s: float) -> tuple[float, npt.NDArray[np.float64]]:
        """Return the time covered [s] and what each column grew by; (0, zeros) before the first tick.

        The array is the same one at every call for a span: copy it to keep it. Raises KeyError for a span that
        was not declared.
        """
        result = self._differences[span_s]
        if not len(self._fine):
            return 0.0, result
        ring, grain_ns = (self._fine, self._tick_ns) if span_s <= _FINE_SPAN_S else (self._coarse, _MINUTE_NS)
        now_ns = int(self._fine.times[self._fine.newest])
        start = ring.at_or_before(now_ns - round(span_s * NS_PER_S) + grain_ns // 2)
        np.subtract(self._fine.rows[self._fine.newest], ring.rows[start], out=result)
        return (now_ns - int(ring.times[start])) / NS_PER_S, result
