"""How the devices of a line are doing, and the line itself: the conclusions of each attempt.

Invariants:

- A device is offline after two attempts in a row without an answer, and online with the first.
- Of a line that is down all devices are offline; each transition is told once.
"""

import logging
import time
from collections.abc import Callable, Iterable

from agent.polling.breaker import FIRST_PAUSE_S, Breaker
from agent.polling.polled import DeviceState, PolledDevice
from agent.polling.results import Muted, Results, refuses_all, silent
from drivers.errors import BadReply, LineDown, LineError
from drivers.hint import Hint, likely_cause
from drivers.line import Line

_log = logging.getLogger(__name__)

_ONLINE = DeviceState.ONLINE
_MUTED = "no answer, though others are answered: asked by growing pauses"

OnState = Callable[[PolledDevice], None]


class Standing:
    """What is held of one line and its devices."""

    def __init__(self, line: Line, devices: Iterable[PolledDevice], on_state: OnState) -> None:
        self.down_reason = ""
        self.breaker = Breaker()
        """When a line that is down is tried again."""
        self._line = line
        self._devices = tuple(devices)
        self._on_state = on_state

    def hint(self) -> Hint | None:
        """Return what is most likely wrong with a serial line on which nobody has ever answered."""
        stats = self._line.stats
        if not self._line.endpoint.serial or stats.replies or stats.exceptions:
            return None
        return likely_cause(self._line.evidence)

    def well(self, device: PolledDevice) -> None:
        """Note a poll of which everything came back."""
        device.breaker.succeed()
        self._set(device, _ONLINE, device.note)

    def answered(self, device: PolledDevice, results: Results) -> None:
        """Note a poll of which something came back, and something did not."""
        device.breaker.succeed()
        self._set(device, DeviceState.DEGRADED, "; ".join(filter(None, (_explain(device, results), device.note))))

    def failed(self, device: PolledDevice, reason: str, *, next_beat_s: float) -> None:
        """Count an attempt without result; from the second in a row on, the device is offline and asked less often."""
        device.failures += 1
        device.identify_at = 0.0
        device.breaker.fail(time.monotonic(), next_beat_s=next_beat_s)
        if device.breaker.open and device.state is not DeviceState.OFFLINE:
            hint = self.hint()
            self._set(device, DeviceState.OFFLINE, f"{reason}; {hint.text}" if hint else reason)

    def refuse(self, device: PolledDevice, stranger: str) -> None:
        """Take nothing from a device that is another one."""
        device.failures += 1
        device.breaker.rest(time.monotonic())
        self._set(device, DeviceState.OFFLINE, stranger)

    def line_is_up(self) -> None:
        """Note that the line can be used, whoever answers on it."""
        if self.breaker.doubtful:
            _log.info("line %s is back", self._line.name)
            self.breaker = Breaker()
            self.down_reason = ""

    def line_is_down(self, device: PolledDevice, down: LineDown) -> None:
        """Note that the line could not be used when a device was to be asked."""
        device.failures += 1
        if not self.breaker.doubtful:
            _log.warning("line %s is down: %s", self._line.name, down)
        self.down_reason = str(down)
        self.breaker.fail(time.monotonic(), next_beat_s=FIRST_PAUSE_S)
        for other in self._devices:
            self._set(other, DeviceState.OFFLINE, str(down))

    def _set(self, device: PolledDevice, state: DeviceState, reason: str) -> None:
        if device.state is state and (device.reason == reason or state is DeviceState.OFFLINE):
            return
        before, device.state, device.reason, device.since_ns = device.state, state, reason, time.time_ns()
        if state is _ONLINE:
            _log.info("device %s is online", device.name)
        else:
            _log.warning("device %s is %s (was %s): %s", device.name, state, before, reason)
        self._on_state(device)


def nothing_came(device: PolledDevice, results: Results) -> bool:
    """Whether a poll has asked for something and nothing of use came back, for which the device itself is to blame."""
    errors = {block: result for block, result in results.items() if isinstance(result, LineError)}
    # What was not asked for after a silence carries the error of the block that was.
    asked = {id(error): block for block, error in reversed(errors.items()) if costly(error)}
    blamed = any(block not in device.muted for block in asked.values())
    return len(errors) == len(results) and blamed and all(map(_dumb, errors.values()))


def costly(error: LineError) -> bool:
    """Whether the line was kept waiting for nothing."""
    return _dumb(error) and not isinstance(error, Muted)


def _dumb(error: LineError) -> bool:
    return silent(error) or isinstance(error, BadReply)


def _explain(device: PolledDevice, results: Results) -> str:
    """Return which blocks of a device that otherwise answers failed, and why."""
    failed = [
        f"function {block.function} address {block.address:#06x} count {block.count}: "
        f"{_MUTED if block in device.muted else result}"
        for block, result in results.items()
        if isinstance(result, LineError)
    ]
    if failed and refuses_all(device, results):
        failed.insert(0, "it has none of the registers asked for: check unit and profile (addresses are 0-based)")
    return "; ".join(failed)
