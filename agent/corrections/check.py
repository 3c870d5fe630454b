"""What declared replacements and initial readings say about the other tables of a configuration."""

from collections.abc import Mapping

from agent.metering.amount import LARGEST, Declaration, bookable
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


def unbookable(declared: Declaration) -> str:
    """Return which reading that is declared can be no counter's, and what to do; empty when both can."""
    shown = {"last": declared.last, "first": declared.first}
    wrong = [f"a {which} reading of {value:.15g}" for which, value in shown.items() if not bookable(value or 0.0)]
    return f"{wrong[0]} cannot be booked: give what the meter showed, within ±{LARGEST:g}" if wrong else ""


def refusal(name: str, account: Account | None) -> tuple[str, str] | None:
    """Return why nothing can be declared of an account, and what to do; None when it can."""
    if account is None or not account.integrates:
        return None
    return f"'{name}' is the integral of {account.source.name}, which has no reading to begin with", "remove this table"
