import asyncio
import time
from itertools import pairwise

import pytest
import uvloop

from agent.polling.beat import beat, between_beats

S = 10**9


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def runner(request: pytest.FixtureRequest) -> asyncio.Runner:
    return asyncio.Runner(loop_factory=request.param)


def woken_by_turns(runner: asyncio.Runner, sleepers: int) -> list[int]:
    """Return how many had been woken at each turn of the loop while some were, and not all."""
    woken: list[int] = []

    async def wait(due_ns: int) -> None:
        await beat(due_ns)
        woken.append(time.time_ns())

    async def all_wait() -> list[int]:
        due_ns = time.time_ns() + S // 20
        tasks = [asyncio.create_task(wait(due_ns)) for _ in range(sleepers)]
        turns = []
        while len(woken) < len(tasks):
            turns.append(len(woken))
            await asyncio.sleep(0)
        assert min(woken) >= due_ns, "nobody is woken early"
        return [count for count in turns if count]

    with runner:
        return runner.run(all_wait())


def test_few_wake_at_a_time_so_that_answers_are_looked_at_between(runner: asyncio.Runner) -> None:
    turns = woken_by_turns(runner, 50)

    assert max(later - before for before, later in pairwise([0, *turns, 50])) <= 2


def test_so_many_that_the_last_would_be_late_wake_in_one_turn_of_the_loop(runner: asyncio.Runner) -> None:
    assert woken_by_turns(runner, 1100) == []


def test_who_is_cancelled_takes_nobody_along(runner: asyncio.Runner) -> None:
    async def two() -> bool:
        due_ns = time.time_ns() + S // 50
        gone, stays = beat(due_ns), beat(due_ns)
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.wait([gone, stays])
        return gone.cancelled() and not stays.cancelled()

    with runner:
        assert runner.run(two())


def test_who_can_begin_something_is_not_woken_before_it_is_done(runner: asyncio.Runner) -> None:
    begun: list[asyncio.Future[object]] = []

    def begin(woken: asyncio.Future[object]) -> bool:
        begun.append(woken)
        return True

    async def three() -> tuple[bool, bool]:
        due_ns = time.time_ns() + S // 50
        gone, begins, cannot = beat(due_ns, begin), beat(due_ns, begin), beat(due_ns, lambda _: False)
        gone.cancel()
        await cannot
        woken_before = begins.done()
        assert begun == [begins]
        begun[0].set_result("an answer")
        return woken_before, await begins == "an answer"

    with runner:
        assert runner.run(three()) == (False, True)


def test_a_moment_that_has_passed_is_not_waited_for(runner: asyncio.Runner) -> None:
    async def passed() -> None:
        await asyncio.wait_for(beat(time.time_ns() - 3 * S), 1.0)

    with runner:
        runner.run(passed())


@pytest.mark.parametrize("period_s", [1.0, 2.0, 10.0])
@pytest.mark.parametrize("phase", [0.5, 0.75])
def test_what_comes_between_the_beats_comes_once_a_period_at_its_place(period_s: float, phase: float) -> None:
    apart_s = time.time() - time.monotonic()
    moment = between_beats(period_s, phase) + apart_s

    assert (moment / period_s) % 1.0 == pytest.approx(phase, abs=0.01)
    assert period_s / 2 - 0.01 <= moment - time.time() <= 1.5 * period_s
