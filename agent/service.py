"""The agent itself: builds everything once and runs it in one task group.

Invariants:

- Nothing else knows all rooms; what a part needs is handed to it.
- An interval is committed behind what it stands on: the capture of it is on the disk first, unless that hangs.
- A part that fails for a reason of its own (a bug in a sink, a poller) is restarted and logged, and never takes
  the others along. Cancellation always passes through.
- On the way out: polling stops, the books are saved, the capture is closed, all of it is sealed and flushed, then the
  sinks say goodbye.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Iterable
from typing import Any

from agent import __version__
from agent.alarms.desk import ALARMS, AlarmDesk
from agent.api.door import Door
from agent.audit.auditor import Auditor
from agent.board import Board
from agent.books.bookkeeper import Bookkeeper
from agent.books.ledger import Ledger
from agent.books.taking_up import take_up
from agent.capturing import Capturing
from agent.config import SiteConfig
from agent.config.reload import difference
from agent.corrections.desk import Corrections
from agent.delivery.build import delivered, end_alarms_of_others, forwarders
from agent.delivery.forward import Forwarder
from agent.duties import Duties
from agent.intensity.publishing import Intensities
from agent.output.listening import Listener
from agent.polling.build import line_pollers
from agent.polling.poller import LinePoller
from agent.presence import post_meta, post_status
from agent.process.crew import Job, working
from agent.process.notify import notify
from agent.recorder import Recorder
from agent.rollup.billed import Billed
from agent.rollup.derived import Derived
from agent.scribe import Scribe
from agent.sections import LineSection
from agent.state.whole import whole
from agent.store import Store, StoreError
from agent.tape import WritingTape
from agent.tape.opening import books_of
from agent.timekeeping.clock import boot_id, timekeeper
from agent.turns import each_turn

_log = logging.getLogger(__name__)

_GOODBYE_S = 3.0


class Agent:
    """One run of the agent with one configuration."""

    def __init__(self, config: SiteConfig) -> None:
        self.config = config
        self.keeper = timekeeper()
        self._started, self._boot = time.monotonic(), boot_id()
        self.board = Board()
        self.store = Store(
            config.resolve(config.store.path),
            max_size=config.store.max_size,
            commit_every_s=config.store.commit_every,
            site=config.site.name,
            stamp=self.keeper.stamp,
            sinks=config.sinks,
        )
        self.ledger = self._ledger(config)
        self.capture = Capturing(config, self.keeper)
        self.store.commit_behind(self.capture.keep)
        self.tape = WritingTape(self.capture, lambda reason, part: books_of(self, reason, part))
        self.scribe = Scribe(self.store, site=config.site.name, keeper=self.keeper, tape=self.tape)
        self.alarms = AlarmDesk(self.scribe, self.board)
        self.auditor = Auditor(
            config, self.ledger, scribe=self.scribe, board=self.board, alarms=self.alarms, capture=self.capture
        )
        self.bookkeeper = Bookkeeper(self.ledger, self.scribe)
        self.derived = Derived(self.scribe, Billed(self.store, self.ledger))
        self.derived.keep(config, self.ledger)
        self.bookkeeper.followers.append(self.derived.note)
        self.corrections = Corrections(config.resolve(config.store.path), self.scribe, self.bookkeeper)
        self.recorder = Recorder(config, self.ledger, scribe=self.scribe, alarms=self.alarms, board=self.board)
        self.pollers = self._pollers(config, config.lines)
        self.listener = Listener(
            self.keeper, self.board, ready=lambda: self.recorder.settled, boot_id=self._boot, tape=self.tape
        )
        self.intensities = Intensities(self.scribe, self.derived.beside(self.bookkeeper.latest_intervals))
        for part in (self.corrections, self.listener, self.intensities):
            part.keep(config, self.ledger)
        self.forwarders = forwarders(config, self.store, self.board, self.alarms)
        self.duties = Duties(
            scribe=self.scribe,
            alarms=self.alarms,
            bookkeeper=self.bookkeeper,
            recorder=self.recorder,
            capture=self.capture,
            state=self.snapshot,
            say_online=self._say_online,
        )
        self.duties.configure(config, self.ledger, self.pollers)
        self.door = Door(
            snapshot=self.snapshot,
            stalled=self.duties.stalled,
            store=self.store,
            recorder=self.recorder,
            board=self.board,
        )
        self._next: SiteConfig | None = None
        self._asked = asyncio.Event()

    def _ledger(self, config: SiteConfig) -> Ledger:
        return Ledger(config, config.library, start_ns=self.keeper.started.wall_ns, boot_id=self._boot)

    def _pollers(self, config: SiteConfig, lines: Iterable[LineSection]) -> list[LinePoller]:
        return line_pollers(config, lines, self.recorder, self.alarms, self.store, self.tape)

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set; raise StoreError, KeyFileError or ApiError when the agent cannot start."""
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(self._books_open())
            self.auditor.open()
            self.alarms.restore(self.store.load_state(ALARMS), known=self.recorder.knows)
            end_alarms_of_others(self.forwarders, self.alarms)
            await self.duties.begin()
            self._say_online()
            if self.config.mqtt:
                self.board.remember(self.store, known=self.recorder.knows)
            stack.push_async_callback(self.door.close)
            await self.door.open(self.config)
            async with working((_delivery(f), f.run) for f in self.forwarders) as self._delivering:
                async with working(self._duties()) as self._polling:
                    notify("READY=1")
                    told = (self.config.path, len(self.config.lines), len(self.config.devices))
                    _log.info("energy-agent %s runs: %s, lines: %d, devices: %d", __version__, *told)
                    await stop.wait()
                await self._say_goodbye()
            _log.info("energy-agent has ended")

    @contextlib.asynccontextmanager
    async def _books_open(self) -> AsyncIterator[None]:
        await self.store.open()
        self.capture.start()
        try:
            self.corrections.restore()
            self.ledger.restore(self.store.load_state)
            self.derived.restore()
            yield
        finally:
            await self.capture.close()
            await self.store.close()

    async def correct(self) -> None:
        """Serve the requests for corrections in place of an agent that does not run; nothing is polled or sent.

        Raises StoreError when the store cannot be used, or the time is not known, and KeyFileError.
        """
        self.keeper.look()
        if not self.keeper.believed:
            raise StoreError("the machine's clock is not known to be right yet: try again later")
        async with self._books_open():
            self.auditor.open()
            await self.corrections.turn()
            while await self.derived.turn():
                pass
            self.bookkeeper.save()
            await self.auditor.finish(ready=True)
            await self.store.flush()

    def _duties(self) -> list[tuple[str, Job]]:
        return [
            *((_polling(poller), poller.run) for poller in self.pollers if poller.devices),
            ("ticker", self.duties.tick_for_ever),
            ("books", self.duties.keep_books),
            ("corrections", lambda: each_turn(self.corrections.turn, lambda: self.recorder.settled)),
            ("roll-ups", lambda: self.derived.run_for_ever(lambda: self.recorder.settled)),
            ("seals", lambda: self.auditor.run_for_ever(lambda: self.recorder.settled)),
            ("outputs", self.listener.run_for_ever),
            ("intensities", lambda: self.intensities.run_for_ever(lambda: self.recorder.settled)),
            ("budgets", lambda: self.recorder.accounted.run_for_ever(lambda: self.recorder.settled)),
            ("found books", self._take_up_found),
            ("reload", self._take_over_for_ever),
        ]

    async def _take_up_found(self) -> None:
        """Take up what the run before left, if its books have turned up; the crew asks again and again."""
        if self.recorder.settled:
            take_up(self.store, self.ledger, lambda: self._ledger(self.config), self.tape)

    def reload(self, config: SiteConfig) -> None:
        """Take over a configuration, which must not need a new start, as soon as the one before is taken over."""
        self._next = config
        self._asked.set()

    async def _take_over_for_ever(self) -> None:
        while True:
            await self._asked.wait()
            self._asked.clear()
            config, self._next = self._next, None
            if config:
                try:
                    await self._take_over(config)
                finally:
                    notify("READY=1")

    async def _take_over(self, config: SiteConfig) -> None:
        """Become an agent of this configuration, or stay that of the former if the API cannot listen."""
        other_factors = config.library.sets() != self.ledger.conversions.library.sets()
        change = difference(self.config, config, other_factors=other_factors)
        if change.api and not await self.door.move(self.config, config):
            return
        # Built before anything ends, so that a failure leaves everything as it was.
        started = [line for line in config.lines if line.name not in change.lines_kept]
        pollers = {poller.line.name: poller for poller in self._pollers(config, started)}
        senders = {sender.sink.name: sender for sender in forwarders(config, self.store, self.board, self.alarms)}
        ledger = self._ledger(config) if change.ledger else self.ledger
        for name in change.lines_ended:
            await self._polling.end(f"line {name}")
        for name in change.sinks:
            await self._delivering.end(f"forward {name}")
        if change.ticker:
            await self._polling.end("ticker")
        # From here on nothing waits: no frame is booked and no interval closed while things change.
        self._switch(config, ledger, change.gone)
        pollers |= {poller.line.name: poller for poller in self.pollers if poller.line.name in change.lines_kept}
        self.pollers = [pollers[line.name] for line in config.lines]
        self.duties.configure(config, ledger, self.pollers)
        for poller in self.pollers:
            if poller.devices and poller.line.name not in change.lines_kept:
                self._polling.start(_polling(poller), poller.run)
        if change.ticker:
            self._polling.start("ticker", self.duties.tick_for_ever)
        senders |= {sender.sink.name: sender for sender in self.forwarders if sender.sink.name not in change.sinks}
        self.forwarders = [*senders.values()]
        for name in change.sinks:
            self._delivering.start(_delivery(senders[name]), senders[name].run)
        _log.info("%s is taken over: %s", config.path, change)

    def _switch(self, config: SiteConfig, ledger: Ledger, gone: tuple[str, ...]) -> None:
        """Go on with another configuration, its ledger, and without some devices."""
        self.duties.settle()
        if ledger is not self.ledger:
            ledger.take_over(self.ledger, self.store.load_state)
        self.ledger, self.config = ledger, config
        for key in gone:
            self.recorder.forget(key)
        self.tape.reload(config)
        self.recorder.configure(config, ledger)
        self.bookkeeper.keep(ledger)
        for part in (self.corrections, self.derived, self.listener, self.intensities, self.auditor):
            part.keep(config, ledger)
        self.bookkeeper.save()
        self._say_online()

    def _say_online(self) -> None:
        """Post what each device is, by the factors of today, and that the agent runs."""
        key = self.auditor.public_key
        post_meta(self.board, self.config, self.ledger, time.time_ns(), key)
        post_status(self.board, self.config.site.name, "online", self.keeper, key)

    async def _say_goodbye(self) -> None:
        """Save everything, then give the sinks a moment to deliver it."""
        await self.duties.finish()
        await self.capture.close()
        await self.auditor.finish(ready=self.recorder.settled)
        post_status(self.board, self.config.site.name, "offline", self.keeper, self.auditor.public_key)
        try:
            await self.store.flush()
        except StoreError as error:
            _log.error("%s", error)
        await delivered(self.forwarders, _GOODBYE_S)

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state of the agent as JSON-able figures: for status, health, metrics and the live view."""
        return {
            **whole(self, max(time.monotonic() - self._started, 1e-9)),
            "stalled": self.duties.stalled(),
        }


def _polling(poller: LinePoller) -> str:
    return f"line {poller.line.name}"


def _delivery(forwarder: Forwarder) -> str:
    return f"forward {forwarder.sink.name}"
