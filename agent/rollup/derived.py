"""What is added up from the interval records in the store: hours, shifts, days, months, and virtual accounts.

Invariants:

- All of it follows from the records in force alone, so nothing is counted twice whatever happens; a period is recorded
  together with the progress that says so, and is recorded again only where it says something else than before.
- A period is added up once the intervals of its account reach its end; when one of them is revised later, it is again.
- The intervals of what is worked out are cut as those it is made of, whatever length they have or had.
- A turn reads one day at most, or the days of one month, and appends no more than the store has room for.
"""

import asyncio
import logging
from collections import ChainMap
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from dataclasses import field
from datetime import timedelta
from typing import Any

from agent.books.ledger import Ledger
from agent.config import SiteConfig
from agent.record import FIGURE, INTERVAL, ROLLUP, end_of, start_of
from agent.rollup.billed import Billed
from agent.rollup.calendars import calendar_of
from agent.rollup.expected import Expected
from agent.rollup.members import Members
from agent.rollup.periods import DAY, ONE_INTERVAL, Span
from agent.rollup.progress import Progress, earliest
from agent.rollup.reading import Kept, in_force
from agent.rollup.total import Part, Sum, rollup_body, same_figures
from agent.saved import UnreadableError
from agent.scribe import Scribe
from agent.store import StoreError
from agent.turns import next_turn
from drivers.value import mutable

_log = logging.getLogger(__name__)

_STATE = "derived/"
_TURN_S = 1.0
_ROOM_BYTES = 1 << 20
_LATE = "late_data"
_LATEST_NS = 1 << 62

Body = dict[str, Any]
_Key = tuple[str, Span]


@mutable
class _Step:
    """Periods of some accounts to be added up together, all read from [since_ns, until_ns)."""

    since_ns: int
    until_ns: int
    spans: dict[str, list[Span]]
    own: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Of what is worked out, from when to when the intervals begin that are recorded, too."""
    month: bool = False
    """Whether it is made of days instead of intervals."""
    day_ns: int | None = None
    """The day that is added up again; None for what is new."""
    sums: dict[_Key, Sum] = field(default_factory=dict)
    expected: dict[_Key, Expected] = field(default_factory=dict)
    former: dict[_Key, Body] = field(default_factory=dict)
    next_ns: int = 0
    """Start of the next interval of any account after a whole day without one; then nothing ends before its day."""

    def add(self, name: str, start_ns: int, part: Part) -> None:
        """Add what starts at a time to every period of an account it belongs to."""
        since_ns, until_ns = self.own.get(name, (0, 0))
        if since_ns <= start_ns < until_ns:
            self.spans[name].append(Span(ONE_INTERVAL, "", start_ns, part.end_ns))
        for span in self.spans[name]:
            if span.start_ns <= start_ns < span.end_ns:
                self.sums.setdefault((name, span), Sum()).add(part)
                self.expected.setdefault((name, span), Expected()).add(start_ns, part)

    def remember(self, start_ns: int, bodies: Mapping[Kept, Body]) -> None:
        """Take note of what was recorded of periods that start at a time."""
        for key, body in bodies.items():
            for span in self.spans.get(key.account, ()):
                if (span.period, span.name, span.start_ns) == (key.period, key.shift, start_ns):
                    self.former[key.account, span] = body


class Derived:
    """Adds up what the bookkeeper has recorded."""

    def __init__(self, scribe: Scribe, billed: Billed) -> None:
        self._scribe, self._store, self._billed = scribe, scribe.store, billed
        self._progress: dict[str, Progress] = {}
        self._noted: dict[str, int] = {}
        self._told = ""
        self.latest_intervals: dict[str, Body] = {}
        """The record of the youngest interval of each account that is worked out, in its latest revision."""

    def keep(self, config: SiteConfig, ledger: Ledger) -> None:
        """Go on with a configuration and its ledger, and with what was saved of their accounts."""
        self._members = Members(config, ledger)
        self._billed.keep(ledger)
        self._calendar = calendar_of(config)
        self._progress = {name: each for name, each in self._progress.items() if name in self._members.accounts}
        for gone in self.latest_intervals.keys() - self._members.accounts.keys():
            del self.latest_intervals[gone]
        self.restore()

    def restore(self) -> None:
        """Continue where earlier runs have been."""
        self._billed.restore()
        for name, state in self._store.load_states(_STATE).items():
            if (account := name.removeprefix(_STATE)) in self._members.accounts:
                try:
                    self._progress.setdefault(account, Progress.restored(state))
                except UnreadableError as error:
                    _log.error("the saved state '%s' cannot be read: %s; its periods begin anew", name, error)

    def note(self, account: str, body: Mapping[str, Any]) -> None:
        """Take note of an interval record, in the transaction in which it is appended."""
        self._billed.note(account, body)
        start, end = start_of(body), end_of(body)
        reason = str(body.get("reason", _LATE))
        progress = self._progress.setdefault(account, Progress(done_ns=start))
        progress.to_ns = max(progress.to_ns, end)
        self._follow(account)
        for name in (account, *(each.name for each in self._members.followers(account))):
            self._noted[name] = min(start, self._noted.get(name, start))
            of_name = self._progress.get(name)
            if of_name is None:
                continue
            if start < of_name.done_ns:
                of_name.days[self._calendar.midnight(self._calendar.day(start))] = reason
            self._save(name)

    def beside(self, booked: MutableMapping[str, Body]) -> Mapping[str, Body]:
        """Return the youngest interval of all accounts: those that are `booked`, and what is worked out from them."""
        return ChainMap(booked, self.latest_intervals)

    async def run_for_ever(self, ready: Callable[[], bool]) -> None:
        """Add up what there is, once a second or as long as there is more, while the agent is `ready` to record."""
        while True:
            more = False
            if ready():
                try:
                    more = await self.turn()
                    self._told = ""
                except StoreError as error:
                    if str(error) != self._told:
                        _log.error("periods cannot be added up: %s; it is tried again", error)
                    self._told = str(error)
            await (asyncio.sleep(0) if more else next_turn(_TURN_S))

    async def turn(self) -> bool:
        """Add up what is next; return whether there was something. Raises StoreError."""
        if await self._billed.turn():
            return True
        step = self._next()
        if step is None or self._store.room < _ROOM_BYTES:
            return False
        self._noted.clear()
        calendar = self._calendar
        await self._store.flush()
        await self._read(step)
        if calendar is self._calendar:
            self._record(step)
        return True

    def _follow(self, member: str) -> None:
        """Let what is worked out from an account follow it, from the first whole interval on."""
        for account in self._members.followers(member):
            if to_ns := self._members.reached_ns(account, self._progress):
                start_ns = self._calendar.interval(to_ns - 1).start_ns
                self._progress.setdefault(account.name, Progress(done_ns=start_ns)).to_ns = to_ns

    def _next(self) -> _Step | None:
        """Return what is to be added up first: what is new, then days and then months that have changed."""
        now_ns, ends = self._scribe.keeper.now_ns(), {}
        for name, each in self._progress.items():
            if each.done_ns > now_ns:  # the clock was ahead
                each.done_ns = self._calendar.midnight(self._calendar.day(now_ns))
            if (end := self._next_end(name, each.done_ns)) <= min(each.to_ns, now_ns):
                ends[name] = end
        if ends:
            end = min(ends.values())
            names = [name for name, due in ends.items() if due == end]
            return self._step({name: self._calendar.ending(end) for name in names}, end)
        if (day := earliest(self._progress, "days")) is not None:
            names = [name for name, each in self._progress.items() if day in each.days]
            return self._step({name: self._again(name, day) for name in names}, day, day_ns=day)
        if (month := earliest(self._progress, "months")) is not None:
            span = self._calendar.month(month)
            spans = {name: [span] for name, each in self._progress.items() if month in each.months}
            return _Step(span.start_ns, span.end_ns, spans, month=True)
        return None

    def _next_end(self, name: str, done_ns: int) -> int:
        end_ns = self._calendar.next_end(done_ns)
        return min(end_ns, self._calendar.interval(done_ns).end_ns) if self._members.is_worked_out(name) else end_ns

    def _again(self, name: str, day_ns: int) -> list[Span]:
        """Return all periods with a part in a day that were added up before."""
        done_ns = self._progress[name].done_ns
        return [span for span in self._calendar.overlapping(self._calendar.day(day_ns)) if span.end_ns <= done_ns]

    def _step(self, spans: dict[str, list[Span]], until_ns: int, *, day_ns: int | None = None) -> _Step:
        """Return a step of what is new up to a time, or of a day once more."""
        own = {}
        for name in filter(self._members.is_worked_out, spans):
            done_ns = self._progress[name].done_ns
            own[name] = (done_ns, until_ns) if day_ns is None else (day_ns, min(done_ns, self._day_end(day_ns)))
        reach = [(span.start_ns, span.end_ns) for each in spans.values() for span in each]
        since, until = zip(*reach, *own.values(), (until_ns, until_ns), strict=True)
        return _Step(min(since), max(until), spans, own, day_ns=day_ns)

    def _day_end(self, day_ns: int) -> int:
        return self._calendar.midnight(self._calendar.day(day_ns) + timedelta(days=1))

    async def _read(self, step: _Step) -> None:
        """Read what a step adds up, and what was recorded of its periods before."""
        kind, empty = ROLLUP if step.month else INTERVAL, True
        async for start, bodies in in_force(self._store, step.since_ns, step.until_ns, kind=kind):
            empty = False
            parts = self._days(step.spans, bodies) if step.month else self._members.parts(step.spans, bodies, start)
            for name, part in parts.items():
                if part.unit == self._members.accounts[name].unit:
                    step.add(name, start, part)
        if empty and any(span.period == DAY for spans in step.spans.values() for span in spans):
            following = await self._store.first_intervals(step.until_ns, _LATEST_NS, 1)
            step.next_ns = following[0].time_ns if following else 0
        until_ns = step.since_ns + 1 if step.month else step.until_ns
        async for start, bodies in in_force(self._store, step.since_ns, until_ns, kind=ROLLUP):
            step.remember(start, bodies)

    def _days(self, wanted: Iterable[str], bodies: Mapping[Kept, Body]) -> dict[str, Part]:
        return {
            key.account: Part.of(body) for key, body in bodies.items() if key.period == DAY and key.account in wanted
        }

    def _record(self, step: _Step) -> None:
        """Record the periods of a step, each account's together with its progress."""
        for name, spans in step.spans.items():
            progress = self._progress.get(name)
            if progress is None or self._noted.get(name, step.until_ns) < step.until_ns:
                continue  # what was recorded meanwhile was not read: once more, then
            months, days = progress.months, progress.days
            reason = months.get(step.since_ns, "") if step.month else days.get(step.day_ns or 0, "")
            with self._store.transaction():
                differ = [span for span in spans if self._differs((name, span), step, reason)]
                if step.month:
                    months.pop(step.since_ns, None)
                elif step.day_ns is not None:
                    days.pop(step.day_ns, None)
                    for month in {self._calendar.month(span.start_ns) for span in differ if span.period == DAY}:
                        if month.end_ns <= progress.done_ns:
                            months[month.start_ns] = reason
                else:
                    month = self._calendar.month(step.until_ns - 1)
                    day_ns = self._calendar.midnight(self._calendar.day(step.next_ns))
                    progress.done_ns = max(step.until_ns, day_ns if step.next_ns else 0)
                    if month.end_ns <= progress.done_ns:
                        months[month.start_ns] = ""
                self._save(name)

    def _differs(self, key: _Key, step: _Step, reason: str) -> bool:
        """Record a period unless it was recorded so before; return whether it was not."""
        if key not in step.sums:
            return False
        (name, span), former = key, step.former.get(key)
        total = step.sums[key].total
        expected = step.expected[key].count(self._calendar, span)
        body = self._members.completed(rollup_body(self._members.head(name), span, total, expected))
        if former and (same_figures(former, body) or former["intervals"] > body["intervals"]):
            return False  # nothing new, or what it was added up from is no more kept as a whole
        body["revision"] = former["revision"] + 1 if former else 0
        if former:
            body["reason"] = reason or _LATE
        self._scribe.record(ROLLUP, self._members.accounts[name].key, span.start_ns, body)
        if span.period == ONE_INTERVAL and body["start"] >= self.latest_intervals.get(name, body)["start"]:
            self.latest_intervals[name] = body
        for figure in self._members.figures(body):
            self._scribe.record(FIGURE, figure.place, figure.time_ns, figure.body(self._scribe.site))
        return True

    def _save(self, name: str) -> None:
        self._store.save_state(f"{_STATE}{name}", self._progress[name].state())
