"""Virtual accounts and balances over the rolling windows: from the windows of their members, figure by figure.

A figure that one of the members does not have, the whole does not have either.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from agent.books import bodies
from agent.books.columns import AMOUNT, CO2_KG, CO2_MARKET_KG, ESTIMATED
from agent.books.ledger import Ledger, WindowFigures
from agent.books.weights import weight_over
from agent.plant import Account
from agent.record import rfc3339
from agent.rollup.balance import Balance
from agent.rollup.members import WorkedOut
from agent.rollup.total import ALIKE, SUMMED
from drivers.value import frozen

_HOUR_S = 3600.0

Body = dict[str, Any]


@frozen
class Rolled:
    """What a virtual account or balance comes to over a span: `figures` by the keys of a window record."""

    amount: float
    figures: Mapping[str, Any]
    coverage: float
    estimated: float
    doubts: frozenset[str]
    mean_power_kw: float | None


class _Term(NamedTuple):
    """How a member counts: its amount by `amount`, its energy and emission by `weight`; `bought` as if it were."""

    account: str
    amount: float
    weight: float
    bought: Account | None = None


def rolled(account: WorkedOut, ledger: Ledger, window: WindowFigures, time_ns: int) -> Rolled | None:
    """Return what an account comes to over one span; None for a balance whose level was not metered at all."""
    amount, estimated, power_kwh = 0.0, 0.0, 0.0
    found: list[Body] = []
    covered: list[float] = []
    doubts: set[str] = set()
    for term in _terms(account):
        column = ledger.position[term.account]
        values = window.values[:, column]
        weight = weight_over(ledger, term.account, window, time_ns, instead=term.bought)
        own = float(values[AMOUNT])
        location, market = float(values[CO2_KG]), float(values[CO2_MARKET_KG])
        if term.bought and weight:
            location, market = own * (weight.co2_kg_per_unit or 0.0), own * (weight.co2_market_kg_per_unit or 0.0)
        body = bodies.weighed(own, weight, location=location, market=market)
        found.append({key: value * term.weight if key in SUMMED else value for key, value in body.items()})
        amount += own * term.amount
        estimated += float(values[ESTIMATED]) * abs(term.amount)
        power_kwh += own * term.amount * (weight.physical_kwh_per_unit or 0.0) if weight else 0.0
        covered.append(bodies.coverage(values, window))
        doubts.add(window.doubts.get(column, ""))
    if isinstance(account, Balance) and not min(covered):
        return None
    figures = _together(found)
    power = power_kwh / window.elapsed_s * _HOUR_S if "energy_kwh" in figures and window.elapsed_s > 0 else None
    share = bodies.share(estimated, amount)
    return Rolled(amount, figures, min(covered), share, frozenset(doubts - {""}), power)


def worked_out_windows(
    site: str, accounts: Mapping[str, WorkedOut], ledger: Ledger, window: WindowFigures, time_ns: int
) -> Iterator[tuple[str, Body]]:
    """Yield the key and the window record of each virtual account and balance over one span."""
    for account in accounts.values():
        if (known := rolled(account, ledger, window, time_ns)) is None:
            continue
        body: Body = {
            "schema": "energy-agent/window/1",
            "site": site,
            "area": account.area,
            "device": account.device,
            "account": account.name,
            "span": window.span,
            "time": rfc3339(time_ns),
            "amount": bodies.rounded(known.amount),
            "unit": account.unit,
            **known.figures,
            "coverage": known.coverage,
            "estimated": known.estimated,
        }
        quality = bodies.interval_quality(known.coverage, known.estimated, *known.doubts)
        if quality != "good":
            body["quality"] = quality
        if known.mean_power_kw is not None:
            body["mean_power_kw"] = bodies.rounded(known.mean_power_kw)
        yield account.key, body


def _terms(account: WorkedOut) -> Iterator[_Term]:
    if isinstance(account, Balance):
        for flow in account.incoming:
            yield _Term(flow.account, flow.sign, 1 if flow.direction == "export" else flow.sign)
        return
    if account.share:
        share = float(account.share[1] - account.share[0])
        yield _Term(account.plus[0], share, share)
        return
    for name in account.plus:
        yield _Term(name, 1, 1, account.as_bought.get(name))
    for name in account.minus:
        yield _Term(name, -1, 1 if name in account.opposed else -1, account.as_bought.get(name))


def _together(found: list[Body]) -> Body:
    """Return the sums of what all of them have, and what they say alike."""
    shared = [key for key in found[0] if all(key in body for body in found)]
    figures: Body = {}
    for key in shared:
        if key in SUMMED:
            figures[key] = bodies.rounded(sum(body[key] for body in found))
        elif key in ALIKE and len({body[key] for body in found}) == 1:
            figures[key] = found[0][key]
    if any("unverified" in body for body in found):
        figures["unverified"] = True
    return figures
