"""What the amounts of a site's accounts weigh in energy and emission, by day."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

from agent.books.beside import Beside, GreenPool, GreenPower, Weighing
from agent.carbon.condition import Matter
from agent.carbon.emission import Choices, Conversion, conversion
from agent.carbon.factors import FactorLibrary
from agent.carbon.steam import SteamReference
from agent.config import SiteConfig
from agent.config.own_factors import measured
from agent.metering.amount import NS_PER_S
from agent.plant import Account
from agent.sections.carbon import Direction

_YEARS = range(1990, 2101)
_QUARTER_NS = 15 * 60 * NS_PER_S
"""All zones are whole quarters of an hour apart, so none has a midnight within one."""
_MOST_CONVERSIONS = 1000
"""Conversions kept: every day asks for each carrier anew, and an agent runs for years."""

_Kind = tuple[str, str, Direction, str, bool]
"""What decides besides the day: carrier, unit, direction, the account if what was measured of a fuel names it, and
whether it counts above an unverified reference."""


class Conversions:
    """Conversions of the site's carriers by day, looked up once for many readings."""

    def __init__(self, config: SiteConfig, library: FactorLibrary) -> None:
        self._site = config.site
        self._zone = config.site.zone
        self.library = library
        self._choices = Choices(
            region=config.site.electricity_region,
            fuel_set=config.site.fuel_parameters,
            gwp=config.carbon.gwp,
            coal_rates={rate.year: (rate.kgce_per_kwh, rate.document) for rate in config.carbon.coal_rate},
        )
        self._fuels = config.fuels
        self._steam_reference = config.carbon.steam_reference
        self._pool = GreenPool(config.green_power)
        self._named = frozenset(name for fuel in config.fuels for name in fuel.accounts)
        self._known: dict[tuple[_Kind, date], Conversion] = {}
        self._turns: dict[str, list[int]] = {}
        self._quarter, self._day = -1, date.min

    def day(self, time_ns: int) -> date:
        """Return the local day of a time."""
        quarter = time_ns // _QUARTER_NS
        if quarter != self._quarter:
            self._quarter = quarter
            self._day = datetime.fromtimestamp(time_ns // NS_PER_S, self._zone).date()
        return self._day

    def at(self, account: Account, time_ns: int) -> Conversion | None:
        """Return the conversion of an account valid on the local day of a time; None for an output."""
        if account.carrier is None:
            return None
        day = self.day(time_ns)
        # By kind, not by account: a thousand meters of electricity have one conversion, and it is looked up once.
        named = account.name if account.name in self._named else ""
        unverified = account.condition is not None and self._above_unverified(account)
        key = ((account.carrier, account.unit, account.direction, named, unverified), day)
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _MOST_CONVERSIONS + len(self._named):
                self._known.clear()
            found = conversion(
                self.library,
                carrier=account.carrier,
                unit=account.unit,
                when=day,
                choices=self._choices,
                direction=account.direction,
                measured=measured(self._fuels, account.name, account.carrier, day),
            )
            known = self._known[key] = replace(found, unverified=True) if unverified else found
        return known

    def turns(self, account: Account, start_ns: int, end_ns: int) -> Sequence[int]:
        """Return the midnights within a time [Unix ns] from which on a unit of an account may weigh something else.

        Years begin at them, for which there are factors and coal rates, or analyses of a fuel begin or end.
        """
        carrier = account.carrier or ""
        if carrier not in self._turns:
            days = {date(year, 1, 1) for year in _YEARS}
            for fuel in self._fuels:
                if fuel.carrier == carrier:
                    days.add(fuel.since)
                    if fuel.to and fuel.to < date.max:
                        days.add(fuel.to + timedelta(days=1))
            midnights = (datetime(day.year, day.month, day.day, tzinfo=self._zone) for day in sorted(days))
            self._turns[carrier] = [int(midnight.timestamp()) * NS_PER_S for midnight in midnights]
        turns = self._turns[carrier]
        return turns[bisect_right(turns, start_ns) : bisect_left(turns, end_ns)]

    def _above_unverified(self, account: Account) -> bool:
        """Return whether the heat of an account counts above a reference that nobody checked against its source."""
        source = account.condition
        if source is None or self._steam_reference is not SteamReference.FEED_WATER:
            return False
        # Hot water with a return counts above the return, whatever the reference.
        return source.matter is Matter.STEAM or (source.matter is Matter.HOT_WATER and source.returned is None)

    def beside(self, account: Account) -> Beside | None:
        """Return what is booked beside an account's amount, newly begun; None for most accounts."""
        if account.condition and not account.integrates:
            return Weighing()
        if any(account.name in contract.accounts for contract in self._pool.contracts):
            return GreenPower(account.name, self._pool)
        return None

    def certificates(self, account: Account, time_ns: int) -> list[str]:
        """Return the certificates of the contracts that hold for an account at a time."""
        day = self.day(time_ns)
        return [
            each.certificate for each in self._pool.contracts if account.name in each.accounts and each.applies(day)
        ]
