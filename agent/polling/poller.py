"""One task per line: reads every device of the line when it is due.

Invariants:

- One task owns a line, so a line needs no lock and its requests never overlap.
- Earliest due first; a poll that cannot begin before the next one is due is skipped and counted, never queued.
- A device that fails is asked again by growing pauses, one taken for dead by one short read, and while others are
  due only within a share of the time that these can spare. A line that is down is tried again by growing pauses.
- No reply is no sample: the frame of a failed poll carries qualities, no values.
- Whatever goes wrong with one device, a bug of ours included, costs its neighbours no poll.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Sequence

from agent.polling import doubt
from agent.polling.asking import Asker, Memory, Stranger
from agent.polling.beat import beat
from agent.polling.beginning import Beginning
from agent.polling.overload import Overload
from agent.polling.polled import Cadence, Lateness, PolledDevice
from agent.polling.results import Results
from agent.polling.schedule import Schedule
from agent.polling.sparing import Sparing
from agent.polling.standing import OnState, Standing, costly, nothing_came
from agent.tape import NO_TAPE, Tape
from drivers.errors import LineDown, LineError
from drivers.frame import Frame
from drivers.line import Line
from drivers.reading import Exchange

_log = logging.getLogger(__name__)

_NS = 1_000_000_000
_LONGEST_SLEEP_S = 1.0
"""After this long at most a step of the wall clock is noticed."""
_SILENCES = 12
"""One read may rightly take this many time-outs: a line that babbles is waited for before the request goes out."""

OnFrame = Callable[[PolledDevice, Cadence, Frame], None]
OnOverload = Callable[[bool, str, str], None]
"""Told whether a line has become overloaded or is no more, in English and Chinese."""


class LinePoller:
    """Polls the devices of one line for ever."""

    def __init__(
        self,
        line: Line,
        devices: Sequence[PolledDevice],
        *,
        pause_s: float,
        on_frame: OnFrame,
        on_state: OnState,
        memory: Memory,
        on_overload: OnOverload,
        tape: Tape = NO_TAPE,
    ) -> None:
        """`tape` is told of each poll before its frame is."""
        self.line = line
        self.devices = tuple(devices)
        self.lateness = Lateness()
        self.overload = Overload(time.monotonic())
        self._tape = tape
        self._schedule = Schedule(devices)
        self._asker = Asker(line, devices, memory)
        self._beginning = Beginning(line, self._asker)
        self._standing = Standing(line, devices, on_state)
        self._sparing = Sparing(line, devices, self.overload, pause_s)
        self._on_frame = on_frame
        self._on_overload = on_overload
        self._memory = memory
        self._alive_at = time.monotonic()

    @property
    def down_reason(self) -> str:
        """Why the line cannot be used, empty while it can."""
        return self._standing.down_reason

    @property
    def reason(self) -> str:
        """What is wrong with the line, empty when nothing is."""
        hint = self._standing.hint()
        overload = self.overload.text(self.line.name) if self.overload.active else ""
        return "; ".join(filter(None, (self.down_reason, overload, hint.text if hint else "")))

    @property
    def planned_load(self) -> float:
        """Share of its time for which the line would be busy if all its devices answered as usual."""
        return self._sparing.load(self.devices)

    @property
    def alive_at(self) -> float:
        """Monotonic time [s] of the last turn of the loop or request: what the watchdog looks at."""
        return max(self._alive_at, self._asker.alive_at)

    @property
    def longest_turn_s(self) -> float:
        """The longest that the loop may rightly stay without a sign of life [s]: one read on a line in doubt."""
        return _SILENCES * self.line.timeout_s

    async def run(self) -> None:
        """Poll until cancelled; the line is closed on the way out."""
        for device in self.devices:
            self._memory.recall(device)
        try:
            # The first poll is made at once: a value now is worth more than a value on the beat.
            await self._round()
            while True:
                await self._turn()
        finally:
            self.overload.active = False
            self._tell_load(active=False)
            await self.line.close()

    async def _round(self) -> None:
        """Poll everything once, and from then on the beat; a line that is down ends the round."""
        self._schedule.begin()
        for number, cadence in enumerate(self._schedule.cadences):
            if cadence.device.breaker.doubtful:
                continue
            if cadence.blocks:
                await self._poll(cadence)
                # Many that do not answer must not keep those waiting that have.
                for _ in range(number):
                    due = self._schedule.next()
                    if self._standing.breaker.doubtful or due is None or due.left_s() > 0:
                        break
                    await self._keep_time(due)
                if self._standing.breaker.doubtful:
                    break
            if not cadence.device.breaker.doubtful:
                cadence.align(time.time_ns())
        self.overload.begin(time.monotonic())

    async def _turn(self) -> None:
        """Make the poll or attempt whose time has come, or wait."""
        now = self._alive_at = time.monotonic()
        self._schedule.realigned()
        self._judge_load(now)
        if now < self._standing.breaker.retry_at:
            await asyncio.sleep(min(self._standing.breaker.retry_at - now, _LONGEST_SLEEP_S))
            return
        if self._standing.breaker.doubtful and self._schedule.sure():
            await self._round()
            return
        cadence = self._schedule.next()
        left_s = math.inf if cadence is None else cadence.left_s()
        waiting = self._waiting()
        if waiting and waiting.breaker.retry_at <= now and self._sparing.may_wait_for(waiting, now, left_s):
            await self._try_again(waiting)
            return
        if left_s > 0:
            retry_s = waiting.breaker.retry_at - now if waiting else left_s
            if retry_s <= 0:
                retry_s = self._sparing.budget.free_at - now
            most_s = min(retry_s, _LONGEST_SLEEP_S)
            if cadence is None or left_s > most_s:
                await asyncio.sleep(most_s)
                return
            await beat(cadence.due_ns, self._beginning.of(cadence))  # one moment for all lines
            if not self._beginning.begun and (self._schedule.realigned() or cadence.left_s() > 0):
                return
        if cadence is not None:
            await self._keep_time(cadence)

    def _waiting(self) -> PolledDevice | None:
        """Return the device in doubt whose turn is next, None when none is in doubt."""
        doubtful = [device for device in self.devices if device.breaker.failures_in_row]
        return min(doubtful, key=PolledDevice.turn) if doubtful else None

    async def _keep_time(self, cadence: Cadence) -> None:
        """Make a poll that is due, or go on with it."""
        self.lateness.add(self._beginning.late_s(cadence))
        await self._poll(cadence)
        # That of a device which failed stays due: it is made up for when the device answers.
        if not self._schedule.realigned() and not cadence.device.breaker.failures_in_row:
            skipped = cadence.advance(time.time_ns())
            cadence.device.skipped += skipped
            self.overload.add(skipped)

    async def _try_again(self, device: PolledDevice) -> None:
        """Make another attempt at a device that failed: whatever is due by now, if it is there at all."""
        if device.breaker.open and not await self._there(device):
            return
        for cadence in device.cadences:
            if cadence.blocks and cadence.due_ns <= time.time_ns():
                await self._poll(cadence)
                if device.breaker.doubtful or self._standing.breaker.doubtful:
                    return
                cadence.align(time.time_ns())
        device.breaker.succeed()

    async def _there(self, device: PolledDevice) -> bool:
        """Ask a device that was taken for dead for one thing; return whether it has answered."""
        device.polls += 1
        began = time.monotonic()
        try:
            stranger = await self._asker.probe(device)
        except LineDown as error:
            self._standing.line_is_down(device, error)
            return False
        except LineError as error:
            self._failed(device.cadences[0], str(error), began)
            return False
        except Exception as error:  # noqa: BLE001 -- a bug that one device meets must not cost its neighbours a poll
            self._stumbled(device.cadences[0], error, began)
            return False
        self._standing.line_is_up()
        if stranger:
            self._refuse(device, stranger)
        else:
            device.breaker.succeed()
        return not stranger

    def _refuse(self, device: PolledDevice, stranger: Stranger) -> None:
        """Take nothing from another device than the one expected, and say so of every value."""
        self._standing.line_is_up()
        self._standing.refuse(device, stranger.reason)
        frame = doubt.stranger(device.name, device.profile, stranger.exchange)
        cadence = device.cadences[0]
        device.frames = {cadence.index: frame}
        self._tape.refused(self.line.name, cadence)
        self._on_frame(device, cadence, frame)

    async def _poll(self, cadence: Cadence) -> None:
        device, asker = cadence.device, self._asker
        device.polls += 1
        begun_at = self.line.begun_at
        began = time.monotonic() if begun_at is None else begun_at
        results: Results = {}
        try:
            try:
                stranger = await asker.identify(device) if begun_at is None and asker.must_identify(device) else None
                if not stranger:
                    results = await asker.read(cadence)
                    # Again, if they came over a new connection.
                    if asker.must_identify(device) and any(isinstance(each, Exchange) for each in results.values()):
                        stranger = await asker.identify(device)
            except LineError as error:
                stranger, results = None, dict.fromkeys(cadence.blocks, error)
            if stranger:
                self._refuse(device, stranger)
                return
            self._take(cadence, results, began)
            if device.learned.holes and not device.breaker.doubtful and not self._standing.breaker.doubtful:
                await self._recheck(device)
        except Exception as error:  # noqa: BLE001 -- a bug that one device meets must not cost its neighbours a poll
            self._stumbled(cadence, error, began)

    def _take(self, cadence: Cadence, results: Results, began: float) -> None:
        """Make a frame of what one poll gave, which began at a monotonic time [s], and judge it."""
        device = cadence.device
        errors = [result for result in results.values() if isinstance(result, LineError)]
        # Without any exchange (no connection) nothing was read, and there is no time to give a frame.
        if len(errors) < len(results) or any(error.exchange for error in errors):
            frame = cadence.codec.decode(device.name, results)
            frame = device.frames[cadence.index] = doubt.aged(frame, device.planned, results, cadence.every_s, began)
            self._tape.polled(self.line.name, cadence, results)
            self._on_frame(device, cadence, frame)
        if not errors:
            self._sparing.work.add(began, time.monotonic())
            self._standing.line_is_up()
            self._standing.well(device)
            return
        if not any(map(costly, errors)):
            self._sparing.work.add(began, time.monotonic())
        self._judge(cadence, results, errors, began)

    async def _recheck(self, device: PolledDevice) -> None:
        try:
            await self._asker.recheck(device)
        except LineError as error:
            _log.info("device %s: what it lacked cannot be tried now: %s", device.name, error)

    def _judge(self, cadence: Cadence, results: Results, errors: list[LineError], began: float) -> None:
        """Draw the conclusions of one poll with errors: the device's state, and when to try again."""
        down = next((error for error in errors if isinstance(error, LineDown)), None)
        if down:
            self._standing.line_is_down(cadence.device, down)
            return
        self._standing.line_is_up()
        if nothing_came(cadence.device, results):
            self._failed(cadence, str(errors[0]), began)
            return
        if any(map(costly, errors)):
            self._sparing.charge(began, self._schedule.left_s())
        self._standing.answered(cadence.device, results)

    def _failed(self, cadence: Cadence, reason: str, began: float) -> None:
        self._sparing.charge(began, self._schedule.left_s())
        self._standing.failed(cadence.device, reason, next_beat_s=Schedule.next_beat_s(cadence))

    def _stumbled(self, cadence: Cadence, error: Exception, began: float) -> None:
        _log.exception("device %s: its poll failed within the agent", cadence.device.name, exc_info=error)
        self._failed(cadence, f"internal error: {error!r}", began)

    def _judge_load(self, now: float) -> None:
        if self.overload.judge(now):
            if self.overload.active:
                _log.warning("%s", self.overload.text(self.line.name))
            self._tell_load(active=bool(self.overload.active))

    def _tell_load(self, *, active: bool) -> None:
        name = self.line.name
        self._on_overload(active, self.overload.text(name), self.overload.text_zh(name))
