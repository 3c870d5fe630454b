"""One timer for all who wait for the same moment: a plant's devices are due together.

They are woken a few at a time, so that replies which have come by then are not left lying while others are still to be
asked. But a thousand lines would take turns so with the replies of those before them, and the last be asked late: once
only asking all the rest keeps them punctual, they are woken at once. Who has prepared what it is about to ask has it
asked for it, without being woken before there is an answer.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

_NS = 1_000_000_000
_ROUNDED_S = 0.001
"""A timer of uvloop may be early by so much."""
_FEW = 2
_PUNCTUAL_NS = 40_000_000
"""How long after the moment the last may be asked."""
_ASKING_NS = 40_000
"""What it takes to ask one, roughly."""

Begin = Callable[[asyncio.Future[Any]], bool]
"""Begins what is due and returns True, then the future is done when that is; returns False where it cannot."""
_Sleeper = tuple[asyncio.Future[Any], Begin | None]
_Waiting = dict[int, list[_Sleeper]]

_waiting: WeakKeyDictionary[asyncio.AbstractEventLoop, _Waiting] = WeakKeyDictionary()
"""Of each event loop, who waits for which time of the wall clock [Unix, ns]."""


def beat(due_ns: int, begin: Begin | None = None) -> asyncio.Future[Any]:
    """Return a future of a time of the wall clock [Unix, ns], as it goes now: if it is set meanwhile, look again.

    Where `begin` is given and can begin something then, the future is done when that is.
    """
    loop = asyncio.get_running_loop()
    woken = loop.create_future()
    waiting = _waiting.get(loop)
    if waiting is None:
        waiting = _waiting[loop] = {}
    together = waiting.get(due_ns)
    if together is None:
        together = waiting[due_ns] = []
        loop.call_later((due_ns - time.time_ns()) / _NS + _ROUNDED_S, _wake, waiting, due_ns)
    together.append((woken, begin))
    return woken


def _wake(waiting: _Waiting, due_ns: int) -> None:
    _wake_few(waiting.pop(due_ns), 0, time.monotonic_ns() + _PUNCTUAL_NS)


def _wake_few(sleepers: list[_Sleeper], first: int, until_ns: int) -> None:
    """Wake the next few, then let the loop look at what has come; all the rest where they would be late else."""
    left = len(sleepers) - first
    behind = first + (left if time.monotonic_ns() + left * _ASKING_NS > until_ns else _FEW)
    for woken, begin in sleepers[first:behind]:
        if not woken.done() and not (begin is not None and begin(woken)):
            woken.set_result(None)
    if behind < len(sleepers):
        asyncio.get_running_loop().call_soon(_wake_few, sleepers, behind, until_ns)


def between_beats(period_s: float, phase: float) -> float:
    """Return the next monotonic time [s] at this share of a period of the wall clock, half a period away at least."""
    left_s = (phase - time.time() / period_s) % 1.0 * period_s
    return time.monotonic() + (left_s if left_s >= period_s / 2 else left_s + period_s)
