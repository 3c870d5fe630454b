"""What nothing can be declared of, or not like this, and what to do."""

from agent.metering.amount import LARGEST, Declaration, bookable
from agent.plant import Account


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
