"""The check of counters against power: devices that have both say the same, or somebody must look."""

from collections.abc import Iterable, Iterator, Mapping

from agent.books.book import AccountBook
from agent.books.troubles import Apart
from agent.config import SiteConfig
from agent.figure import Figure
from agent.metering.agreement import SPAN_S, Agreement
from agent.metering.amount import Reading
from agent.plant import integral_of
from agent.sections.measure import seconds_text
from drivers.frame import Frame
from drivers.reading import Quality
from drivers.unit import UNITS

_COMM_LOST = int(Quality.COMM_LOST)
FIGURE = "counter_check_deviation"
_PERCENT = 100.0


class CounterCheck:
    """The check of one account, whose profile or table names a quantity with `check`."""

    def __init__(self, book: AccountBook, point: int, factor: float) -> None:
        account = book.account
        self.book = book
        self.name = f"the check of {account.name}"
        self.agreement = Agreement(max_gap_s=account.gap_after_s, resolution=account.resolution)
        self._point = point
        self._factor = -factor if account.direction == "export" else factor

    def take(self, frame: Frame) -> None:
        """Take what a frame says of power and counter, after it was booked."""
        if frame.quality.item(self._point) < _COMM_LOST:
            # A counter of one direction stands still while the power has the other.
            value = max(0.0, frame.values.item(self._point) * self._factor)
            self.agreement.power(Reading(frame.time_ns, frame.monotonic_ns, value))
        last, columns = self.book.last, self.book.columns
        if last is not None and last.monotonic_ns == frame.monotonic_ns:
            self.agreement.counter(frame.monotonic_ns, columns.amount, columns.estimated)


class CounterChecks:
    """The checks of all accounts."""

    def __init__(self, config: SiteConfig, books: Mapping[str, AccountBook]) -> None:
        self._by_device: dict[str, list[CounterCheck]] = {}
        self._apart = Apart()
        for book in books.values():
            account = book.account
            integral = integral_of(account.check) if account.check and not account.integrates else None
            if integral and account.check and not account.condition and integral[0] == account.unit:
                point = config.profiles[account.device].index[account.check.name]
                self._by_device.setdefault(account.device, []).append(CounterCheck(book, point, integral[1]))

    def take(self, frame: Frame) -> None:
        """Take a frame that is booked; what fails for one account keeps none of the others from being checked."""
        for check in self._by_device.get(frame.device, ()):
            with self._apart.guard(check.name):
                check.take(frame)

    def figures(self, time_ns: int) -> Iterable[Figure]:
        """Return how much more each counter says than the integral of its power, of the last hour."""
        for checks in self._by_device.values():
            yield from _figures(checks, time_ns)


def _figures(checks: list[CounterCheck], time_ns: int) -> Iterator[Figure]:
    for check in checks:
        account, found = check.book.account, check.agreement.compared()
        # Most devices have one account; the figures of several are told apart by its word.
        name = FIGURE if len(checks) == 1 else f"{FIGURE}_{account.name.partition('/')[2]}"
        unit = UNITS[account.unit].key or account.unit
        yield Figure(
            name=name,
            place=account.key,
            span=seconds_text(SPAN_S),
            time_ns=time_ns,
            unit="%",
            value=round(found.deviation * _PERCENT, 6) if found else None,
            inputs={
                f"counted_{unit}": round(found.counted, 6),
                f"integrated_{unit}": round(found.integrated, 6),
                "compared_s": round(found.seconds, 3),
            }
            if found
            else {},
            missing=() if found else (f"{account.check.name if account.check else 'check'} beside the counter",),
        )
