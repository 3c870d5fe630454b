"""Intensities over the rolling windows of the ledger."""

from collections.abc import Mapping

from agent.books.bodies import Body, coverage, share
from agent.books.columns import AMOUNT, CO2_KG, CO2_MARKET_KG, ESTIMATED
from agent.books.ledger import Ledger, WindowFigures
from agent.books.weights import weight_over
from agent.intensity.ratio import CO2, ENERGY, WATER, Made, Members, Spent, ratio
from agent.plant import Intensity
from agent.record import rfc3339
from agent.rollup.members import WorkedOut
from agent.rollup.rolling import Rolled, rolled

_NOTHING: Mapping[str, WorkedOut] = {}


def intensity_window(
    site: str,
    intensity: Intensity,
    ledger: Ledger,
    figures: WindowFigures,
    time_ns: int,
    *,
    worked_out: Mapping[str, WorkedOut] = _NOTHING,
) -> Body:
    """Return energy, emission and water per output over one span; absent while nothing is made.

    `worked_out` are the virtual accounts and balances by name; they may be members.
    """

    def spent(name: str, *, water: bool = False) -> Spent:
        if name in worked_out:
            return _worked_out(worked_out[name], rolled(worked_out[name], ledger, figures, time_ns))
        return _water(name, ledger, figures) if water else _spent(name, ledger, figures, time_ns)

    members = Members(
        [spent(name) for name in intensity.accounts], [spent(name, water=True) for name in intensity.water]
    )
    return {
        "schema": "energy-agent/window/1",
        "site": site,
        "intensity": intensity.name,
        "span": figures.span,
        "time": rfc3339(time_ns),
        **ratio(members, _made(intensity.output, ledger, figures)),
    }


def _spent(name: str, ledger: Ledger, figures: WindowFigures, time_ns: int) -> Spent:
    values = figures.values[:, ledger.position[name]]
    weight = weight_over(ledger, name, figures, time_ns)
    found: dict[str, float] = {}
    if weight is not None:
        amount = float(values[AMOUNT])
        found |= dict(zip(ENERGY, (amount * weight.kwh_per_unit, amount * weight.kgce_per_unit), strict=True))
        if weight.co2_kg_per_unit is not None:
            found |= dict(zip(CO2, (float(values[CO2_KG]), float(values[CO2_MARKET_KG])), strict=True))
    return Spent(name, found, *_known(name, ledger, figures), bool(weight and weight.unverified))


def _worked_out(account: WorkedOut, known: Rolled | None) -> Spent:
    """Return what a virtual account or balance spent; a balance that is not known has no figures and no coverage."""
    if known is None:
        return Spent(account.name, {}, 0.0, 0.0)
    figures = {key: float(known.figures[key]) for key in (*ENERGY, *CO2) if key in known.figures}
    water = {WATER: known.amount} if account.unit == "m3" else {}
    unverified = "unverified" in known.figures
    return Spent(account.name, figures | water, known.coverage, known.estimated, known.doubts, unverified)


def _water(name: str, ledger: Ledger, figures: WindowFigures) -> Spent:
    amount = float(figures.values[AMOUNT, ledger.position[name]])
    return Spent(name, {WATER: amount}, *_known(name, ledger, figures))


def _made(name: str, ledger: Ledger, figures: WindowFigures) -> Made:
    amount = float(figures.values[AMOUNT, ledger.position[name]])
    return Made(name, amount, ledger.books[name].account.unit, *_known(name, ledger, figures))


def _known(name: str, ledger: Ledger, figures: WindowFigures) -> tuple[float, float, frozenset[str]]:
    """Return coverage, estimated share and doubts of an account or output."""
    column = ledger.position[name]
    values = figures.values[:, column]
    doubt = figures.doubts.get(column, "")
    estimated = share(float(values[ESTIMATED]), float(values[AMOUNT]))
    return coverage(values, figures), estimated, frozenset({doubt} if doubt else ())
