"""A serial cable for tests: two pseudo-terminals whose far ends are joined on the event loop."""

import asyncio
import os
import tty
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


@asynccontextmanager
async def pty_pair() -> AsyncIterator[tuple[str, str]]:
    """Give the paths of the two ends."""
    loop = asyncio.get_running_loop()
    (left, left_end), (right, right_end) = os.openpty(), os.openpty()
    for end in (left_end, right_end):
        tty.setraw(end)
    loop.add_reader(left, lambda: os.write(right, os.read(left, 4096)))
    loop.add_reader(right, lambda: os.write(left, os.read(right, 4096)))
    try:
        yield os.ttyname(left_end), os.ttyname(right_end)
    finally:
        for master in (left, right):
            loop.remove_reader(master)
        for descriptor in (left, right, left_end, right_end):
            os.close(descriptor)
