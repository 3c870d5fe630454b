"""What a configuration says of energy and CO2: whether every account can be weighed by the factors it chose."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path

from agent.carbon.condition import Matter
from agent.carbon.emission import Choices, conversion
from agent.carbon.errors import CarbonError, FactorFileError
from agent.carbon.factors import FactorLibrary
from agent.carbon.library import load_library
from agent.carbon.steam import SteamReference
from agent.config.kept_documents import KeptDocuments
from agent.config.own_factors import measured, own_factor_files
from agent.plant import Account
from agent.sections import AccountSection, CarbonSection, DeviceSection, FuelSection, GreenPowerSection, SiteSection
from agent.sections.tables import Parsed
from drivers.document import nearest

_ANY_DAY = date(2025, 1, 1)
"""Whether a carrier can be weighed at all does not depend on the day, apart from what was measured."""
_CODE = "write the code of the province by ISO 3166-2, such as CN-AH for Anhui, or CN"
"""What to do about a region that is no code: the name that looks most like a code is the wrong province."""


def check_carbon(
    parsed: Parsed, folder: Path, accounts: Mapping[str, Account | None], kept: KeptDocuments | None
) -> FactorLibrary:
    """Note in `parsed.problems` what cannot be weighed, or belongs to no account; return the factors there are."""
    carbon = parsed.table("carbon", CarbonSection) or CarbonSection()
    library = _library(parsed, folder, carbon, kept)
    formed = [account for account in accounts.values() if account is not None]
    _check_fuels(parsed, accounts)
    _check_green_power(parsed, accounts)
    _check_references(parsed, carbon, formed)
    site = parsed.table("site", SiteSection)
    if site is None:
        return library
    choices = Choices(region=site.electricity_region, fuel_set=site.fuel_parameters, gwp=carbon.gwp)
    if not _check_choices(parsed, library, choices):
        return library
    fuels = tuple(parsed.entries("fuel", FuelSection).values())
    for account in formed:
        if account.carrier is None:
            continue
        days = sorted({_ANY_DAY, *(each.since for each in fuels if each.carrier == account.carrier)})
        for day in days:
            try:
                conversion(
                    library,
                    carrier=account.carrier,
                    unit=account.unit,
                    when=day,
                    choices=choices,
                    direction=account.direction,
                    measured=measured(fuels, account.name, account.carrier, day),
                )
            except CarbonError as error:
                parsed.report(_place_of(parsed, account), f"account '{account.name}': {error.what}", error.remedy)
                break
    return library


def _library(parsed: Parsed, folder: Path, carbon: CarbonSection, kept: KeptDocuments | None) -> FactorLibrary:
    """Return the factor sets with the plant's own; without those, if any is wrong, after noting why."""
    if kept:
        return load_library(packaged=kept.factors)
    if carbon.factors is not None and not (folder / carbon.factors).is_dir():
        what = f"there is no folder '{folder / carbon.factors}'"
        parsed.report(("carbon", "factors"), what, "create it, with one file per factor set")
    try:
        return load_library(own_factor_files(folder, carbon.factors))
    except FactorFileError as error:
        parsed.problems += error.problems
        return load_library()


def _check_choices(parsed: Parsed, library: FactorLibrary, choices: Choices) -> bool:
    sets = [known.id for known in library.sets()]
    right = True
    if choices.region not in library.regions():
        what = f"no grid factor for region '{choices.region}'"
        coded = choices.region[:3].upper() == "CN-"
        remedy = nearest(choices.region, library.regions()) if coded else _CODE
        parsed.report(("site", "electricity_region"), what, remedy)
        right = False
    if choices.fuel_set not in sets:
        parsed.report(
            ("site", "fuel_parameters"), f"no factor set '{choices.fuel_set}'", nearest(choices.fuel_set, sets)
        )
        right = False
    try:
        library.gwp(choices.gwp)
    except CarbonError as error:
        parsed.report(("carbon", "gwp"), error.what, error.remedy)
        right = False
    return right


def _check_fuels(parsed: Parsed, accounts: Mapping[str, Account | None]) -> None:
    seen: dict[tuple[str, str, date], int] = {}
    for index, fuel in parsed.entries("fuel", FuelSection).items():
        burnt = {name for name, account in accounts.items() if account is None or account.carrier == fuel.carrier}
        if not burnt:
            known = {account.carrier for account in accounts.values() if account and account.carrier}
            what = f"no account counts '{fuel.carrier}'"
            parsed.report(("fuel", index, "carrier"), what, nearest(fuel.carrier, known))
        for position, name in enumerate(fuel.accounts):
            if burnt and name not in burnt:
                what = f"no account '{name}' of carrier '{fuel.carrier}'"
                parsed.report(("fuel", index, "accounts", position), what, nearest(name, burnt))
        for name in fuel.accounts or ("",):
            key = (fuel.carrier, name, fuel.since)
            if key in seen:
                first = parsed.document.line("fuel", seen[key], "from")
                what = f"'{fuel.carrier}' was measured twice from {fuel.since} on (first in line {first})"
                parsed.report(("fuel", index, "from"), what, "keep one, or name different accounts")
            seen.setdefault(key, index)


def _check_green_power(parsed: Parsed, accounts: Mapping[str, Account | None]) -> None:
    seen: dict[str, int] = {}
    for index, contract in parsed.entries("green_power", GreenPowerSection).items():
        if contract.certificate in seen:
            first = parsed.document.line("green_power", seen[contract.certificate], "certificate")
            what = f"certificate '{contract.certificate}' stands twice (first in line {first})"
            parsed.report(("green_power", index, "certificate"), what, "a certificate counts once; give each its own")
        seen.setdefault(contract.certificate, index)
        bought = {
            name
            for name, account in accounts.items()
            if account is None or (account.carrier == "electricity" and account.direction == "import")
        }
        for position, name in enumerate(contract.accounts):
            if name not in bought:
                what = f"no account '{name}' of bought electricity"
                parsed.report(("green_power", index, "accounts", position), what, nearest(name, bought))


def _check_references(parsed: Parsed, carbon: CarbonSection, accounts: list[Account]) -> None:
    if carbon.steam_reference is not SteamReference.MEASURED:
        return
    for account in accounts:
        source = account.condition
        if source is not None and source.matter is not Matter.GAS and source.returned is None:
            what = f"account '{account.name}': steam_reference is the feed water, whose temperature is not given"
            parsed.report(_place_of(parsed, account), what, "add return_temperature, or choose another steam_reference")


def _place_of(parsed: Parsed, account: Account) -> tuple[str, int, str]:
    """Return where an account's carrier is chosen: its own table, or the device whose profile declares it."""
    for index, section in parsed.entries("account", AccountSection).items():
        if section.name == account.name:
            return ("account", index, "carrier")
    devices = parsed.entries("device", DeviceSection).items()
    return next(("device", index, "profile") for index, device in devices if device.name == account.device)
