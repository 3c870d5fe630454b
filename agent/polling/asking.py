"""Asks the devices of one line: who they are, what they read, and which of their registers they do not have.

Invariants:

- After a silence nothing more is asked of a device in the same attempt: a silence costs one time-out.
- A request that a device leaves unanswered while it answers others is asked last, and by growing pauses.
- What a device says it does not have is believed when it answers other requests; a request it once answered only
  when it has been refused for a while, for a device that starts may refuse what it has.
- A device is asked who it is on every connect, after every silence and now and then; a stranger's values are not
  taken.
"""

import logging
import random
import time
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from agent.polling.learning import Learned, search
from agent.polling.polled import Cadence, PolledDevice
from agent.polling.results import Muted, Results, at_rest, illegal, is_over, left_of, silent
from drivers.entry import MAX_REGISTERS
from drivers.errors import ExceptionCode, LineError, NoReply, Refused
from drivers.line import Line, Read
from drivers.pause import sleep_until
from drivers.reading import Block, Exchange
from drivers.value import frozen

_log = logging.getLogger(__name__)

_BUSY_CODES = (ExceptionCode.ACKNOWLEDGE, ExceptionCode.DEVICE_BUSY)
_IDENTIFY_EVERY_S = 600.0
_ROUNDS = 8
"""Learning one thing may bring another to light, so many times in one poll at most."""
_BELIEVED_S = 60.0
_LEARN_AGAIN_S, _WRONG_PROFILE_S = 60.0, 3600.0
_RECHECK_FIRST_S, _RECHECK_S = 600.0, 86400.0
"""A device may have been starting when it was learned; later only a new firmware changes what it has."""


@frozen
class Memory:
    """Keeps what was learned of a device over a restart, and tells of it when it is learned.

    `remember` saves which registers it has, `slow` that it is often busy; `recall` brings both back.
    """

    remember: Callable[[PolledDevice], None] = lambda _: None
    recall: Callable[[PolledDevice], None] = lambda _: None
    slow: Callable[[PolledDevice], None] = lambda _: None


@frozen
class Stranger:
    """Another device than the one expected: why it must be, and the exchange that shows it."""

    reason: str
    exchange: Exchange


class Asker:
    """Sends the requests of one line, each when its device can take it."""

    def __init__(self, line: Line, devices: Iterable[PolledDevice], memory: Memory) -> None:
        self.alive_at = time.monotonic()
        """Monotonic time [s] of the last request."""
        self._line = line
        self._devices = tuple(devices)
        self._memory = memory
        self._connection = 0
        self._polled: PolledDevice | None = None
        self._poll = 0
        self._asked: dict[Block, int] = {}

    def prepared(self, cadence: Cadence) -> Read | None:
        """Return the first request of the next poll, made ready; None where something else has to come before it."""
        device = cadence.device
        if device.muted or device.pacing.pause_s or self.must_identify(device):
            return None
        return self._line.prepared(device.unit, cadence.blocks[0], poll=device.polls + 1)

    async def read(self, cadence: Cadence) -> Results:
        """Read what is due together; learn what the device refuses, so that all it has arrives in this very poll."""
        device = cadence.device
        results: Results = {}
        for _ in range(_ROUNDS):
            left = left_of(cadence, results)
            for at, block in enumerate(left):
                if device.muted and at_rest(device, block):
                    results[block] = Muted("not asked for a while")
                    continue
                asked_at = self._line.begun_at
                if asked_at is None:
                    asked_at = await self._rested(device) if device.pacing.pause_s else time.monotonic()
                try:
                    exchange = await self._read(device, block, asked_at)
                except LineError as error:
                    self._unanswered(device, asked_at, error)
                    if is_over(device, left[at:], error, results):
                        return results
                else:
                    self._answered(device, block)
                    results[block] = exchange
                    if device.muted:
                        device.muted.pop(block, None)
            refused = [block for block, result in results.items() if illegal(result)]
            if not refused or not await self._learn(device, refused):
                break
            results = {block: results[block] for block in cadence.blocks if isinstance(results.get(block), Exchange)}
        return results

    def must_identify(self, device: PolledDevice) -> bool:
        """Whether a device has to say who it is before anything is taken from it."""
        if device.profile.identity is None:
            return False
        self._doubt()
        return time.monotonic() >= device.identify_at

    async def identify(self, device: PolledDevice) -> Stranger | None:
        """Check that the device is what its profile says and what it was before; return who it is, if it is not.

        Raises LineError when it does not answer.
        """
        declared = device.profile.identity
        if declared is None or not self.must_identify(device):
            return None
        block = Block(declared.function, declared.address, declared.count)
        try:
            exchange = await self._ask(device, block)
        except Refused as error:
            if silent(error):
                raise
            # Older meters lack these registers: nothing can be checked, and nothing speaks against them.
            self._know(device)
            return None
        found = exchange.data.hex()
        expected = declared.expect or device.identity or found
        if found != expected:
            reason = (
                f"another device answers: its identity registers hold {found} instead of {expected}: "
                "check unit and profile, or start the agent anew if the device was replaced"
            )
            return Stranger(reason, exchange)
        device.identity = found
        self._know(device)
        return None

    async def probe(self, device: PolledDevice) -> Stranger | None:
        """Find out with one short read whether a device is there; return who it is, if it is another one.

        Raises LineError when it does not answer.
        """
        stranger = None
        if device.profile.identity is None:
            await self._read_one(device)
        else:
            device.identify_at = 0.0
            stranger = await self.identify(device)
        device.probed_at = time.monotonic()
        return stranger

    async def _read_one(self, device: PolledDevice) -> None:
        """Read the shortest block that a device has answered before."""
        blocks = sorted((planned.block for planned in device.planned), key=lambda block: block.count)
        answered = [block for block in blocks if block in device.answered]
        # One that never answered may leave unanswered just the one that is tried.
        block = answered[0] if answered else blocks[device.breaker.failures_in_row % len(blocks)]
        try:
            await self._ask(device, block)
        except Refused as error:
            if silent(error):
                raise

    async def recheck(self, device: PolledDevice) -> None:
        """Try now and then whether a device has by now what it did not have; raise LineError when it falls silent."""
        now = time.monotonic()
        if not device.learned.holes or now < device.recheck_at:
            return
        device.recheck_at = now + _RECHECK_S
        for hole in device.learned.holes:
            if hole.count and await self._has(
                device, Block(hole.function, hole.address, min(hole.count, MAX_REGISTERS))
            ):
                _log.warning("device %s reads %s now, which it refused before", device.name, hole)
                device.learn(device.learned.without(hole))
                self._memory.remember(device)

    async def _ask(self, device: PolledDevice, block: Block) -> Exchange:
        """Send one request when the device has had its rest; note how it takes it."""
        asked_at = await self._rested(device)
        try:
            exchange = await self._read(device, block, asked_at)
        except LineError as error:
            self._unanswered(device, asked_at, error)
            raise
        self._answered(device, block)
        return exchange

    async def _rested(self, device: PolledDevice) -> float:
        """Wait until a device has had its rest; return the monotonic time [s]."""
        now = self.alive_at = time.monotonic()
        rest_s = device.pacing.wait_s(now)
        if rest_s > 0:
            await sleep_until(now + rest_s)
            now = time.monotonic()
        return now

    def _read(self, device: PolledDevice, block: Block, now: float) -> Coroutine[Any, Any, Exchange]:
        """Send one request at a monotonic time [s]; it is counted within its poll, the first 1."""
        self.alive_at = now
        if device is not self._polled or device.polls != self._poll:
            self._polled, self._poll = device, device.polls
            self._asked.clear()
        attempt = self._asked[block] = self._asked.get(block, 0) + 1
        return self._line.read(device.unit, block, poll=device.polls, attempt=attempt)

    def _answered(self, device: PolledDevice, block: Block) -> None:
        device.pacing.answered(time.monotonic())
        if not device.answered:
            device.learn_at = 0.0
        device.answered.add(block)
        if device.refused:
            device.refused.pop(block, None)

    def _unanswered(self, device: PolledDevice, asked_at: float, error: LineError) -> None:
        """Give a device more time that seems to need it; `asked_at` is a monotonic time [s]."""
        pacing = device.pacing
        hurried = pacing.hurried(asked_at)
        refused = isinstance(error, Refused) and not silent(error)
        if refused:
            pacing.answered(time.monotonic())
        busy = isinstance(error, Refused) and error.code in _BUSY_CODES
        if (busy or (hurried and isinstance(error, NoReply))) and pacing.slow_down():
            _log.info("device %s needs more time between requests: %s", device.name, error)
        if busy and not pacing.told:
            pacing.told = True
            self._memory.slow(device)

    async def _has(self, device: PolledDevice, block: Block) -> bool:
        """Return whether a block can be read; raise LineError when the device does not say."""
        try:
            await self._ask(device, block)
        except Refused as error:
            if illegal(error):
                return False
            raise
        return True

    async def _learn(self, device: PolledDevice, refused: Iterable[Block]) -> bool:
        """Find out why a device refuses blocks, and plan anew; return whether anything was learned."""
        now = time.monotonic()
        blocks = [block for block in refused if self._believed(device, block, now)]
        if not blocks or now < device.learn_at:
            return False
        found = Learned()
        try:
            for block in blocks:
                found = found.joined(await self._searched(device, block))
        except LineError as error:
            device.learn_at = now + _LEARN_AGAIN_S
            _log.info("device %s: what it refuses cannot be learned now: %s", device.name, error)
            return False
        if not device.answered:
            device.learn_at = now + _WRONG_PROFILE_S
        if not found or not device.answered:
            return False
        device.learn(device.learned.joined(found))
        device.recheck_at = now + _RECHECK_FIRST_S
        self._memory.remember(device)
        _log.warning("device %s refuses %s: not asked for any more", device.name, found)
        return True

    async def _searched(self, device: PolledDevice, block: Block) -> Learned:
        (points,) = (planned.points for planned in device.planned if planned.block == block)
        spans = [
            Block(point.function, point.address, point.length)
            for point in map(device.profile.points.__getitem__, points)
        ]
        found = await search(block, spans, lambda part: self._has(device, part))
        # Refused a moment ago and not any more: there is nothing to learn from that.
        return Learned() if device.answered and await self._has(device, block) else found

    @staticmethod
    def _believed(device: PolledDevice, block: Block, now: float) -> bool:
        since = device.refused.setdefault(block, now)
        return block not in device.answered or now - since >= _BELIEVED_S

    def _doubt(self) -> None:
        """Have every device say again who it is when the line was connected anew: others may stand behind it."""
        if self._line.stats.reconnects != self._connection:
            self._connection = self._line.stats.reconnects
            for device in self._devices:
                device.identify_at = 0.0

    def _know(self, device: PolledDevice) -> None:
        self._doubt()
        # Spread, so that the devices of a line are not all asked in one second.
        device.identify_at = time.monotonic() + _IDENTIFY_EVERY_S * random.uniform(0.75, 1.0)  # noqa: S311 -- protects nothing
