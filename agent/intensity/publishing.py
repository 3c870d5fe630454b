"""Intensities of ended periods, and the targets of the year, as figures: told when they say something new.

The latest interval is looked at each minute; day, month and year, which are read from the store, every ten.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any

from agent.bookkeeper import Bookkeeper
from agent.config import SiteConfig
from agent.corrections.amend import start_ns as start_of
from agent.figure import Figure
from agent.intensity.period import intensity_of_period
from agent.intensity.ratio import CO2, ENERGY, WATER, per_key
from agent.intensity.target import YEAR, progress
from agent.ledger import Ledger
from agent.plant import Intensity
from agent.record import AGENT, FIGURE, ROLLUP
from agent.rollup.calendars import calendar_of
from agent.rollup.periods import DAY, INTERVAL, MONTH, Span
from agent.rollup.reading import in_force
from agent.rollup.total import Part, Sum, rollup_body
from agent.scribe import Scribe
from agent.store import StoreError

_log = logging.getLogger(__name__)

_TURN_S = 60.0
_TURNS = 10
_NAMES = {
    ENERGY[0]: ("energy", "kWh"),
    ENERGY[1]: ("kgce", "kgce"),
    CO2[0]: ("co2", "kgCO2"),
    CO2[1]: ("co2_market", "kgCO2"),
    WATER: ("water", "m3"),
}
"""What a key is called as a figure, and its unit before that of the output."""

Body = dict[str, Any]


class Intensities:
    """Tells of the intensities of a configuration."""

    def __init__(self, scribe: Scribe, bookkeeper: Bookkeeper) -> None:
        self._scribe, self._store = scribe, scribe.store
        self._bookkeeper = bookkeeper
        self._told: dict[str, list[Figure]] = {}
        self._turns = 0
        self._failed = ""

    def keep(self, config: SiteConfig, ledger: Ledger) -> None:
        """Go on with a configuration and its ledger."""
        self._ledger, self._targets = ledger, config.targets
        self._calendar = calendar_of(config)
        self._turns = 0

    async def run_for_ever(self, ready: Callable[[], bool]) -> None:
        """Tell what is new, once a minute while the agent is `ready` to record."""
        while True:
            if ready():
                try:
                    await self.turn()
                    self._failed = ""
                except StoreError as error:
                    if self._failed != str(error):
                        _log.error("intensities of days and months are not worked out: %s", error)
                    self._failed = str(error)
            await asyncio.sleep(_TURN_S)

    async def turn(self) -> None:
        """Tell what is new about intervals and, each tenth time, about days, months and the year."""
        for intensity in self._ledger.plant.intensities:
            self._interval(intensity)
        if self._turns % _TURNS == 0:
            now_ns = self._scribe.keeper.now_ns()
            for intensity in self._ledger.plant.intensities:
                await self._periods(intensity, now_ns)
                await self._year(intensity, now_ns)
        self._turns += 1

    def _interval(self, intensity: Intensity) -> None:
        """Tell of the latest interval that all have closed."""
        latest = self._bookkeeper.latest_intervals
        records = {name: latest[name] for name in names_of(intensity) if name in latest}
        if len(records) == len(names_of(intensity)) and len({each["start"] for each in records.values()}) == 1:
            body = intensity_of_period(intensity, records)
            self._tell(f"{intensity.name} {INTERVAL}", [*figures_of(intensity, body, self._unit(intensity), INTERVAL)])

    async def _periods(self, intensity: Intensity, now_ns: int) -> None:
        """Tell of the day and the month before this."""
        today = self._calendar.day(now_ns)
        starts = {
            DAY: self._calendar.midnight(today - timedelta(days=1)),
            MONTH: self._calendar.midnight((today.replace(day=1) - timedelta(days=1)).replace(day=1)),
        }
        for period, start_ns in starts.items():
            if records := await self._records(intensity, start_ns, period):
                body = intensity_of_period(intensity, records)
                self._tell(f"{intensity.name} {period}", [*figures_of(intensity, body, self._unit(intensity), period)])

    async def _year(self, intensity: Intensity, now_ns: int) -> None:
        """Tell how far the year so far is from its target."""
        for target in self._targets:
            if target.intensity == intensity.name:
                body, days, end_ns = await self.year(intensity, now_ns)
                self._tell(f"{intensity.name} {YEAR}", [*progress(target, body, self._unit(intensity), days, end_ns)])

    async def year(self, intensity: Intensity, now_ns: int) -> tuple[Body, int, int]:
        """Return the intensity of the year so far, how many days are in it, and when the last of them ends [Unix ns].

        Months and days count for which every account and the output have a record: what is spent then belongs to what
        is made then.
        """
        calendar, names = self._calendar, names_of(intensity)
        sums = {name: Sum() for name in names}
        since_ns = calendar.midnight(date(calendar.day(now_ns).year, 1, 1))
        month, share, end_ns = calendar.month(since_ns), 0.0, since_ns
        while month.start_ns < now_ns:
            whole = await self._records(intensity, month.start_ns, MONTH) if month.end_ns <= now_ns else {}
            periods = [(month.end_ns, whole)] if names <= whole.keys() else await self._days(intensity, month, now_ns)
            for until_ns, records in periods:
                for name in names:
                    sums[name].add(Part.of(records[name]))
                begin, end = (calendar.day(time_ns) for time_ns in (start_of(records[intensity.output]), until_ns))
                share += min(each["intervals"] / each["expected"] for each in records.values()) * (end - begin).days
                end_ns = until_ns
            month = calendar.month(month.end_ns)
        if end_ns == since_ns:
            return {"output": intensity.output, "missing": sorted(names)}, 0, now_ns
        span = Span(YEAR, "", since_ns, end_ns)
        records = {name: rollup_body({"account": name}, span, sums[name].total, 0) for name in names}
        return intensity_of_period(intensity, records), int(share), end_ns

    async def _days(self, intensity: Intensity, month: Span, now_ns: int) -> list[tuple[int, dict[str, Body]]]:
        """Return the ended days of a month of which all have a record, each with its end [Unix ns]."""
        found: list[tuple[int, dict[str, Body]]] = []
        day = self._calendar.day(month.start_ns)
        while True:
            start_ns, day = self._calendar.midnight(day), day + timedelta(days=1)
            end_ns = self._calendar.midnight(day)
            if end_ns > min(now_ns, month.end_ns):
                return found
            records = await self._records(intensity, start_ns, DAY)
            if names_of(intensity) <= records.keys():
                found.append((end_ns, records))

    async def _records(self, intensity: Intensity, start_ns: int, period: str) -> dict[str, Body]:
        """Return the roll-ups of a period that starts at a time by account, those of the intensity."""
        found: dict[str, Body] = {}
        async for _, bodies in in_force(self._store, start_ns, start_ns + 1, kind=ROLLUP):
            for key, body in bodies.items():
                if key.period == period and key.account in names_of(intensity):
                    found[key.account] = body
        return found

    def _unit(self, intensity: Intensity) -> str:
        return self._ledger.books[intensity.output].account.unit

    def _tell(self, what: str, figures: list[Figure]) -> None:
        """Record figures unless they were told before."""
        if figures and self._told.get(what) != figures:
            self._told[what] = figures
            for figure in figures:
                self._scribe.record(FIGURE, AGENT, figure.time_ns, figure.body(self._scribe.site))


def names_of(intensity: Intensity) -> frozenset[str]:
    """Return the accounts and the output of an intensity."""
    return frozenset({intensity.output, *intensity.accounts, *intensity.water})


def figures_of(intensity: Intensity, body: Body, unit: str, span: str) -> Iterator[Figure]:
    """Yield the figures of an ended period; what cannot be worked out says why."""
    per = per_key(unit)
    keys = [*ENERGY, *CO2, *([WATER] if intensity.water else [])]
    for key in keys:
        name, dividend = _NAMES[key]
        value = body.get(f"{key}_per_{per}")
        inputs = {key: body[key]} if key in body else {}
        if "output_amount" in body:
            inputs[f"output_{per}"] = body["output_amount"]
        yield Figure(
            name=f"intensity_{intensity.name.replace('-', '_')}_{name}",
            place=AGENT,
            span=span,
            time_ns=start_of({"start": body["end"]}),
            unit=f"{dividend}/{unit}",
            value=value,
            inputs=inputs,
            missing=() if value is not None else _missing(body, key),
            coverage=body.get("coverage", 0.0),
            estimated=body.get("estimated", 0.0),
            unverified=bool(body.get("unverified")),
        )


def _missing(body: Body, key: str) -> tuple[str, ...]:
    if "missing" in body:
        return tuple(f"a record of {name}" for name in body["missing"])
    if key in CO2 and "incomplete" in body:
        return tuple(f"a CO2 factor of {name}" for name in body["incomplete"])
    return (f"an amount of {body['output']}",)
