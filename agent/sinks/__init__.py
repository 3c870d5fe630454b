"""Where records go. Each sink is whole in one module or package: its encoding, its sending.

What a sink promises:

- A session is one connection. It ends with the block it was opened in, or with `SinkUnavailable`.
- `send` returns when the receiver has acknowledged every record, in the order given; nothing else counts as
  delivered. It raises `SinkRejected` when it refused some for good and has all others, `SinkUnavailable` when it
  cannot take them now; then `accepted_through` says up to where it did, and the rest will be sent again.
- Records keep their identity (`seq`, time, tags), so that a repeat is recognised or overwrites itself.

Three places outside name each sink: `agent.sections` its table in the file, `agent.config.site` that table and the name
under which the store knows it, `agent.delivery.build` how it is made.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol, runtime_checkable

from agent.record import Record

HOLD_S = 60.0
"""Pause where only an operator can help."""


class SinkUnavailable(Exception):
    """Raised when the receiver takes nothing at the moment: records are kept and sent later."""

    def __init__(
        self, reason: str, *, retry_after_s: float | None = None, hold: bool = False, unsaid: bool = False
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after_s = HOLD_S if hold else retry_after_s
        """How long not to try [s], when the receiver said so or only an operator can help."""
        self.hold = hold
        """Whether only an operator can help, who is to be alarmed."""
        self.unsaid = unsaid
        """Whether the connection ended and nobody said why: perhaps for what was sent."""


class SinkRejected(Exception):
    """Raised when the receiver refused records for good; it has all others of the batch."""

    def __init__(self, rejected: Mapping[int, str]) -> None:
        super().__init__(f"{len(rejected)} records refused")
        self.rejected = dict(rejected)
        """Reasons by `seq`."""


class Session(Protocol):
    """One connection to a receiver."""

    @property
    def accepted_through(self) -> int:
        """Every record of the present or last batch up to this `seq` was acknowledged; 0 when none was."""

    async def send(self, records: Sequence[Record]) -> None:
        """Return when the receiver has acknowledged all records."""

    async def watch(self) -> None:
        """Keep the connection; never return, raise SinkUnavailable when it is lost."""


@runtime_checkable
class PromptSession(Session, Protocol):
    """A connection that also takes single records at once, beside what `send` has under way."""

    on_room: Callable[[], None]
    """Called when there is room again for records."""

    def offer(self, record: Record) -> asyncio.Future[int] | None:
        """Send a record if there is room for it at once; return the future of the answer, None where there is none."""

    def took(self, answer: int) -> bool:
        """Whether an answer says that the receiver has the record."""


class Sink(Protocol):
    """A receiver of records."""

    @property
    def name(self) -> str:
        """Name of its cursor in the store."""

    def wants(self, record: Record) -> bool:
        """Whether the receiver gets this kind of record at all."""

    def credentials(self) -> object:
        """Return something that changes when a file does that the sink reads on connecting."""

    def session(self) -> AbstractAsyncContextManager[Session]:
        """Connect; raise SinkUnavailable when that fails."""


def file_marks(folder: Path, *names: str | None) -> list[tuple[int, int, int] | None]:
    """Return for each file what changes with its content."""
    return [_mark(folder / name) for name in names if name is not None]


def _mark(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


async def together(*jobs: Callable[[], Awaitable[None]]) -> None:
    """Run the jobs of a connection until one raises SinkUnavailable; end the others and raise it."""
    lost: list[SinkUnavailable] = []

    # The error is carried past the group: until Python 3.13 a group whose task fails at the moment it is cancelled
    # forgets the cancellation, and whoever retries would go on for ever.
    async def keep(job: Callable[[], Awaitable[None]]) -> None:
        try:
            await job()
        except SinkUnavailable as error:
            lost.append(error)
            for task in tasks:
                if task is not asyncio.current_task():
                    task.cancel()

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(keep(job), name=f"sink-{number}") for number, job in enumerate(jobs)]
    if lost:
        raise lost[0]
