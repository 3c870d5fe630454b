"""An agent that runs in this process, and the motors it reads."""

import asyncio
import itertools
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest

from agent.service import Agent
from tests.modbus_rig import Chunk, Request

_COUNTER = 0x0010


class Motor:
    """Answers as generic motors whose counters [0.01 kWh] are seven counts further at every read; notes the first's."""

    def __init__(self) -> None:
        self.served: list[int] = []
        """What the counter of unit 1 has shown."""
        self.times: list[float] = []
        """When it was read [s of the loop]."""
        self._counts: defaultdict[int, Iterator[int]] = defaultdict(lambda: itertools.count(1_000_000, 7))

    def has_served(self, count: int) -> bool:
        return len(self.served) >= count

    def __call__(self, request: Request) -> Iterable[Chunk]:
        values = [0] * request.count
        at = _COUNTER - request.address
        if 0 <= at < request.count:
            counts = next(self._counts[request.unit])
            if request.unit == 1:
                self.served.append(counts)
                self.times.append(asyncio.get_running_loop().time())
            values[at : at + 2] = divmod(counts, 1 << 16)
        return [(0, request.reply(values))]


@asynccontextmanager
async def running(agent: Agent) -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(agent.run(stop))
    try:
        yield
    finally:
        stop.set()
        await task


@contextmanager
def undivided_capture() -> Iterator[None]:
    """Let no full hour divide what is captured: a run that comes upon one would leave two files."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("drivers.capture.writer._HOUR_NS", 1 << 62)
        yield


async def until(reached: Callable[[], object]) -> None:
    """Wait for something to come true that has no event."""
    async with asyncio.timeout(20):
        while not reached():  # noqa: ASYNC110  # see above
            await asyncio.sleep(0.01)
