"""What `[[equipment]]` says about other tables: devices, accounts, outputs and windows that must exist."""

from collections.abc import Mapping

from agent.plant import Account, PlantError, output
from agent.sections import DeviceSection, OutputSection, WindowsSection
from agent.sections.equipment import EquipmentSection, ServerRoomSection
from agent.sections.tables import Parsed
from drivers.document import nearest
from drivers.profile import Profile

_UNITS = {"electricity": "kWh", "total": "kWh", "computers": "kWh", "steam": "t", "heat": "GJ", "air": "m3",
          "volume": "m3"}  # fmt: skip
"""Unit in which what a key names must be counted."""


def check_equipment(parsed: Parsed, profiles: Mapping[str, Profile], accounts: Mapping[str, Account | None]) -> None:
    """Note every contradiction in `parsed.problems`; `accounts` are None where wrong and reported."""
    known: dict[str, Account | None] = {**accounts, **_outputs(parsed, profiles)}
    known |= dict.fromkeys(parsed.names("account") - known.keys())
    seen: set[tuple[str, str]] = set()
    for index, section in parsed.entries("equipment", EquipmentSection).items():
        _check_place(parsed, index, section, seen)
        _check_span(parsed, index, section)
        whole = section.device in profiles or isinstance(section, ServerRoomSection)
        for key, names in section.accounts.items() if whole else ():
            for position, name in enumerate(names):
                if name in names[:position]:
                    parsed.report(("equipment", index, key), f"'{name}' stands twice and would count twice", "keep one")
                    continue
                _check_account(parsed, (index, key), name, known, profiles)
        if section.device in profiles:
            _check_readings(parsed, index, section, profiles[section.device])


def _outputs(parsed: Parsed, profiles: Mapping[str, Profile]) -> dict[str, Account | None]:
    devices = {device.name: device for device in parsed.entries("device", DeviceSection).values()}
    found: dict[str, Account | None] = dict.fromkeys(parsed.names("output"))
    for section in parsed.entries("output", OutputSection).values():
        device = section.device or ""
        if not device or (device in devices and device in profiles):
            try:
                found[section.name] = output(section, devices.get(device), profiles.get(device))
            except PlantError:
                continue  # reported where the output stands
    return found


def _check_place(parsed: Parsed, index: int, section: EquipmentSection, seen: set[tuple[str, str]]) -> None:
    room = isinstance(section, ServerRoomSection)
    place = section.area if isinstance(section, ServerRoomSection) else section.device
    if not room and place not in parsed.names("device"):
        remedy = nearest(place, parsed.names("device"))
        parsed.report(("equipment", index, "device"), f"no device '{place}'", remedy)
    if (section.kind, place) in seen:
        what = f"there is a second {section.kind} of '{place}', whose figures would have the same names"
        parsed.report(("equipment", index), what, "keep one of each kind per device or area")
    seen.add((section.kind, place))


def _check_span(parsed: Parsed, index: int, section: EquipmentSection) -> None:
    spans = (parsed.table("windows", WindowsSection) or WindowsSection()).spans
    if section.span is not None and section.span not in spans:
        parsed.report(
            ("equipment", index, "span"), f"no window '{section.span}'", f"[windows] spans: {', '.join(spans)}"
        )


def _check_account(
    parsed: Parsed,
    place: tuple[int, str],
    name: str,
    known: Mapping[str, Account | None],
    profiles: Mapping[str, Profile],
) -> None:
    index, key = place
    device = name.partition("/")[0]
    if name not in known:
        if device in parsed.names("device") and device not in profiles:
            return  # the device or its profile is wrong, and reported where it stands
        if name in parsed.names("virtual"):
            what = f"'{name}' is a virtual account, of which no windows are kept"
            parsed.report(("equipment", index, key), what, "name the accounts it is made of")
            return
        parsed.report(("equipment", index, key), f"no account or output '{name}'", nearest(name, known))
        return
    account, unit = known[name], _UNITS.get(key)
    if account is not None and unit and account.unit != unit:
        what = f"'{name}' is counted in {account.unit}, and '{key}' must be in {unit}"
        parsed.report(("equipment", index, key), what, "name another account, or add one that is")
    elif account is not None and key == "fuel" and (account.carrier is None or account.direction != "import"):
        what = (
            "an output, which has no energy"
            if account.carrier is None
            else f"no fuel: its direction is {account.direction}"
        )
        parsed.report(("equipment", index, key), f"'{name}' is {what}", "name the account of what the boiler burns")


def _check_readings(parsed: Parsed, index: int, section: EquipmentSection, profile: Profile) -> None:
    """Report what a device can never tell and a figure always needs."""
    read = profile.index.keys()
    lacking = [each for each in section.readings if not any(read >= set(words) for words in each)]
    if lacking:
        words = ", ".join(" or ".join(" and ".join(words) for words in each) for each in lacking)
        what = f"a {section.kind} needs {words}, and '{section.device}' does not read it"
        parsed.report(
            ("equipment", index, "device"), what, "name the device that does, or add the point to its profile"
        )
