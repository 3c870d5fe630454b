"""The highest mean power of any demand period, from the rows of the rolling windows."""

import numpy as np

from agent.ledger import AMOUNT, Ledger

_NS_PER_S = 1e9
_S_PER_H = 3600.0


def highest_kw(ledger: Ledger, account: str, span_s: float, period_s: float) -> float | None:
    """Return the highest mean power of an electricity account [kW] over any `period_s` within the last `span_s`.

    Periods end at the rows of each minute. None while less than one period is known.
    """
    times, rows = ledger.windows.in_order()[1]
    if not len(times):
        return None
    seconds = (times - times[-1]) / _NS_PER_S
    amounts = rows.reshape(len(times), *ledger.row.shape)[:, AMOUNT, ledger.position[account]]
    ends = np.flatnonzero(seconds - period_s >= max(-span_s - 1.0, seconds[0] - 1.0))
    if not len(ends):
        return None
    begun = np.interp(seconds[ends] - period_s, seconds, amounts)
    return float(np.max(amounts[ends] - begun) / period_s * _S_PER_H)
