import asyncio
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from drivers import pause
from drivers.pause import sleep_until

pytestmark = pytest.mark.integration


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.mark.parametrize("wait_s", [0.0003, 0.0017, 0.004, 0.06])
async def test_a_wait_never_ends_early(wait_s: float) -> None:
    for _ in range(10):
        moment = time.monotonic() + wait_s
        await sleep_until(moment)
        assert time.monotonic() >= moment


async def test_a_moment_that_has_passed_costs_nothing() -> None:
    turns: list[int] = []
    asyncio.get_running_loop().call_soon(turns.append, 1)
    await sleep_until(time.monotonic() - 1)

    assert turns == []


async def test_a_cancelled_wait_ends_and_leaves_nothing_open() -> None:
    before = open_files()
    for _ in range(20):
        waiting = asyncio.create_task(sleep_until(time.monotonic() + 0.04))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    assert open_files() == before


async def test_a_timer_that_cannot_be_set_is_an_error_and_no_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    create = pause._libc.timerfd_create
    monkeypatch.setattr(pause, "_libc", SimpleNamespace(timerfd_create=create, timerfd_settime=lambda *_: -1))
    before = open_files()

    with pytest.raises(OSError, match="timerfd_settime"):
        async with asyncio.timeout(5):
            await sleep_until(time.monotonic() + 0.01)
    assert open_files() == before
