"""Alarms: named conditions that are active or not, since when, and what to tell people."""

from collections.abc import Iterator
from enum import StrEnum

from drivers.value import frozen


class Severity(StrEnum):
    """How soon somebody must look."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


@frozen
class Alarm:
    """The state of one named condition at one place (`area/device`, or `agent`).

    One that is about a value says which, against which `limit`, in which `unit`; `unverified` that it rests on a factor
    or formula nobody here has checked; `unknown` that the value it is active for is not measured any more. `told_ns` is
    when that came to be, where it is not `since_ns`.
    """

    key: str
    name: str
    active: bool
    severity: Severity
    since_ns: int
    text: str
    text_zh: str
    value: float | None = None
    limit: float | None = None
    unit: str = ""
    unknown: bool = False
    told_ns: int | None = None
    unverified: bool = False


class AlarmBook:
    """The latest state of every alarm that was ever active."""

    def __init__(self) -> None:
        self._alarms: dict[tuple[str, str], Alarm] = {}

    def __iter__(self) -> Iterator[Alarm]:
        return iter(self._alarms.values())

    def find(self, key: str, name: str) -> Alarm | None:
        """Return the state of an alarm, None of one that was never active."""
        return self._alarms.get((key, name))

    def is_news(self, alarm: Alarm) -> bool:
        """Whether a state differs from the latest: active or not, known or not, or told at a later time."""
        before = self._alarms.get((alarm.key, alarm.name))
        same = alarm.active == (before is not None and before.active)
        return not (same and (before is None or not alarm.active or _as_told(alarm, before)))

    def set(self, alarm: Alarm) -> bool:
        """Take a state in; return whether it is news."""
        news = self.is_news(alarm)
        if news:
            self._alarms[alarm.key, alarm.name] = alarm
        return news

    def forget(self, alarm: Alarm) -> None:
        """Forget the state of an alarm whose place is no more."""
        self._alarms.pop((alarm.key, alarm.name), None)

    def active(self) -> list[Alarm]:
        """Return the alarms that are active, longest first."""
        return sorted((alarm for alarm in self if alarm.active), key=lambda alarm: alarm.since_ns)


def _as_told(alarm: Alarm, before: Alarm) -> bool:
    return alarm.unknown == before.unknown and alarm.told_ns in (None, before.told_ns)
