"""Demand: the mean power over a sliding window of 15 minutes, and what the running quarter of an hour will come to.

A window is the difference of the ledger's cumulative amounts, divided by the time that lies between them. Where it
begins between two rows of the ring (10 s apart for 15 minutes), amounts are taken to have grown evenly. It counts
for the highest demand of a month when it lies wholly in the month, as with a meter whose demand is reset at its end.
"""

from zoneinfo import ZoneInfo

from agent.books.columns import AMOUNT, ESTIMATED, MEASURED_S
from agent.books.ledger import Ledger
from agent.metering.amount import NS_PER_S
from agent.metering.boundary import Boundaries
from agent.tariff.tariff import WINDOW_S
from drivers.value import frozen

_RATE_S = 180.0
"""Time [s] whose mean power is taken to go on: long enough for a coarse counter, short enough to follow a load."""
_HOUR_S = 3600.0


@frozen
class Demand:
    """A mean power [kW] over a time [s], and how far it is measured and estimated (0 to 1)."""

    kw: float
    over_s: float
    coverage: float
    estimated: float


def mean_power(ledger: Ledger, account: str, span_s: float) -> Demand | None:
    """Return the mean power of an account of kWh over the last `span_s`; None while not so much is known."""
    elapsed_s, flat = ledger.windows.grown(span_s)
    if elapsed_s <= 0 or elapsed_s < span_s - ledger.windows.tick_s:
        return None
    grown = flat.reshape(ledger.row.shape)[:, ledger.position[account]]
    coverage = min(1.0, float(grown[MEASURED_S]) / elapsed_s)
    amount = float(grown[AMOUNT])
    estimated = min(1.0, abs(float(grown[ESTIMATED]) / amount)) if amount else 0.0
    if not coverage and not estimated:
        return None  # nothing was read: missing is not zero
    return Demand(amount / elapsed_s * _HOUR_S, elapsed_s, coverage, estimated)


@frozen
class Forecast:
    """What the running quarter of an hour will come to [kW] if the power stays as it is."""

    kw: float
    end_ns: int
    so_far: Demand
    rate: Demand


def forecast(ledger: Ledger, account: str, time_ns: int, zone: ZoneInfo) -> Forecast | None:
    """Return the forecast to the end of the quarter of an hour around a moment; None while not enough is known."""
    start_ns, end_ns = Boundaries(WINDOW_S, zone).around(time_ns)
    gone_s = (time_ns - start_ns) / NS_PER_S
    length_s = (end_ns - start_ns) / NS_PER_S
    rate = mean_power(ledger, account, _RATE_S)
    so_far = mean_power(ledger, account, gone_s) if gone_s >= ledger.windows.tick_s else rate
    if rate is None or so_far is None:
        return None
    mean = (so_far.kw * gone_s + rate.kw * (length_s - gone_s)) / length_s
    return Forecast(mean, end_ns, so_far, rate)
