"""Reads what accounts have used from the store, once a minute, and gives the figures that are watched.

Invariants:

- Every sum is one of records in force: months and days as they are rolled up, what is younger from the intervals.
- What is past is read again once an hour, so revisions of it count from then on.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta

from agent.books.ledger import Ledger
from agent.config import SiteConfig
from agent.figure import Figure
from agent.metering.amount import NS_PER_S
from agent.record import AGENT, INTERVAL, ROLLUP
from agent.rollup.calendars import calendar_of
from agent.rollup.members import worked_out_accounts
from agent.rollup.periods import DAY, HOUR, MONTH, ONE_INTERVAL
from agent.rollup.reading import in_force
from agent.rollup.total import Part
from agent.scribe import Scribe
from agent.store import StoreError
from agent.warning.budget import Budget, against_last_week, used

_log = logging.getLogger(__name__)

_EVERY_S = 60.0
_AGAIN_NS = 3600 * NS_PER_S
_HOUR_S = 3600
_WEEK = timedelta(days=7)

Parts = Mapping[str, list[Part]]


class Accounted:
    """The figures of all budgets, and of all accounts that are held against the week before."""

    def __init__(self, scribe: Scribe) -> None:
        self._store, self._keeper = scribe.store, scribe.keeper
        self._past: dict[int, dict[str, list[Part]]] = {}
        self._past_ns = 0
        self._found: list[Figure] = []

    def keep(self, config: SiteConfig, ledger: Ledger) -> None:
        """Go on with a configuration and its ledger."""
        self._zone, self._calendar = config.site.zone, calendar_of(config)
        tracked = (*ledger.plant.accounts, *ledger.plant.outputs)
        places = {account.name: account.key for account in tracked}
        self._budgets = budgets_of(config, places)
        places |= dict.fromkeys(worked_out_accounts(config, ledger), AGENT)
        self._weekly = {section.account: places[section.account] for section in config.alarms if section.account}
        self._past, self._found = {}, []

    def figures(self, time_ns: int) -> Iterable[Figure]:  # noqa: ARG002  # they are those of the last minute
        """Return the figures as of the last look at the store."""
        return self._found

    async def run_for_ever(self, ready: Callable[[], bool]) -> None:
        """Look at the store once a minute while the agent is `ready` to record."""
        while True:
            if ready() and (self._budgets or self._weekly):
                try:
                    await self.look(self._keeper.now_ns())
                except StoreError as error:
                    _log.error("what budgets have used cannot be read: %s; it is tried again", error)
            await asyncio.sleep(_EVERY_S)

    async def look(self, time_ns: int) -> None:
        """Read what there is at a moment, and work out all figures."""
        calendar, budgets, weekly = self._calendar, self._budgets, self._weekly
        if time_ns - self._past_ns >= _AGAIN_NS:
            self._past, self._past_ns = {}, time_ns
        found: list[Figure] = []
        for per in dict.fromkeys(budget.per for budget in budgets):
            start_ns, end_ns = self._period(per, time_ns)
            names = {name for budget in budgets if budget.per == per for name in budget.accounts}
            parts = await self._since(start_ns, time_ns, names)
            for budget in budgets:
                if budget.per == per:
                    found += used(budget, parts, start_ns, end_ns, time_ns)
        if weekly:
            hours = [await self._hour(start_ns) for start_ns in self._hours(time_ns)]
            for account, place in weekly.items():
                both = (hours[0].get(account), hours[1].get(account))
                found.append(against_last_week(account, place, both, _HOUR_S, time_ns))
        if calendar is self._calendar:  # else another configuration has come meanwhile
            self._found = found

    def _period(self, per: str, time_ns: int) -> tuple[int, int]:
        """Return when the local day, month or year around a moment begins and ends [Unix ns]."""
        day, midnight = self._calendar.day(time_ns), self._calendar.midnight
        if per == "day":
            return midnight(day), midnight(day + timedelta(days=1))
        if per == "month":
            span = self._calendar.month(time_ns)
            return span.start_ns, span.end_ns
        first = day.replace(month=1, day=1)
        return midnight(first), midnight(first.replace(year=first.year + 1))

    def _hours(self, time_ns: int) -> tuple[int, int]:
        """Return when the last whole hour began, and the one a week before on the wall clock [Unix ns]."""
        start_ns = time_ns - time_ns % (_HOUR_S * NS_PER_S) - _HOUR_S * NS_PER_S
        local = datetime.fromtimestamp(start_ns // NS_PER_S, self._zone)
        return start_ns, int((local - _WEEK).timestamp()) * NS_PER_S

    async def _hour(self, start_ns: int) -> Mapping[str, Part]:
        return await self._rolled(start_ns, HOUR)

    async def _since(self, start_ns: int, time_ns: int, names: set[str]) -> Parts:
        """Return the parts of accounts in [start_ns, time_ns)."""
        found: dict[str, list[Part]] = {name: [] for name in names}
        month, today = self._calendar.month(time_ns), self._calendar.midnight(self._calendar.day(time_ns))
        at_ns = start_ns
        while at_ns < today:
            if at_ns < month.start_ns:
                end_ns, period = self._calendar.month(at_ns).end_ns, MONTH
            else:
                end_ns, period = self._calendar.midnight(self._calendar.day(at_ns) + timedelta(days=1)), DAY
            _add(found, await self._whole(at_ns, end_ns, period, names))
            at_ns = end_ns
        _add(found, await self._pieces(today, time_ns, names))
        return found

    async def _whole(self, start_ns: int, end_ns: int, period: str, names: set[str]) -> Parts:
        """Return the parts of a past month or day, of its days or intervals where it is not rolled up."""
        known = self._past.setdefault(start_ns if period == DAY else -start_ns, {})
        if lacking := names - known.keys():
            rolled = await self._rolled(start_ns, period)
            known |= {name: [rolled[name]] for name in lacking if name in rolled}
            if left := lacking - known.keys():
                known |= await (self._days if period == MONTH else self._pieces)(start_ns, end_ns, left)
        return {name: known[name] for name in names}

    async def _days(self, start_ns: int, end_ns: int, names: set[str]) -> Parts:
        found: dict[str, list[Part]] = {name: [] for name in names}
        while start_ns < end_ns:
            until_ns = self._calendar.midnight(self._calendar.day(start_ns) + timedelta(days=1))
            _add(found, await self._whole(start_ns, until_ns, DAY, names))
            start_ns = until_ns
        return found

    async def _rolled(self, start_ns: int, period: str) -> Mapping[str, Part]:
        """Return what accounts come to in the period that begins at a time."""
        found: dict[str, Part] = {}
        async for _, bodies in in_force(self._store, start_ns, start_ns + 1, kind=ROLLUP):
            found |= {key.account: Part.of(body) for key, body in bodies.items() if key.period == period}
        return found

    async def _pieces(self, start_ns: int, end_ns: int, names: set[str]) -> Parts:
        """Return all intervals of accounts that start in [start_ns, end_ns), those of virtual ones among them."""
        found: dict[str, list[Part]] = {name: [] for name in names}
        for kind in (INTERVAL, ROLLUP):
            async for _, bodies in in_force(self._store, start_ns, end_ns, kind=kind):
                for key, body in bodies.items():
                    if key.account in found and key.period in ("", ONE_INTERVAL):
                        found[key.account].append(Part.of(body))
        return found


def budgets_of(config: SiteConfig, places: Mapping[str, str]) -> list[Budget]:
    """Return the budgets of a configuration; one of a single device has its place, others that of the site."""
    found = []
    for section in config.budgets:
        of_accounts = {places.get(name, AGENT) for name in section.accounts}
        place = of_accounts.pop() if len(of_accounts) == 1 else AGENT
        found.append(
            Budget(section.name, place, section.accounts, section.per, section.key, section.amount, section.yellow)
        )
    return found


def _add(found: dict[str, list[Part]], parts: Parts) -> None:
    for name, more in parts.items():
        found[name] += more
