"""Whether another RTU reply comes behind the one that was taken, also where this machine stands still meanwhile."""

import asyncio
import time

from drivers.guard import SHORTEST_RTU_FRAME
from drivers.pause import sleep_until
from drivers.wire import Wire

STALL_S = 0.02
"""A wait that ends later than so was no wait: the process or the machine stood still, and the device may have too."""
_ROUNDS = 4


async def another_comes(wire: Wire, listen_s: float) -> bool:
    """Listen for so long [s] behind the last reply; return whether another frame came, or a connection broke."""
    until = wire.received_ns / 1e9 + listen_s
    for _ in range(_ROUNDS):
        await sleep_until(until)
        while not _came(wire) and wire.waiting:  # noqa: ASYNC110 - the loop hands on what came in its next rounds
            await asyncio.sleep(0)
        now = time.monotonic()
        if _came(wire) or now <= until + STALL_S:
            break
        until = now + listen_s
    return _came(wire)


def _came(wire: Wire) -> bool:
    return wire.lost or wire.unasked >= SHORTEST_RTU_FRAME
