"""What the amounts of a rolling window weigh when factors have changed within it.

Amounts are booked without their energy, for in almost every window one unit weighs the same throughout. Where an
analysis of a fuel or a year has begun since, the part after that midnight is weighed apart; between the two rows of
the ring around it, the amount is taken to have grown evenly.
"""

from collections.abc import Iterator

from agent.books.columns import AMOUNT
from agent.books.ledger import Ledger, WindowFigures
from agent.carbon.conversion import Conversion, mean_of
from agent.metering.amount import NS_PER_S
from agent.plant import Account


def weight_over(
    ledger: Ledger, name: str, figures: WindowFigures, time_ns: int, *, instead: Account | None = None
) -> Conversion | None:
    """Return what one unit of an account weighed in the mean of a window that ends now (wall clock, ns).

    `instead` is what its amounts are taken for, such as bought electricity.
    """
    conversions, account = ledger.conversions, instead or ledger.books[name].account
    start_ns = time_ns - round(figures.elapsed_s * NS_PER_S)
    turns = conversions.turns(account, start_ns, time_ns)
    if not turns:
        return conversions.at(account, time_ns)
    weights = [conversions.at(account, at_ns) for at_ns in (start_ns, *turns)]
    amounts = _amounts(ledger, name, figures, [(time_ns - at_ns) / NS_PER_S for at_ns in turns])
    return mean_of([(amount, weight) for amount, weight in zip(amounts, weights, strict=True) if weight])


def _amounts(ledger: Ledger, name: str, figures: WindowFigures, ago_s: list[float]) -> Iterator[float]:
    """Yield how much of the amount of a window came between its start, each of some times ago [s], and now."""
    column = ledger.position[name]
    left = float(figures.values[AMOUNT, column])
    for each_s in ago_s:
        since = float(ledger.windows.grown(each_s)[1].reshape(ledger.row.shape)[AMOUNT, column])
        yield left - since
        left = since
    yield left
