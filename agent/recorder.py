"""What is read becomes records: frames, states of devices and rolling windows into store and board.

Each record is written once, with the time of what it tells of. Retained topics (`meta`, `state`, `agent/status`) go
to the board, which holds the latest of each.

While the time is not known nothing is recorded: frames wait, in bounds, and get their times when it is; the latest
of each state is posted at once, without its time, and is told again with it.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from agent.alarms.alarm import Alarm, Severity
from agent.alarms.desk import AlarmDesk
from agent.board import Board
from agent.books import bodies
from agent.books.ledger import Ledger, WindowFigures
from agent.books.weights import weight_over
from agent.config import SiteConfig
from agent.figures import Figures, figure_sources
from agent.intensity.rolling import intensity_window
from agent.latest import Latest, ManyBodies
from agent.polling.doubt import unvouched
from agent.polling.polled import Cadence, DeviceState, PolledDevice
from agent.record import AGENT, as_json, event_body, rfc3339
from agent.rollup.members import worked_out_accounts
from agent.rollup.rolling import worked_out_windows
from agent.scribe import Scribe
from agent.timekeeping.waiting import Held, Waiting
from agent.warning.accounted import Accounted
from agent.warning.desk import Warnings
from drivers.frame import Frame

_NS = 1_000_000_000
_AT_ONCE = 64
"""Windows recorded before others have a turn."""


class Recorder:
    """Writes what the pollers find to the ledger, the store and the board."""

    def __init__(self, config: SiteConfig, ledger: Ledger, *, scribe: Scribe, alarms: AlarmDesk, board: Board) -> None:
        self._scribe = scribe
        self._keeper = scribe.keeper
        self._alarms = alarms
        self._board = board
        self._tape = scribe.tape
        self.waiting = Waiting()
        self.begun = False
        """Whether the time is known and frames are booked."""
        self._profiles: Mapping[str, object] = {}
        self._untold: dict[str, Callable[[], None]] = {}
        self._latest = Latest()
        self._warnings = Warnings(scribe, alarms)
        self.accounted = Accounted(scribe)
        self.configure(config, ledger)
        self._telemetry_slots: dict[tuple[str, int], int] = {}
        self._silent: dict[tuple[str, int], frozenset[int]] = {}
        self.latest_windows = ManyBodies()
        """All windows published last."""

    def configure(self, config: SiteConfig, ledger: Ledger) -> None:
        """Go on with the devices of a configuration and with its ledger."""
        self._ledger = ledger
        self._areas = {device.name: device.area for device in config.devices}
        self._keys = bodies.telemetry_keys(config.profiles)
        self._telemetry_ns = round(config.telemetry_every_s * _NS)
        profiles = {device.name: (device, config.profiles[device.name].digest) for device in config.devices}
        kept = [name for name, profile in profiles.items() if self._profiles.get(name) == profile]
        self.waiting.keep_only(kept)
        self._latest.configure(config.profiles, kept)
        self._profiles = profiles
        self.accounted.keep(config, ledger)
        self._worked_out = worked_out_accounts(config, ledger)
        self.figures = Figures((*figure_sources(config, ledger, self._latest.of), self.accounted))
        self._warnings.configure(config)

    def forget(self, key: str) -> None:
        """Forget a device (`area/device`) that has left the configuration, and remove what is retained of it."""
        device = key.partition("/")[2]
        self._tell(key, lambda: self._alarms.forget(key, self._keeper.wall_ns()))
        for topic in ("meta", "state"):
            self._board.put(f"{key}/{topic}", b"")
        self._silent = {place: reasons for place, reasons in self._silent.items() if place[0] != device}
        self._telemetry_slots = {place: slot for place, slot in self._telemetry_slots.items() if place[0] != device}

    def knows(self, key: str) -> bool:
        """Return whether a place (`area/device` or `agent`) is one of the configuration."""
        device = key.partition("/")[2]
        return not device or (device in self._areas and key == self.key(device))

    def key(self, device: str) -> str:
        """Return where a device's records belong: area and device."""
        return f"{self._areas[device]}/{device}"

    @property
    def settled(self) -> bool:
        """Whether the time is known, and everything that has waited for it is booked."""
        return self.begun and not len(self.waiting)

    def begin(self) -> None:
        """Take note that the time is known and that the windows have the rows of earlier runs."""
        self._tape.begun()
        self.begun = True
        untold, self._untold = self._untold, {}
        for tell in untold.values():
            tell()

    def frame(self, device: PolledDevice, cadence: Cadence, frame: Frame) -> None:
        """Book a frame and record its values when telemetry is due, both as soon as its time is known."""
        if self.settled:
            self._take(device, cadence, frame, self._tape.booked)
        else:
            self._tape.booked(None)
            self.waiting.add(Held(device, cadence, frame))

    def release(self) -> int:
        """Book the frame that has waited for longest; return its monotonic time [ns]."""
        held = self.waiting.take()
        self._take(held.device, held.cadence, held.frame, self._tape.released)
        return held.frame.monotonic_ns

    def _take(self, device: PolledDevice, cadence: Cadence, frame: Frame, noted: Callable[[int | None], None]) -> None:
        time_ns = self._keeper.resolve(frame.monotonic_ns, frame.time_ns)
        moved = time_ns != frame.time_ns
        noted(time_ns if moved else None)
        if moved:
            frame = replace(frame, time_ns=time_ns)
        if not self._keeper.vouched:
            frame = unvouched(frame)
        self._ledger.take(frame)
        self._latest.take(frame, cadence.index)
        self._warnings.frame(frame)
        valued = frame.valued
        self._scribe.counts["frames"] += 1
        self._scribe.counts["values"] += valued
        place = (device.name, cadence.index)
        # Of a device that gives nothing the first poll is recorded, and when the reason changes; else its state speaks.
        if valued:
            if self._silent:
                self._silent.pop(place, None)
            slot = frame.time_ns // self._telemetry_ns
            if self._telemetry_slots.get(place) == slot:
                return
            self._telemetry_slots[place] = slot
        else:
            reasons = frozenset(frame.quality.tolist())
            if self._silent.get(place) == reasons:
                return
            self._silent[place] = reasons
        area = self._areas[device.name]
        self._scribe.record(
            "telemetry",
            self.key(device.name),
            frame.time_ns,
            bodies.telemetry(self._scribe.site, area, frame, self._keys[device.name]),
            monotonic_ns=frame.monotonic_ns,
        )

    def learned(self, device: PolledDevice, text: str) -> None:
        """Record once what was found out about a device, which those who look for its values must know."""
        key, told = self.key(device.name), f"{device.name} {text}"
        monotonic_ns = time.monotonic_ns()

        def tell() -> None:
            time_ns = self._keeper.at(monotonic_ns)
            body = event_body(self._scribe.site, time_ns, name="device_learned", text=told)
            self._scribe.record("event", key, time_ns, body, monotonic_ns=monotonic_ns)

        self._tell(f"{key} {text}", tell)

    def device_state(self, device: PolledDevice) -> None:
        """Publish a device's state, and the alarm that goes with losing it."""
        key, since_ns = self.key(device.name), self._keeper.monotonic_of(device.since_ns)
        if not self.begun:
            self._post_state(device, key, None)
        self._tell(key, partial(self._tell_state, device, key, since_ns))

    def _tell(self, key: str, tell: Callable[[], None]) -> None:
        """Tell something of a place as soon as the time is known; only the latest of each."""
        if self.begun:
            tell()
        else:
            self._untold[key] = tell

    def _post_state(self, device: PolledDevice, key: str, since_ns: int | None) -> None:
        state = {
            "schema": "energy-agent/state/1",
            "site": self._scribe.site,
            "area": self._areas[device.name],
            "device": device.name,
            "state": str(device.state),
        }
        if since_ns is not None:
            state["since"] = rfc3339(since_ns)
        if device.reason:
            state["reason"] = device.reason
        self._board.put(f"{key}/state", as_json(state))

    def _tell_state(self, device: PolledDevice, key: str, monotonic_ns: int) -> None:
        since_ns = device.since_ns = self._keeper.resolve(monotonic_ns, device.since_ns)
        self._post_state(device, key, since_ns)
        lost = device.state is DeviceState.OFFLINE
        self._alarms.tell(
            Alarm(
                key,
                "comm_lost",
                lost,
                Severity.WARNING,
                since_ns,
                f"{device.name} does not answer: {device.reason}" if lost else f"{device.name} answers again",
                f"{device.name} 通信中断（{device.reason}）" if lost else f"{device.name} 通信恢复",  # noqa: RUF001 -- Chinese punctuation
            )
        )

    def publish_windows(self) -> Iterator[None]:
        """Record the rolling sums of every account, also virtual ones, every intensity, and what follows from them.

        This is done in parts, for others to have a turn between; another ledger ends it.
        """
        now_ns, ledger = self._keeper.now_ns(), self._ledger
        found, part = ManyBodies(), list[bodies.Body]()
        for figures in [replace(each, values=each.values.copy()) for each in ledger.figures()]:
            for key, body in self._windows(ledger, figures, now_ns):
                part.append(body)
                self._scribe.record("window", key, now_ns, body)
                if len(part) == _AT_ONCE:
                    found.add(part)
                    part.clear()
                    yield
                    if self._ledger is not ledger:
                        return
        found.add(part)
        self.latest_windows = found
        self._record_figures(now_ns)

    def _windows(self, ledger: Ledger, figures: WindowFigures, now_ns: int) -> Iterator[tuple[str, bodies.Body]]:
        site = self._scribe.site
        for account in ledger.plant.accounts:
            weight = weight_over(ledger, account.name, figures, now_ns)
            column = ledger.position[account.name]
            yield account.key, bodies.account_window(site, account, figures, column, weight, now_ns)
        yield from worked_out_windows(site, self._worked_out, ledger, figures, now_ns)
        for intensity in ledger.plant.intensities:
            yield AGENT, intensity_window(site, intensity, ledger, figures, now_ns, worked_out=self._worked_out)

    def _record_figures(self, now_ns: int) -> None:
        worked_out = list(self.figures.at(now_ns))
        for figure in worked_out:
            self._scribe.record("figure", figure.place, now_ns, figure.body(self._scribe.site))
        self._warnings.figures(worked_out, self._keeper.monotonic_of(self._keeper.wall_ns()), now_ns)

    def health(self, body: dict[str, Any]) -> None:
        """Record the agent's own figures."""
        now_ns = self._keeper.now_ns()
        head = {"schema": "energy-agent/health/1", "site": self._scribe.site, "time": rfc3339(now_ns)}
        self._scribe.record("health", AGENT, now_ns, head | body)
