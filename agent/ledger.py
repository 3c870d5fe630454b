"""The accounts of the plant: frames in, rolling windows and interval records out.

Invariants:

- Only this module books. A frame is taken in the order it was read; nothing here looks at a clock, so the same
  frames and ticks give the same records, bit for bit.
- A row of the ring holds, for every account side by side, what has been booked since the start: amount,
  measured seconds, estimated amount, CO2 (location) and CO2 (market). Energy and kgce are amounts times the
  conversion, so they need no column.
- A delta is weighed with the factor of the day it ends on; an interval with the factor of the day it starts on.
"""

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
import numpy.typing as npt

from agent.carbon.emission import Conversion, conversion
from agent.carbon.factors import FactorLibrary
from agent.config import SiteConfig
from agent.metering.amount import QUANTA_PER_UNIT, Delta, Reading
from agent.metering.counter import Counter
from agent.metering.integral import Integral
from agent.metering.interval import ClosedInterval, IntervalBook
from agent.metering.window import Windows
from agent.plant import Account, Plant
from drivers.point import Point
from drivers.reading import Frame, Quality

_log = logging.getLogger(__name__)

AMOUNT, MEASURED_S, ESTIMATED, CO2_KG, CO2_MARKET_KG = range(5)
COLUMNS = 5
_HOUR_S = 3600.0
_NS = 1_000_000_000
_MOST_CONVERSIONS = 1000
"""Conversions kept: every day asks for each carrier anew, and an agent runs for years."""
_RATE_MARGIN = 2.0
"""A counter may run at twice the rated power before a step counts as implausible: starting currents, overload."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something an engineer or auditor must be able to find: a reset, a refused reading."""

    account: str
    key: str
    time_ns: int
    rule: str
    text: str


class Conversions:
    """Conversions of the site's carriers by day, looked up once for many readings."""

    def __init__(self, config: SiteConfig, library: FactorLibrary) -> None:
        self._site = config.site
        self._zone = config.site.zone
        self._library = library
        self._known: dict[tuple[str, str, date], Conversion] = {}

    def at(self, account: Account, time_ns: int) -> Conversion | None:
        """Return the conversion of an account valid on the local day of a time; None for an output."""
        if account.carrier is None:
            return None
        day = datetime.fromtimestamp(time_ns // _NS, self._zone).date()
        key = (account.carrier, account.unit, day)
        if key not in self._known:
            if len(self._known) >= _MOST_CONVERSIONS:
                self._known.clear()
            self._known[key] = conversion(
                self._library,
                carrier=account.carrier,
                unit=account.unit,
                when=day,
                region=self._site.electricity_region,
                fuel_set=self._site.fuel_parameters,
            )
        return self._known[key]


@dataclass(frozen=True, slots=True)
class Outage:
    """What the columns of an account grew by between two monotonic times [ns] while nothing was read."""

    start_ns: int
    end_ns: int
    growth: npt.NDArray[np.float64]


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

    def take(self, frame: Frame) -> Iterator[Outage]:
        """Book a frame's reading of this account, if it has one; yield what grew unseen since the one before."""
        quality = frame.quality[self.point]
        if quality >= Quality.COMM_LOST:
            return
        value = float(frame.values[self.point]) * self.account.factor
        registers = frame.raw.get(self.point, b"")
        # Cut as evidence shows it, so that the amount of an interval follows from its own record to the last quantum.
        time_ns = frame.time_ns // 1000 * 1000
        self.last = Reading(time_ns, frame.monotonic_ns, value, registers, self._boot)
        for delta in self.source.book(self.last):
            before = self.column.copy()
            self._add(delta)
            if not delta.measured and delta.quanta and delta.start.boot == delta.end.boot:
                growth = self.column - before
                yield Outage(delta.start.monotonic_ns, delta.end.monotonic_ns, growth)

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
        if saved["length_s"] == self._length_s:
            self.intervals.restore(saved["intervals"])
        else:
            former = self._interval_book(saved["length_s"])
            former.restore(saved["intervals"])
            self._parting = former.close_all()


@dataclass(frozen=True, slots=True)
class WindowFigures:
    """Differences over one span: `values[kind, account]` with the kinds of this module, and its length [s]."""

    span: str
    span_s: float
    elapsed_s: float
    values: npt.NDArray[np.float64]


class Ledger:
    """All accounts and outputs of a plant, and their rolling windows."""

    def __init__(
        self, config: SiteConfig, plant: Plant, library: FactorLibrary, *, start_ns: int, boot_id: str = ""
    ) -> None:
        self.plant = plant
        self._profiles = config.profiles
        self.conversions = Conversions(config, library)
        tracked = (*plant.accounts, *plant.outputs)
        self.row = np.zeros((COLUMNS, len(tracked)))
        self.books = {
            account.name: AccountBook(
                account, config, self.conversions, self.row[:, index], start_ns=start_ns, boot_id=boot_id
            )
            for index, account in enumerate(tracked)
        }
        self.position = {account.name: index for index, account in enumerate(tracked)}
        self._by_device: dict[str, list[AccountBook]] = {}
        for book in self.books.values():
            self._by_device.setdefault(book.account.device, []).append(book)
        self._spans = config.windows.spans_s
        self.windows = Windows(self.row.size, tick_s=config.windows.tick, spans_s=tuple(self._spans.values()))

    def point_of(self, account: Account) -> Point:
        """Return the point an account is read from."""
        return self._profiles[account.device].point(account.source.name)

    def take(self, frame: Frame) -> None:
        """Book everything a frame says."""
        for book in self._by_device.get(frame.device, ()):
            for outage in book.take(frame):
                columns = np.arange(COLUMNS) * len(self.books) + self.position[book.account.name]
                self.windows.spread(columns, outage.growth, outage.start_ns, outage.end_ns)

    def tick(self, monotonic_ns: int) -> None:
        """Write one row of the ring."""
        self.windows.tick(monotonic_ns, self.row.reshape(-1))

    def figures(self) -> Iterator[WindowFigures]:
        """Yield the differences over each span."""
        for span, span_s in self._spans.items():
            elapsed_s, difference = self.windows.difference(span_s)
            yield WindowFigures(span, span_s, elapsed_s, difference.reshape(self.row.shape))

    def close_due(self, now_ns: int) -> Iterator[tuple[Account, list[ClosedInterval]]]:
        """Yield the accounts with intervals that are complete or overdue, in the order of the configuration."""
        for output in self.plant.outputs:
            # No record tells of an output's intervals; unclosed they would pile up in memory and in every saved state.
            self.books[output.name].close_due(now_ns)
        for account in self.plant.accounts:
            closed = self.books[account.name].close_due(now_ns)
            if closed:
                yield account, closed

    def events(self) -> list[Event]:
        """Return and forget what the counters noticed."""
        found = []
        for book in self.books.values():
            if book.source.events:
                noticed, book.source.events = book.source.events, []
                account = book.account
                found += [Event(account.name, account.key, e.time_ns, str(e.rule), e.text) for e in noticed]
        return found

    def states(self) -> Iterator[tuple[str, bytes]]:
        """Yield (name, state) of every account."""
        for name in self.books:
            yield self.state(name)

    def state(self, name: str) -> tuple[str, bytes]:
        """Return under which name the books of an account are saved, and their state."""
        return f"account/{name}", self.books[name].state()

    def restore(self, load: Callable[[str], bytes | None]) -> None:
        """Continue the books of an earlier run."""
        for name, book in self.books.items():
            state = load(f"account/{name}")
            if state is not None:
                book.restore(state)


def _max_rate(account: Account, weight: Conversion | None) -> float | None:
    """Return the fastest plausible growth [account unit/s] from the device's rated power, None when unknown."""
    if account.rated_kw is None or weight is None or not weight.kwh_per_unit:
        return None
    return _RATE_MARGIN * account.rated_kw / weight.kwh_per_unit / _HOUR_S
