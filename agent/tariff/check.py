"""What tariffs say about the other tables of a configuration: accounts that must exist, boundaries that must fit."""

from collections.abc import Mapping
from decimal import Decimal

from agent.plant import Account
from agent.sections import IntervalSection, WindowsSection
from agent.sections.tables import Parsed
from agent.sections.tariff import TariffSection
from agent.tariff.build import day_plan
from agent.tariff.power_factor import STANDARDS
from agent.tariff.schedule import unplanned
from agent.tariff.tariff import WINDOW_S
from drivers.document import nearest

_HALF_HOUR_S = 1800
"""Clocks change by half hours at least: intervals that divide one begin on the same minutes ever after."""
_MINUTE_S = 60.0


def check_tariffs(parsed: Parsed, counted: Mapping[str, Account | None]) -> None:
    """Note what is wrong with tariffs; `counted` are the accounts and outputs, None for those reported elsewhere."""
    priced: dict[str, str] = {}
    for index, section in parsed.entries("tariff", TariffSection).items():
        where = ("tariff", index)
        _check_account(parsed, (*where, "meter"), section.meter, counted, "kWh")
        for position, name in enumerate(section.accounts):
            _check_account(parsed, (*where, "accounts", position), name, counted, "kWh")
        for position, name in enumerate(section.reactive):
            _check_account(parsed, (*where, "reactive", position), name, counted, "kvarh")
        for name in (section.meter, *section.accounts):
            if name in priced:
                what = f"account '{name}' is priced twice (also by tariff '{priced[name]}')"
                parsed.report((*where, "meter" if name == section.meter else "accounts"), what, "leave it out of one")
            priced[name] = section.name
        if section.power_factor is not None and Decimal(repr(section.power_factor)) not in STANDARDS:
            known = " or ".join(str(standard) for standard in STANDARDS)
            parsed.report((*where, "power_factor"), f"{section.power_factor} is no standard", f"use {known}")
        if day := unplanned([day_plan(plan) for plan in section.day]):
            what = f"no [[tariff.day]] is for {day}"
            parsed.report((*where, "day"), what, "let the last one have neither 'season' nor 'days'")
        _check_boundaries(parsed, index, section)
    if parsed.entries("tariff", TariffSection):
        _check_windows(parsed)


def _check_account(
    parsed: Parsed, where: tuple[str | int, ...], name: str, counted: Mapping[str, Account | None], unit: str
) -> None:
    if name not in counted:
        device = name.partition("/")[0]
        if name not in parsed.names("account") | parsed.names("output") and device not in _broken(parsed, counted):
            if name in parsed.names("virtual"):
                what = f"'{name}' is a virtual account, which no meter of the supplier counts"
                parsed.report(where, what, "name the account of the meter, and others as 'accounts'")
                return
            parsed.report(where, f"no account '{name}'", nearest(name, counted))
        return
    account = counted[name]
    if account is not None and account.unit != unit:
        parsed.report(where, f"'{name}' is counted in {account.unit}", f"name an account in {unit}")


def _broken(parsed: Parsed, counted: Mapping[str, Account | None]) -> set[str]:
    """Return the devices none of whose accounts are known: their profile is wrong, and reported where it stands."""
    return parsed.names("device") - {name.partition("/")[0] for name in counted}


def _check_boundaries(parsed: Parsed, index: int, section: TariffSection) -> None:
    """Refuse intervals that could lie in two periods: there is no honest price for them."""
    interval = parsed.table("interval", IntervalSection) or IntervalSection()
    if _HALF_HOUR_S % interval.length:
        what = f"intervals of {interval.length:g} s may lie in two periods of a tariff"
        parsed.report(("interval", "length"), what, "use '15min', or another length that divides 30min")
        return
    for position, day in enumerate(section.day):
        for period, texts in day.hours.by_period.items():
            for text in texts:
                minutes = [int(clock[:2]) * 60 + int(clock[3:]) for clock in text.split("-")]
                if any(minute * _MINUTE_S % interval.length for minute in minutes):
                    what = f"'{text}' ends or begins within an interval of {interval.length:g} s"
                    remedy = "no interval may lie in two periods: choose a shorter [interval] length"
                    parsed.report(("tariff", index, "day", position, "hours", period), what, remedy)


def _check_windows(parsed: Parsed) -> None:
    """Refuse windows from which no sliding demand can be had."""
    windows = parsed.table("windows", WindowsSection) or WindowsSection()
    if WINDOW_S not in windows.spans_s.values():
        parsed.report(("windows", "spans"), "a tariff needs the demand of 15 minutes", "add '15min' to the spans")
    if windows.publish > _MINUTE_S:
        what = f"demand slides by a minute, but windows are published every {windows.publish:g} s"
        parsed.report(("windows", "publish"), what, "use '1min' or less")
