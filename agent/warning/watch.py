"""What is watched: where a value comes from, what it is held against, and how it is told."""

from agent.alarms.alarm import Severity
from agent.warning.rule import Rule
from drivers.value import frozen


@frozen
class Value:
    """A quantity of a device, by its word, or a figure of a place, by its name and, where it matters, its span."""

    place: str
    quantity: str = ""
    figure: str = ""
    span: str | None = None


@frozen
class Guard:
    """What must lie beyond a limit for an alarm to be looked at."""

    value: Value
    rule: Rule


@frozen
class Watch:
    """One alarm: its name and place, the value, and the rule.

    `change_s` holds the change within that time against the rule's limits; `drift_s` the deviation in percent from the
    mean of that time. `unit` is that of what the limits are about; that of a figure comes with it. `built_in` watches
    need no configuration.
    """

    name: str
    key: str
    value: Value
    rule: Rule
    severity: Severity
    unit: str
    label: str
    label_zh: str
    change_s: float | None = None
    drift_s: float | None = None
    guard: Guard | None = None
    built_in: bool = False
