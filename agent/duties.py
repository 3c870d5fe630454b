"""What a running agent does by itself, again and again: the ticks of the windows, the books, the signs of life.

Invariants:

- The watchdog is fed only while every line's task, the ticker, the keeper of the books and the store's thread turn;
  it never depends on a broker or database.
- Nothing is booked, closed or recorded before the time is known; what was polled until then waits in the recorder.
- Ticks and books are two loops, so that slow ticks keep neither the books nor the watchdog waiting.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

from agent.alarms.desk import AlarmDesk
from agent.books.bookkeeper import Bookkeeper
from agent.books.ledger import Ledger
from agent.capturing import Capturing
from agent.config import SiteConfig
from agent.liveness import LastDone
from agent.metering.amount import NS_PER_S
from agent.metering.history import Moment
from agent.polling.poller import LinePoller
from agent.process.notify import notify, watchdog_interval_s
from agent.record import AGENT
from agent.recorder import Recorder
from agent.scribe import Scribe
from agent.state import snapshot
from agent.store import StoreError, store_alarms
from agent.timekeeping.clock import boot_id
from agent.timekeeping.notices import behind_alarm, given_up_event, step_event
from agent.turns import next_tick, next_turn
from agent.warning.rating import rating_alarms

_log = logging.getLogger(__name__)

_NEWEST = "clock"
"""Name under which the store keeps the newest time (Unix, ns) that was known."""
_HEALTH_S = 60.0
_FIRST_HEALTH_S = 15.0
"""The first health record waits until there is something to say."""
_SAVE_S = 10.0
_TURN_S = 1.0
_FIRST_POLLS_S = 30.0
_STORE_STALL_S = 60.0
"""A disk that takes this long for one call hangs, and raises no error."""
_AT_ONCE = 100
"""Frames booked before the lines have a turn again."""
_ROOM_BYTES = 2 << 20
"""More than the records of so many frames take."""


class Duties:
    """The ticker and the keeper of the books."""

    def __init__(
        self,
        *,
        scribe: Scribe,
        alarms: AlarmDesk,
        bookkeeper: Bookkeeper,
        recorder: Recorder,
        capture: Capturing,
        state: Callable[[], dict[str, Any]],
        say_online: Callable[[], None],
    ) -> None:
        """`state` gives the figures of the whole agent; `say_online` posts that it runs."""
        self._scribe, self._store, self._keeper = scribe, scribe.store, scribe.keeper
        self._alarms = alarms
        self._bookkeeper = bookkeeper
        self._recorder = recorder
        self._capture = capture
        self._state = state
        self._say_online = say_online
        self._started = time.monotonic()
        self._boot = boot_id()
        self._fed_s = watchdog_interval_s()
        self._ticked_ns = 0
        self._told_given_up = 0
        self._last_done = LastDone(health=self._started + _FIRST_HEALTH_S - _HEALTH_S)

    def configure(self, config: SiteConfig, ledger: Ledger, pollers: Sequence[LinePoller]) -> None:
        """Go on with a configuration, its ledger and the pollers of its lines."""
        self._windows, self._ledger, self._pollers = config.windows, ledger, pollers
        self._all_polled = False

    async def begin(self) -> None:
        """Look at the clocks, and begin to book if the time is known."""
        self._keeper.not_before_ns = int(self._store.load_state(_NEWEST) or 0)
        self._look()
        if self._keeper.believed:
            await self._begin_to_book()

    def _look(self) -> None:
        """Look at the clocks, and tell of each step."""
        steps = self._keeper.look()
        right = bool(self._keeper.clocks.synchronised)
        self._scribe.tape.clock(right=right, vouched=self._keeper.vouched)
        self._ledger.clock_right = right
        for step in steps:
            self._tell(step_event(self._scribe.site, step), step.time_ns)

    def _tell(self, event: dict[str, Any], time_ns: int) -> None:
        _log.warning("%s", event["text"])
        self._scribe.record("event", AGENT, time_ns, event)

    async def _begin_to_book(self) -> None:
        """Give the windows the rows of earlier runs, as of a time before the first frame, and let frames be booked."""
        self._alarms.begin()
        stored = await self._stored_rows()
        self._bookkeeper.restore_windows(stored, self._moment(self._keeper.started.monotonic_ns), trusted=True)
        self._recorder.begin()
        self._say_online()

    async def _stored_rows(self) -> dict[int, bytes]:
        try:
            ledger, now_ns = self._ledger, self._keeper.now_ns()
            rows = await asyncio.to_thread(lambda: ledger.needed(self._store.rows(), now_ns))
        except StoreError as error:
            _log.error("%s; the rolling windows begin anew", error)
            return {}
        # Windows of a reload that came meanwhile need others.
        return rows if ledger is self._ledger else await self._stored_rows()

    async def _book_what_waits(self) -> None:
        """Book what has waited for the time to be known, with the ticks of its time."""
        if not self._recorder.begun:
            await self._begin_to_book()
        waiting = self._recorder.waiting
        while waiting:
            for _ in range(min(len(waiting), _AT_ONCE)):
                monotonic_ns = self._recorder.release()
                if monotonic_ns - self._ticked_ns >= self._windows.tick * NS_PER_S:
                    self._tick(monotonic_ns)
            if self._store.room < _ROOM_BYTES:
                await self._made_room()  # of what has to make way, the store tells
            await asyncio.sleep(0)
        if waiting.given_up > self._told_given_up:
            now_ns, lost = self._keeper.now_ns(), waiting.given_up - self._told_given_up
            self._told_given_up = waiting.given_up
            self._tell(given_up_event(self._scribe.site, now_ns, lost), now_ns)

    def _moment(self, monotonic_ns: int) -> Moment:
        return Moment(self._keeper.at(monotonic_ns), monotonic_ns, self._boot)

    def _tick(self, monotonic_ns: int) -> None:
        """Write a row of the ring; its clock is the monotonic one, so that a step of the wall clock bends no window."""
        self._ticked_ns = monotonic_ns
        if self._ledger.tick(monotonic_ns):
            self._last_done.save = time.monotonic()
            self._bookkeeper.save(self._moment(monotonic_ns))

    async def tick_for_ever(self) -> None:
        """Write a row of the ring each tick, and publish the windows when it is time."""
        windows = self._windows
        while True:
            now = self._last_done.tick = time.monotonic()
            if self._recorder.settled:
                self._tick(round(now * NS_PER_S))
                # A tick may come a moment early after one that was late.
                if now - self._last_done.window >= windows.publish - windows.tick / 2:
                    self._last_done.window = now
                    for _ in self._recorder.publish_windows():
                        await asyncio.sleep(0)
            await next_tick(windows.tick)

    async def keep_books(self) -> None:
        """Close intervals, save the books, give signs of life: each when it is time, however slow the ticks are."""
        while True:
            now = self._last_done.turn = time.monotonic()
            self._look()
            if self._keeper.believed:
                await self._book_what_waits()
            more = self._asked_all(now) and self._close_due()
            self._give_signs_of_life(now)
            if not (more and await self._made_room()):
                await next_turn(_TURN_S)

    async def _made_room(self) -> bool:
        """Commit what waits, so that more can be appended; return whether that was possible."""
        try:
            await self._store.flush()
        except StoreError:
            return False  # the store tells of it; what is due stays in the books
        return True

    def _close_due(self) -> bool:
        """Record some of the intervals that are due; return whether there may be more."""
        return self._recorder.settled and self._bookkeeper.close_due(self._keeper.now_ns())

    def _save(self) -> None:
        self._bookkeeper.save()
        keeper = self._keeper
        if keeper.believed:
            # What a synchronised clock says stands, also where a wrong one has once written of the future.
            floor_ns = 0 if keeper.clocks.synchronised else keeper.not_before_ns
            self._store.save_state(_NEWEST, b"%d" % max(keeper.now_ns(), floor_ns))

    async def finish(self) -> None:
        """Book what still waits, if the time is known, then settle."""
        if self._keeper.believed:
            await self._book_what_waits()
        elif waiting := len(self._recorder.waiting):
            _log.warning("polls lost, for the time was not known until the end: %d", waiting)
        self.settle()

    def settle(self) -> None:
        """Record what is due and save the books: at the end, and before another configuration."""
        self._close_due()
        self._save()

    def _give_signs_of_life(self, now: float) -> None:
        """Tell of store, capture and clock, save, publish the health and feed the watchdog, each when it is time."""
        last_done = self._last_done
        for alarm in store_alarms(self._store.status(), time.time_ns()):
            self._alarms.set(alarm)
        self._alarms.set(self._capture.look())
        if self._keeper.believed:
            newest_ns, behind = self._keeper.not_before_ns, self._keeper.behind
            self._alarms.set(behind_alarm(newest_ns, time.time_ns(), behind=behind))
        if now - last_done.save >= _SAVE_S or self._bookkeeper.unsaved_begin:
            last_done.save = now
            self._save()
            for alarm in rating_alarms(self._ledger.books.values(), time.time_ns()):
                self._alarms.set(alarm)
        if now - last_done.health >= _HEALTH_S:
            last_done.health = now
            if self._recorder.settled:
                self._recorder.health(snapshot.health(self._state()))
            self._say_online()
        if self._fed_s and now - last_done.watchdog >= self._fed_s / 2 and not self.stalled():
            last_done.watchdog = now
            notify("WATCHDOG=1")

    def _asked_all(self, now: float) -> bool:
        """Whether every device was asked once: what came to pass before this run is booked before it is closed."""
        if not self._all_polled:
            self._all_polled = all(device.polls for poller in self._pollers for device in poller.devices)
        return self._all_polled or now - self._started > _FIRST_POLLS_S

    def stalled(self) -> list[str]:
        """Return the names of loops that must turn and do not."""
        found = self._last_done.stuck(self._pollers, self._windows.tick)
        return [*found, "store"] if self._store.stuck_s > _STORE_STALL_S else found
