"""The figures of a tariff: demand and its forecast, the highest demand, the power factor and the bill of the month."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from agent.books.ledger import Ledger
from agent.figure import NOW, Figure
from agent.metering.amount import NS_PER_S
from agent.tariff import demand
from agent.tariff.bill import Bill, Item, bill
from agent.tariff.book import TariffBook
from agent.tariff.month import Month, Peak, month_of, start_of
from agent.tariff.power_factor import NORM
from agent.tariff.price import Basis
from agent.tariff.tariff import WINDOW_S

_WINDOW = "15min"
_MONTH = "month"
_MINUTE_NS = 60 * NS_PER_S
_CNY = "CNY"
_DECIMALS = 6


class TariffFigures:
    """Works out the figures of all tariffs from the ledger's windows and the months of their books.

    The window of demand slides by a minute; what concerns the month is told once a minute.
    """

    def __init__(self, ledger: Ledger, books: Iterable[TariffBook]) -> None:
        self._ledger = ledger
        self._books = tuple(books)
        self._minute = 0

    def figures(self, time_ns: int) -> Iterator[Figure]:
        """Yield the figures of a moment (wall clock, ns), and note the demand of each minute."""
        fresh = time_ns // _MINUTE_NS != self._minute
        self._minute = time_ns // _MINUTE_NS
        for book in self._books:
            place = self._ledger.books[book.tariff.meter].account.key
            yield self._demand(book, place, time_ns, note=fresh)
            yield self._forecast(book, place, time_ns)
            if fresh:
                yield from _monthly(book, place, time_ns)

    def _demand(self, book: TariffBook, place: str, time_ns: int, *, note: bool) -> Figure:
        tariff = book.tariff
        found = demand.mean_power(self._ledger, tariff.meter, WINDOW_S)
        if found is None:
            return Figure(
                "demand", place, _WINDOW, time_ns, "kW", None, missing=("a whole window of readings",), coverage=0.0
            )
        end_ns = self._end(time_ns)
        start_ns = end_ns - round(found.over_s * NS_PER_S)
        if note and start_ns >= start_of(month_of(end_ns - 1, tariff.schedule.zone), tariff.schedule.zone):
            book.see(Peak(found.kw, end_ns, found.coverage, found.estimated))
        inputs = {"energy_kwh": _round(found.kw * found.over_s / 3600), "time_s": _round(found.over_s)}
        known = (found.coverage, found.estimated)
        return _power("demand", place, _WINDOW, time_ns, found.kw, inputs=inputs, known=known)

    def _end(self, time_ns: int) -> int:
        """Return when the window ends that is looked at: in the first tick of a minute, at its beginning.

        Ticks come a little late, and the window that ends with a month would else belong to none.
        """
        late_ns = time_ns % _MINUTE_NS
        return time_ns - late_ns if late_ns < self._ledger.windows.tick_s * NS_PER_S else time_ns

    def _forecast(self, book: TariffBook, place: str, time_ns: int) -> Figure:
        tariff = book.tariff
        found = demand.forecast(self._ledger, tariff.meter, time_ns, tariff.schedule.zone)
        name = "demand_forecast"
        if found is None:
            return Figure(
                name,
                place,
                _WINDOW,
                time_ns,
                "kW",
                None,
                missing=("readings of this quarter of an hour",),
                coverage=0.0,
            )
        inputs = {
            "so_far_kw": _round(found.so_far.kw),
            "power_kw": _round(found.rate.kw),
            "left_s": _round((found.end_ns - time_ns) / NS_PER_S),
        }
        known = (
            min(found.so_far.coverage, found.rate.coverage),
            max(found.so_far.estimated, found.rate.estimated),
        )
        return _power(name, place, _WINDOW, time_ns, found.kw, inputs=inputs, known=known)


def _round(value: float) -> float:
    return round(float(value), _DECIMALS)


def _power(
    name: str, place: str, span: str, time_ns: int, kw: float, *, inputs: dict[str, float], known: tuple[float, float]
) -> Figure:
    """Return a figure of power; `known` are its coverage and estimated share."""
    coverage, estimated = map(_round, known)
    return Figure(name, place, span, time_ns, "kW", _round(kw), inputs=inputs, coverage=coverage, estimated=estimated)


def _monthly(book: TariffBook, place: str, time_ns: int) -> Iterator[Figure]:
    tariff = book.tariff
    month = book.month(time_ns)
    yield _peak(month, place, time_ns)
    told = bill(tariff, month, tariff.schedule.local(time_ns).date())
    start_ns = start_of(month_of(time_ns, tariff.schedule.zone), tariff.schedule.zone)
    coverage = min(1.0, month.measured_ns / (month.to_ns - start_ns)) if month.to_ns > start_ns else 0.0
    estimated = min(1.0, abs(month.estimated / month.quanta)) if month.quanta else 0.0
    for name, unit, item, norm in _items(told, tariff.basis, tariff.source, adjusted=tariff.standard is not None):
        yield Figure(
            name,
            place,
            _MONTH,
            time_ns,
            unit,
            None if item.value is None else float(item.value),
            norm=norm,
            inputs={key: _round(float(value)) for key, value in item.inputs.items()},
            missing=item.missing,
            coverage=_round(coverage),
            estimated=_round(estimated),
            unverified=item.unverified,
        )
    yield _price(book, place, time_ns)


def _items(told: Bill, basis: Basis | None, source: str, *, adjusted: bool) -> Iterator[tuple[str, str, Item, str]]:
    yield "energy_cost", _CNY, told.energy, source
    if basis:
        yield f"{basis}_charge", _CNY, told.fixed, source
    if adjusted:
        yield "power_factor", "", told.power_factor, NORM
        yield "power_factor_adjustment", "%", told.adjustment, NORM
        yield "power_factor_charge", _CNY, told.reactive, NORM
    yield "electricity_cost", _CNY, told.total, source


def _peak(month: Month, place: str, time_ns: int) -> Figure:
    peak = month.peak
    if peak is None:
        missing = ("a whole demand window of this month",)
        return Figure("demand_max", place, _MONTH, time_ns, "kW", None, missing=missing, coverage=0.0)
    inputs = {"at_unix_s": float(peak.end_ns // NS_PER_S)}
    known = (peak.coverage, peak.estimated)
    found = _power("demand_max", place, _MONTH, time_ns, peak.kw, inputs=inputs, known=known)
    return replace(found, unverified=True)  # as is what a supplier's meter takes for it: see `bill`


def _price(book: TariffBook, place: str, time_ns: int) -> Figure:
    charge = book.tariff.charge(time_ns)
    name, unit = "energy_price", "CNY/kWh"
    if charge is None or charge.price is None:
        what = "a valid price" if charge else "the holidays of this year"
        return Figure(name, place, NOW, time_ns, unit, None, norm=book.tariff.source, missing=(what,))
    return Figure(name, place, NOW, time_ns, unit, float(charge.price), norm=book.tariff.source)
