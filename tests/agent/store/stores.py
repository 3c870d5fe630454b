"""A store that is open for a block, what is put into it, what a sink takes out, and a disk that is full."""

import asyncio
import resource
import shutil
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from agent.record import Record
from agent.store import Store, StoreStatus

NOW = 1_795_162_800_000_000_000


@asynccontextmanager
async def opened(
    path: Path, *, sinks: tuple[str, ...] = ("mqtt",), max_size: int = 64 << 20, commit_every_s: float = 0.02
) -> AsyncIterator[Store]:
    store = Store(path, max_size=max_size, commit_every_s=commit_every_s, sinks=sinks, site="works")
    await store.open()
    try:
        yield store
    finally:
        await store.close()


def telemetry(store: Store, count: int, size: int = 20) -> list[Record]:
    return [store.append("telemetry", "hall/meter", NOW + n, {"x": n / 7, "pad": "p" * size}) for n in range(count)]


def promised(found: list[Record]) -> Callable[[Record, bool], None]:
    """Return what takes the values that may go to receivers before they are committed."""

    def take(record: Record, promised: bool) -> None:  # noqa: FBT001  # what the store calls
        if promised:
            found.append(record)

    return take


def interval(store: Store, number: int, account: str = "meter/electricity") -> Record:
    body = {"account": account, "amount": number / 3, "start": f"interval {number}"}
    return store.append("interval", "hall/meter", NOW + number * 900 * 10**9, body)


async def everything(store: Store, sink: str = "mqtt") -> list[Record]:
    """Take all records as a sink does."""
    taken: list[Record] = []
    while batch := await store.peek(sink, 100):
        taken += batch
        await store.acknowledge(sink, batch[-1].seq)
    return taken


def crashed(path: Path, copy: Path) -> Path:
    """Return a copy of a store as its disk is at this moment, as if the power failed now."""
    for suffix in ("", "-wal", ".lock"):
        shutil.copy(path.with_name(path.name + suffix), copy.with_name(copy.name + suffix))
    return copy


class FailingDisk:
    """Makes commits fail as a full disk does, or one that says something else, until it is mended."""

    def __init__(
        self,
        store: Store,
        says: str = "database or disk is full",
        error: type[sqlite3.Error] = sqlite3.OperationalError,
    ) -> None:
        self._error = error(says)
        database = store._writer._upkeep.database
        assert database
        self._database = database
        self._commit = self._database.commit
        self._database.commit = self._fail  # type: ignore[assignment]

    def _fail(self, *_: object) -> None:
        raise self._error

    def mend(self, store: Store) -> None:
        self._database.commit = self._commit  # type: ignore[method-assign]
        store._writer._upkeep.retry_ns = time.monotonic_ns()


async def until(store: Store, condition: Callable[[StoreStatus], bool]) -> None:
    async with asyncio.timeout(10):
        pulse = 0
        while not condition(store.status()):
            pulse = await store.news(pulse)


@contextmanager
def no_file_above(size: int) -> Iterator[Callable[[], None]]:
    """Let the kernel refuse writes beyond `size` in any file, until the yielded call."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))

    def lift() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    try:
        yield lift
    finally:
        lift()
