"""The jobs that run side by side, by name; each can be ended by itself.

One that fails or returns is started again after a pause: what is to be done now and then need not loop by itself.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

_log = logging.getLogger(__name__)

_RESTART_S = 5.0

Job = Callable[[], Awaitable[None]]


class Crew:
    """The tasks of one group."""

    def __init__(self, group: asyncio.TaskGroup) -> None:
        self._group = group
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def start(self, name: str, job: Job) -> None:
        """Run a job, again and again, until it is ended; a name stands for one job at a time."""
        self._tasks[name] = self._group.create_task(_kept_running(name, job), name=name)

    async def end(self, name: str) -> None:
        """Cancel a job and wait until it has cleaned up; nothing happens when there is none."""
        task = self._tasks.pop(name, None)
        if task:
            task.cancel()
            await asyncio.wait([task])

    def end_all(self) -> None:
        """Cancel all jobs; the group waits for them."""
        for task in self._tasks.values():
            task.cancel()


@contextlib.asynccontextmanager
async def working(jobs: Iterable[tuple[str, Job]]) -> AsyncIterator[Crew]:
    """Run jobs, and those started later, for as long as the block lasts."""
    async with asyncio.TaskGroup() as group:
        crew = Crew(group)
        for name, job in jobs:
            crew.start(name, job)
        yield crew
        crew.end_all()


async def _kept_running(name: str, job: Job) -> None:
    while True:
        try:
            await job()
        except Exception:  # noqa: BLE001 -- one part's bug must not stop the rest; it is logged whole and retried
            _log.exception("%s failed and is started again", name)
        await asyncio.sleep(_RESTART_S)
