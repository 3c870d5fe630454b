"""The memory of the running agent: what loading left behind is given back, and what stays is not searched for garbage.

Loading reads and throws away several megabytes, which the C library keeps for more of the same. What was loaded
stays: looking through it again and again would stop the agent for tens of milliseconds each time.
"""

import asyncio
import contextlib
import ctypes
import gc
import os
from functools import cache
from typing import Any

_SETTLED_AFTER_S = 10.0
"""After the start or a change: all receivers are connected by then, and all libraries loaded."""
_GIVEN_BACK_EVERY_S = 60.0
"""A burst larger than all before leaves memory free that is not needed again for long; returning it takes 0.3 ms."""
_LOOKS = (20_000, 20, 20)
"""New objects before a look at the youngest, and looks before one at the next older: a burst of polls is no garbage."""
_STAYING = 8
"""So many objects that stay to each new one before a look: the polls of 3,000 devices have 35,000 under way at once."""

_M_ARENA_MAX = -8
"""See mallopt(3)."""


def begin_frugally() -> None:
    """Have threads share one heap, and numpy start none of its own; to be called before numpy is imported."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # linear algebra, which nothing here does
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # of the GNU C library
    if mallopt:
        mallopt(_M_ARENA_MAX, 1)


def settle() -> None:
    """Throw away what only loading needed, and keep the rest out of every later search."""
    gc.collect()
    gc.freeze()
    first, *later = _LOOKS
    gc.set_threshold(max(first, gc.get_freeze_count() // _STAYING), *later)
    gc.enable()


@cache
def _trim() -> Any:
    return getattr(ctypes.CDLL(None), "malloc_trim", None)  # of the GNU C library


def give_back() -> None:
    """Return to the system what is free; other threads go on meanwhile."""
    if trim := _trim():
        trim(0)


async def keep_settled(changed: asyncio.Event) -> None:
    """Settle a while after the start and after each change, which leaves the former state as garbage.

    In between, what is free is given back again and again, or memory would stay at the highest it ever was.
    """
    while True:
        changed.clear()
        await asyncio.sleep(_SETTLED_AFTER_S)
        settle()
        while not changed.is_set():
            with contextlib.suppress(RuntimeError):  # no thread can be had now: the next time will do
                await asyncio.to_thread(give_back)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), _GIVEN_BACK_EVERY_S)
        gc.unfreeze()
