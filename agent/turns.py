"""The moments at which jobs look again whether there is something to do: the same for all, between two polls.

Each time the agent wakes up costs it more than what most of them find to do.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

from agent.polling.beat import between_beats

_TICK_PHASE, _TURN_PHASE = 0.5, 0.75
"""Polls are due at whole seconds of the wall clock; ticks and turns come between them, so that neither waits."""
_TURN_S = 1.0


async def next_tick(period_s: float) -> None:
    """Wait for the next tick of those with this period [s], half a period at least."""
    await _next(period_s, _TICK_PHASE)


async def next_turn(period_s: float) -> None:
    """Wait for the next turn of those with this period [s], half a period at least."""
    await _next(period_s, _TURN_PHASE)


async def each_turn(job: Callable[[], Awaitable[None]], ready: Callable[[], bool]) -> None:
    """Do a job once a second, while the agent is `ready` for it."""
    while True:
        if ready():
            await job()
        await next_turn(_TURN_S)


async def _next(period_s: float, phase: float) -> None:
    # What this is for does not have to be exact to the millisecond, as that of the polls.
    await asyncio.sleep(between_beats(period_s, phase) - time.monotonic())
