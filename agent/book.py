"""The book of one account: readings in, cumulative columns, intervals and outages out.

Invariants:

- The cumulative columns go on across restarts: they are saved with the counter and the intervals, in one state, so
  what is booked after a restart continues what was booked before it, and nothing is booked twice.
- An outage that no saved row of the ring tells of yet is in the state as well.
"""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from agent.carbon.emission import Conversion
from agent.config import SiteConfig
from agent.conversions import Conversions
from agent.metering.amount import QUANTA_PER_UNIT, Delta, Reading
from agent.metering.counter import Counter
from agent.metering.history import Moment
from agent.metering.integral import Integral
from agent.metering.interval import ClosedInterval, IntervalBook
from agent.plant import Account
from drivers.reading import Frame, Quality

_log = logging.getLogger(__name__)

AMOUNT, MEASURED_S, ESTIMATED, CO2_KG, CO2_MARKET_KG = range(5)
COLUMNS = 5
_HOUR_S = 3600.0
_RATE_MARGIN = 2.0
"""A counter may run at twice the rated power before a step counts as implausible: starting currents, overload."""

_MOST_OUTAGES = 20
"""Outages of an account remembered between two saved rows; beyond, the oldest are taken for one."""


@dataclass(frozen=True, slots=True)
class Growth:
    """What the columns of an account grew by [float64, by kind] between two moments while nothing was read."""

    start: Moment
    end: Moment
    columns: npt.NDArray[np.float64]


class AccountBook:
    """What is booked for one account or output."""

    def __init__(
        self,
        account: Account,
        config: SiteConfig,
        conversions: Conversions,
        column: npt.NDArray[np.float64],
        *,
        start_ns: int,
        boot_id: str,
    ) -> None:
        self.account = account
        self.column = column
        self.point = config.profiles[account.device].index[account.source.name]
        self.last: Reading | None = None
        self._conversions = conversions
        self._boot = boot_id
        self._quanta = 0
        self._estimated = 0
        self.as_of: Moment | None = None
        """When the columns were what they are: at the last reading."""
        self.in_row = False
        """Whether a saved row of the ring has these columns."""
        self.outages: list[Growth] = []
        """What no saved row of the ring tells of yet."""
        self.source: Counter | Integral
        if account.integrates:
            self.source = Integral(max_gap_s=account.gap_after_s)
        else:
            self.source = Counter(
                modulus=account.modulus,
                max_rate=_max_rate(account, conversions.at(account, start_ns)),
                gap_after_s=account.gap_after_s,
                resolution=account.resolution,
            )
        self._length_s = config.interval.length
        self._zone = config.site.zone
        self.intervals = self._interval_book(self._length_s)
        self._parting: list[ClosedInterval] = []

    def _interval_book(self, length_s: float) -> IntervalBook:
        grace_s = max(self.account.gap_after_s, min(60.0, length_s / 10))
        return IntervalBook(length_s=length_s, zone=self._zone, grace_s=grace_s)

    def take(self, frame: Frame) -> Iterator[Growth]:
        """Book a frame's reading of this account, if it has one; yield what grew unseen since the one before."""
        quality = frame.quality[self.point]
        if quality >= Quality.COMM_LOST:
            return
        value = float(frame.values[self.point]) * self.account.factor
        registers = frame.raw.get(self.point, b"")
        # Cut as evidence shows it, so that the amount of an interval follows from its own record to the last quantum.
        time_ns = frame.time_ns // 1000 * 1000
        self.last = Reading(time_ns, frame.monotonic_ns, value, registers, self._boot)
        self.as_of = _moment(self.last)
        self.in_row = False
        for delta in self.source.book(self.last):
            before = self.column.copy()
            self._add(delta)
            if not delta.measured and delta.quanta:
                grown = Growth(_moment(delta.start), _moment(delta.end), self.column - before)
                self._remember(grown)
                yield grown

    def put_in_row(self) -> None:
        """Note that a row with these columns and outages is being saved."""
        self.in_row = True
        self.outages.clear()

    def _remember(self, grown: Growth) -> None:
        self.outages.append(grown)
        if len(self.outages) > _MOST_OUTAGES:
            first, second, *later = self.outages
            self.outages = [Growth(first.start, second.end, first.columns + second.columns), *later]

    def _add(self, delta: Delta) -> None:
        self.intervals.add(delta)
        self._quanta += delta.quanta
        column = self.column
        column[AMOUNT] = self._quanta / QUANTA_PER_UNIT
        column[MEASURED_S] += delta.measured_s
        if not delta.measured:
            self._estimated += delta.quanta
            column[ESTIMATED] = self._estimated / QUANTA_PER_UNIT
        weight = self._conversions.at(self.account, delta.end.time_ns)
        if weight is not None and weight.co2_kg_per_unit is not None:
            amount = delta.quanta / QUANTA_PER_UNIT
            location, market = weight.co2_kg_per_unit, weight.co2_market_kg_per_unit
            column[CO2_KG] += amount * location
            column[CO2_MARKET_KG] += amount * (location if market is None else market)

    def close_due(self, now_ns: int) -> list[ClosedInterval]:
        """Return every interval that is complete or overdue."""
        parting, self._parting = self._parting, []
        return parting + self.intervals.close_due(now_ns)

    def state(self) -> bytes:
        """Return what must survive a restart."""
        state = {
            "from": self.account.source.name,
            "unit": self.account.unit,
            "length_s": self._length_s,
            "source": self.source.state(),
            "intervals": self.intervals.state(),
            "quanta": [self._quanta, self._estimated],
            "columns": self.column.tolist(),
            "as_of": self.as_of,
            "in_row": self.in_row,
            "outages": [[each.start, each.end, each.columns.tolist()] for each in self.outages],
        }
        return json.dumps(state).encode()  # orjson refuses numbers beyond 64 bits, to which absurd readings add up

    def restore(self, state: bytes) -> None:
        """Continue from what an earlier run saved, as far as the configuration is still the same.

        Another quantity begins a new segment; intervals of another length are closed as they stand.
        """
        saved = json.loads(state)
        name = self.account.name
        if saved["unit"] != self.account.unit:
            _log.warning("%s was counted in %s before: it begins anew", name, saved["unit"])
            return
        if saved["from"] == self.account.source.name:
            self.source.restore(saved["source"])
        else:
            _log.warning("%s was read from %s before: nothing is booked between", name, saved["from"])
        if "columns" in saved:
            self._restore_columns(saved)
        if saved["length_s"] == self._length_s:
            self.intervals.restore(saved["intervals"])
        else:
            former = self._interval_book(saved["length_s"])
            former.restore(saved["intervals"])
            self._parting = former.close_all()

    def _restore_columns(self, saved: dict[str, Any]) -> None:
        self._quanta, self._estimated = saved["quanta"]
        self.column[:] = saved["columns"]
        self.as_of = Moment(*saved["as_of"]) if saved["as_of"] else None
        self.in_row = saved["in_row"]
        self.outages = [
            Growth(Moment(*start), Moment(*end), np.array(columns)) for start, end, columns in saved["outages"]
        ]


def _max_rate(account: Account, weight: Conversion | None) -> float | None:
    """Return the fastest plausible growth [account unit/s] from the device's rated power, None when unknown."""
    if account.rated_kw is None or weight is None or not weight.kwh_per_unit:
        return None
    return _RATE_MARGIN * account.rated_kw / weight.kwh_per_unit / _HOUR_S


def _moment(reading: Reading) -> Moment:
    return Moment(reading.time_ns, reading.monotonic_ns, reading.boot)
