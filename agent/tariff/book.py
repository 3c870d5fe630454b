"""The months of each tariff: what closed intervals and demand windows add up to, month by month.

Invariants:

- Nothing is counted here that is not in interval records: sums follow every revision by what it changed.
- A state is taken over as a whole or not at all; months are those of the site's time zone.
- The highest demand only grows within its month, and goes on across restarts.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from agent.saved import UnreadableError, pack, unpack
from agent.tariff.month import Line, Month, Peak, month_of
from agent.tariff.tariff import Tariff
from drivers.value import frozen

_MOST_MONTHS = 14
"""Months kept: a year to look back on, and the one that late data still revise."""
_MILLIONTH = Decimal("0.000001")


@frozen
class Booked:
    """What a closed interval, or a revision of it, adds to what was closed before: amounts in quanta, time in ns."""

    account: str
    start_ns: int
    end_ns: int
    quanta: int
    estimated: int
    measured_ns: int


class TariffBook:
    """The months of one tariff."""

    def __init__(self, tariff: Tariff) -> None:
        self.tariff = tariff
        self.months: dict[str, Month] = {}
        self.changed = False
        """Whether the state is not the one that was saved last."""

    def month(self, time_ns: int) -> Month:
        """Return the local month around a moment."""
        name = month_of(time_ns, self.tariff.schedule.zone)
        if name not in self.months:
            kept = sorted([*self.months, name])[-_MOST_MONTHS:]
            self.months = {each: self.months.get(each, Month()) for each in kept}
        # One older than all that are kept is not billed any more; what is added to it goes nowhere.
        return self.months.get(name, Month())

    def add(self, booked: Booked) -> None:
        """Add what an interval or its revision changed."""
        month = self.month(booked.start_ns)
        self.changed = True
        if booked.account == self.tariff.meter:
            line = Line.of(self.tariff.charge(booked.start_ns))
            month.energy[line] = month.energy.get(line, 0) + booked.quanta
            month.estimated += booked.estimated
            month.measured_ns += booked.measured_ns
            month.to_ns = max(month.to_ns, booked.end_ns)
        if booked.account in self.tariff.reactive:
            month.reactive[booked.account] = month.reactive.get(booked.account, 0) + booked.quanta

    def see(self, peak: Peak) -> None:
        """Take the demand of a window that lies wholly in one month."""
        month = self.month(peak.end_ns - 1)
        if month.peak is None or peak.kw > month.peak.kw:
            month.peak = peak
            self.changed = True

    def state(self) -> bytes:
        """Return what must survive a restart."""
        return pack(meter=self.tariff.meter, months={name: month.state() for name, month in self.months.items()})

    def restore(self, state: bytes) -> None:
        """Continue from what an earlier run saved; another meter begins anew. Raises UnreadableError."""
        saved = unpack(state)
        try:
            months = {str(name): Month.restored(month) for name, month in saved["months"].items()}
            same = saved["meter"] == self.tariff.meter
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UnreadableError(
                f"it lacks something or holds something else ({error!r})", saved["version"]
            ) from error
        if same:
            self.months, self.changed = months, True


class TariffBooks:
    """The books of all tariffs, and what the intervals of their accounts cost."""

    def __init__(self, tariffs: Iterable[Tariff]) -> None:
        self.books = {tariff.name: TariffBook(tariff) for tariff in tariffs}
        self._priced = {
            account: tariff
            for tariff in (book.tariff for book in self.books.values())
            for account in (tariff.meter, *tariff.accounts)
        }

    def priced(self, account: str, start_ns: int, quanta: int) -> dict[str, Any]:
        """Return the keys an interval record has for its tariff, none for an account that has no tariff."""
        tariff = self._priced.get(account)
        charge = tariff.charge(start_ns) if tariff else None
        if tariff is None or charge is None:
            return {}
        keys: dict[str, Any] = {"tariff": tariff.name, "tariff_period": str(charge.period)}
        cost = charge.cost(quanta)
        if charge.price is not None and cost is not None:
            keys["price_cny_per_kwh"] = float(charge.price)
            keys["cost_cny"] = float(cost.quantize(_MILLIONTH, ROUND_HALF_UP))
        return keys

    def add(self, booked: Booked) -> None:
        """Add what an interval or its revision changed, wherever it counts."""
        for book in self.books.values():
            book.add(booked)

    def states(self) -> Iterator[tuple[str, bytes]]:
        """Yield (name, state) of every tariff."""
        for name, book in self.books.items():
            yield _state_name(name), book.state()

    def unsaved(self) -> Iterator[tuple[str, bytes]]:
        """Yield (name, state) of every tariff that has changed, which counts as saved then."""
        for name, book in self.books.items():
            if book.changed:
                book.changed = False
                yield _state_name(name), book.state()

    def restore(self, load: Callable[[str], bytes | None]) -> Mapping[str, tuple[bytes, UnreadableError]]:
        """Continue the months of an earlier run; return the states that could not be read, by name, and why."""
        unread = {}
        for name, book in self.books.items():
            state = load(_state_name(name))
            if state is not None:
                try:
                    book.restore(state)
                except UnreadableError as error:
                    unread[_state_name(name)] = (state, error)
        return unread


def _state_name(tariff: str) -> str:
    return f"tariff/{tariff}"
