import asyncio
import time

import pytest

from agent.turns import each_turn, next_turn


async def test_jobs_that_began_at_any_time_look_again_at_one_moment_between_polls() -> None:
    woken: list[float] = []

    async def job(began_s: float) -> None:
        await asyncio.sleep(began_s)
        for _ in range(4):
            await next_turn(0.2)
            woken.append(time.time())

    await asyncio.gather(*(job(began_s) for began_s in (0.0, 0.03, 0.11)))

    phases = [moment / 0.2 % 1.0 for moment in woken]
    assert sorted(phases)[len(phases) // 2] == pytest.approx(0.75, abs=0.1)
    assert len({round(moment / 0.2 - 0.75) for moment in woken}) <= 5


async def test_a_job_is_done_turn_by_turn_while_the_agent_is_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.turns._TURN_S", 0.01)
    ready = [False]
    done: list[bool] = []
    enough = asyncio.Event()

    async def job() -> None:
        done.append(ready[0])
        if len(done) == 3:
            enough.set()

    working = asyncio.create_task(each_turn(job, lambda: ready[0]))
    await asyncio.sleep(0.05)
    assert done == []
    ready[0] = True
    await asyncio.wait_for(enough.wait(), 5)
    working.cancel()

    assert all(done)
