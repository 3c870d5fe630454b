"""The tables of what is added up: shifts, virtual accounts and balances."""

from datetime import time
from typing import Annotated, Any

from agent.sections.section import AccountName, Name, Section
from drivers.declared import Before, Written, key, rule

_FORM = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"


def _clock(value: Any) -> Any:
    try:
        return time.fromisoformat(value) if isinstance(value, str) else value
    except ValueError as error:
        raise ValueError(f"'{value}' is no time of the day; write one like '22:00'") from error


_Clock = Annotated[time, Before(_clock), Written({"type": "string", "pattern": _FORM})]


class ShiftSection(Section):
    """`[[shift]]`: a shift on each day, by the site's wall clock; one may end on the next day."""

    name: Name
    begin: _Clock = key(alias="from")
    end: _Clock = key(alias="to")


class ShareSection(Section):
    """`share` of a `[[virtual]]`: a fixed part of an account."""

    of: AccountName
    factor: float = key(gt=0, le=1)


class VirtualSection(Section):
    """`[[virtual]]`: accounts added up, less others, or a share of one."""

    name: AccountName
    area: Name | None = None
    sum: tuple[AccountName, ...] = ()
    minus: tuple[AccountName, ...] = ()
    share: ShareSection | None = None

    @rule
    def _sum_or_share(self) -> None:
        if bool(self.sum) == bool(self.share) or (self.share and self.minus):
            raise ValueError("give either sum (and minus), or share")

    @property
    def members(self) -> tuple[str, ...]:
        """The accounts it is worked out from."""
        return (self.share.of,) if self.share else (*self.sum, *self.minus)


class BalanceSection(Section):
    """`[[balance]]`: what comes in by some accounts, and what of it others meter."""

    name: Name
    area: Name | None = None
    incoming: tuple[AccountName, ...] = key(min_length=1)
    metered: tuple[AccountName, ...] = ()
    accuracy: float = key(0.02, gt=0, lt=1)
    """Share by which each meter may be wrong: 0.01 for class 1."""
