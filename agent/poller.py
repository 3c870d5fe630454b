"""One task per line: reads every device of the line when it is due.

Invariants:

- One task owns a line, so a line needs no lock and its requests never overlap.
- Polls are due at multiples of their cadence on the wall clock (so that all devices of a plant are read
  together) and awaited on the monotonic clock. A step of the wall clock re-aligns, it never delays a poll by
  more than one period.
- A poll that cannot begin before the next one is due is skipped and counted, never queued.
- A device that does not answer costs its line one time-out per attempt; attempts of a device that is down are
  spaced by growing pauses. A line that is down is tried again by growing pauses for all its devices.
- A device is asked who it is on every connect and after every silence; a stranger's values are not taken.
- No reply is no sample: the frame of a failed poll carries qualities, no values.
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

    @property
    def longest_turn_s(self) -> float:
        """The longest that one turn of the loop may rightly take [s]: every request of a poll timing out."""
        blocks = max((len(cadence.blocks) for cadence in self._cadences), default=1)
        return blocks * self._timeout_s * 2

    async def run(self) -> None:
        """Poll until cancelled; the line is closed on the way out."""
        now_ns = time.time_ns()
        for cadence in self._cadences:
            cadence.align(now_ns)
        # The first poll is made at once: a value now is worth more than a value on the beat.
        try:
            for cadence in self._cadences:
                await self._poll(cadence)
            while True:
                self.beat = time.monotonic()
                cadence = min(self._cadences, key=_due)
                await self._wait(cadence)
                self.lateness.add(max(0.0, (time.time_ns() - cadence.due_ns) / _NS))
                await self._poll(cadence)
                cadence.device.skipped += cadence.advance(time.time_ns())
        finally:
            await self.line.close()

    async def _wait(self, cadence: Cadence) -> None:
        while (left_ns := cadence.due_ns - time.time_ns()) > 0:
            if left_ns > round(cadence.every_s * _NS):
                cadence.align(time.time_ns())  # the wall clock was set back
                continue
            await asyncio.sleep(min(left_ns / _NS, 1.0))
            self.beat = time.monotonic()

    async def _poll(self, cadence: Cadence) -> None:
        device = cadence.device
        now = time.monotonic()
        if now < device.retry_at or now < self._line_retry_at:
            return
        device.polls += 1
        results: dict[Block, Exchange | LineError]
        try:
            stranger = await self._identify(device)
            if stranger:
                device.failures += 1
                device.retry_at = now + _LONGEST_PAUSE_S
                self._set(device, Condition.OFFLINE, stranger)
                return
            results = await self._read(device, cadence.blocks)
        except LineError as error:
            results = dict.fromkeys(cadence.blocks, error)
        self._judge(device, results)
        # Without any exchange (no connection) nothing was read, and there is no time to give a frame.
        if any(not isinstance(result, LineError) or result.exchange for result in results.values()):
            device.last_frame = cadence.codec.decode(device.name, results)
            self._on_frame(device, cadence, device.last_frame)

    async def _read(self, device: PolledDevice, blocks: Sequence[Block]) -> dict[Block, Exchange | LineError]:
        """Read blocks in order; after a silence the rest is not asked for, so that it costs one time-out."""
        results: dict[Block, Exchange | LineError] = {}
        for block in blocks:
            try:
                results[block] = await self.line.read(device.unit, block)
            except (LineDown, NoReply) as error:
                return results | dict.fromkeys(blocks[len(results) :], error)
            except LineError as error:
                results[block] = error
        return results

    async def _identify(self, device: PolledDevice) -> str:
        """Check that the device is what its profile says and what it was before; return why not, if it is not.

        Raises LineError when it does not answer.
        """
        declared = device.profile.identity
        if device.identified or declared is None:
            return ""
        block = Block(declared.function, declared.address, declared.count)
        try:
            found = (await self.line.read(device.unit, block)).data.hex()
        except Refused:
            # Older meters lack these registers: nothing can be checked, and nothing speaks against them.
            device.identified = True
            return ""
        expected = declared.expect or device.identity or found
        if found != expected:
            return (
                f"another device answers: its identity registers hold {found} instead of {expected}: "
                "check unit and profile, or start the agent anew if the device was replaced"
            )
        device.identity = found
        device.identified = True
        return ""

    def _judge(self, device: PolledDevice, results: Mapping[Block, Exchange | LineError]) -> None:
        """Draw the conclusions of one poll: the device's condition, and when to try again."""
        errors = [result for result in results.values() if isinstance(result, LineError)]
        down = next((error for error in errors if isinstance(error, LineDown)), None)
        self._judge_line(down)
        if len(errors) == len(results) and not any(isinstance(error, Refused) for error in errors):
            device.failures += 1
            device.failures_in_row += 1
            device.identified = False
            if device.failures_in_row >= _FAILURES_TO_OFFLINE or down:
                self._set(device, Condition.OFFLINE, str(errors[0]))
            if device.failures_in_row >= _FAILURES_TO_OFFLINE and not down:
                device.retry_at = time.monotonic() + _pause_s(device.failures_in_row - _FAILURES_TO_OFFLINE)
            return
        device.failures_in_row = 0
        device.retry_at = 0.0
        device.last_ok_ns = time.time_ns()
        if errors:
            self._set(device, Condition.DEGRADED, _explain(results))
        else:
            self._set(device, Condition.ONLINE, "")

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


def _pause_s(failures: int) -> float:
    """Return the pause after a number of failures in a row [s]: growing, capped and spread."""
    longest: float = min(_FIRST_PAUSE_S * 2.0 ** min(failures, 10), _LONGEST_PAUSE_S)
    return longest * random.uniform(0.75, 1.0)  # noqa: S311 -- spreads retries, protects nothing


def _explain(results: Mapping[Block, Exchange | LineError]) -> str:
    """Return which blocks of a device that otherwise answers failed, and why."""
    failed = [
        f"function {block.function} address {block.address:#06x} count {block.count}: {result}"
        for block, result in results.items()
        if isinstance(result, Refused | BadReply | NoReply)
    ]
    return "; ".join(failed)
