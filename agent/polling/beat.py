"""One timer for all who wait for the same moment: a plant's devices are due together, and are asked before any answers.

Woken one by one, a thousand lines would take turns with the replies of those before them, and the last be asked late.
"""

import asyncio
import time
from weakref import WeakKeyDictionary

_NS = 1_000_000_000
_ROUNDED_S = 0.001
"""A timer of uvloop may be early by so much."""

_Waiting = dict[int, list[asyncio.Future[None]]]

_waiting: WeakKeyDictionary[asyncio.AbstractEventLoop, _Waiting] = WeakKeyDictionary()
"""Of each event loop, who waits for which time of the wall clock [Unix, ns]."""


def beat(due_ns: int) -> asyncio.Future[None]:
    """Return a future of a time of the wall clock [Unix, ns], as it goes now: if it is set meanwhile, look again."""
    loop = asyncio.get_running_loop()
    woken = loop.create_future()
    waiting = _waiting.get(loop)
    if waiting is None:
        waiting = _waiting[loop] = {}
    together = waiting.get(due_ns)
    if together is None:
        together = waiting[due_ns] = []
        loop.call_later((due_ns - time.time_ns()) / _NS + _ROUNDED_S, _wake, waiting, due_ns)
    together.append(woken)
    return woken


def _wake(waiting: _Waiting, due_ns: int) -> None:
    for woken in waiting.pop(due_ns):
        if not woken.done():
            woken.set_result(None)


def between_beats(period_s: float, phase: float) -> float:
    """Return the next monotonic time [s] at this share of a period of the wall clock, half a period away at least."""
    left_s = (phase - time.time() / period_s) % 1.0 * period_s
    return time.monotonic() + (left_s if left_s >= period_s / 2 else left_s + period_s)
