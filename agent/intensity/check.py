"""What `[[intensity]]` and `[[target]]` say about the other tables: accounts, outputs and units that must fit."""

from collections.abc import Mapping

from agent.plant import Account
from agent.rollup.levels import members_of
from agent.sections.output import IntensitySection, TargetSection
from agent.sections.tables import Parsed
from drivers.document import nearest
from drivers.profile import Profile


def check_intensities(parsed: Parsed, formed: Mapping[str, Account | None], profiles: Mapping[str, Profile]) -> None:
    """Note every contradiction in `parsed.problems`; `formed` are all accounts, None for those reported elsewhere."""
    accounts = formed.keys() | parsed.names("account") | parsed.names("virtual")
    outputs = parsed.names("output")
    for index, section in parsed.entries("intensity", IntensitySection).items():
        for key, names in (("accounts", section.accounts), ("water", section.water)):
            for position, name in enumerate(names):
                device = name.partition("/")[0]
                broken = device in parsed.names("device") and device not in profiles
                where = ("intensity", index, key, position)
                if name not in accounts and not broken:
                    parsed.report(where, f"no account '{name}'", nearest(name, accounts))
                inside = set(members_of(parsed, name, formed)) - {name}
                if within := next((each for each in names if each in inside), None):
                    what = f"account '{within}' is part of '{name}' and would count twice"
                    parsed.report(where, what, "keep one of them")
                if name in names[:position]:
                    parsed.report(where, f"account '{name}' stands twice and would count twice", "keep one")
                account = formed.get(name)
                if key == "water" and account and account.unit != "m3":
                    what = f"'{name}' is counted in {account.unit}, not in m3"
                    parsed.report(where, what, "name an account of water by volume")
        if section.per not in outputs:
            parsed.report(("intensity", index, "per"), f"no output '{section.per}'", nearest(section.per, outputs))
    _check_targets(parsed)


def _check_targets(parsed: Parsed) -> None:
    intensities = parsed.names("intensity")
    seen: set[str] = set()
    for index, section in parsed.entries("target", TargetSection).items():
        if section.intensity not in intensities:
            what = f"no intensity '{section.intensity}'"
            parsed.report(("target", index, "intensity"), what, nearest(section.intensity, intensities))
        if section.intensity in seen:
            what = f"intensity '{section.intensity}' has two targets, whose figures would have the same names"
            parsed.report(("target", index, "intensity"), what, "keep one")
        seen.add(section.intensity)
