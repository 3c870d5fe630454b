"""What a value is held against when it is not a fixed limit: itself some time ago, or its own long-term mean."""

from collections import deque
from collections.abc import Mapping
from typing import Any

from agent.metering.amount import NS_PER_S

_DAY_NS = 86_400 * NS_PER_S
_STEPS = 60
"""Values kept of the span of a change."""
_FEWEST_DAYS = 3
"""Days that make up a reference; fewer would be held against themselves."""
_PERCENT = 100.0


class Change:
    """By how much a value has changed within a span, in its unit."""

    def __init__(self, span_s: float, gap_ns: int) -> None:
        self._span_ns = round(span_s * NS_PER_S)
        self._gap_ns = gap_ns
        self._kept: deque[tuple[int, float]] = deque()
        self._last_ns = 0

    def take(self, at_ns: int, value: float) -> float | None:
        """Take a value in; return the change, None until values without a gap go back far enough."""
        if self._kept and at_ns - self._last_ns > max(self._gap_ns, self._span_ns // _STEPS):
            self._kept.clear()
        self._last_ns = at_ns
        if not self._kept or at_ns - self._kept[-1][0] >= self._span_ns // _STEPS:
            self._kept.append((at_ns, value))
        while len(self._kept) > 1 and at_ns - self._kept[1][0] >= self._span_ns:
            self._kept.popleft()
        since_ns, before = self._kept[0]
        return value - before if at_ns - since_ns >= self._span_ns else None


class Reference:
    """By how many percent a value differs from its mean over the days before: of each day its mean, of these the mean.

    Days are those of UTC; the present one does not count. At least three days of values make a reference.
    """

    def __init__(self, span_s: float) -> None:
        self._most = max(_FEWEST_DAYS, round(span_s * NS_PER_S / _DAY_NS))
        self._days: dict[int, tuple[float, int]] = {}
        self.day = 0
        """The present day, counted from 1970."""

    def take(self, time_ns: int, value: float) -> float | None:
        """Take a value in at a wall time; return the deviation [%], None while there is no reference."""
        self.day = time_ns // _DAY_NS
        total, count = self._days.get(self.day, (0.0, 0))
        self._days[self.day] = (total + value, count + 1)
        self._days = {day: kept for day, kept in self._days.items() if self.day - self._most <= day <= self.day}
        mean = self.mean
        return None if mean is None or not mean else (value / mean - 1.0) * _PERCENT

    @property
    def mean(self) -> float | None:
        """The reference, None while there are too few days."""
        means = [total / count for day, (total, count) in self._days.items() if day != self.day]
        return sum(means) / len(means) if len(means) >= _FEWEST_DAYS else None

    def state(self) -> dict[str, list[float]]:
        """Return what must survive a restart: sum and count of each day."""
        return {str(day): [total, count] for day, (total, count) in self._days.items()}

    def restore(self, days: Mapping[str, Any]) -> None:
        """Go on from a saved state; raise KeyError, TypeError or ValueError for something else."""
        self._days = {int(day): (float(total), int(count)) for day, (total, count) in days.items()}
