"""Gathers what figures are worked out from: windows of accounts, latest readings, declared values.

What is not there is noted instead of guessed, and the figure then says what it lacks.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field

from agent.books import bodies
from agent.books.columns import AMOUNT, ESTIMATED
from agent.books.ledger import Ledger, WindowFigures
from agent.books.weights import weight_over
from agent.carbon.errors import CarbonError
from agent.equipment.errors import NoFigureError
from agent.figure import NOW, Figure
from agent.latest import LatestOf
from agent.metering.amount import NS_PER_S
from drivers.profile import Profile
from drivers.quantity import VOCABULARY
from drivers.reading import Quality
from drivers.unit import UNITS
from drivers.value import frozen, mutable

_FRESH_NS = 15 * 60 * NS_PER_S
"""Readings older than this do not tell of the present."""
_NOT_MEASURED = (Quality.STALE, Quality.SUBSTITUTED)
"""Values that were not measured now; a clock nobody vouches for makes a value no worse."""
_DECIMALS = 6
_NAN = math.nan


@frozen
class Moment:
    """Everything that can be looked at when figures are worked out."""

    time_ns: int
    ledger: Ledger
    windows: Mapping[str, WindowFigures]
    latest: LatestOf
    profiles: Mapping[str, Profile]
    atmosphere_mpa: float

    def over(self, place: str, span: str) -> "Inputs":
        """Begin to gather for figures of a place over a span."""
        return Inputs(self, place, span)


@mutable
class Inputs:
    """What the figures of one place are worked out from; NaN stands for what is missing."""

    moment: Moment
    place: str
    span: str = NOW
    values: dict[str, float] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    coverage: float = 1.0
    estimated: float = 0.0

    def declared(self, key: str, value: float | None) -> float:
        """Take a declared value; note that it is missing where none is."""
        if value is None:
            self.missing.append(f"{key}: not declared")
            return _NAN
        self.values[key] = value
        return value

    def reading(self, device: str, word: str) -> float:
        """Take the latest reading of a quantity in its canonical unit."""
        value, quality, time_ns = self.moment.latest(device).get(word, (_NAN, Quality.NOT_READ, 0))
        if not quality.has_value:
            reason = "not read" if quality is Quality.NOT_READ else quality.label
            self.missing.append(f"{device}/{word}: {reason}")
            return _NAN
        if self.moment.time_ns - time_ns > _FRESH_NS:
            self.missing.append(f"{device}/{word}: not read for over 15 min")
            return _NAN
        if quality in _NOT_MEASURED:
            self.estimated = 1.0
        self.values[VOCABULARY[word].key] = value
        return value

    def has(self, device: str, *words: str) -> bool:
        """Return whether a device can tell all of these quantities."""
        return self.moment.profiles[device].index.keys() >= set(words)

    def amount(self, name: str, unit: str) -> float:
        """Take what an account or output grew by over the span, in its unit, which must be `unit`."""
        found = self._window(name)
        if found is None:
            return _NAN
        is_unit = self.moment.ledger.books[name].account.unit
        if is_unit != unit:
            self.missing.append(f"{name}: is counted in {is_unit}, not in {unit}")
            return _NAN
        return found

    def amounts(self, names: Sequence[str], unit: str, key: str) -> float:
        """Take the sum of several accounts in one unit under one key."""
        total = sum(self.amount(name, unit) for name in names)
        if math.isfinite(total):
            self.values[key] = total
        return total

    def energy_kwh(self, names: Sequence[str], key: str) -> float:
        """Take the energy of accounts over the span, of fuels by their net calorific value [kWh]."""
        total = 0.0
        for name in names:
            found = self._window(name)
            if found is None:
                return _NAN
            moment = self.moment
            weight = weight_over(moment.ledger, name, moment.windows[self.span], moment.time_ns)
            if weight is None:
                self.missing.append(f"{name}: is an output, which has no energy")
                return _NAN
            total += found * weight.kwh_per_unit
        self.values[key] = total
        return total

    def mean_kw(self, name: str) -> float:
        """Take the mean power of an electricity account over the part of the span that is known [kW]."""
        energy, hours = self.amount(name, "kWh"), self.hours()
        if math.isnan(energy):
            return _NAN
        self.values["input_power_kw"] = energy / hours
        return energy / hours

    def hours(self) -> float:
        """Return the part of the span that is known [h]."""
        return self.moment.windows[self.span].elapsed_s / 3600

    def _window(self, name: str) -> float | None:
        """Return the amount of an account over the span; None, noted, where nothing of it is known."""
        figures = self.moment.windows[self.span]
        values = figures.values[:, self.moment.ledger.position[name]]
        covered = bodies.coverage(values, figures)
        if figures.elapsed_s <= 0 or not (covered or values[AMOUNT]):
            self.missing.append(f"{name}: not measured")
            return None
        self.coverage = min(self.coverage, covered)
        self.estimated = max(self.estimated, bodies.share(float(values[ESTIMATED]), float(values[AMOUNT])))
        return float(values[AMOUNT])

    def figure(self, name: str, unit: str, norm: str, work: Callable[[], float], *, unverified: bool = True) -> Figure:
        """Return a figure of what was gathered so far: with the value `work` gives, or with what is missing."""
        value: float | None = None
        missing = tuple(dict.fromkeys(self.missing))
        if not missing:
            try:
                value = round(work(), _DECIMALS)
            except (NoFigureError, CarbonError) as error:
                missing = (str(error),)
        return Figure(
            name,
            self.place,
            self.span,
            self.moment.time_ns,
            unit,
            value,
            norm,
            {key: round(number, _DECIMALS) for key, number in self.values.items()},
            missing,
            0.0 if self.missing else self.coverage,
            self.estimated,
            unverified,
        )


def unit_key(unit: str) -> str:
    """Return how keys spell a unit."""
    return UNITS[unit].key or unit
