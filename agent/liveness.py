"""When each duty was done last, and which loop does not turn any more: what the watchdog and `/healthz` go by."""

import time
from collections.abc import Iterable
from dataclasses import field

from agent.polling.poller import LinePoller
from drivers.value import mutable

_STALL_S = 30.0
"""A loop that has not turned for this long, beyond its longest wait, is stuck."""


@mutable
class LastDone:
    """Monotonic times [s] at which each duty was done last."""

    tick: float = field(default_factory=time.monotonic)
    window: float = 0.0
    turn: float = field(default_factory=time.monotonic)
    health: float = 0.0
    save: float = 0.0
    watchdog: float = 0.0

    def stuck(self, pollers: Iterable[LinePoller], tick_s: float) -> list[str]:
        """Return the names of loops that must turn and do not."""
        now = time.monotonic()
        found = [
            f"line {poller.line.name}"
            for poller in pollers
            if poller.devices and now - poller.alive_at > _STALL_S + poller.longest_turn_s
        ]
        if now - self.tick > _STALL_S + tick_s:
            found.append("ticker")
        if now - self.turn > _STALL_S:
            found.append("books")
        return found
