"""What a running agent does by itself, again and again: the ticks of the windows, the books, the signs of life.

Invariants:

- The watchdog is fed only while every line's task, the ticker and the keeper of the books turn; it never depends
  on a broker or database.
- Ticks and books are two loops, so that slow ticks keep neither the books nor the watchdog waiting.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

from agent import snapshot
from agent.alarms import AlarmDesk
from agent.beats import Beats
from agent.bookkeeper import Bookkeeper
from agent.clock import boot_id, synchronised
from agent.config import SiteConfig
from agent.ledger import Ledger
from agent.metering.history import Moment
from agent.notify import notify, watchdog_interval_s
from agent.poller import LinePoller
from agent.recorder import Recorder
from agent.store import Store, store_alarms

_NS = 1_000_000_000
_HEALTH_S = 60.0
_FIRST_HEALTH_S = 15.0
"""The first health record waits until there is something to say."""
_SAVE_S = 10.0
_TURN_S = 1.0
_FIRST_POLLS_S = 30.0
_CLOCK_S = 600.0
"""A clock that nobody has synchronised by then is taken as it is: there may be nobody to do so."""


class Duties:
    """The ticker and the keeper of the books."""

    def __init__(
        self,
        *,
        store: Store,
        alarms: AlarmDesk,
        bookkeeper: Bookkeeper,
        recorder: Recorder,
        state: Callable[[], dict[str, Any]],
        say_online: Callable[[], None],
    ) -> None:
        """`state` gives the figures of the whole agent; `say_online` posts that it runs."""
        self._store = store
        self._alarms = alarms
        self._bookkeeper = bookkeeper
        self._recorder = recorder
        self._state = state
        self._say_online = say_online
        self._started = time.monotonic()
        self._boot = boot_id()
        self._rows_wait = False
        self._beats = Beats(health=self._started + _FIRST_HEALTH_S - _HEALTH_S)

    def configure(self, config: SiteConfig, ledger: Ledger, pollers: Sequence[LinePoller]) -> None:
        """Go on with a configuration, its ledger and the pollers of its lines."""
        self._windows, self._ledger, self._pollers = config.windows, ledger, pollers

    async def restore_windows(self) -> None:
        """Give the windows the rows of earlier runs; of earlier boots only when the clock tells how old they are."""
        stored = await asyncio.to_thread(lambda: dict(self._store.rows()))
        now = time.monotonic()
        self._rows_wait = synchronised() is False and now - self._started < _CLOCK_S
        self._bookkeeper.restore_windows(stored, self._moment(now), trusted=not self._rows_wait)

    def _moment(self, now: float) -> Moment:
        return Moment(time.time_ns(), round(now * _NS), self._boot)

    async def tick_for_ever(self) -> None:
        """Write a row of the ring each tick, and publish the windows when it is time."""
        windows = self._windows
        due = time.monotonic()
        while True:
            now = self._beats.tick = time.monotonic()
            # The ring's clock is the monotonic one, so that a step of the wall clock bends no window.
            if self._ledger.tick(round(now * _NS)):
                self._beats.save = now
                self._bookkeeper.save(self._moment(now))
            if now - self._beats.window >= windows.publish:
                self._beats.window = now
                self._recorder.publish_windows()
            due += windows.tick * max(1, int((now - due) / windows.tick) + 1)
            await asyncio.sleep(due - time.monotonic())

    async def keep_books(self) -> None:
        """Close intervals, save the books, give signs of life: each when it is time, however slow the ticks are."""
        while True:
            now = self._beats.turn = time.monotonic()
            if self._asked_all(now):
                self._bookkeeper.close_due(time.time_ns())
            self._do(now)
            if self._rows_wait and (synchronised() or now - self._started >= _CLOCK_S):
                await self.restore_windows()
            await asyncio.sleep(_TURN_S)

    def settle(self) -> None:
        """Record what is due and save the books: at the end, and before another configuration."""
        self._bookkeeper.close_due(time.time_ns())
        self._bookkeeper.save()

    def _do(self, now: float) -> None:
        beats = self._beats
        for alarm in store_alarms(self._store.status(), time.time_ns()):
            self._alarms.set(alarm)
        if now - beats.save >= _SAVE_S:
            beats.save = now
            self._bookkeeper.save()
        if now - beats.health >= _HEALTH_S:
            beats.health = now
            self._recorder.health(snapshot.health(self._state()))
            self._say_online()
        interval_s = watchdog_interval_s()
        if interval_s and now - beats.watchdog >= interval_s / 2 and not self.stalled():
            beats.watchdog = now
            notify("WATCHDOG=1")

    def _asked_all(self, now: float) -> bool:
        """Whether every device was asked once: what came to pass before this run is booked before it is closed."""
        polled = all(device.polls for poller in self._pollers for device in poller.devices)
        return polled or now - self._started > _FIRST_POLLS_S

    def stalled(self) -> list[str]:
        """Return the names of loops that must turn and do not."""
        return self._beats.stuck(self._pollers, self._windows.tick)
