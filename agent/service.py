"""The agent itself: builds everything once and runs it in one task group.

Invariants:

- Nothing else knows all rooms; what a part needs is handed to it.
- The watchdog is fed only while every line's task, the ticker and the keeper of the books turn; it never depends
  on a broker or database.
- A part that fails for a reason of its own (a bug in a sink, a poller) is restarted and logged, and never takes
  the others along. Cancellation always passes through.
- On the way out: polling stops, the books are saved, the store is flushed, then the sinks say goodbye.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

from agent import __version__, bodies, snapshot
from agent.api import LocalApi
from agent.board import Board
from agent.carbon.factors import FactorLibrary
from agent.clock import boot_id, synchronised
from agent.config import SiteConfig
from agent.forward import Forwarder
from agent.ledger import Ledger
from agent.metering.history import Moment
from agent.notify import notify, watchdog_interval_s
from agent.plant import build_plant
from agent.polled import PolledDevice
from agent.poller import LinePoller
from agent.record import rfc3339
from agent.recorder import ALARMS, Recorder
from agent.sinks.influx import InfluxSink
from agent.sinks.mqtt import MqttSink
from agent.store import Store, StoreError, store_alarms
from drivers.line import Line
from drivers.plan import plan

_log = logging.getLogger(__name__)

_NS = 1_000_000_000
_HEALTH_S = 60.0
_FIRST_HEALTH_S = 15.0
"""The first health record waits until there is something to say."""
_SAVE_S = 10.0
_TURN_S = 1.0
_FIRST_POLLS_S = 30.0
_RESTART_S = 5.0
_CLOCK_S = 600.0
"""A clock that nobody has synchronised by then is taken as it is: there may be nobody to do so."""
_GOODBYE_S = 3.0
_STALL_S = 30.0
"""A line's task that has not turned for this long, beyond its longest wait, is stuck."""


@dataclass(slots=True)
class Beats:
    """Monotonic times [s] at which each duty was done last."""

    tick: float = field(default_factory=time.monotonic)
    window: float = 0.0
    turn: float = field(default_factory=time.monotonic)
    health: float = 0.0
    save: float = 0.0
    watchdog: float = 0.0


class Agent:
    """One run of the agent with one configuration."""

    def __init__(self, config: SiteConfig) -> None:
        self.config = config
        self.started_ns = time.time_ns()
        self._started = time.monotonic()
        self._boot = boot_id()
        self._rows_wait = False
        self.board = Board()
        self.store = Store(
            config.resolve(config.store.path),
            max_size=config.store.max_size,
            commit_every_s=config.store.commit_every,
            site=config.site.name,
            sinks=[name for name, section in (("mqtt", config.mqtt), ("influx", config.influx)) if section],
        )
        plant = build_plant(config.devices, config.profiles, config.accounts, config.outputs, config.intensities)
        self.ledger = Ledger(config, plant, FactorLibrary.load(), start_ns=self.started_ns, boot_id=self._boot)
        self.recorder = Recorder(config, self.ledger, self.store, self.board, clock=time.time_ns)
        self.pollers = [self._poller(index) for index in range(len(config.lines))]
        self.forwarders = [Forwarder(self.store, sink) for sink in self._sinks()]
        self._beats = Beats(health=self._started + _FIRST_HEALTH_S - _HEALTH_S)
        self.api = None
        if config.http:
            self.api = LocalApi(
                config.http,
                config.path.parent,
                zone=config.site.zone,
                snapshot=self.snapshot,
                stalled=self.stalled,
                store=self.store,
                recorder=self.recorder,
                board=self.board,
            )

    def _poller(self, index: int) -> LinePoller:
        section = self.config.lines[index]
        devices = [
            PolledDevice(
                device.name,
                device.unit,
                self.config.profiles[device.name],
                plan(self.config.profiles[device.name], every_s=device.every),
            )
            for device in self.config.devices
            if device.line == section.name
        ]
        line = Line(section.name, section.endpoint, timeout_s=section.timeout, pause_s=section.pause_s)
        return LinePoller(
            line,
            devices,
            timeout_s=section.timeout,
            on_frame=self.recorder.frame,
            on_condition=self.recorder.condition,
        )

    def _sinks(self) -> list[MqttSink | InfluxSink]:
        sinks: list[MqttSink | InfluxSink] = []
        if self.config.mqtt:
            sinks.append(
                MqttSink(self.config.mqtt, site=self.config.site.name, board=self.board, folder=self.config.path.parent)
            )
        if self.config.influx:
            sinks.append(InfluxSink(self.config.influx, folder=self.config.path.parent))
        return sinks

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set; raise StoreError or ApiError when the agent cannot start."""
        async with contextlib.AsyncExitStack() as stack:
            await self.store.open()
            stack.push_async_callback(self.store.close)
            self.ledger.restore(self.store.load_state)
            self.recorder.restore_alarms(self.store.load_state(ALARMS))
            await self._restore_windows()
            self._publish_meta()
            self._publish_status("online")
            if self.api:
                await self.api.start()
                stack.push_async_callback(self.api.stop)
            async with self._tasks("forward", [(f.sink.name, f.run) for f in self.forwarders]):
                polling = [(f"line {p.line.name}", p.run) for p in self.pollers if p.devices]
                async with self._tasks("", [*polling, ("ticker", self._tick_for_ever), ("books", self._keep_books)]):
                    notify("READY=1")
                    await stop.wait()
                await self._say_goodbye()

    async def _restore_windows(self) -> None:
        """Give the windows the rows of earlier runs; of earlier boots only when the clock tells how old they are."""
        stored = await asyncio.to_thread(lambda: dict(self.store.rows()))
        now = time.monotonic()
        self._rows_wait = synchronised() is False and now - self._started < _CLOCK_S
        self.recorder.restore_windows(stored, self._moment(now), trusted=not self._rows_wait)

    def _moment(self, now: float) -> Moment:
        return Moment(time.time_ns(), round(now * _NS), self._boot)

    @contextlib.asynccontextmanager
    async def _tasks(self, kind: str, jobs: list[tuple[str, Callable[[], Awaitable[None]]]]) -> AsyncIterator[None]:
        """Run jobs for as long as the block lasts."""
        async with asyncio.TaskGroup() as group:
            named = [(f"{kind} {name}".strip(), job) for name, job in jobs]
            tasks = [group.create_task(self._kept_running(name, job), name=name) for name, job in named]
            yield
            for task in tasks:
                task.cancel()

    async def _kept_running(self, name: str, job: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await job()
            except Exception:  # noqa: BLE001 -- one part's bug must not stop the rest; it is logged whole and retried
                _log.exception("%s failed and is started again", name)
            await asyncio.sleep(_RESTART_S)

    async def _say_goodbye(self) -> None:
        """Save everything, then give the sinks a moment to deliver it."""
        self.recorder.close_intervals(time.time_ns())
        self.recorder.save_books()
        self._publish_status("offline")
        try:
            await self.store.flush()
        except StoreError as error:
            _log.error("%s", error)
        deadline = time.monotonic() + _GOODBYE_S
        while time.monotonic() < deadline and any(f.pending for f in self.forwarders if f.connected):  # noqa: ASYNC110  # three seconds at most, on the way out
            await asyncio.sleep(0.05)

    async def _tick_for_ever(self) -> None:
        """Write a row of the ring each tick, and publish the windows when it is time."""
        tick_s = self.config.windows.tick
        due = time.monotonic()
        while True:
            now = self._beats.tick = time.monotonic()
            # The ring's clock is the monotonic one, so that a step of the wall clock bends no window.
            if self.ledger.tick(round(now * _NS)):
                self._beats.save = now
                self.recorder.save_books(self._moment(now))
            if now - self._beats.window >= self.config.windows.publish:
                self._beats.window = now
                self.recorder.publish_windows()
            due += tick_s * max(1, int((now - due) / tick_s) + 1)
            await asyncio.sleep(due - time.monotonic())

    async def _keep_books(self) -> None:
        """Close intervals, save the books, give signs of life: each when it is time, however slow the ticks are."""
        while True:
            now = self._beats.turn = time.monotonic()
            if self._asked_all(now):
                self.recorder.close_intervals(time.time_ns())
            self._do_duties(now)
            if self._rows_wait and (synchronised() or now - self._started >= _CLOCK_S):
                await self._restore_windows()
            await asyncio.sleep(_TURN_S)

    def _do_duties(self, now: float) -> None:
        beats = self._beats
        for alarm in store_alarms(self.store.status(), time.time_ns()):
            self.recorder.alarm(alarm)
        if now - beats.save >= _SAVE_S:
            beats.save = now
            self.recorder.save_books()
        if now - beats.health >= _HEALTH_S:
            beats.health = now
            self.recorder.health(snapshot.health(self.snapshot()))
            self._publish_status("online")
        interval_s = watchdog_interval_s()
        if interval_s and now - beats.watchdog >= interval_s / 2 and not self.stalled():
            beats.watchdog = now
            notify("WATCHDOG=1")

    def _asked_all(self, now: float) -> bool:
        """Whether every device was asked once: what came to pass before this run is booked before it is closed."""
        polled = all(device.polls for poller in self.pollers for device in poller.devices)
        return polled or now - self._started > _FIRST_POLLS_S

    def stalled(self) -> list[str]:
        """Return the names of loops that must turn and do not."""
        now = time.monotonic()
        stuck = [
            f"line {poller.line.name}"
            for poller in self.pollers
            if poller.devices and now - poller.beat > _STALL_S + poller.longest_turn_s
        ]
        if now - self._beats.tick > _STALL_S + self.config.windows.tick:
            stuck.append("ticker")
        if now - self._beats.turn > _STALL_S:
            stuck.append("books")
        return stuck

    def _publish_meta(self) -> None:
        accounts = self.ledger.plant.accounts
        for device in self.config.devices:
            own = [account for account in accounts if account.device == device.name]
            body = bodies.meta(
                self.config.site.name,
                device.area,
                device.name,
                self.config.profiles[device.name],
                {account.name: self.ledger.conversions.at(account, self.started_ns) for account in own},
                {account.name: account.unit for account in own},
                self.config.digest,
            )
            self.board.put(f"{device.area}/{device.name}/meta", orjson.dumps(body))

    def _publish_status(self, state: str) -> None:
        body: dict[str, Any] = {
            "schema": "energy-agent/status/1",
            "site": self.config.site.name,
            "state": state,
            "version": __version__,
            "started": rfc3339(self.started_ns),
        }
        if (known := synchronised()) is not None:
            body["clock_synchronised"] = known
        self.board.put("agent/status", orjson.dumps(body))

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state of the agent as JSON-able figures: for status, health, metrics and the live view."""
        elapsed_s = max(time.monotonic() - self._started, 1e-9)
        sections = {section.name: section for section in self.config.devices}
        return {
            "site": self.config.site.name,
            "version": __version__,
            "started": rfc3339(self.started_ns),
            "uptime_s": round(elapsed_s, 3),
            "clock_synchronised": synchronised(),
            "configuration": self.config.digest,
            "process": snapshot.process(),
            "stalled": self.stalled(),
            "lines": [snapshot.line(poller, elapsed_s) for poller in self.pollers],
            "devices": [
                snapshot.device(sections[device.name], device) for poller in self.pollers for device in poller.devices
            ],
            "accounts": snapshot.accounts(self.ledger, self.recorder.latest_intervals),
            "sinks": [forwarder.status() for forwarder in self.forwarders],
            "store": snapshot.store(self.store),
            "records": dict(self.recorder.counts),
            "intervals_closed": dict(self.recorder.intervals_closed),
            "alarms": snapshot.alarms(self.recorder.alarms),
        }
