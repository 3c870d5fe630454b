"""The tree of the plant, site -> area -> device -> account, and the balance of each level that has a meter.

A meter says which level it `meters`. What comes in at a level is what its meters say, and what is generated or stored
within; behind them are, of the site, the areas: those with meters by what comes in there, else by their devices. Two
meters of the same device are compared.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from agent.plant import Account
from agent.record import AGENT
from agent.rollup.balance import OWN, SIGNS, Balance, Flow
from agent.sections import DeviceSection
from agent.sections.virtual import BalanceSection

SITE = "site"
NONE = "none"


def balances_of(
    sections: Iterable[BalanceSection], devices: Iterable[DeviceSection], accounts: Sequence[Account]
) -> list[Balance]:
    """Return the balances of a checked configuration: those of its tables, then those of its levels."""
    by_name = {account.name: account for account in accounts}
    declared = (_declared(section, by_name) for section in sections)
    return [*declared, *level_balances(accounts, {device.name: device.area for device in devices})]


def _declared(section: BalanceSection, by_name: dict[str, Account]) -> Balance:
    def flow(name: str, sign: int) -> Flow:
        return replace(_flow(by_name[name]), sign=sign, accuracy=section.accuracy)

    return Balance(
        name=f"{section.name}/balance",
        figure=section.name.replace("-", "_"),
        place=section.area or AGENT,
        area=section.area or SITE,
        unit=by_name[section.incoming[0]].unit,
        incoming=tuple(flow(name, SIGNS[by_name[name].direction]) for name in section.incoming),
        metered=tuple(flow(name, 1) for name in section.metered),
    )


def level_balances(accounts: Sequence[Account], devices: Mapping[str, str]) -> Iterator[Balance]:
    """Yield the balances that follow from what meters say they measure; `devices` are all, with their area."""
    counted, compared, placed = _placed(accounts, devices)
    for level, carrier in dict.fromkeys((each.meters, each.carrier) for each in placed if each.meters):
        yield _level(level, str(carrier), [each for each in placed if each.carrier == carrier])
    for device, of in dict.fromkeys((each.device, each.meters) for each in compared):
        yield from _comparisons(device, of, compared, counted)


def _placed(
    accounts: Sequence[Account], devices: Mapping[str, str]
) -> tuple[list[Account], list[Account], list[Account]]:
    """Return the accounts that are balanced; of them those compared with another meter; and the others in place."""
    counted = [each for each in accounts if each.carrier is not None and each.meters != NONE]
    compared = [each for each in counted if each.meters in devices and _own_meter(each, counted)]
    # A meter that is its device's only one counts where the device stands.
    placed = [
        replace(each, area=devices[each.meters], meters="") if each.meters in devices else each
        for each in counted
        if each not in compared
    ]
    return counted, compared, placed


def _own_meter(account: Account, accounts: Iterable[Account]) -> bool:
    """Return whether the device that an account meters has one like it itself."""
    alike = (account.meters, account.carrier, account.direction)
    return any((each.device, each.carrier, each.direction) == alike for each in accounts)


def _level(level: str, carrier: str, accounts: Sequence[Account]) -> Balance:
    return Balance(
        name=f"{level}/{carrier}",
        figure=f"{level}_{carrier}".replace("-", "_"),
        place=AGENT if level == SITE else level,
        area=level,
        unit=next(each.unit for each in accounts if each.meters == level),
        incoming=_incoming(level, accounts),
        metered=_areas(accounts) if level == SITE else _devices(level, accounts),
    )


def counted_at_the_site(accounts: Sequence[Account], devices: Mapping[str, str]) -> Iterator[Flow]:
    """Yield what counts for the whole site, nothing twice: of each carrier the site's meters, else the areas'."""
    _, _, placed = _placed(accounts, devices)
    for carrier in dict.fromkeys(each.carrier for each in placed):
        alike = [each for each in placed if each.carrier == carrier]
        yield from _incoming(SITE, alike) if any(each.meters == SITE for each in alike) else _areas(alike)


def _incoming(level: str, accounts: Sequence[Account]) -> tuple[Flow, ...]:
    """Return what comes in at a level: its meters, and what is made or stored within it."""
    meters = [each for each in accounts if each.meters == level]
    within = [each for each in accounts if not each.meters and level in (SITE, each.area) and each.direction in OWN]
    return tuple(_flow(each) for each in (*meters, *within))


def _devices(area: str, accounts: Sequence[Account]) -> tuple[Flow, ...]:
    """Return what the devices of an area use."""
    within = (each for each in accounts if not each.meters and each.area == area)
    return tuple(_flow(each) for each in within if each.direction not in OWN)


def _areas(accounts: Sequence[Account]) -> tuple[Flow, ...]:
    """Return what the areas use: by their meters, else by those of their devices."""
    metered = {each.meters for each in accounts if each.meters not in ("", SITE)}
    areas = dict.fromkeys([*(each.area for each in accounts if not each.meters), *sorted(metered)])
    flows: list[Flow] = []
    for area in areas:
        flows += _incoming(area, accounts) if area in metered else _devices(area, accounts)
    return tuple(flows)


def _comparisons(device: str, of: str, compared: Sequence[Account], accounts: Sequence[Account]) -> Iterator[Balance]:
    """Yield, by carrier, the balance of a device's own meter and another one of the same thing."""
    others = [each for each in compared if (each.device, each.meters) == (device, of)]
    for carrier in dict.fromkeys(each.carrier for each in others):
        metered = [each for each in others if each.carrier == carrier]
        directions = [each.direction for each in metered]
        own = [each for each in accounts if (each.device, each.carrier) == (of, carrier)]
        name = f"{device}/{carrier}_against_{of}"
        yield Balance(
            name=name,
            figure=name.replace("/", "_").replace("-", "_"),
            place=metered[0].key,
            area=metered[0].area,
            unit=metered[0].unit,
            incoming=_alone(each for each in own if each.direction in directions),
            metered=_alone(metered),
            compared=True,
        )


def _alone(accounts: Iterable[Account]) -> tuple[Flow, ...]:
    """Return flows of one meter: the way it counts by itself is never below zero."""
    flows = tuple(_flow(each) for each in accounts)
    return tuple(replace(flow, sign=1) for flow in flows) if len(flows) == 1 else flows


def _flow(account: Account) -> Flow:
    step = 0.0 if account.integrates else account.resolution
    return Flow(account.name, account.direction, SIGNS[account.direction], account.accuracy, step)
