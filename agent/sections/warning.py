"""`[[alarm]]`: conditions on a reading, a figure or an account that somebody must know of."""

from typing import Any, Literal

from agent.sections.measure import Duration, Pause
from agent.sections.section import AccountName, Name, Section
from drivers.declared import key, rule

MARGIN = 0.02
"""Share of a limit by which a value must come back inside, where no `margin` is given."""


class _Limits(Section):
    quantity: str | None = None
    figure: str | None = None
    span: str | None = None
    above: float | None = key(None, allow_inf_nan=False)
    below: float | None = key(None, allow_inf_nan=False)

    @rule
    def _limited(self) -> None:
        if self.above is None and self.below is None:
            raise ValueError("there is no limit; add 'above' or 'below'")
        if self.above is not None and self.below is not None and self.below >= self.above:
            raise ValueError(f"'below' {self.below:g} is not less than 'above' {self.above:g}; swap them")


class WhileSection(_Limits):
    """`while` of an alarm: it is looked at only while another quantity or figure lies beyond a limit."""

    @rule
    def _of_one(self) -> None:
        if (self.quantity is None) == (self.figure is None):
            raise ValueError("'while' is about one thing; give either 'quantity' or 'figure'")


class AlarmSection(_Limits):
    """`[[alarm]]`: raised when a value lies beyond a limit for some time."""

    name: Name
    device: str | None = None
    area: str | None = None
    account: AccountName | None = None
    margin: float | None = key(None, ge=0, allow_inf_nan=False)
    lasting: Pause = key(60.0, alias="for")
    severity: Literal["info", "warning", "critical"] = "warning"
    change_in: Duration | None = None
    drift_from: Duration | None = None
    condition: WhileSection | None = key(None, alias="while")

    @property
    def hysteresis(self) -> float:
        """By how much a value must come back inside [its unit]."""
        if self.margin is not None:
            return self.margin
        return MARGIN * max(abs(limit) for limit in (self.above, self.below) if limit is not None)

    @classmethod
    def prepared(cls, data: Any) -> Any:
        """Refuse a `while` that is no table."""
        if isinstance(data, dict) and "while" in data and not isinstance(data["while"], dict):
            raise ValueError("'while' is a table; write it like { quantity = \"active_power\", above = 5.0 }")
        return data

    @rule
    def _about_one_thing(self) -> None:
        if sum(each is not None for each in (self.quantity, self.figure, self.account)) != 1:
            raise ValueError("an alarm is about one thing; give one of 'quantity', 'figure' and 'account'")
        if self.quantity is not None and self.device is None:
            raise ValueError("'quantity' is one of a device; add 'device'")
        if self.device is not None and self.area is not None:
            raise ValueError("'device' has its area already; remove 'area'")
        if self.account is not None and (self.device or self.area or self.condition):
            raise ValueError("'account' says where it is; remove 'device', 'area' and 'while'")

    @rule
    def _held_against_one_thing(self) -> None:
        if self.account is not None and (self.change_in or self.drift_from):
            raise ValueError("an account is held against the week before; remove 'change_in' and 'drift_from'")
        if self.change_in and self.drift_from:
            raise ValueError("'change_in' and 'drift_from' are two alarms; make two")
        if self.drift_from and self.figure is None:
            raise ValueError("'drift_from' needs a figure; add 'figure'")
        if self.condition and self.condition.quantity and self.device is None:
            raise ValueError("'while' names a quantity, which is one of a device; add 'device'")
        if self.above is not None and self.below is not None and self.above - self.below < 2 * self.hysteresis:
            raise ValueError("nothing lies inside both limits by the margin; give a smaller 'margin'")


class BudgetSection(Section):
    """`[[budget]]`: what some accounts may use of energy or emit in a day, a month or a year of the site's calendar."""

    name: Name
    accounts: tuple[AccountName, ...] = key(min_length=1)
    per: Literal["day", "month", "year"]
    energy_kwh: float | None = key(None, gt=0, allow_inf_nan=False)
    co2_kg: float | None = key(None, gt=0, allow_inf_nan=False)
    yellow: float = key(80.0, gt=0, lt=100)

    @property
    def key(self) -> str:
        """Key of what is limited in records."""
        return "energy_kwh" if self.energy_kwh is not None else "co2_kg"

    @property
    def amount(self) -> float:
        """The budget, in the unit of its key."""
        return self.energy_kwh or self.co2_kg or 0.0

    @rule
    def _of_one_thing(self) -> None:
        if (self.energy_kwh is None) == (self.co2_kg is None):
            raise ValueError("a budget is about one thing; give either 'energy_kwh' or 'co2_kg'")
        if len(set(self.accounts)) < len(self.accounts):
            raise ValueError("an account stands twice and would count twice; keep one")
