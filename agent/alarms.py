"""Alarms as receivers see them: a record for each change, the latest of each retained.

Those that are active are saved, so that they end when their cause does, restarts or not.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import orjson

from agent.alarm import Alarm, AlarmBook, Severity
from agent.board import Board
from agent.record import rfc3339
from agent.scribe import Scribe

ALARMS = "alarms"
"""Name under which the store keeps the active alarms."""


class AlarmDesk:
    """Publishes what alarms become."""

    def __init__(self, scribe: Scribe, board: Board) -> None:
        self._scribe = scribe
        self._board = board
        self._alarms = AlarmBook()
        self._waiting: dict[tuple[str, str], tuple[Alarm, int]] = {}

    def __iter__(self) -> Iterator[Alarm]:
        """Iterate over the latest state of every alarm."""
        return iter(self._alarms)

    def active(self) -> list[Alarm]:
        """Return the alarms that are active, longest first."""
        return self._alarms.active()

    def set(self, alarm: Alarm) -> None:
        """Record and publish an alarm that has become active or has ended; while the time is not known, it waits."""
        keeper = self._scribe.keeper
        since_ns = keeper.monotonic_of(alarm.since_ns)
        if keeper.believed:
            self._set(replace(alarm, since_ns=keeper.resolve(since_ns, alarm.since_ns)))
        else:
            self._waiting[alarm.key, alarm.name] = (alarm, since_ns)

    def begin(self) -> None:
        """Record and publish what has waited for the time to be known."""
        waiting, self._waiting = self._waiting, {}
        for alarm, since_ns in waiting.values():
            self._set(replace(alarm, since_ns=self._scribe.keeper.resolve(since_ns, alarm.since_ns)))

    def _set(self, alarm: Alarm) -> None:
        if not self._alarms.set(alarm):
            return
        area, _, device = alarm.key.partition("/")
        body: dict[str, Any] = {"schema": "energy-agent/alarm/1", "site": self._scribe.site}
        if device:
            body |= {"area": area, "device": device}
        body |= {
            "alarm": alarm.name,
            "active": alarm.active,
            "severity": str(alarm.severity),
            "since": rfc3339(alarm.since_ns),
            "text": alarm.text,
            "text_zh": alarm.text_zh,
        }
        with self._scribe.store.transaction():
            self._board.put(_topic(alarm), self._scribe.record("alarm", alarm.key, alarm.since_ns, body))
            active = [(entry, (self._board.get(_topic(entry)) or b"").decode()) for entry in self._alarms.active()]
            self._scribe.store.save_state(ALARMS, orjson.dumps(active))

    def restore(self, state: bytes | None, *, known: Callable[[str], bool]) -> None:
        """Take up the alarms of an earlier run, which receivers still hold as active, until they end.

        Those of places that are not `known` any more are removed.
        """
        for fields, payload in orjson.loads(state or b"[]"):
            alarm = Alarm(**{**fields, "severity": Severity(fields["severity"])})
            if not known(alarm.key):
                self._board.put(_topic(alarm), b"")  # the device has left the configuration
            else:
                self._alarms.set(alarm)
                self._board.put(_topic(alarm), payload.encode())

    def forget(self, key: str, time_ns: int) -> None:
        """End the alarms of a device (`area/device`) that has left the configuration, and remove what is retained."""
        device = key.partition("/")[2]
        for alarm in [alarm for alarm in self._alarms if alarm.key == key]:
            if alarm.active:
                text, text_zh = f"{device} has left the configuration", f"{device} 已从配置中移除"
                self.set(replace(alarm, active=False, since_ns=time_ns, text=text, text_zh=text_zh))
            self._alarms.forget(alarm)
            self._board.put(_topic(alarm), b"")


def _topic(alarm: Alarm) -> str:
    return f"{alarm.key}/alarm/{alarm.name}"
