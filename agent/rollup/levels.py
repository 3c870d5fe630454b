"""What `meters` says: levels that must exist, and accounts that must be counted alike to be balanced."""

from collections.abc import Iterator, Mapping

from agent.plant import Account
from agent.rollup.tree import NONE, SITE, balances_of, level_balances
from agent.sections import AccountSection, DeviceSection
from agent.sections.tables import Parsed
from agent.sections.virtual import BalanceSection, VirtualSection
from drivers.document import nearest

_Where = tuple[str, int, str]


def with_worked_out(parsed: Parsed, accounts: Mapping[str, Account | None]) -> dict[str, Account | None]:
    """Return accounts by name, and with them the virtual accounts and balances, each as the first it is made of."""
    found: dict[str, Account | None] = {}
    for virtual in parsed.entries("virtual", VirtualSection).values():
        found[virtual.name] = accounts.get(virtual.members[0])
    for balance in parsed.entries("balance", BalanceSection).values():
        found[f"{balance.name}/balance"] = accounts.get(balance.incoming[0])
    areas = {device.name: device.area for device in parsed.entries("device", DeviceSection).values()}
    for level in level_balances([account for account in accounts.values() if account], areas):
        found[level.name] = accounts[level.incoming[0].account]
    return found | dict(accounts)


def figures_of(parsed: Parsed, accounts: Mapping[str, Account | None]) -> Iterator[str]:
    """Yield the names of all figures of balances whose accounts are right."""
    formed = {account.name: account for account in accounts.values() if account}
    declared = [
        section
        for section in parsed.entries("balance", BalanceSection).values()
        if formed.keys() >= {*section.incoming, *section.metered}
    ]
    devices = parsed.entries("device", DeviceSection).values()
    for balance in balances_of(declared, devices, [*formed.values()]):
        yield from (f"{balance.figure}_{result.name}" for result in balance.figures)


def members_of(parsed: Parsed, name: str, accounts: Mapping[str, Account | None]) -> tuple[str, ...]:
    """Return the accounts whose amounts are part of an account; of most itself alone."""
    for virtual in parsed.entries("virtual", VirtualSection).values():
        if virtual.name == name:
            return virtual.sum
    areas = {device.name: device.area for device in parsed.entries("device", DeviceSection).values()}
    formed = [account for account in accounts.values() if account]
    return next((level.members for level in level_balances(formed, areas) if level.name == name), (name,))


def check_levels(parsed: Parsed, accounts: Mapping[str, Account | None]) -> None:
    """Note every contradiction in the keys `meters` of devices and accounts, and in the balances that follow."""
    found = len(parsed.problems)
    for where, device, level in _levels(parsed):
        _check_level(parsed, where, device, level)
    if len(parsed.problems) > found:
        return
    formed = [account for account in accounts.values() if account]
    by_name = {account.name: account for account in formed}
    taken = accounts.keys() | parsed.names("account") | parsed.names("virtual")
    areas = {device.name: device.area for device in parsed.entries("device", DeviceSection).values()}
    for balance in level_balances(formed, areas):
        first = by_name[balance.incoming[0].account]
        where = _place_of(parsed, balance.metered[0].account if balance.compared else first.name)
        if balance.name in taken:
            what = f"the balance of this level is called '{balance.name}', as an account is already"
            parsed.report(where, what, "rename the account")
        others = [by_name[name] for name in balance.members if by_name[name].unit != balance.unit]
        if others:
            listed = ", ".join(f"{each.name} in {each.unit}" for each in others)
            what = f"cannot be balanced with {first.name} in {balance.unit}: {listed}"
            parsed.report(where, what, f'keep what is counted otherwise out, by an [[account]] with meters = "{NONE}"')


def _levels(parsed: Parsed) -> Iterator[tuple[_Where, str, str]]:
    for index, device in parsed.entries("device", DeviceSection).items():
        if device.meters:
            yield ("device", index, "meters"), device.name, device.meters
    for index, account in parsed.entries("account", AccountSection).items():
        if account.meters:
            yield ("account", index, "meters"), account.device, account.meters


def _check_level(parsed: Parsed, where: _Where, device: str, level: str) -> None:
    devices = {each.name: each for each in parsed.entries("device", DeviceSection).values()}
    areas = {each.area for each in devices.values()}
    if level in (SITE, NONE):
        return
    if level not in areas and level not in parsed.names("device"):
        known = {SITE, NONE, *areas, *devices}
        parsed.report(where, f"there is no area or device '{level}' to be metered", nearest(level, known))
    elif level in areas and level in devices:
        parsed.report(where, f"'{level}' is both an area and a device", "rename one of them")
    elif level == device:
        parsed.report(where, f"'{level}' is the meter itself", f"name what is behind it: {SITE}, an area or a device")
    elif level in devices and devices[level].meters in devices:
        what = f"'{level}' itself is a second meter of '{devices[level].meters}'"
        parsed.report(where, what, "let both name the device whose meter counts")


def _place_of(parsed: Parsed, account: str) -> _Where:
    """Return where it is said what an account meters."""
    for index, section in parsed.entries("account", AccountSection).items():
        if section.name == account and section.meters:
            return "account", index, "meters"
    devices = parsed.entries("device", DeviceSection).items()
    return next(("device", index, "meters") for index, each in devices if each.name == account.partition("/")[0])
