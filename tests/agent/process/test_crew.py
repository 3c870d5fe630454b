import asyncio

import pytest

from agent.process import crew as module
from agent.process.crew import working


async def test_a_job_is_ended_by_itself_and_has_cleaned_up_by_then() -> None:
    cleaned = []

    async def job() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0.01)
            cleaned.append("one")

    turns = []

    async def other() -> None:
        while True:
            turns.append(1)
            await asyncio.sleep(0)

    async with working([("one", job), ("other", other)]) as crew:
        await asyncio.sleep(0.01)
        await crew.end("one")
        assert cleaned == ["one"]
        await crew.end("one")
        before = len(turns)
        await asyncio.sleep(0.01)
        assert len(turns) > before
        crew.start("one", job)
        await asyncio.sleep(0.01)

    assert cleaned == ["one", "one"], "the end of the block ends all"


async def test_a_job_that_fails_is_logged_and_started_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "_RESTART_S", 0.0)
    runs = []
    third = asyncio.Event()

    async def job() -> None:
        runs.append(1)
        if len(runs) < 3:
            raise ZeroDivisionError("a bug")
        third.set()
        await asyncio.sleep(3600)

    async with asyncio.timeout(10), working([("job", job)]):
        await third.wait()

    assert caplog.messages == ["job failed and is started again"] * 2


async def test_a_job_that_returns_is_started_again_after_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_RESTART_S", 0.0)
    third = asyncio.Event()
    runs = []

    async def job() -> None:
        runs.append(1)
        if len(runs) == 3:
            third.set()

    async with asyncio.timeout(10), working([("job", job)]):
        await third.wait()

    assert len(runs) >= 3
