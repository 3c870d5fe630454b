"""Intensities of ended periods, and the targets of the year, as figures: told when they say something new.

The latest interval is looked at each minute; day, month and year, which are read from the store, every ten.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from typing import Any

from agent.books.ledger import Ledger
from agent.config import SiteConfig
from agent.figure import Figure
from agent.intensity.period import intensity_of_period
from agent.intensity.ratio import CO2, ENERGY, WATER, per_key
from agent.intensity.shared import Shared, Stretch, together
from agent.intensity.target import YEAR, progress
from agent.plant import Intensity
from agent.record import AGENT, FIGURE, end_of
from agent.rollup.calendars import calendar_of
from agent.rollup.periods import DAY, ONE_INTERVAL, Span
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

    def __init__(self, scribe: Scribe, latest: Mapping[str, Body]) -> None:
        """Begin; `latest` is the record of the youngest interval of each account, output and virtual account."""
        self._scribe, self._store = scribe, scribe.store
        self._latest = latest
        self._told: dict[str, list[Figure]] = {}
        self._turns = 0
        self._failed = ""

    def keep(self, config: SiteConfig, ledger: Ledger) -> None:
        """Go on with a configuration and its ledger."""
        self._ledger, self._targets = ledger, config.targets
        self._calendar = calendar_of(config)
        self._shared = Shared(self._store, self._calendar)
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
        latest = self._latest
        records = {name: latest[name] for name in names_of(intensity) if name in latest}
        if len(records) == len(names_of(intensity)) and len({each["start"] for each in records.values()}) == 1:
            body = intensity_of_period(intensity, records)
            self._tell(
                f"{intensity.name} {ONE_INTERVAL}", [*figures_of(intensity, body, self._unit(intensity), ONE_INTERVAL)]
            )

    async def _periods(self, intensity: Intensity, now_ns: int) -> None:
        """Tell of the day and the month before this."""
        today = self._calendar.day(now_ns)
        yesterday = self._calendar.midnight(today - timedelta(days=1))
        last_month = self._calendar.midnight(today.replace(day=1) - timedelta(days=1))
        spans = (Span(DAY, "", yesterday, self._calendar.midnight(today)), self._calendar.month(last_month))
        for span in spans:
            if records := await self._shared.period(names_of(intensity), span):
                body, what = intensity_of_period(intensity, records), f"{intensity.name} {span.period}"
                self._tell(what, [*figures_of(intensity, body, self._unit(intensity), span.period)])

    async def _year(self, intensity: Intensity, now_ns: int) -> None:
        """Tell how far the year so far is from its target."""
        for target in self._targets:
            if target.intensity == intensity.name:
                body, days, end_ns = await self.year(intensity, now_ns)
                self._tell(f"{intensity.name} {YEAR}", [*progress(target, body, self._unit(intensity), days, end_ns)])

    async def year(self, intensity: Intensity, now_ns: int) -> tuple[Body, int, int]:
        """Return the intensity of the year so far, how many days are in it, and when the last of them ends [Unix ns].

        What counts is the time of which every account and the output have all records: what is spent then belongs to
        what is made then.
        """
        calendar, names = self._calendar, names_of(intensity)
        since_ns = calendar.midnight(date(calendar.day(now_ns).year, 1, 1))
        month = calendar.month(since_ns)
        stretches: list[Stretch] = []
        while month.start_ns < now_ns:
            stretches += await self._shared.stretches(names, month, now_ns)
            month = calendar.month(month.end_ns)
        if not stretches:
            return {"output": intensity.output, "missing": sorted(names)}, 0, now_ns
        end_ns = stretches[-1].end_ns
        records = together(names, Span(YEAR, "", since_ns, end_ns), stretches)
        return intensity_of_period(intensity, records), int(sum(each.days for each in stretches)), end_ns

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
            time_ns=end_of(body),
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
        return tuple(f"a whole record of {name}" for name in body["missing"])
    if key in CO2 and "incomplete" in body:
        return tuple(f"a CO2 factor of {name}" for name in body["incomplete"])
    return (f"an amount of {body['output']}",)
