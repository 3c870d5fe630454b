"""Intensities over the rolling windows of the ledger."""

from agent.bodies import Body, coverage, share
from agent.intensity.ratio import CO2, ENERGY, WATER, Made, Members, Spent, ratio
from agent.ledger import AMOUNT, CO2_KG, CO2_MARKET_KG, ESTIMATED, Ledger, WindowFigures
from agent.plant import Intensity
from agent.record import rfc3339
from agent.weights import weight_over


def intensity_window(site: str, intensity: Intensity, ledger: Ledger, figures: WindowFigures, time_ns: int) -> Body:
    """Return energy, emission and water per output over one span; absent while nothing is made."""
    members = Members(
        [_spent(name, ledger, figures, time_ns) for name in intensity.accounts],
        [_water(name, ledger, figures) for name in intensity.water],
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
