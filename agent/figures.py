"""Every source of figures, and what they give at one moment.

A source that fails is logged once, until it works again, and never takes the others along.
"""

import logging
from collections.abc import Iterator, Sequence

from agent.books.ledger import Ledger
from agent.config import SiteConfig
from agent.equipment.source import Equipment
from agent.figure import Figure, FigureSource
from agent.latest import LatestOf
from agent.rollup.balance_figures import Balances
from agent.rollup.tree import balances_of
from agent.tariff.figures import TariffFigures

_log = logging.getLogger(__name__)


def figure_sources(config: SiteConfig, ledger: Ledger, latest: LatestOf) -> tuple[FigureSource, ...]:
    """Return what works out figures for a configuration, from the ledger's windows and the latest readings."""
    equipment = [Equipment(config, ledger, latest)] if config.equipment else []
    balances = Balances(balances_of(config.balances, config.devices, ledger.plant.accounts), ledger)
    tariffs = TariffFigures(ledger, ledger.tariffs.books.values())
    return (*equipment, ledger.checks, tariffs, balances)


class Figures:
    """The figures of all sources."""

    def __init__(self, sources: Sequence[FigureSource]) -> None:
        self._sources = sources
        self._failed: set[int] = set()

    def at(self, time_ns: int) -> Iterator[Figure]:
        """Yield the figures of this moment (wall clock, ns)."""
        for index, source in enumerate(self._sources):
            try:
                found = tuple(source.figures(time_ns))
            except Exception:  # noqa: BLE001  # whatever is wrong with one must not take the others along
                if index not in self._failed:
                    _log.exception("the figures of %s cannot be worked out", type(source).__name__)
                self._failed.add(index)
            else:
                self._failed.discard(index)
                yield from found
