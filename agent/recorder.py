"""What is read becomes records: frames, conditions and rolling windows into store and board.

Each record is written once, with the time of what it tells of. Retained topics (`meta`, `state`, `agent/status`) go
to the board, which holds the latest of each.
"""

from collections.abc import Callable
from typing import Any

import orjson

from agent import bodies
from agent.alarm import Alarm, Severity
from agent.alarms import AlarmDesk
from agent.board import Board
from agent.config import SiteConfig
from agent.ledger import Ledger
from agent.polled import Cadence, Condition, PolledDevice
from agent.record import AGENT, rfc3339
from agent.scribe import Scribe
from drivers.reading import Frame, Quality

_NS = 1_000_000_000

Clock = Callable[[], int]


class Recorder:
    """Writes what the pollers find to the ledger, the store and the board."""

    def __init__(
        self, config: SiteConfig, ledger: Ledger, *, scribe: Scribe, alarms: AlarmDesk, board: Board, clock: Clock
    ) -> None:
        self._scribe = scribe
        self._alarms = alarms
        self._board = board
        self._clock = clock
        self.configure(config, ledger)
        self._telemetry_slots: dict[tuple[str, int], int] = {}
        self._silent: set[tuple[str, int]] = set()
        self.latest_windows: list[bodies.Body] = []

    def configure(self, config: SiteConfig, ledger: Ledger) -> None:
        """Go on with the devices of a configuration and with its ledger."""
        self._ledger = ledger
        self._areas = {device.name: device.area for device in config.devices}
        self._keys = {device.name: bodies.TelemetryKeys(config.profiles[device.name]) for device in config.devices}
        self._telemetry_ns = round(config.telemetry_every_s * _NS)

    def forget(self, key: str) -> None:
        """Forget a device (`area/device`) that has left the configuration, and remove what is retained of it."""
        device = key.partition("/")[2]
        self._alarms.forget(key, self._clock())
        for topic in ("meta", "state"):
            self._board.put(f"{key}/{topic}", b"")
        self._silent = {place for place in self._silent if place[0] != device}
        self._telemetry_slots = {place: slot for place, slot in self._telemetry_slots.items() if place[0] != device}

    def knows(self, key: str) -> bool:
        """Return whether a place (`area/device` or `agent`) is one of the configuration."""
        device = key.partition("/")[2]
        return not device or (device in self._areas and key == self.key(device))

    def key(self, device: str) -> str:
        """Return where a device's records belong: area and device."""
        return f"{self._areas[device]}/{device}"

    def frame(self, device: PolledDevice, cadence: Cadence, frame: Frame) -> None:
        """Book a frame, and record its values when telemetry is due."""
        self._ledger.take(frame)
        valued = int((frame.quality < Quality.COMM_LOST).sum())
        self._scribe.counts["frames"] += 1
        self._scribe.counts["values"] += valued
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
        self._scribe.record(
            "telemetry",
            self.key(device.name),
            frame.time_ns,
            bodies.telemetry(self._scribe.site, area, frame, self._keys[device.name]),
        )

    def condition(self, device: PolledDevice) -> None:
        """Publish a device's condition, and the alarm that goes with losing it."""
        key = self.key(device.name)
        state = {
            "schema": "energy-agent/state/1",
            "site": self._scribe.site,
            "area": self._areas[device.name],
            "device": device.name,
            "state": str(device.condition),
            "since": rfc3339(device.since_ns),
        }
        if device.reason:
            state["reason"] = device.reason
        self._board.put(f"{key}/state", orjson.dumps(state))
        lost = device.condition is Condition.OFFLINE
        self._alarms.set(
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

    def publish_windows(self) -> None:
        """Record the rolling figures of every account and intensity."""
        now_ns = self._clock()
        self.latest_windows = []
        for figures in self._ledger.figures():
            for account in self._ledger.plant.accounts:
                weight = self._ledger.conversions.at(account, now_ns)
                column = self._ledger.position[account.name]
                body = bodies.account_window(self._scribe.site, account, figures, column, weight, now_ns)
                self.latest_windows.append(body)
                self._scribe.record("window", account.key, now_ns, body)
            for intensity in self._ledger.plant.intensities:
                body = bodies.intensity_window(self._scribe.site, intensity, self._ledger, figures, now_ns)
                self.latest_windows.append(body)
                self._scribe.record("window", AGENT, now_ns, body)

    def health(self, body: dict[str, Any]) -> None:
        """Record the agent's own figures."""
        now_ns = self._clock()
        head = {"schema": "energy-agent/health/1", "site": self._scribe.site, "time": rfc3339(now_ns)}
        self._scribe.record("health", AGENT, now_ns, head | body)
