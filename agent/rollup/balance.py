"""Balances: what comes in by meters less what further meters count is the rest that nobody metered.

Over rolling windows, as figures. Where the meters behind say more than those before by what their accuracy allows,
they disagree; that is a figure too, 0 while they agree, so that an alarm can watch it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from agent import bodies
from agent.columns import AMOUNT, ESTIMATED
from agent.figure import Figure
from agent.ledger import Ledger, WindowFigures
from agent.sections.carbon import Direction
from agent.sections.virtual import BalanceSection
from agent.weights import weight_over

_SIGNS: Mapping[Direction, int] = {"import": 1, "generation": 1, "discharge": 1, "export": -1, "charge": -1}
"""How what goes through a meter counts for the site behind it."""


@dataclass(frozen=True, slots=True)
class _Amounts:
    """Amounts of a window by account [unit], and how far they are known."""

    of: Mapping[str, float]
    missing: tuple[str, ...]
    coverage: float
    estimated: float
    unverified: bool


class Balances:
    """Works out the balances of a configuration from the ledger's windows."""

    def __init__(self, sections: Sequence[BalanceSection], ledger: Ledger) -> None:
        self._sections, self._ledger = sections, ledger

    def figures(self, time_ns: int) -> Iterator[Figure]:
        """Yield the figures of each balance over each span (wall clock, ns)."""
        if self._sections:
            for window in self._ledger.figures():
                for section in self._sections:
                    yield from self._balance(section, window, time_ns)

    def _balance(self, section: BalanceSection, window: WindowFigures, time_ns: int) -> Iterator[Figure]:
        amounts = self._amounts((*section.incoming, *section.metered), window, time_ns)
        books = self._ledger.books
        unit = books[section.incoming[0]].account.unit
        by: dict[str, float] = {}
        for name in section.incoming:
            direction = books[name].account.direction
            by[direction] = by.get(direction, 0.0) + amounts.of[name]
        inputs = {f"{direction}_{unit.lower()}": amount for direction, amount in by.items()}
        incoming = sum(_SIGNS[books[name].account.direction] * amounts.of[name] for name in section.incoming)
        metered = sum(amounts.of[name] for name in section.metered)
        place = section.area or "agent"
        prefix = section.name.replace("-", "_")

        def figure(name: str, symbol: str, value: float | None, given: Mapping[str, float]) -> Figure:
            known = value is not None and not amounts.missing
            return Figure(
                f"{prefix}_{name}",
                place,
                window.span,
                time_ns,
                symbol,
                bodies.rounded(value) if value is not None and known else None,
                inputs={key: bodies.rounded(each) for key, each in given.items()},
                missing=() if known else amounts.missing or (f"an amount of {section.name} to divide by",),
                coverage=amounts.coverage,
                estimated=amounts.estimated,
                unverified=amounts.unverified,
            )

        if section.metered:
            both = {**inputs, f"metered_{unit.lower()}": metered}
            allowed = section.accuracy * (sum(by.values()) + metered)
            rest = incoming - metered
            yield figure("rest", unit, rest, both)
            yield figure("rest_share", "%", 100 * rest / incoming if incoming > 0 else None, both)
            yield figure("disagreement", unit, max(0.0, -rest - allowed), {**both, f"allowed_{unit.lower()}": allowed})
        if by.keys() - {"import"}:
            yield figure("net_import", unit, by.get("import", 0.0) - by.get("export", 0.0), inputs)
            yield figure("consumption", unit, incoming, inputs)
        if "generation" in by:
            made, used = by["generation"], by["generation"] - by.get("export", 0.0)
            yield figure("self_consumption", unit, max(0.0, used), inputs)
            yield figure("self_consumption_share", "%", 100 * max(0.0, used) / made if made > 0 else None, inputs)
        if {"charge", "discharge"} & by.keys():
            yield figure("storage_net", unit, by.get("discharge", 0.0) - by.get("charge", 0.0), inputs)

    def _amounts(self, names: Sequence[str], window: WindowFigures, time_ns: int) -> _Amounts:
        ledger = self._ledger
        weights = [weight_over(ledger, name, window, time_ns) for name in names]
        columns = {name: window.values[:, self._ledger.position[name]] for name in names}
        covered = {name: bodies.coverage(values, window) for name, values in columns.items()}
        return _Amounts(
            {name: float(values[AMOUNT]) for name, values in columns.items()},
            tuple(name for name, share in covered.items() if not share),
            min(covered.values()),
            max(bodies.share(float(values[ESTIMATED]), float(values[AMOUNT])) for values in columns.values()),
            any(weight.unverified for weight in weights if weight),
        )
