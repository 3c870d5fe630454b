"""What those who answer on a line can spare for devices in doubt, whose next silence may take the line's time."""

import time
from collections.abc import Iterable, Sequence

from agent.polling.breaker import Budget, Work, spare
from agent.polling.lineload import load
from agent.polling.overload import Overload
from agent.polling.polled import PolledDevice
from drivers.line import Line

_IDLE_WITHIN_S = 5.0
"""So long an attempt that is allowed waits for a moment at which nothing is due."""


class Sparing:
    """The time of one line, and what of it may be risked."""

    def __init__(self, line: Line, devices: Sequence[PolledDevice], overload: Overload, pause_s: float) -> None:
        self.budget = Budget()
        self.work = Work(time.monotonic())
        self._line = line
        self._devices = devices
        self._overload = overload
        self._pause_s = pause_s

    def load(self, devices: Iterable[PolledDevice]) -> float:
        """Return the share of its time for which the line would be busy if all of some devices answered as usual."""
        requests = [planned for device in devices for planned in device.planned]
        return load(self._line.endpoint, self._pause_s, requests)

    def may_wait_for(self, device: PolledDevice, now: float, left_s: float) -> bool:
        """Return whether the line may be risked for a device in doubt, when others are due in `left_s` [s]."""
        lost = device.breaker.forgiven and bool(device.answered)
        if lost or left_s >= self._line.silence_s:
            return True
        # Begun while nothing is due it costs the others least; a line that is never idle must not wait for that.
        idle = left_s > 0 or now - max(device.breaker.retry_at, self.budget.free_at) >= _IDLE_WITHIN_S
        return idle and self.budget.allows(now)

    def charge(self, began: float, left_s: float) -> None:
        """Note what a silence since a time [s, monotonic] took from those that are due in `left_s` [s]."""
        now = time.monotonic()
        taken_s = max(now, self._line.free_at) - max(now + left_s, began)
        self.budget.charge(now, taken_s, self._share())

    def _share(self) -> float:
        """Return the share of the line's time that attempts at devices in doubt may take, although others are due."""
        living = [device for device in self._devices if not device.breaker.doubtful]
        period_s = min((cadence.every_s for device in living for cadence in device.cadences), default=0.0)
        busy = max(self.load(living), self.work.share)
        return spare(busy, silence_s=self._line.silence_s, period_s=period_s, left_out=self._overload.share)
