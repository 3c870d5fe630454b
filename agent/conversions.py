"""What the amounts of a site's accounts weigh in energy and emission, by day."""

from datetime import date, datetime

from agent.carbon.emission import Conversion, conversion
from agent.carbon.factors import FactorLibrary
from agent.config import SiteConfig
from agent.plant import Account

_NS = 1_000_000_000
_MOST_CONVERSIONS = 1000
"""Conversions kept: every day asks for each carrier anew, and an agent runs for years."""


class Conversions:
    """Conversions of the site's carriers by day, looked up once for many readings."""

    def __init__(self, config: SiteConfig, library: FactorLibrary) -> None:
        self._site = config.site
        self._zone = config.site.zone
        self._library = library
        self._known: dict[tuple[str, str, date], Conversion] = {}

    def at(self, account: Account, time_ns: int) -> Conversion | None:
        """Return the conversion of an account valid on the local day of a time; None for an output."""
        if account.carrier is None:
            return None
        day = datetime.fromtimestamp(time_ns // _NS, self._zone).date()
        key = (account.carrier, account.unit, day)
        if key not in self._known:
            if len(self._known) >= _MOST_CONVERSIONS:
                self._known.clear()
            self._known[key] = conversion(
                self._library,
                carrier=account.carrier,
                unit=account.unit,
                when=day,
                region=self._site.electricity_region,
                fuel_set=self._site.fuel_parameters,
            )
        return self._known[key]
