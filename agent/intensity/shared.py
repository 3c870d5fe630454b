"""What accounts and an output come to in the time for which all of them have records.

What is spent in a time in which nothing was counted of the output belongs to nothing that was made, so where the
roll-ups of a month do not all hold all their intervals its days are taken, and of such a day its intervals.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from fractions import Fraction
from typing import Any

from agent.intensity.period import not_whole
from agent.record import OF_ACCOUNT, ROLLUP, end_of
from agent.rollup.periods import DAY, ONE_INTERVAL, Calendar, Span
from agent.rollup.reading import in_force
from agent.rollup.total import Part, Sum, rollup_body
from agent.store import Store
from drivers.value import frozen

Body = dict[str, Any]
Records = Mapping[str, Body]


@frozen
class Stretch:
    """Records of the same time by account; `days` of it are known of all, the last ends at `end_ns` [Unix ns]."""

    records: Records
    days: Fraction
    end_ns: int


class Shared:
    """Reads periods of a store, cut down to what some accounts share."""

    def __init__(self, store: Store, calendar: Calendar) -> None:
        self._store, self._calendar = store, calendar
        self._cut: dict[tuple[frozenset[str], int], tuple[Records, Stretch | None]] = {}

    async def period(self, names: frozenset[str], span: Span) -> Records:
        """Return the records of an ended day or month: as they are rolled up where that is whole or nothing shared."""
        records = await self._rolled(names, span)
        if names - records.keys() or not not_whole(records):
            return records
        found = await self.stretches(names, span, span.end_ns)
        return together(names, span, found) if found else records

    async def stretches(self, names: frozenset[str], span: Span, now_ns: int) -> list[Stretch]:
        """Return what is shared of a day or month until now: the month, else its ended days, else their intervals."""
        records = await self._rolled(names, span) if span.end_ns <= now_ns else {}
        if names <= records.keys() and not not_whole(records):
            days = (self._calendar.day(span.end_ns) - self._calendar.day(span.start_ns)).days
            return [Stretch(records, Fraction(days), span.end_ns)]
        if span.period == DAY:
            found = await self._intervals(names, span, records) if names <= records.keys() else None
            return [found] if found else []
        stretches: list[Stretch] = []
        day, start_ns = self._calendar.day(span.start_ns), span.start_ns
        while start_ns < min(now_ns, span.end_ns):
            day += timedelta(days=1)
            end_ns = self._calendar.midnight(day)
            stretches += await self.stretches(names, Span(DAY, "", start_ns, end_ns), now_ns)
            start_ns = end_ns
        return stretches

    async def _intervals(self, names: frozenset[str], span: Span, rolled: Records) -> Stretch | None:
        """Return the intervals of a day that all have; read once for as long as its roll-ups stay the same."""
        known = self._cut.get((names, span.start_ns))
        if known and known[0] == rolled:
            return known[1]
        found: list[Stretch] = []
        async for start_ns, bodies in in_force(self._store, span.start_ns, span.end_ns, kind=OF_ACCOUNT):
            single = {key.account: body for key, body in bodies.items() if key.period in ("", ONE_INTERVAL)}
            records = {name: single[name] for name in names if name in single}
            if names <= records.keys() and len({body["end"] for body in records.values()}) == 1:
                end_ns = end_of(records[min(names)])
                days = Fraction(end_ns - start_ns, span.end_ns - span.start_ns)
                found.append(Stretch(records, days, end_ns))
        cut = None
        if found:
            days = sum((each.days for each in found), Fraction())
            cut = Stretch(together(names, span, found), days, found[-1].end_ns)
        self._cut[names, span.start_ns] = rolled, cut
        return cut

    async def _rolled(self, names: frozenset[str], span: Span) -> Records:
        """Return the roll-ups of a period by account."""
        found: dict[str, Body] = {}
        async for _, bodies in in_force(self._store, span.start_ns, span.start_ns + 1, kind=ROLLUP):
            for key, body in bodies.items():
                if key.period == span.period and key.account in names:
                    found[key.account] = body
        return found


def together(names: Iterable[str], span: Span, stretches: Iterable[Stretch]) -> Records:
    """Return what stretches come to within a period, by account; all of them hold the same intervals."""
    sums = {name: Sum() for name in names}
    for each in stretches:
        for name, total in sums.items():
            total.add(Part.of(each.records[name]))
    totals = {name: total.total for name, total in sums.items()}
    return {name: rollup_body({"account": name}, span, part, part.intervals) for name, part in totals.items()}
