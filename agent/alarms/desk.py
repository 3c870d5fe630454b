"""Alarms as receivers see them: a record for each change, the latest of each retained.

Those that are active are saved, each by itself, so that they end when their cause does, restarts or not.
"""

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from typing import Any

from agent.alarms.alarm import Alarm, AlarmBook, Severity
from agent.board import Board
from agent.record import AGENT, event_body, rfc3339
from agent.saved import ASIDE, UnreadableError, pack, set_aside, unpack
from agent.scribe import Scribe

_log = logging.getLogger(__name__)

SAVED = "alarm/"
"""The store keeps each active alarm under this and its place and name; that of one that has ended is `_ENDED`."""
_ENDED = b"{}"

ALARMS = "alarms"
"""Name under which earlier agents kept all active alarms together."""
_NONE_TOGETHER = b"[]"


class AlarmDesk:
    """Publishes what alarms become."""

    def __init__(self, scribe: Scribe, board: Board) -> None:
        self._scribe = scribe
        self._board = board
        self._alarms = AlarmBook()
        self._waiting: dict[tuple[str, str], tuple[Alarm, int]] = {}
        self._unread: list[str] = []

    def __iter__(self) -> Iterator[Alarm]:
        """Iterate over the latest state of every alarm."""
        return iter(self._alarms)

    def active(self) -> list[Alarm]:
        """Return the alarms that are active, longest first."""
        return self._alarms.active()

    def find(self, key: str, name: str) -> Alarm | None:
        """Return the latest state of an alarm, None of one that was never active."""
        return self._alarms.find(key, name)

    def set(self, alarm: Alarm) -> None:
        """Record and publish an alarm that has become active or has ended since the wall clock said so.

        While the time is not known, it waits.
        """
        keeper = self._scribe.keeper
        if keeper.believed and not self._alarms.is_news(alarm):
            return  # most are said again each second
        since_ns = keeper.monotonic_of(alarm.since_ns)
        if keeper.believed:
            self.tell(replace(alarm, since_ns=keeper.resolve(since_ns, alarm.since_ns)))
        else:
            self._waiting[alarm.key, alarm.name] = (alarm, since_ns)

    def restate(self, alarm: Alarm) -> None:
        """Record and publish an alarm as `set` does, and also one that stands but has another text by now."""
        before, keeper = self.find(alarm.key, alarm.name), self._scribe.keeper
        if before is None or not (before.active and alarm.active):
            self.set(alarm)
        elif keeper.believed and alarm.text != before.text:
            self.tell(replace(alarm, since_ns=before.since_ns, told_ns=keeper.now_ns()))

    def begin(self) -> None:
        """Record and publish what has waited for the time to be known."""
        waiting, self._waiting = self._waiting, {}
        for alarm, since_ns in waiting.values():
            self.tell(replace(alarm, since_ns=self._scribe.keeper.resolve(since_ns, alarm.since_ns)))
        unread, self._unread = self._unread, []
        for text in unread:
            now_ns = self._scribe.keeper.now_ns()
            body = event_body(self._scribe.site, now_ns, name="state_unreadable", text=text)
            self._scribe.record("event", AGENT, now_ns, body)

    def tell(self, alarm: Alarm) -> None:
        """Record and publish an alarm that has become active or has ended, whose time is final."""
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
            **_measured(alarm),
            "text": alarm.text,
            "text_zh": alarm.text_zh,
        }
        with self._scribe.store.transaction():
            payload = self._scribe.record("alarm", alarm.key, _time_of(alarm), body)
            self._board.put(_topic(alarm), payload)
            self._save(alarm, payload)

    def _save(self, alarm: Alarm, payload: bytes) -> None:
        fields = {**asdict(alarm), "severity": str(alarm.severity)}
        state = pack(alarm=fields, payload=payload.decode()) if alarm.active else _ENDED
        self._scribe.store.save_state(_state_name(alarm), state)

    def restore(self, together: bytes | None, *, known: Callable[[str], bool]) -> None:
        """Take up the alarms of an earlier run, which receivers still hold as active, until they end.

        `together` is what is saved as `ALARMS`. Alarms of places that are not `known` any more are removed; a state
        that cannot be read is set aside.
        """
        store = self._scribe.store
        saved = store.load_states(SAVED)
        with store.transaction():
            for name, state in saved.items():
                if state != _ENDED:
                    self._read(name, state, _alone, known)
            if together and together != _NONE_TOGETHER:
                self._read(ALARMS, together, _apart, known)
                store.save_state(ALARMS, _NONE_TOGETHER)

    def _read(
        self, name: str, state: bytes, read: Callable[[bytes], list[dict[str, Any]]], known: Callable[[str], bool]
    ) -> None:
        try:
            entries = [(_alarm_of(entry), str(entry["payload"]).encode()) for entry in read(state)]
        except (UnreadableError, KeyError, TypeError, ValueError) as error:
            self._leave(name, state, error)
            return
        for alarm, payload in entries:
            if known(alarm.key):
                self._alarms.set(alarm)
                self._board.put(_topic(alarm), payload)
                if name == ALARMS:
                    self._save(alarm, payload)
            else:
                self._board.put(_topic(alarm), b"")  # the device has left the configuration
                self._scribe.store.save_state(_state_name(alarm), _ENDED)

    def _leave(self, name: str, state: bytes, error: Exception) -> None:
        store = self._scribe.store
        unreadable = error if isinstance(error, UnreadableError) else UnreadableError(f"it holds no alarm ({error!r})")
        store.save_state(f"{ASIDE}{name}", set_aside(state, unreadable))
        store.save_state(name, _ENDED)
        self._unread.append(f"the saved state '{name}' cannot be read: {unreadable}; it is set aside")
        _log.error("%s", self._unread[-1])

    def forget(self, key: str, time_ns: int) -> None:
        """End the alarms of a device (`area/device`) that has left the configuration, and remove what is retained."""
        device = key.partition("/")[2]
        for alarm in [alarm for alarm in self._alarms if alarm.key == key]:
            if alarm.active:
                text, text_zh = f"{device} has left the configuration", f"{device} 已从配置中移除"
                self.set(replace(alarm, active=False, since_ns=time_ns, text=text, text_zh=text_zh))
            self._alarms.forget(alarm)
            self._board.put(_topic(alarm), b"")


def _time_of(alarm: Alarm) -> int:
    return alarm.since_ns if alarm.told_ns is None else alarm.told_ns


def _measured(alarm: Alarm) -> dict[str, Any]:
    """Return what the record of an alarm that is about a value says of it."""
    said: dict[str, Any] = {key: number for key in ("value", "limit") if (number := getattr(alarm, key)) is not None}
    if said:
        said |= {"unit": alarm.unit, **({"unverified": True} if alarm.unverified else {})}
    return said | {"unknown": True} if alarm.unknown else said


def _alone(state: bytes) -> list[dict[str, Any]]:
    return [unpack(state)]


def _apart(together: bytes) -> list[dict[str, Any]]:
    return [{"alarm": fields, "payload": payload} for fields, payload in json.loads(together)]


def _alarm_of(entry: dict[str, Any]) -> Alarm:
    fields = entry["alarm"]
    return Alarm(**{**fields, "severity": Severity(fields["severity"])})


def _state_name(alarm: Alarm) -> str:
    return f"{SAVED}{alarm.key}/{alarm.name}"


def _topic(alarm: Alarm) -> str:
    return f"{alarm.key}/alarm/{alarm.name}"
