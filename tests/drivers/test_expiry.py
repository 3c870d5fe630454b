import asyncio
import gc
import time
import weakref

import pytest
import uvloop

from drivers.expiry import expiry_after


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def runner(request: pytest.FixtureRequest) -> asyncio.Runner:
    return asyncio.Runner(loop_factory=request.param)


class Waiter:
    def __init__(self, told: list["Waiter"]) -> None:
        self.told = told
        self.expired_at = 0.0

    def expire(self) -> None:
        self.expired_at = time.monotonic()
        self.told.append(self)


async def expired(told: list[Waiter], count: int) -> None:
    async with asyncio.timeout(5):
        while len(told) < count:  # noqa: ASYNC110  # what is looked at tells nobody
            await asyncio.sleep(0.001)


def test_each_wait_ends_in_its_turn_and_never_early(runner: asyncio.Runner) -> None:
    told: list[Waiter] = []
    waiters = [Waiter(told) for _ in range(5)]
    began: list[float] = []

    async def wait() -> None:
        expiry = expiry_after(asyncio.get_running_loop(), 0.03)
        for waiter in waiters:
            expiry.begin(waiter)
            began.append(time.monotonic())
            await asyncio.sleep(0.005)
        await expired(told, 5)

    with runner:
        runner.run(wait())

    assert told == waiters
    assert all(waiter.expired_at >= at + 0.029 for waiter, at in zip(waiters, began, strict=True))


def test_a_wait_that_is_over_does_not_end_and_one_begun_anew_ends_later(runner: asyncio.Runner) -> None:
    told: list[Waiter] = []
    first, over, second = Waiter(told), Waiter(told), Waiter(told)

    async def wait() -> None:
        expiry = expiry_after(asyncio.get_running_loop(), 0.02)
        for waiter in (first, over, second):
            expiry.begin(waiter)
        expiry.cancel(over)
        expiry.begin(first)
        await expired(told, 2)
        expiry.begin(over)
        await expired(told, 3)

    with runner:
        runner.run(wait())

    assert told == [second, first, over]


def test_all_who_wait_equally_long_have_one_time_out_in_their_loop(runner: asyncio.Runner) -> None:
    async def same() -> bool:
        loop = asyncio.get_running_loop()
        return expiry_after(loop, 1.0) is expiry_after(loop, 1.0) is not expiry_after(loop, 2.0)

    with runner:
        assert runner.run(same())


def test_a_loop_that_is_over_is_let_go() -> None:
    async def wait() -> "weakref.ref[asyncio.AbstractEventLoop]":
        loop = asyncio.get_running_loop()
        expiry_after(loop, 1.0).begin(Waiter([]))
        return weakref.ref(loop)

    loop = asyncio.run(wait())
    gc.collect()

    assert loop() is None
