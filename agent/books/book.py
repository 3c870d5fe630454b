"""The book of one account: readings in, cumulative columns, intervals and outages out.

Invariants:

- The cumulative columns go on across restarts: they are saved with the counter and the intervals, in one state, so
  what is booked after a restart continues what was booked before it, and nothing is booked twice.
- `changed` is set whenever the state is not the one that was saved last.
- A state is taken over as a whole or not at all.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from agent.books.columns import Columns, Growth
from agent.books.conversions import Conversions
from agent.books.frame_reader import FrameReader
from agent.carbon.emission import Conversion
from agent.config import SiteConfig
from agent.metering.amount import NS_PER_S, QUANTA_PER_UNIT, Declaration, Delta, Noticed, Reading, Rule
from agent.metering.behind import Behind
from agent.metering.counter import Counter
from agent.metering.declared import Change, Late
from agent.metering.integral import Integral
from agent.metering.interval import ClosedInterval, IntervalBook
from agent.metering.pair import IntervalPair
from agent.metering.totaliser import Totaliser
from agent.plant import Account
from agent.saved import UnreadableError, pack, unpack
from drivers.frame import Frame
from drivers.reading import Quality

_log = logging.getLogger(__name__)

_HOUR_S = 3600.0
_RATE_MARGIN = 2.0
"""A meter may show twice the rated power before that counts as implausible: starting currents, overload."""

_DAY_NS = 86_400 * NS_PER_S
"""How long ago a reading is taken to be whose time was wrong."""


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
        self.columns = Columns(column)
        self._reader = FrameReader(account, config, boot_id) if account.feed == "read" else None
        self.last: Reading | None = None
        self._conversions = conversions
        self.changed = True
        self._doubts: dict[str, int] = {}
        self._lost = Quality.NOT_ENTERED.label if account.feed == "entered" else ""
        self._behind = Behind()
        self._max_rate = _max_rate(account, conversions.at(account, start_ns))
        self._declarations: tuple[Declaration, ...] = ()
        self.source = self._counter()
        self._beside = conversions.beside(account)
        self._length_s = config.interval.length
        self._zone = config.site.zone
        self.intervals = self._interval_book()

    def _counter(self) -> Counter | Integral | Totaliser:
        account = self.account
        if account.feed in {"increment", "entered"}:
            return Totaliser(gap_after_s=account.gap_after_s)
        if account.integrates:
            limit = None if self._max_rate is None else self._max_rate * _HOUR_S
            return Integral(max_gap_s=account.gap_after_s, limit=limit)
        counter = Counter(
            modulus=account.modulus,
            max_rate=self._max_rate,
            gap_after_s=account.gap_after_s,
            resolution=account.resolution,
        )
        counter.declared.declare(self._declarations)
        return counter

    def declare(self, declarations: Sequence[Declaration]) -> None:
        """Take up what people declare of this counter in place of what they declared before."""
        self._declarations = tuple(declarations)
        if isinstance(self.source, Counter):
            self.source.declared.declare(self._declarations)

    def _interval_book(self) -> IntervalBook | IntervalPair:
        length_s = self._length_s
        grace_s = max(self.account.gap_after_s, min(60.0, length_s / 10))
        if self._beside:
            return IntervalPair(length_s=length_s, zone=self._zone, grace_s=grace_s, weighs=self._beside.weighs)
        return IntervalBook(length_s=length_s, zone=self._zone, grace_s=grace_s)

    def take(self, frame: Frame, *, right: bool = False) -> Sequence[Growth]:
        """Book a frame's reading of this account, if it has one; return what grew unseen since the one before.

        `right` says that the frame's time is known to be right, and not only believed.
        """
        if self._reader is None:
            return ()
        if (lost := self._reader.lost(frame)) is not None:
            self._lost = lost
        reading = self._reader.reading(frame)
        return self.receive(reading, right=right) if reading else ()

    def receive(self, reading: Reading, *, right: bool = False) -> Sequence[Growth]:
        """Book a reading, wherever it comes from; the rest is as for a frame."""
        self.last, time_ns = reading, reading.time_ns
        if reading.doubt:
            self._doubts[reading.doubt] = reading.monotonic_ns
        self.columns.read(reading)
        self.changed = True
        if right and self._behind.for_long(self.source.last, reading):
            self.source.set_back(time_ns - _DAY_NS)
        grown: tuple[Growth, ...] = ()
        for delta in self.source.book(reading):
            quanta, green = self._booked(delta)
            weight = self._conversions.at(self.account, delta.end.time_ns)
            if found := self.columns.add(delta, quanta, green, weight):
                grown = (*grown, found)
        if right and self.intervals.stuck and (moved := self.intervals.turn_back()) is not None:
            amount = f"{moved / QUANTA_PER_UNIT:.15g} {self.account.unit}"
            text = (
                f"the clock was ahead and is right again: {amount} booked at times that had not come yet are withdrawn"
            )
            self.events.append(Noticed(time_ns, Rule.CLOCK, f"{text} and booked, as estimated, now"))
        return grown

    def enter(self, delta: Delta, at: Reading, *, late: bool) -> Growth | None:
        """Take up what somebody entered; return what grew.

        `at` is when it was entered: then the columns are what they are. If it is `late` for the intervals, whoever
        calls corrects them.
        """
        self.last, self.changed = at, True
        self._doubts[at.doubt] = at.monotonic_ns
        self.columns.read(at)
        if not late and isinstance(self.intervals, IntervalBook):
            self.intervals.add(delta)
        return self.columns.add(delta, delta.quanta, 0, None)

    def doubt_since(self, monotonic_ns: int) -> str:
        """Return what was in doubt last about a reading since a time of this boot [ns]; empty when nothing was.

        While there are no readings, that is why.
        """
        recent = {seen_ns: doubt for doubt, seen_ns in self._doubts.items() if seen_ns >= monotonic_ns}
        return recent[max(recent)] if recent else self._lost

    @property
    def events(self) -> list[Noticed]:
        """What the counter noticed and nobody has recorded yet."""
        return self.source.events

    @events.setter
    def events(self, events: list[Noticed]) -> None:
        self.source.events = events

    def put_in_row(self) -> None:
        """Note that a row with these columns and outages is being saved."""
        self.changed = self.columns.put_in_row() or self.changed

    def _booked(self, delta: Delta) -> tuple[int, int]:
        """Book a delta into its intervals; return the amount and its green part [quanta]."""
        if isinstance(self.intervals, IntervalBook) or self._beside is None:
            self.intervals.add(delta)
            return delta.quanta, 0
        beside = self._beside.quanta_of(delta, self._conversions.day(delta.end.time_ns))
        self.intervals.add(delta, beside)
        return (beside, 0) if self._beside.weighs else (delta.quanta, beside)

    @property
    def changes_explained(self) -> list[Late]:
        """Changes of the counter that were booked as unknown and are declared by now."""
        return self.source.explained() if isinstance(self.source, Counter) else []

    def objection(self, declared: Declaration) -> tuple[Change, str] | None:
        """Return the change a declaration does not explain though it may be meant for it, and why; else None."""
        counter = self.source
        return counter.declared.objection(declared, counter.believed) if isinstance(counter, Counter) else None

    @property
    def late(self) -> list[Late]:
        """Those of them whose intervals are settled."""
        explained = self.changes_explained
        return [each for each in explained if each.change.first.time_ns < self.settled_ns] if explained else []

    def explain(self, late: Late) -> tuple[Delta, int, Growth | None]:
        """Book what is known of a change by now, into the columns alone: whoever calls corrects the intervals.

        Return what the counter went on by, what that comes to as the account's amount [quanta], and what grew.
        """
        declared, change = late.declaration, late.change
        start = change.last or Reading(declared.time_ns, 0, declared.first)
        delta = Delta(start, change.first, late.quanta, False, Rule.REPLACEMENT, declared)
        quanta = delta.quanta
        if self._beside and self._beside.weighs:
            quanta = self._beside.quanta_of(delta, self._conversions.day(delta.end.time_ns))
        weight = self._conversions.at(self.account, delta.end.time_ns)
        grown = self.columns.add(delta, quanta, 0, weight)
        if isinstance(self.source, Counter):
            _, text = self.source.declared.use(declared, change.last, change.first)
            self.events.append(Noticed(change.first.time_ns, Rule.REPLACEMENT, text))
        self.changed = True
        return delta, quanta, grown

    def take_back(self, declared: Declaration, change: Change, quanta: int, *, measured: bool) -> Growth | None:
        """Book a change as unknown again, in the columns alone: whoever calls corrects the intervals.

        `quanta` were booked of it on the strength of what was declared, and counted as `measured` or as estimated.
        """
        start = change.last or Reading(declared.time_ns, 0, declared.first)
        delta = Delta(start, change.first, -quanta, False, change.rule)
        if isinstance(self.source, Counter):
            self.source.declared.take_back(declared, change)
        self.changed = True
        weight = self._conversions.at(self.account, change.first.time_ns)
        return self.columns.add(delta, -quanta, 0, weight, estimated=0 if measured else -quanta)

    def corrected(self, start_ns: int, revision: int, quanta: int = 0) -> None:
        """Take note that a settled interval was revised, and of what was added to its amount [quanta]."""
        self.changed = True
        if isinstance(self.intervals, IntervalPair):
            weighs = bool(self._beside and self._beside.weighs)
            self.intervals.corrected(start_ns, revision, 0 if weighs else quanta, quanta if weighs else 0)
        else:
            self.intervals.corrected(start_ns, revision, quanta)

    @property
    def settled_ns(self) -> int:
        """Up to when all intervals are closed and none is to be revised by what is booked [Unix ns]."""
        return self.intervals.settled_ns

    def due(self, now_ns: int) -> ClosedInterval | None:
        """Return the interval that is complete or overdue and to be recorded next, until `close` is called with it."""
        closed = self.intervals.due(now_ns)
        if closed and self._lost and not closed.measured_s:
            return replace(closed, doubts=(*closed.doubts, self._lost))
        return closed

    def close(self, interval: ClosedInterval) -> None:
        """Give up the interval that `due` returned, which is recorded now."""
        self.changed = True
        self.intervals.close(interval)

    def state(self) -> bytes:
        """Return what must survive a restart."""
        return pack(
            **{"from": self.account.source.name},
            unit=self.account.unit,
            source=self.source.state(),
            intervals=self.intervals.state(),
            beside=self._beside.state() if self._beside else None,
            **self.columns.state(),
        )

    def memory(self) -> dict[str, Any]:
        """Return what only this run knows, as JSON values: a book given it and `state` goes on as this one does."""
        condition = self._reader.memory() if self._reader else None
        return {"lost": self._lost, "behind_since_ns": self._behind.since_ns, "condition": condition}

    def remember(self, memory: Mapping[str, Any]) -> None:
        """Take over what `memory` returned of a book in the same state."""
        self._lost, self._behind.since_ns = memory["lost"], memory["behind_since_ns"]
        if self._reader and memory["condition"]:
            self._reader.remember(memory["condition"])

    def restore(self, state: bytes) -> None:
        """Continue from what an earlier run saved, as far as the configuration is still the same.

        Another quantity begins a new segment; intervals of another length follow those before. Raises
        UnreadableError for a state that is damaged or of another shape.
        """
        saved = unpack(state)
        try:
            self._take_over(saved)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
            raise UnreadableError(
                f"it lacks something or holds something else ({error!r})", saved["version"]
            ) from error

    def _take_over(self, saved: dict[str, Any]) -> None:
        name = self.account.name
        if saved["unit"] != self.account.unit:
            _log.warning("%s was counted in %s before: it begins anew", name, saved["unit"])
            return
        source = self._counter()
        source.events = self.source.events
        if saved["from"] == self.account.source.name:
            source.restore(saved["source"])
        else:
            _log.warning("%s was read from %s before: nothing is booked between", name, saved["from"])
        intervals = self._interval_book()
        intervals.restore(saved["intervals"])
        self.columns.restore(saved)
        self.source, self.intervals = source, intervals
        if self._beside and saved.get("beside"):
            self._beside.restore(saved["beside"])


def _max_rate(account: Account, weight: Conversion | None) -> float | None:
    """Return the fastest plausible growth [account unit/s] from the device's rated power, None when unknown."""
    if account.rated_kw is None or weight is None or not weight.physical_kwh_per_unit or account.condition:
        return None
    return _RATE_MARGIN * account.rated_kw / weight.physical_kwh_per_unit / _HOUR_S
