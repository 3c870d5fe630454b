import asyncio
import threading
import time

import pytest

from agent.threads import LooseThreads


def test_a_call_that_never_returns_delays_neither_other_calls_nor_the_end() -> None:
    for_ever = threading.Event()

    async def program() -> int:
        asyncio.get_running_loop().set_default_executor(LooseThreads())
        stuck = [asyncio.ensure_future(asyncio.to_thread(for_ever.wait)) for _ in range(100)]
        found = await asyncio.to_thread(lambda: 7)
        assert not any(task.done() for task in stuck)
        return found

    began = time.monotonic()
    assert asyncio.run(program()) == 7
    assert time.monotonic() - began < 5
    for_ever.set()


async def test_what_a_call_raises_reaches_who_waits() -> None:
    def fail() -> None:
        raise LookupError("no such name")

    asyncio.get_running_loop().set_default_executor(LooseThreads())
    with pytest.raises(LookupError, match="no such name"):
        await asyncio.to_thread(fail)
