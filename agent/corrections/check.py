"""What declared replacements and initial readings say about the other tables of a configuration."""

from collections.abc import Mapping

from agent.corrections.refusal import refusal
from agent.plant import Account
from agent.sections.meter import DeclaredSection, InitialReadingSection, ReplacementSection
from agent.sections.tables import Parsed
from drivers.document import nearest


def check_declared(parsed: Parsed, counted: Mapping[str, Account | None]) -> None:
    """Note what is wrong; `counted` are the accounts and outputs, None for those reported elsewhere."""
    tables: dict[str, type[DeclaredSection]] = {
        "replacement": ReplacementSection,
        "initial_reading": InitialReadingSection,
    }
    for key, section in tables.items():
        seen: dict[tuple[object, ...], int] = {}
        for index, entry in parsed.entries(key, section).items():
            if entry.account not in counted:
                where = (key, index, "account")
                parsed.report(where, f"no account '{entry.account}'", nearest(entry.account, counted))
                continue
            if problem := refusal(entry.account, counted[entry.account]):
                parsed.report((key, index, "account"), *problem)
            identity = (entry.account, entry.time if key == "replacement" else None)
            if identity in seen:
                first = parsed.document.line(key, seen[identity])
                parsed.report((key, index), f"'{entry.account}' has this already (line {first})", "keep one")
            seen.setdefault(identity, index)
