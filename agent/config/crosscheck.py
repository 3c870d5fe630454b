"""What the tables of a configuration say about each other: names that must exist, or must not stand twice."""

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from agent.carbon.factors import FactorLibrary
from agent.config.carboncheck import check_carbon
from agent.config.kept_documents import KeptDocuments
from agent.corrections.check import check_declared
from agent.equipment.check import check_equipment
from agent.intensity.check import check_intensities
from agent.output.check import check_arriving
from agent.plant import Account, PlantError, accounts_of, added_account, output
from agent.rollup.check import check_rollups
from agent.rollup.levels import figures_of, with_worked_out
from agent.sections import AccountSection, DeviceSection, LineSection, OutputSection
from agent.sections.tables import Parsed
from agent.tariff.check import check_tariffs
from agent.warning.check import check_alarms
from drivers.document import nearest
from drivers.errors import ProfileError
from drivers.profile import Profile
from drivers.profile_file import load_profile

_SERIAL_UNITS = 247
_NAMED = (
    *("line", "device", "account", "output", "intensity", "tariff"),
    *("shift", "virtual", "balance", "alarm", "budget"),
)
"""Lists whose tables have a name of their own."""


def crosscheck(parsed: Parsed, folder: Path, kept: KeptDocuments | None) -> tuple[dict[str, Profile], FactorLibrary]:
    """Note every contradiction in `parsed.problems`; return the profile of each device by its name, and the factors."""
    _check_unique(parsed)
    _check_lines(parsed)
    profiles = _load_profiles(parsed, folder, kept)
    accounts = _check_accounts(parsed, profiles)
    outputs = _check_outputs(parsed, profiles)
    every = with_worked_out(parsed, accounts)
    check_intensities(parsed, every, profiles)
    check_equipment(parsed, profiles, accounts)
    library = check_carbon(parsed, folder, accounts, kept)
    check_tariffs(parsed, accounts | outputs)
    check_declared(parsed, accounts | outputs)
    named = every.keys() | parsed.names("account") | parsed.names("virtual")
    check_alarms(parsed, profiles, named, [*figures_of(parsed, accounts)])
    check_rollups(parsed, accounts, outputs)
    return profiles, library


def _check_unique(parsed: Parsed) -> None:
    for key in _NAMED:
        seen: dict[str, int] = {}
        for index, entry in enumerate(parsed.raw_entries(key)):
            name = str(entry.get("name", ""))
            if name and name in seen:
                first = parsed.document.line(key, seen[name], "name")
                parsed.report(
                    (key, index, "name"), f"{key} '{name}' stands twice (first in line {first})", "rename one"
                )
            seen.setdefault(name, index)


def _check_lines(parsed: Parsed) -> None:
    taken: dict[tuple[str, int, str], str] = {}
    for index, line in parsed.entries("line", LineSection).items():
        endpoint = line.endpoint
        place = (endpoint.host, endpoint.port, endpoint.device)
        if place in taken:
            what = f"line '{line.name}' has the same address as line '{taken[place]}'"
            remedy = "put the devices of both on one line, for many gateways accept one connection only"
            parsed.report(("line", index, "url"), what, remedy)
        taken.setdefault(place, line.name)


def _load_profiles(parsed: Parsed, folder: Path, kept: KeptDocuments | None) -> dict[str, Profile]:
    lines = {line.name: line for line in parsed.entries("line", LineSection).values()}
    line_names = parsed.names("line")
    units: dict[tuple[str, int], str] = {}
    profiles: dict[str, Profile] = {}
    loaded: dict[str, Profile | None] = {}
    for index, device in parsed.entries("device", DeviceSection).items():
        if device.line not in line_names:
            parsed.report(("device", index, "line"), f"no line '{device.line}'", nearest(device.line, line_names))
        elif device.line in lines and lines[device.line].endpoint.serial and device.unit > _SERIAL_UNITS:
            parsed.report(("device", index, "unit"), f"unit {device.unit} cannot be on a serial line", "use 1 to 247")
        place = (device.line, device.unit)
        if ("device", index) in parsed.mended:
            pass  # the unit may be a stand-in
        elif place in units:
            what = f"unit {device.unit} on line '{device.line}' is already '{units[place]}'"
            parsed.report(("device", index, "unit"), what, "give each device of a line its own unit")
        else:
            units[place] = device.name
        if device.profile not in loaded:
            loaded[device.profile] = _load_profile(parsed, index, device, folder, kept)
        profile = loaded[device.profile]
        if profile:
            profiles[device.name] = profile
    return profiles


def _load_profile(
    parsed: Parsed, index: int, device: DeviceSection, folder: Path, kept: KeptDocuments | None
) -> Profile | None:
    if kept and device.profile not in kept.profiles:
        parsed.report(("device", index, "profile"), f"profile '{device.profile}' was not kept", "it is not at hand")
        return None
    try:
        return load_profile(device.profile, relative_to=folder, kept=kept.profiles[device.profile] if kept else None)
    except ProfileError as error:
        for problem in error.problems:
            if os.path.isfile(problem.file):  # noqa: PTH113  # a name may be too long, or no path at all
                parsed.problems.append(problem)
            else:
                what = f"{problem.file} {problem.what}" if device.profile.endswith(".toml") else problem.what
                parsed.report(("device", index, "profile"), what, problem.remedy)
        return None


def _check_accounts(parsed: Parsed, profiles: Mapping[str, Profile]) -> dict[str, Account | None]:
    """Return each account by name; None for one that is wrong and has been reported, or whose device is."""
    devices = {device.name: device for device in parsed.entries("device", DeviceSection).values()}
    accounts: dict[str, Account | None] = {}
    for name, device in devices.items():
        if name in profiles:
            accounts |= {account.name: account for account in accounts_of(device, profiles[name])}
    for index, section in parsed.entries("account", AccountSection).items():

        def form(device: DeviceSection, profile: Profile, section: AccountSection = section) -> Account:
            return added_account(section, device, profile)

        accounts[section.name] = _formed(parsed, "account", index, section.device, profiles, form)
    broken = tuple(f"{name}/" for name in parsed.names("device") - profiles.keys())
    unknown = (text for text in _texts(parsed.document.data) if text.startswith(broken))
    return {**dict.fromkeys(unknown), **dict.fromkeys(parsed.names("account")), **accounts}


def _texts(data: object) -> Iterator[str]:
    """Yield every text in a document."""
    if isinstance(data, str):
        yield data
    elif isinstance(data, dict | list):
        for each in data.values() if isinstance(data, dict) else data:
            yield from _texts(each)


def _check_outputs(parsed: Parsed, profiles: Mapping[str, Profile]) -> dict[str, Account | None]:
    """Return each output by name; None for one that is wrong and has been reported."""
    outputs: dict[str, Account | None] = {}
    for index, section in parsed.entries("output", OutputSection).items():
        if section.device is None:
            check_arriving(parsed, index, section)
            outputs[section.name] = output(section, None, None)
            continue

        def form(device: DeviceSection, profile: Profile, section: OutputSection = section) -> Account:
            return output(section, device, profile)

        outputs[section.name] = _formed(parsed, "output", index, section.device, profiles, form)
    return outputs


def _formed(
    parsed: Parsed,
    key: str,
    index: int,
    device_name: str,
    profiles: Mapping[str, Profile],
    form: Callable[[DeviceSection, Profile], Account],
) -> Account | None:
    names = parsed.names("device")
    if device_name not in names:
        parsed.report((key, index, "device"), f"no device '{device_name}'", nearest(device_name, names))
        return None
    devices = {device.name: device for device in parsed.entries("device", DeviceSection).values()}
    if device_name not in devices or device_name not in profiles:
        return None  # the device or its profile is wrong, and reported where it stands
    try:
        return form(devices[device_name], profiles[device_name])
    except PlantError as error:
        parsed.report((key, index, error.key), error.what, error.remedy)
        return None
