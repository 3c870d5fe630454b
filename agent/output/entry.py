"""What somebody enters for an output, and whether it can be taken."""

from datetime import datetime
from typing import Any

from agent.config import SiteConfig
from agent.metering.amount import NS_PER_S, Declaration, quanta
from agent.metering.boundary import Boundaries
from agent.metering.interval import MOST_INTERVALS
from agent.plant import Account
from drivers.value import frozen


@frozen
class Entry:
    """How much of an output was made in [start_ns, end_ns) (wall clock), in its unit; `id` tells it from its repeat."""

    id: str
    account: str
    start_ns: int
    end_ns: int
    amount: float
    reason: str
    author: str

    @property
    def quanta(self) -> int:
        """The amount as it is booked."""
        return quanta(self.amount)

    def state(self) -> list[Any]:
        """Return the entry as JSON values."""
        return [self.id, self.account, self.start_ns, self.end_ns, self.amount, self.reason, self.author]

    def declaration(self, time_ns: int) -> Declaration:
        """Return it as records keep it, entered at a time (wall clock, ns)."""
        return Declaration(self.account, time_ns, None, self.amount, self.reason, self.author)


def refusal(entry: Entry, account: Account | None, config: SiteConfig) -> str:
    """Return why an entry cannot be taken whenever it is made, empty when it can."""
    if account is None or account.carrier is not None:
        return f"there is no output '{entry.account}'"
    if account.feed != "entered":
        what = f"'{entry.account}' comes from {account.source.name}"
        return f"{what}: only an [[output]] with entered = true takes entries"
    try:
        _ = entry.quanta
    except ValueError:
        return f"{entry.amount} is no amount"
    return _misfit(entry, config)


def _misfit(entry: Entry, config: SiteConfig) -> str:
    """Return why the period of an entry cannot be booked, empty when it can."""
    length_s, zone = config.interval.length, config.site.zone
    boundaries = Boundaries(length_s, zone)
    if entry.end_ns <= entry.start_ns:
        return "the period ends before it begins: give its end with --to"
    for option, time_ns in (("--from", entry.start_ns), ("--to", entry.end_ns)):
        begin_ns, end_ns = boundaries.around(time_ns)
        if begin_ns != time_ns:
            near = " or ".join(f"{datetime.fromtimestamp(each // NS_PER_S, zone):%FT%T}" for each in (begin_ns, end_ns))
            return f"{option} lies within an interval of {length_s:g} s: give {near}"
    if entry.end_ns - entry.start_ns > MOST_INTERVALS * boundaries.length_ns:
        return f"the period is longer than {_spelled(MOST_INTERVALS * round(length_s))}: enter it in parts"
    return ""


def _spelled(seconds: int) -> str:
    """Return a duration in days, hours, minutes and seconds."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = ((days, "day" if days == 1 else "days"), (hours, "h"), (minutes, "min"), (rest, "s"))
    return " ".join(f"{count} {unit}" for count, unit in parts if count)
