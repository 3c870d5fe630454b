"""Which poll of a line is next: earliest due first, at multiples of each cadence on the wall clock.

Polls are due on the wall clock, so that all devices of a plant are read together, and awaited on the monotonic
one. A step of the wall clock aligns all of them anew: it delays no poll by more than a period and is no lateness.
"""

import math
import time
from collections.abc import Iterable

from agent.polling.polled import Cadence, PolledDevice

_NS = 1_000_000_000
STEP_S = 0.2
"""The wall clock may drift from the monotonic one by this much between two looks; more is a step."""


class Schedule:
    """The cadences of the devices of one line."""

    def __init__(self, devices: Iterable[PolledDevice]) -> None:
        self.cadences = tuple(cadence for device in devices for cadence in device.cadences)
        self._clock_ns = 0

    def begin(self) -> None:
        """Make nothing due: everything is about to be polled once."""
        self._clock_ns = time.time_ns() - time.monotonic_ns()
        for cadence in self.cadences:
            cadence.due_ns = 0

    def align(self) -> None:
        """Make the next multiple of every cadence due; what a device that fails still owes stays due."""
        now_ns = time.time_ns()
        self._clock_ns = now_ns - time.monotonic_ns()
        for cadence in self.cadences:
            if cadence.due_ns > now_ns or not cadence.device.breaker.doubtful:
                cadence.align(now_ns)

    def realigned(self) -> bool:
        """Align every cadence anew if the wall clock was set; return whether it was."""
        clock_ns = time.time_ns() - time.monotonic_ns()
        if abs(clock_ns - self._clock_ns) <= STEP_S * _NS:
            self._clock_ns = clock_ns
            return False
        self.align()
        return True

    def sure(self) -> list[Cadence]:
        """Return what can be polled of devices that are not in doubt."""
        return [cadence for cadence in self.cadences if cadence.blocks and not cadence.device.breaker.doubtful]

    def next(self) -> Cadence | None:
        """Return the poll that is due first among devices that answer; None when none does."""
        first: Cadence | None = None
        for cadence in self.cadences:
            due = cadence.due_ns and cadence.blocks and not cadence.device.breaker.failures_in_row
            if due and (first is None or cadence.due_ns < first.due_ns):
                first = cadence
        return first

    def left_s(self) -> float:
        """Return how long the line is free before such a poll is due [s]; below 0 when it is over its time."""
        cadence = self.next()
        return math.inf if cadence is None else cadence.left_s()

    @staticmethod
    def next_beat_s(cadence: Cadence) -> float:
        """Return the time until the next multiple of a cadence [s]."""
        every_ns = round(cadence.every_s * _NS)
        return (every_ns - time.time_ns() % every_ns) / _NS
