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


async def beat(due_ns: int) -> None:
    """Wait for a time of the wall clock [Unix, ns], as it goes now: should it be set meanwhile, look again."""
    loop = asyncio.get_running_loop()
    waiting = _waiting.setdefault(loop, {})
    woken = loop.create_future()
    if due_ns not in waiting:
        waiting[due_ns] = []
        loop.call_later((due_ns - time.time_ns()) / _NS + _ROUNDED_S, _wake, waiting, due_ns)
    waiting[due_ns].append(woken)
    await woken


def _wake(waiting: _Waiting, due_ns: int) -> None:
    for woken in waiting.pop(due_ns):
        if not woken.done():
            woken.set_result(None)
