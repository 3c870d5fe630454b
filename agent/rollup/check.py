"""What shifts and virtual accounts name: accounts that must exist, shares that must not exceed the whole."""

from collections.abc import Mapping, Sequence
from datetime import time
from fractions import Fraction

from agent.plant import Account
from agent.rollup.levels import check_levels
from agent.sections import IntervalSection
from agent.sections.tables import Parsed
from agent.sections.virtual import BalanceSection, ShiftSection, VirtualSection
from drivers.document import nearest


def check_rollups(
    parsed: Parsed, accounts: Mapping[str, Account | None], outputs: Mapping[str, Account | None]
) -> None:
    """Note every contradiction in the tables `[[shift]]`, `[[virtual]]` and `[[balance]]`."""
    length_s = (parsed.table("interval", IntervalSection) or IntervalSection()).length
    for index, shift in parsed.entries("shift", ShiftSection).items():
        for key, at in (("from", shift.begin), ("to", shift.end)):
            if (at.hour * 3600 + at.minute * 60 + at.second) % length_s:
                what = f"a shift changes within an interval of {length_s:g} s"
                parsed.report(("shift", index, key), what, "let it change where intervals begin")
    _check_beginnings(parsed)
    check_levels(parsed, accounts)
    for index, balance in parsed.entries("balance", BalanceSection).items():
        _check_members(parsed, ("balance", index), (*balance.incoming, *balance.metered), accounts)
    given: dict[str, Fraction] = {}
    for index, section in parsed.entries("virtual", VirtualSection).items():
        _check_members(parsed, ("virtual", index), section.members, {**outputs, **accounts})
        if section.name in accounts or section.name in parsed.names("account"):
            parsed.report(("virtual", index, "name"), f"'{section.name}' is an account already", "rename one")
        known = [account for name in section.sum if (account := accounts.get(name))]
        if len({account.leaves for account in known}) > 1:
            what = "its sum holds both what comes in and what leaves the site"
            parsed.report(("virtual", index, "sum"), what, "name in minus what leaves the site")
        if section.share:
            of = section.share.of
            given[of] = given.get(of, Fraction()) + Fraction(str(section.share.factor))
            if given[of] > 1:
                parsed.report(
                    ("virtual", index, "share"), f"the shares of '{of}' exceed the whole", "make them 1 at most"
                )


def _check_beginnings(parsed: Parsed) -> None:
    """Two shifts that begin together could not be told apart in a database."""
    begun: dict[time, str] = {}
    for index, shift in parsed.entries("shift", ShiftSection).items():
        if shift.begin in begun:
            what = f"shift '{shift.name}' begins together with shift '{begun[shift.begin]}'"
            parsed.report(("shift", index, "from"), what, "keep one, or let it begin at another time")
        begun.setdefault(shift.begin, shift.name)


def _check_members(
    parsed: Parsed,
    where: tuple[str, int],
    members: Sequence[str],
    accounts: Mapping[str, Account | None],
) -> None:
    units: dict[str, str] = {}
    for name in members:
        account = accounts.get(name)
        if account:
            units.setdefault(account.unit, name)
        elif name not in accounts and name not in parsed.names("account"):
            parsed.report(where, f"no account '{name}'", nearest(name, list(accounts)))
    for name in sorted({name for name in members if members.count(name) > 1}):
        parsed.report(where, f"account '{name}' stands twice and would count twice", "keep one")
    if len(units) > 1:
        listed = ", ".join(f"{name} in {unit}" for unit, name in units.items())
        what = f"its accounts are counted in different units ({listed})"
        parsed.report(where, what, "add up what is counted alike")
