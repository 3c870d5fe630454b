"""The highest mean power of any demand period, from the rows of each minute."""

import numpy as np

from agent.books.columns import AMOUNT
from agent.books.ledger import Ledger
from agent.metering.amount import NS_PER_S

_S_PER_H = 3600.0
_SLACK_S = 1.0
"""Rows are written in the first tick of a minute, not at its beginning."""


def highest_kw(ledger: Ledger, account: str, span_s: float, period_s: float) -> float | None:
    """Return the highest mean power of a feeder's account [kW] over any `period_s` within the last `span_s`.

    Periods end at the rows of each minute. None while less than one period is known.
    """
    times, rows = ledger.windows.by_minute[ledger.column(AMOUNT, account)].in_order()
    amounts = rows[:, 0]
    seconds = (times - times[-1:]) / NS_PER_S
    begins = seconds - period_s
    ends = np.flatnonzero(begins >= max(-span_s, seconds[0]) - _SLACK_S) if len(seconds) else seconds
    if not len(ends):
        return None
    grown = amounts[ends] - np.interp(begins[ends], seconds, amounts)
    return float(np.max(grown)) / period_s * _S_PER_H
