"""The highest mean power of any demand period, from the rows of the rolling windows."""

from functools import cached_property

import numpy as np
import numpy.typing as npt

from agent.columns import AMOUNT
from agent.ledger import Ledger
from agent.metering.amount import NS_PER_S

_S_PER_H = 3600.0
_SLACK_S = 1.0
"""Rows are written in the first tick of a minute, not at its beginning."""


class Course:
    """How amounts grew from minute to minute, as far back as the longest window; looked up once, when asked for."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    @cached_property
    def _rows(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Seconds up to the newest row (0), and amounts [row, account]."""
        times, rows = self._ledger.windows.in_order()[1]
        amounts = rows.reshape(len(times), *self._ledger.row.shape)[:, AMOUNT, :]
        return (times - times[-1:]) / NS_PER_S, amounts

    def highest_kw(self, account: str, span_s: float, period_s: float) -> float | None:
        """Return the highest mean power of an electricity account [kW] over any `period_s` within the last `span_s`.

        Periods end at the rows of each minute. None while less than one period is known.
        """
        seconds, amounts = self._rows
        begins = seconds - period_s
        ends = np.flatnonzero(begins >= max(-span_s, seconds[0]) - _SLACK_S) if len(seconds) else seconds
        if not len(ends):
            return None
        amount = amounts[:, self._ledger.position[account]]
        grown = amount[ends] - np.interp(begins[ends], seconds, amount)
        return float(np.max(grown)) / period_s * _S_PER_H
