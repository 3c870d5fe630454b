"""One task per line: reads every device of the line when it is due.

Invariants:

- One task owns a line, so a line needs no lock and its requests never overlap.
- Polls are due at multiples of their cadence on the wall clock (so that all devices of a plant are read
  together) and awaited on the monotonic clock. A step of the wall clock re-aligns all of them, it never delays a
  poll by more than one period and is no lateness.
- A poll that cannot begin before the next one is due is skipped and counted, never queued.
- A device that does not answer costs its line one time-out per attempt; attempts of a device that is down are
  spaced by growing pauses. A line that is down is tried again by growing pauses for all its devices.
- A device is asked who it is on every connect and after every silence; a stranger's values are not taken.
- No reply is no sample: the frame of a failed poll carries qualities, no values.
- Whatever goes wrong with one device, a bug of ours included, costs its neighbours no poll.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Mapping, Sequence

from agent.polled import Cadence, Condition, Lateness, PolledDevice, cadences
from drivers.errors import BadReply, LineDown, LineError, NoReply, Refused
from drivers.line import Line
from drivers.reading import Block, Exchange, Frame

_log = logging.getLogger(__name__)

_FAILURES_TO_OFFLINE = 2
_LONGEST_PAUSE_S = 60.0
_FIRST_PAUSE_S = 2.0
_NS = 1_000_000_000
_STEP_NS = 200_000_000
"""The wall clock may drift from the monotonic one by this much between two looks; more is a step."""
_LONGEST_SLEEP_S = 1.0
"""After this long at most a step of the wall clock is noticed."""
_GATEWAY_CODES = (10, 11)
"""Exceptions by which a gateway says that the device behind it did not answer."""
_SILENCES = 12
"""One read may rightly take this many time-outs: a line that babbles is waited for before the request goes out."""

OnFrame = Callable[[PolledDevice, Cadence, Frame], None]
OnCondition = Callable[[PolledDevice], None]


class LinePoller:
    """Polls the devices of one line for ever."""

    def __init__(
        self,
        line: Line,
        devices: Sequence[PolledDevice],
        *,
        timeout_s: float,
        on_frame: OnFrame,
        on_condition: OnCondition,
    ) -> None:
        self.line = line
        self.devices = tuple(devices)
        self.lateness = Lateness()
        self.down_reason = ""
        self.beat = time.monotonic()
        """Monotonic time [s] of the last turn of the loop: what the watchdog looks at."""
        self._cadences = [cadence for device in devices for cadence in cadences(device)]
        self._timeout_s = timeout_s
        self._on_frame = on_frame
        self._on_condition = on_condition
        self._line_failures = 0
        self._line_retry_at = 0.0
        self._clock_ns = 0
        self._connection = 0

    @property
    def longest_turn_s(self) -> float:
        """The longest that the loop may rightly stay without a beat [s]: one read on a line in doubt."""
        return _SILENCES * self._timeout_s

    async def run(self) -> None:
        """Poll until cancelled; the line is closed on the way out."""
        try:
            # The first poll is made at once: a value now is worth more than a value on the beat.
            for cadence in self._cadences:
                await self._poll(cadence)
            self._align()
            while True:
                cadence = await self._next()
                self.lateness.add((time.time_ns() - cadence.due_ns) / _NS)
                await self._poll(cadence)
                if not self._realigned():
                    cadence.device.skipped += cadence.advance(time.time_ns())
        finally:
            await self.line.close()

    async def _next(self) -> Cadence:
        """Wait until a poll is due; return the one that has been due for longest."""
        while True:
            self.beat = time.monotonic()
            self._realigned()
            cadence = min(self._cadences, key=_due)
            left_s = (cadence.due_ns - time.time_ns()) / _NS
            if left_s <= 0:
                return cadence
            await asyncio.sleep(min(left_s, _LONGEST_SLEEP_S))

    def _align(self) -> None:
        now_ns = time.time_ns()
        self._clock_ns = now_ns - time.monotonic_ns()
        for cadence in self._cadences:
            cadence.align(now_ns)

    def _realigned(self) -> bool:
        """Align every cadence anew if the wall clock was set; return whether it was."""
        clock_ns = time.time_ns() - time.monotonic_ns()
        if abs(clock_ns - self._clock_ns) <= _STEP_NS:
            self._clock_ns = clock_ns
            return False
        self._align()
        return True

    async def _poll(self, cadence: Cadence) -> None:
        device = cadence.device
        now = time.monotonic()
        if now < device.retry_at or now < self._line_retry_at:
            return
        device.polls += 1
        try:
            await self._attempt(device, cadence)
        except Exception as error:  # noqa: BLE001 -- a bug that one device meets must not cost its neighbours a poll
            _log.exception("device %s: its poll failed within the agent", device.name)
            self._failed(device, f"internal error: {error!r}")

    async def _attempt(self, device: PolledDevice, cadence: Cadence) -> None:
        results: dict[Block, Exchange | LineError]
        try:
            stranger = await self._identify(device)
            if not stranger:
                results = await self._read(device, cadence.blocks)
                if any(isinstance(result, Exchange) for result in results.values()):
                    stranger = await self._identify(device)  # again, if they came over a new connection
            if stranger:
                self._judge_line(None)
                device.failures += 1
                device.retry_at = time.monotonic() + _LONGEST_PAUSE_S
                self._set(device, Condition.OFFLINE, stranger)
                return
        except LineError as error:
            results = dict.fromkeys(cadence.blocks, error)
        # Without any exchange (no connection) nothing was read, and there is no time to give a frame.
        if any(not isinstance(result, LineError) or result.exchange for result in results.values()):
            frame = device.frames[cadence.index] = cadence.codec.decode(device.name, results)
            self._on_frame(device, cadence, frame)
        self._judge(device, results)

    async def _read(self, device: PolledDevice, blocks: Sequence[Block]) -> dict[Block, Exchange | LineError]:
        """Read blocks in order; after a silence the rest is not asked for, so that it costs one time-out."""
        results: dict[Block, Exchange | LineError] = {}
        for block in blocks:
            self.beat = time.monotonic()
            try:
                results[block] = await self.line.read(device.unit, block)
            except LineError as error:
                results[block] = error
                if isinstance(error, LineDown) or _silent(error):
                    return results | dict.fromkeys(blocks[len(results) :], error)
        return results

    def _doubt(self) -> None:
        """Have every device say again who it is when the line was connected anew: others may stand behind it."""
        if self.line.stats.reconnects != self._connection:
            self._connection = self.line.stats.reconnects
            for device in self.devices:
                device.identified = False

    async def _identify(self, device: PolledDevice) -> str:
        """Check that the device is what its profile says and what it was before; return why not, if it is not.

        Raises LineError when it does not answer.
        """
        self._doubt()
        declared = device.profile.identity
        if device.identified or declared is None:
            return ""
        block = Block(declared.function, declared.address, declared.count)
        self.beat = time.monotonic()
        try:
            found = (await self.line.read(device.unit, block)).data.hex()
        except Refused as error:
            if _silent(error):
                raise
            # Older meters lack these registers: nothing can be checked, and nothing speaks against them.
            self._doubt()
            device.identified = True
            return ""
        expected = declared.expect or device.identity or found
        if found != expected:
            return (
                f"another device answers: its identity registers hold {found} instead of {expected}: "
                "check unit and profile, or start the agent anew if the device was replaced"
            )
        self._doubt()
        device.identity = found
        device.identified = True
        return ""

    def _judge(self, device: PolledDevice, results: Mapping[Block, Exchange | LineError]) -> None:
        """Draw the conclusions of one poll: the device's condition, and when to try again."""
        errors = [result for result in results.values() if isinstance(result, LineError)]
        down = next((error for error in errors if isinstance(error, LineDown)), None)
        self._judge_line(down)
        if down:
            device.failures += 1
        elif len(errors) == len(results) and all(_silent(error) or isinstance(error, BadReply) for error in errors):
            self._failed(device, str(errors[0]))
        else:
            device.failures_in_row = 0
            device.retry_at = 0.0
            self._set(device, Condition.DEGRADED if errors else Condition.ONLINE, _explain(results))

    def _failed(self, device: PolledDevice, reason: str) -> None:
        """Count a poll without result; from the second in a row on, the device is offline and asked less often."""
        device.failures += 1
        device.failures_in_row += 1
        device.identified = False
        if device.failures_in_row >= _FAILURES_TO_OFFLINE:
            device.retry_at = time.monotonic() + _pause_s(device.failures_in_row - _FAILURES_TO_OFFLINE)
            self._set(device, Condition.OFFLINE, reason)

    def _judge_line(self, down: LineDown | None) -> None:
        if down is None:
            if self._line_failures:
                _log.info("line %s is back", self.line.name)
            self._line_failures = 0
            self._line_retry_at = 0.0
            self.down_reason = ""
            return
        if not self._line_failures:
            _log.warning("line %s is down: %s", self.line.name, down)
        self.down_reason = str(down)
        self._line_retry_at = time.monotonic() + _pause_s(self._line_failures)
        self._line_failures += 1
        for device in self.devices:
            self._set(device, Condition.OFFLINE, str(down))

    def _set(self, device: PolledDevice, condition: Condition, reason: str) -> None:
        if device.condition is condition and (device.reason == reason or condition is Condition.OFFLINE):
            return
        before, device.condition, device.reason, device.since_ns = device.condition, condition, reason, time.time_ns()
        if condition is Condition.ONLINE:
            _log.info("device %s is online", device.name)
        else:
            _log.warning("device %s is %s (was %s): %s", device.name, condition, before, reason)
        self._on_condition(device)


def _due(cadence: Cadence) -> int:
    return cadence.due_ns


def _silent(error: LineError) -> bool:
    """Whether the device itself did not answer, which a gateway may say in its place."""
    return isinstance(error, NoReply) or (isinstance(error, Refused) and error.code in _GATEWAY_CODES)


def _pause_s(failures: int) -> float:
    """Return the pause after a number of failures in a row [s]: growing, capped and spread."""
    longest: float = min(_FIRST_PAUSE_S * 2.0 ** min(failures, 10), _LONGEST_PAUSE_S)
    return longest * random.uniform(0.75, 1.0)  # noqa: S311 -- spreads retries, protects nothing


def _explain(results: Mapping[Block, Exchange | LineError]) -> str:
    """Return which blocks of a device that otherwise answers failed, and why."""
    failed = [
        f"function {block.function} address {block.address:#06x} count {block.count}: {result}"
        for block, result in results.items()
        if isinstance(result, LineError)
    ]
    return "; ".join(failed)
