"""Rolling windows over cumulative amounts: one subtraction per window, for all accounts at once."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from agent.metering.amount import NS_PER_S
from agent.metering.ring import CumulativeRing

_FINE_SPAN_S = 15 * 60.0
MINUTE_NS = 60 * NS_PER_S
"""Time between two rows for long windows, which are also the rows that outlive a run [ns]."""
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
        self._coarse = CumulativeRing(math.ceil(coarse_s * NS_PER_S / MINUTE_NS) + _SPARE_SLOTS, columns)
        self._differences = {span: np.zeros(columns, np.float64) for span in spans_s}

    @property
    def tick_s(self) -> float:
        """Time between two rows for short windows [s]."""
        return self._tick_ns / NS_PER_S

    @property
    def nbytes(self) -> int:
        """Memory of the rings and the results [bytes]."""
        return self._fine.nbytes + self._coarse.nbytes + sum(result.nbytes for result in self._differences.values())

    def tick(self, time_ns: int, row: npt.NDArray[np.float64]) -> bool:
        """Take the cumulative amounts [float64, columns] at a time; return whether it is the first of its minute.

        Raises ValueError when time does not advance.
        """
        self._fine.write(time_ns, row)
        if len(self._coarse) and time_ns // MINUTE_NS == self._coarse.times[self._coarse.newest] // MINUTE_NS:
            return False
        self._coarse.write(time_ns, row)
        return True

    def refill(self, times: npt.NDArray[np.int64], rows: npt.NDArray[np.float64]) -> None:
        """Put rows of earlier runs, one a minute and oldest first, before those of this one."""
        for ring in (self._fine, self._coarse):
            ring.prepend(times, rows)

    def take_over(self, former: "Windows", sources: npt.NDArray[np.intp], row: npt.NDArray[np.float64]) -> None:
        """Begin with the rows of windows that other columns or spans have ended.

        `sources` [one per column] says which column of the former windows each one was, -1 for a new one, which
        begins with its amount in `row`.
        """
        for ring, (times, rows), step_ns in zip(
            (self._fine, self._coarse), former.in_order(), (self._tick_ns, 0), strict=True
        ):
            # A longer tick means fewer slots: as many rows as before would reach less far back.
            chosen = _apart(times, step_ns - step_ns // 10)
            ring.prepend(times[chosen], np.where(sources < 0, row, rows[np.ix_(chosen, np.maximum(sources, 0))]))

    def in_order(self) -> list[tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]]:
        """Return copies of the times and rows of the ring for short spans and of that for long ones, oldest first."""
        return [self._fine.in_order(), self._coarse.in_order()]

    def spread(
        self, columns: npt.NDArray[np.intp], growth: npt.NDArray[np.float64], start_ns: int | None, end_ns: int
    ) -> None:
        """Give an outage its share: what `columns` grew by between two times, only now known, evenly in between.

        Without this, all of it would fall into the newest tick, and short windows would show a power that never was.
        Without a start, the outage began before all rows.
        """
        for ring in (self._fine, self._coarse):
            ring.spread(columns, growth, start_ns, end_ns)

    def difference(self, span_s: float) -> tuple[float, npt.NDArray[np.float64]]:
        """Return the time covered [s] and what each column grew by; (0, zeros) before the first tick.

        The array is the same one at every call for a span: copy it to keep it. Raises KeyError for a span that
        was not declared.
        """
        return self._difference(span_s, self._differences[span_s])

    def grown(self, span_s: float) -> tuple[float, npt.NDArray[np.float64]]:
        """Return the same for any span up to the longest declared, in a new array; less far back, as far as known."""
        return self._difference(span_s, np.zeros(self._fine.rows.shape[1]))

    def _difference(self, span_s: float, result: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        if not len(self._fine):
            return 0.0, result
        ring, grain_ns = (self._fine, self._tick_ns) if span_s <= _FINE_SPAN_S else (self._coarse, MINUTE_NS)
        now_ns = int(self._fine.times[self._fine.newest])
        start = ring.at_or_before(now_ns - round(span_s * NS_PER_S) + grain_ns // 2)
        np.subtract(self._fine.rows[self._fine.newest], ring.rows[start], out=result)
        return (now_ns - int(ring.times[start])) / NS_PER_S, result


def _apart(times: npt.NDArray[np.int64], step_ns: int) -> npt.NDArray[np.intp]:
    """Return which of ascending times to keep so that neighbours lie at least a step apart, the newest among them."""
    kept: list[int] = []
    for index in range(len(times) - 1, -1, -1):
        if not kept or times[kept[-1]] - times[index] >= step_ns:
            kept.append(index)
    return np.array(kept[::-1], np.intp)
