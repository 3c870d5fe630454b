"""The intervals of an account of which something is booked beside its counter's amount.

That is the amount weighed by pressure and temperature, or the part that is green by contract. Both run through
books that see the same times, so they close the same intervals; each is conserved by itself, to the last quantum.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

from agent.metering.amount import QUANTA_PER_UNIT, Delta
from agent.metering.interval import ClosedInterval, IntervalBook


class IntervalPair:
    """An interval book with a second one beside it.

    With `weighs` the second is the account's amount, else it is the green part of the first.
    """

    def __init__(self, *, length_s: float, zone: ZoneInfo, grace_s: float, weighs: bool) -> None:
        self._own = IntervalBook(length_s=length_s, zone=zone, grace_s=grace_s)
        self._beside = IntervalBook(length_s=length_s, zone=zone, grace_s=grace_s)
        self._weighs = weighs
        self._total = 0

    def add(self, delta: Delta, beside: int = 0) -> None:
        """Book a delta, and `beside` [quanta] over the same time."""
        self._own.add(delta)
        before, self._total = self._total, self._total + beside
        start, end = replace(delta.start, value=_shown(before)), replace(delta.end, value=_shown(self._total))
        # As if a counter showed it, for else every delta would be kept as a decision.
        self._beside.add(replace(delta, start=start, end=end, quanta=beside))

    @property
    def pending_quanta(self) -> int:
        """What was added to the account's amount and is in no emitted interval yet."""
        return (self._beside if self._weighs else self._own).pending_quanta

    @property
    def stuck(self) -> bool:
        """Whether readings have waited for long, and will for as long again, because a clock was far ahead before."""
        return self._own.stuck

    def turn_back(self) -> int | None:
        """Go on at the time of the newest reading; return how much of the amount is moved [quanta]."""
        own, beside = self._own.turn_back(), self._beside.turn_back()
        return beside if self._weighs else own

    def due(self, now_ns: int) -> ClosedInterval | None:
        """Return the interval to be closed or revised next, the oldest first, None for none."""
        own = self._own.due(now_ns)
        if own is None:
            return None
        beside = self._beside.due(now_ns)
        # A contract that begins while an interval is open has none of what was booked before.
        quanta = beside.quanta if beside and beside.start_ns == own.start_ns else 0
        if not self._weighs:
            return replace(own, green_quanta=quanta)
        estimated = beside.estimated_quanta if beside and beside.start_ns == own.start_ns else 0
        return replace(own, quanta=quanta, estimated_quanta=estimated, counted_quanta=own.quanta)

    def close(self, interval: ClosedInterval) -> None:
        """Give up the interval that `due` returned, which is recorded now."""
        self._own.close(interval)
        self._beside.close(interval)

    @property
    def settled_ns(self) -> int:
        """Up to when all intervals are closed and none is to be revised by what is booked [Unix ns]."""
        return self._own.settled_ns

    def corrected(self, start_ns: int, revision: int, quanta: int, beside: int = 0) -> None:
        """Take note that a settled interval was revised by others, and of what was added to it and beside it."""
        self._own.corrected(start_ns, revision, quanta)
        self._beside.corrected(start_ns, revision, beside)

    def state(self) -> dict[str, Any]:
        """Return everything that must survive a restart as JSON values."""
        return {**self._own.state(), "beside": self._beside.state(), "total": self._total}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned earlier, here or in a book that had nothing beside it."""
        self._own.restore(state)
        if "beside" in state:
            self._beside.restore(state["beside"])
            self._total = int(state["total"])


def _shown(total: int) -> float:
    return total / QUANTA_PER_UNIT
