"""What happens becomes records: frames, conditions, closed intervals and rolling windows into store and board.

Each record is written once, with the time of what it tells of. Retained topics (`meta`, `state`, `alarm/…`,
`agent/status`) go to the board, which holds the latest of each.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import orjson

from agent import bodies
from agent.alarm import Alarm, AlarmBook, Severity
from agent.board import Board
from agent.config import SiteConfig
from agent.ledger import LAYOUTS, Ledger
from agent.metering.history import Moment
from agent.polled import Cadence, Condition, PolledDevice
from agent.record import AGENT, rfc3339
from agent.store import Store
from drivers.reading import Frame, Quality

_NS = 1_000_000_000

ALARMS = "alarms"
"""Name under which the store keeps the active alarms."""

Clock = Callable[[], int]


class Recorder:
    """Writes what the ledger and the pollers find to the store and the board."""

    def __init__(self, config: SiteConfig, ledger: Ledger, store: Store, board: Board, *, clock: Clock) -> None:
        self._store = store
        self._board = board
        self._clock = clock
        self.configure(config, ledger)
        self._telemetry_slots: dict[tuple[str, int], int] = {}
        self._silent: set[tuple[str, int]] = set()
        self.alarms = AlarmBook()
        self.latest_windows: list[bodies.Body] = []
        self.latest_intervals: dict[str, bodies.Body] = {}
        """The record of the youngest closed interval of each account, in its latest revision."""
        self.intervals_closed: Counter[str] = Counter()
        self.counts = dict.fromkeys(("frames", "values", "telemetry", "window", "interval", "alarm", "event"), 0)

    def configure(self, config: SiteConfig, ledger: Ledger) -> None:
        """Go on with the devices of a configuration and with its ledger."""
        self._site = config.site.name
        self._ledger = ledger
        self._areas = {device.name: device.area for device in config.devices}
        self._keys = {device.name: bodies.TelemetryKeys(config.profiles[device.name]) for device in config.devices}
        self._telemetry_ns = round(config.telemetry_every_s * _NS)
        self._layouts_saved = False

    def forget(self, key: str) -> None:
        """End the alarms of a device that has left the configuration, and remove what is retained of it."""
        device = key.partition("/")[2]
        topics = [f"{key}/meta", f"{key}/state"]
        for alarm in [alarm for alarm in self.alarms if alarm.key == key]:
            if alarm.active:
                text, text_zh = f"{device} has left the configuration", f"{device} 已从配置中移除"
                ended = replace(alarm, active=False, since_ns=self._clock(), text=text, text_zh=text_zh)
                self.alarm(ended)
            self.alarms.forget(alarm)
            topics.append(_topic(alarm))
        for topic in topics:
            self._board.put(topic, b"")
        self._silent = {place for place in self._silent if place[0] != device}
        self._telemetry_slots = {place: slot for place, slot in self._telemetry_slots.items() if place[0] != device}

    def key(self, device: str) -> str:
        """Return where a device's records belong: area and device."""
        return f"{self._areas[device]}/{device}"

    def frame(self, device: PolledDevice, cadence: Cadence, frame: Frame) -> None:
        """Book a frame, and record its values when telemetry is due."""
        self._ledger.take(frame)
        valued = int((frame.quality < Quality.COMM_LOST).sum())
        self.counts["frames"] += 1
        self.counts["values"] += valued
        place = (device.name, cadence.index)
        # Of a device that stays silent the first failed poll is recorded; after that its state topic speaks.
        if valued:
            self._silent.discard(place)
            slot = frame.time_ns // self._telemetry_ns
            if self._telemetry_slots.get(place) == slot:
                return
            self._telemetry_slots[place] = slot
        elif place in self._silent:
            return
        else:
            self._silent.add(place)
        area = self._areas[device.name]
        self._record(
            "telemetry",
            self.key(device.name),
            frame.time_ns,
            bodies.telemetry(self._site, area, frame, self._keys[device.name]),
        )

    def condition(self, device: PolledDevice) -> None:
        """Publish a device's condition, and the alarm that goes with losing it."""
        key = self.key(device.name)
        state = {
            "schema": "energy-agent/state/1",
            "site": self._site,
            "area": self._areas[device.name],
            "device": device.name,
            "state": str(device.condition),
            "since": rfc3339(device.since_ns),
        }
        if device.reason:
            state["reason"] = device.reason
        self._board.put(f"{key}/state", orjson.dumps(state))
        lost = device.condition is Condition.OFFLINE
        self.alarm(
            Alarm(
                key,
                "comm_lost",
                lost,
                Severity.WARNING,
                device.since_ns,
                f"{device.name} does not answer: {device.reason}" if lost else f"{device.name} answers again",
                f"{device.name} 通信中断({device.reason})" if lost else f"{device.name} 通信恢复",
            )
        )

    def alarm(self, alarm: Alarm) -> None:
        """Record and publish an alarm that has become active or has ended."""
        if not self.alarms.set(alarm):
            return
        area, _, device = alarm.key.partition("/")
        body: dict[str, Any] = {"schema": "energy-agent/alarm/1", "site": self._site}
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
        with self._store.transaction():
            self._board.put(_topic(alarm), self._record("alarm", alarm.key, alarm.since_ns, body))
            active = [(entry, (self._board.get(_topic(entry)) or b"").decode()) for entry in self.alarms.active()]
            self._store.save_state(ALARMS, orjson.dumps(active))

    def restore_alarms(self, state: bytes | None) -> None:
        """Take up the alarms of an earlier run, which receivers still hold as active, until they end."""
        for fields, payload in orjson.loads(state or b"[]"):
            alarm = Alarm(**{**fields, "severity": Severity(fields["severity"])})
            device = alarm.key.partition("/")[2]
            if device and (device not in self._areas or alarm.key != self.key(device)):
                self._board.put(_topic(alarm), b"")  # the device has left the configuration
            else:
                self.alarms.set(alarm)
                self._board.put(_topic(alarm), payload.encode())

    def close_intervals(self, now_ns: int) -> None:
        """Record every interval that is due, together with the books it left behind."""
        for account, intervals in self._ledger.close_due(now_ns):
            # Together, or a crash in between would leave books that have given up intervals nobody recorded.
            with self._store.transaction():
                for closed in intervals:
                    weight = self._ledger.conversions.at(account, closed.start_ns)
                    body = bodies.interval(self._site, account, self._ledger.point_of(account), closed, weight)
                    self.intervals_closed[account.name] += 1
                    self._record("interval", account.key, closed.start_ns, body)
                    former = self.latest_intervals.get(account.name)
                    if former is None or body["start"] >= former["start"]:
                        self.latest_intervals[account.name] = body
                self._store.save_state(*self._ledger.state(account.name))
        for event in self._ledger.events():
            body = {
                "schema": "energy-agent/event/1",
                "site": self._site,
                "account": event.account,
                "time": rfc3339(event.time_ns),
                "rule": event.rule,
                "text": event.text,
            }
            self._record("event", event.key, event.time_ns, body)

    def publish_windows(self) -> None:
        """Record the rolling figures of every account and intensity."""
        now_ns = self._clock()
        self.latest_windows = []
        for figures in self._ledger.figures():
            for account in self._ledger.plant.accounts:
                weight = self._ledger.conversions.at(account, now_ns)
                column = self._ledger.position[account.name]
                body = bodies.account_window(self._site, account, figures, column, weight, now_ns)
                self.latest_windows.append(body)
                self._record("window", account.key, now_ns, body)
            for intensity in self._ledger.plant.intensities:
                body = bodies.intensity_window(self._site, intensity, self._ledger, figures, now_ns)
                self.latest_windows.append(body)
                self._record("window", AGENT, now_ns, body)

    def health(self, body: dict[str, Any]) -> None:
        """Record the agent's own figures."""
        now_ns = self._clock()
        head = {"schema": "energy-agent/health/1", "site": self._site, "time": rfc3339(now_ns)}
        self._record("health", AGENT, now_ns, head | body)

    def save_books(self, row_at: Moment | None = None) -> None:
        """Save the state of every account, so that a restart continues where this run was.

        Once a minute with the row of the ring, which belongs to the books of that very moment.
        """
        with self._store.transaction():
            if row_at:
                self._store.save_row(row_at.time_ns, self._ledger.saved_row(row_at))
            if not self._layouts_saved:
                self._layouts_saved = True
                self._store.save_state(LAYOUTS, self._ledger.layouts_state())
            for name, state in self._ledger.states():
                self._store.save_state(name, state)

    def restore_windows(self, stored: Mapping[int, bytes], now: Moment, *, trusted: bool) -> None:
        """Refill the windows from the rows of earlier runs, and save with them what restored books add."""
        left = self._ledger.left_rows(stored)
        self._ledger.refill({**stored, **left}.items(), now, trusted=trusted)
        with self._store.transaction():
            for time_ns, row in left.items():
                self._store.save_row(time_ns, row)
            self.save_books()

    def _record(self, kind: str, key: str, time_ns: int, body: dict[str, Any]) -> bytes:
        self.counts[kind] = self.counts.get(kind, 0) + 1
        return self._store.append(kind, key, time_ns, body).payload


def _topic(alarm: Alarm) -> str:
    return f"{alarm.key}/alarm/{alarm.name}"
