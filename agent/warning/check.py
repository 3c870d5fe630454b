"""What `[[alarm]]` says about other tables: devices, quantities and figures that must exist."""

from collections.abc import Collection, Mapping

from agent.sections import DeviceSection
from agent.sections.tables import Parsed
from agent.sections.warning import AlarmSection, BudgetSection
from agent.warning.text import FIGURES
from drivers.document import nearest
from drivers.profile import Profile
from drivers.quantity import VOCABULARY, Kind


def check_alarms(
    parsed: Parsed, profiles: Mapping[str, Profile], accounts: Collection[str], balanced: Collection[str]
) -> None:
    """Note every contradiction in `parsed.problems`; `balanced` are the figures of balances."""
    names = parsed.names("device")
    areas = {device.area for device in parsed.entries("device", DeviceSection).values()}
    for index, section in parsed.entries("alarm", AlarmSection).items():
        where = ("alarm", index)
        if section.device is not None and section.device not in names:
            parsed.report((*where, "device"), f"no device '{section.device}'", nearest(section.device, names))
        if section.area is not None and section.area not in areas:
            parsed.report((*where, "area"), f"no area '{section.area}'", nearest(section.area, areas))
        if section.account is not None and section.account not in accounts:
            parsed.report((*where, "account"), f"no account '{section.account}'", nearest(section.account, accounts))
        profile = profiles.get(section.device or "")
        for key, named in (((*where,), section), ((*where, "while"), section.condition)):
            if named and named.quantity is not None and profile:
                _check_quantity(parsed, (*key, "quantity"), named.quantity, profile)
            if named and named.figure is not None:
                _check_figure(parsed, (*key, "figure"), named.figure, balanced)
    _check_budgets(parsed, accounts)


def _check_budgets(parsed: Parsed, accounts: Collection[str]) -> None:
    for index, budget in parsed.entries("budget", BudgetSection).items():
        for position, name in enumerate(budget.accounts):
            if name not in accounts:
                parsed.report(("budget", index, "accounts", position), f"no account '{name}'", nearest(name, accounts))


def _check_quantity(parsed: Parsed, where: tuple[str | int, ...], word: str, profile: Profile) -> None:
    if word not in profile.index:
        known = [name for name in profile.index if not name.startswith("_")]
        parsed.report(where, f"'{word}' is not read from this device", nearest(word, known))
    elif word not in VOCABULARY or VOCABULARY[word].kind is Kind.TEXT:
        parsed.report(where, f"'{word}' is no number", "name a quantity that is one")


def _check_figure(parsed: Parsed, where: tuple[str | int, ...], name: str, balanced: Collection[str]) -> None:
    """Report a figure that nothing gives."""
    known = [*FIGURES, *balanced, *(f"budget_{budget.replace('-', '_')}" for budget in parsed.names("budget"))]
    if name not in known and not any(name.startswith(f"{each}_") for each in known):
        parsed.report(where, f"there is no figure '{name}'", nearest(name, known))
