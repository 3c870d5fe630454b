"""What is made, told piece by piece: amounts that others count, or that people enter for a period."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from agent.metering.amount import (
    NS_PER_S,
    QUANTA_PER_UNIT,
    Declaration,
    Delta,
    Noticed,
    Reading,
    Rule,
    bookable,
    elapsed_ns,
    quanta,
)
from drivers.reading import Quality

MANUAL = Quality.MANUAL.label
"""What is in doubt about an amount that somebody entered: nothing has counted it."""
_MOMENT_NS = 1000


class Totaliser:
    """Adds up amounts; its readings show the sum, as a counter would.

    Nothing that was told is lost for its time: what comes late is booked with what comes next. Amounts further apart
    than `gap_after_s` are a gap: booked, marked as not measured.
    """

    def __init__(self, *, gap_after_s: float) -> None:
        self._gap_after_ns = round(gap_after_s * NS_PER_S)
        self._total = 0
        self.last: Reading | None = None
        self.refused = 0
        self.events: list[Noticed] = []
        self._refusing = False

    def book(self, reading: Reading) -> Sequence[Delta]:
        """Return what was made since the last reading, whose value that is; below zero it is refused and counted."""
        try:
            amount = quanta(reading.value)
        except ValueError:
            amount = -1
        if amount < 0:
            self.refused += 1
            if not self._refusing:
                text = f"an increment of {reading.value} cannot be booked"
                self.events.append(Noticed(reading.time_ns, Rule.IMPLAUSIBLE, text))
            self._refusing = True
            return ()
        self._refusing = False
        first = replace(reading, time_ns=reading.time_ns - _MOMENT_NS, monotonic_ns=reading.monotonic_ns - _MOMENT_NS)
        start = self.last or replace(first, value=self._shown)
        self._total += amount
        self.last = replace(reading, value=self._shown)
        gap = elapsed_ns(start, reading) > self._gap_after_ns
        return (Delta(start, self.last, amount, not gap, Rule.GAP if gap else Rule.NORMAL),)

    def enter(self, start_ns: int, end_ns: int, amount: int, declared: Declaration) -> Delta:
        """Return what somebody says was made [quanta] from a time to another (wall clock, ns)."""
        start = Reading(start_ns, 0, self._shown, doubt=MANUAL)
        self._total += amount
        self.last = Reading(end_ns, 0, self._shown, doubt=MANUAL)
        return Delta(start, self.last, amount, False, Rule.MANUAL, declared)

    def holds(self, amount: int) -> bool:
        """Whether the sum can still be shown with another amount [quanta]."""
        return bookable((self._total + amount) / QUANTA_PER_UNIT)

    @property
    def _shown(self) -> float:
        return self._total / QUANTA_PER_UNIT

    def set_back(self, time_ns: int) -> None:
        """Take the last amount for one of this wall time [ns]: its own came from a clock that was ahead."""
        if self.last:
            self.last = replace(self.last, time_ns=time_ns, boot="")

    def state(self) -> dict[str, Any]:
        """Return everything that must survive a restart as JSON values."""
        return {"last": self.last.state() if self.last else None, "total": self._total}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned earlier."""
        self.last = Reading.restored(state["last"]) if state["last"] else None
        self._total = int(state["total"])
