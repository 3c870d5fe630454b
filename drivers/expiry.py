"""The time-outs of all that is asked in one event loop: one timer for those who wait equally long, not one for each.

Nearly every reply comes in time, so a timer of its own would be set up and thrown away with each request.
"""

import asyncio
import time
from typing import Protocol
from weakref import WeakKeyDictionary

_ROUNDED_S = 0.001
"""A timer of uvloop may be early by so much."""


class Waiter(Protocol):
    """Who waits for something that may not come."""

    def expire(self) -> None:
        """End the wait."""


class Expiry:
    """Those who wait for the same time; who has come first is due first."""

    def __init__(self, after_s: float) -> None:
        self.after_s = after_s
        self._due: dict[Waiter, float] = {}
        self._ringing = False

    def begin(self, waiter: Waiter) -> float:
        """End the wait of somebody after the time of all [s], unless `cancel` is called before; return when."""
        self._due.pop(waiter, None)
        due = self._due[waiter] = time.monotonic() + self.after_s
        if not self._ringing:
            self._ringing = True
            self._ring_after(self.after_s)
        return due

    def cancel(self, waiter: Waiter) -> None:
        """Let somebody wait no more, or have been let go already."""
        self._due.pop(waiter, None)

    def _ring(self) -> None:
        self._ringing = False
        now = time.monotonic()
        due = self._due
        while due:
            waiter = next(iter(due))
            if due[waiter] > now:
                self._ringing = True
                self._ring_after(due[waiter] - now)
                return
            del due[waiter]
            waiter.expire()

    def _ring_after(self, wait_s: float) -> None:
        # The loop is not kept: it would never be let go, for `_known` keeps this as long as it.
        asyncio.get_running_loop().call_later(wait_s + _ROUNDED_S, self._ring)


_known: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[float, Expiry]] = WeakKeyDictionary()


def expiry_after(loop: asyncio.AbstractEventLoop, after_s: float) -> Expiry:
    """Return the time-out of a loop for all who wait so long [s]."""
    of_loop = _known.setdefault(loop, {})
    if after_s not in of_loop:
        of_loop[after_s] = Expiry(after_s)
    return of_loop[after_s]
