"""The cumulative columns of one account: what the rolling windows are differences of.

An outage that no saved row of the ring tells of yet is kept with them.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from agent.carbon.emission import Conversion
from agent.metering.amount import QUANTA_PER_UNIT, Delta, Reading
from agent.metering.history import Moment
from drivers.value import frozen

AMOUNT, MEASURED_S, ESTIMATED, CO2_KG, CO2_MARKET_KG = range(5)
COLUMNS = 5

_MOST_OUTAGES = 20
"""Outages of an account remembered between two saved rows; beyond, the oldest are taken for one."""


@frozen
class Growth:
    """What the columns of an account grew by [float64, by kind] between two moments while nothing was read."""

    start: Moment
    end: Moment
    columns: npt.NDArray[np.float64]


class Columns:
    """The columns of one account; `present` is its part of the ledger's row."""

    def __init__(self, present: npt.NDArray[np.float64]) -> None:
        self.present = present
        self._quanta = 0
        self._estimated = 0
        # As numbers of Python: to read them back from the row takes longer than all that is done with them.
        self._measured_s = self._co2_kg = self._co2_market_kg = 0.0
        self._as_of: Reading | Moment | None = None
        self.in_row = False
        """Whether a saved row of the ring has these columns."""
        self.outages: list[Growth] = []
        """What no saved row of the ring tells of yet."""

    @property
    def amount(self) -> float:
        """What was booked so far [account unit]."""
        return self._quanta / QUANTA_PER_UNIT

    @property
    def estimated(self) -> float:
        """The part of it that was not measured [account unit]."""
        return self._estimated / QUANTA_PER_UNIT

    def read(self, reading: Reading) -> None:
        """Note that the columns are what they are as of a reading."""
        self._as_of, self.in_row = reading, False

    @property
    def as_of(self) -> Moment | None:
        """When the columns were what they are: at the last reading."""
        last = self._as_of
        return moment(last) if isinstance(last, Reading) else last

    def put_in_row(self) -> bool:
        """Note that a row with these columns and outages is being saved; return whether that is news."""
        news = bool(not self.in_row or self.outages)
        self.in_row = True
        self.outages.clear()
        return news

    def add(
        self, delta: Delta, quanta: int, green: int, weight: Conversion | None, *, estimated: int | None = None
    ) -> Growth | None:
        """Add an amount and what it weighs; return what grew if that was not measured.

        `quanta` of it are booked for the delta, `green` of them by contract; of one that was not measured `estimated`,
        which is all of it where nothing else is said.
        """
        before = None if delta.measured else self.present.copy()
        self._quanta += quanta
        column = self.present
        column[AMOUNT] = self.amount
        self._measured_s += delta.measured_s
        column[MEASURED_S] = self._measured_s
        if not delta.measured:
            self._estimated += quanta if estimated is None else estimated
            column[ESTIMATED] = self.estimated
        if weight is not None and weight.co2_kg_per_unit is not None:
            location, market = weight.co2_kg_per_unit, weight.co2_market_kg_per_unit
            self._co2_kg += quanta / QUANTA_PER_UNIT * location
            column[CO2_KG] = self._co2_kg
            bought = (quanta - green) / QUANTA_PER_UNIT
            self._co2_market_kg += bought * (location if market is None else market)
            column[CO2_MARKET_KG] = self._co2_market_kg
        if before is None or not delta.quanta:
            return None
        grown = Growth(moment(delta.start), moment(delta.end), column - before)
        self._remember(grown)
        return grown

    def _remember(self, grown: Growth) -> None:
        self.outages.append(grown)
        if len(self.outages) > _MOST_OUTAGES:
            first, second, *later = self.outages
            self.outages = [Growth(first.start, second.end, first.columns + second.columns), *later]

    def state(self) -> dict[str, Any]:
        """Return what must survive a restart as JSON values."""
        return {
            "quanta": [self._quanta, self._estimated],
            "columns": self.present.tolist(),
            "as_of": [*as_of] if (as_of := self.as_of) else None,
            "in_row": self.in_row,
            "outages": [[[*each.start], [*each.end], each.columns.tolist()] for each in self.outages],
        }

    def restore(self, saved: dict[str, Any]) -> None:
        """Go on from what `state` returned earlier."""
        amount, estimated = map(int, saved["quanta"])
        columns = np.array(saved["columns"], np.float64)
        as_of = Moment(*saved["as_of"]) if saved["as_of"] else None
        outages = [
            Growth(Moment(*start), Moment(*end), np.array(columns, np.float64))
            for start, end, columns in saved["outages"]
        ]
        self.present[:] = columns
        _, self._measured_s, _, self._co2_kg, self._co2_market_kg = columns.tolist()
        self._quanta, self._estimated, self._as_of, self.outages = amount, estimated, as_of, outages
        self.in_row = bool(saved["in_row"])


def moment(reading: Reading) -> Moment:
    """Return when a reading was taken, by both clocks."""
    return Moment(reading.time_ns, reading.monotonic_ns, reading.boot)
