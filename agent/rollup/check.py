"""What shifts and virtual accounts name: accounts that must exist, shares that must not exceed the whole."""

from collections.abc import Mapping
from fractions import Fraction

from agent.plant import Account
from agent.sections import IntervalSection
from agent.sections.virtual import ShiftSection, VirtualSection
from agent.tables import Parsed
from drivers.document import nearest


def check_rollups(
    parsed: Parsed, accounts: Mapping[str, Account | None], outputs: Mapping[str, Account | None]
) -> None:
    """Note every contradiction in the tables `[[shift]]` and `[[virtual]]`."""
    length_s = (parsed.table("interval", IntervalSection) or IntervalSection()).length
    for index, shift in parsed.entries("shift", ShiftSection).items():
        for key, at in (("from", shift.begin), ("to", shift.end)):
            if (at.hour * 60 + at.minute) * 60 % length_s:
                what = f"a shift changes within an interval of {length_s:g} s"
                parsed.report(("shift", index, key), what, "let it change where intervals begin")
    given: dict[str, Fraction] = {}
    for index, section in parsed.entries("virtual", VirtualSection).items():
        _check_virtual(parsed, index, section, {**outputs, **accounts})
        if section.name in accounts or section.name in parsed.names("account"):
            parsed.report(("virtual", index, "name"), f"'{section.name}' is an account already", "rename one")
        if section.share:
            of = section.share.of
            given[of] = given.get(of, Fraction()) + Fraction(str(section.share.factor))
            if given[of] > 1:
                parsed.report(
                    ("virtual", index, "share"), f"the shares of '{of}' exceed the whole", "make them 1 at most"
                )


def _check_virtual(parsed: Parsed, index: int, section: VirtualSection, accounts: Mapping[str, Account | None]) -> None:
    units: dict[str, str] = {}
    for name in section.members:
        account = accounts.get(name)
        if account:
            units.setdefault(account.unit, name)
        elif name not in accounts and name not in parsed.names("account"):
            parsed.report(("virtual", index), f"no account '{name}'", nearest(name, list(accounts)))
        if section.members.count(name) > 1:
            parsed.report(("virtual", index), f"account '{name}' stands twice and would count twice", "keep one")
    if len(units) > 1:
        listed = ", ".join(f"{name} in {unit}" for unit, name in units.items())
        parsed.report(
            ("virtual", index), f"its accounts are counted in different units ({listed})", "add up only alike"
        )
