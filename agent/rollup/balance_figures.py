"""Balances as figures: over the rolling windows of the ledger, and of days and months that have ended."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from agent.books import bodies
from agent.books.columns import AMOUNT, ESTIMATED
from agent.books.ledger import Ledger, WindowFigures
from agent.books.weights import weight_over
from agent.figure import Figure
from agent.record import end_of
from agent.rollup.balance import SIGNS, Balance, Flow, Result
from agent.rollup.balanced import sums_of
from drivers.value import frozen


@frozen
class _Known:
    """How far the amounts of some accounts are known."""

    missing: tuple[str, ...]
    coverage: float
    estimated: float
    unverified: bool


class Balances:
    """Works out balances from the ledger's windows."""

    def __init__(self, balances: Sequence[Balance], ledger: Ledger) -> None:
        self._balances, self._ledger = balances, ledger

    def figures(self, time_ns: int) -> Iterator[Figure]:
        """Yield the figures of each balance over each span (wall clock, ns)."""
        if self._balances:
            for window in self._ledger.figures():
                for balance in self._balances:
                    yield from self._balance(balance, window, time_ns)

    def _balance(self, balance: Balance, window: WindowFigures, time_ns: int) -> Iterator[Figure]:
        def net(flows: Sequence[Flow]) -> float:
            return sum(flow.sign * self._amount(flow, window) for flow in flows)

        amounts: dict[str, float] = {}
        for flow in balance.incoming:
            amounts[flow.direction] = amounts.get(flow.direction, 0.0) + self._amount(flow, window)
        amounts["consumption"] = net(balance.incoming)
        if balance.metered:
            amounts["metered"] = net(balance.metered)
            amounts["allowed"] = sum(flow.accuracy * abs(self._amount(flow, window)) for flow in balance.bounds)
        before = self._known(balance.needed, window, time_ns)
        every = self._known(balance.members, window, time_ns)
        for result in balance.results(amounts):
            known = every if result.behind else before
            yield _figure(balance, result, _inputs(balance, result, amounts), known, (window.span, time_ns))

    def _amount(self, flow: Flow, window: WindowFigures) -> float:
        return float(window.values[AMOUNT, self._ledger.position[flow.account]])

    def _known(self, names: Sequence[str], window: WindowFigures, time_ns: int) -> _Known:
        ledger = self._ledger
        weights = [weight_over(ledger, name, window, time_ns) for name in names]
        columns = {name: window.values[:, ledger.position[name]] for name in names}
        covered = {name: bodies.coverage(values, window) for name, values in columns.items()}
        return _Known(
            tuple(name for name, share in covered.items() if not share),
            min(covered.values()),
            max(bodies.share(float(values[ESTIMATED]), float(values[AMOUNT])) for values in columns.values()),
            any(weight.unverified for weight in weights if weight),
        )


def period_figures(balance: Balance, body: Mapping[str, Any]) -> Iterator[Figure]:
    """Yield the figures of the record of a period; without value where not all of it is known."""
    amounts = sums_of(body)
    found = {result.name: result.value for result in balance.results(amounts)}
    whole = body["intervals"] == body["expected"]
    lacking = () if whole else (f"{body['expected'] - body['intervals']} of {body['expected']} intervals",)
    when = body["period"], end_of(body)
    for result in balance.figures:
        missing = (*lacking, *(body.get("missing", ()) if result.behind else ()))
        known = _Known(missing, body["coverage"], body["estimated"], bool(body.get("unverified")))
        told = result._replace(value=found.get(result.name))
        yield _figure(balance, told, _inputs(balance, told, amounts), known, when)


def _inputs(balance: Balance, result: Result, amounts: Mapping[str, float]) -> dict[str, float]:
    wanted = [*SIGNS, *(("metered",) if result.behind else ()), *(("allowed",) if result.bounded else ())]
    return {f"{name}_{balance.unit.lower()}": bodies.rounded(amounts[name]) for name in wanted if name in amounts}


def _figure(
    balance: Balance, result: Result, inputs: Mapping[str, float], known: _Known, when: tuple[str, int]
) -> Figure:
    value = None if known.missing or result.value is None else bodies.rounded(result.value)
    span, time_ns = when
    return Figure(
        f"{balance.figure}_{result.name}",
        balance.place,
        span,
        time_ns,
        "%" if result.share else balance.unit,
        value,
        inputs={} if known.missing else inputs,  # nobody is to take for zero what was not read
        missing=() if value is not None else known.missing or (f"an amount of {balance.name} to divide by",),
        coverage=known.coverage,
        estimated=known.estimated,
        unverified=known.unverified,
    )
