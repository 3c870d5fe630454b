"""A line and its device, open for a block, and what a right read looks like."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import TypeVar

from drivers.endpoint import parse_endpoint
from drivers.line import Line
from drivers.reading import Block, Exchange
from tests.begun import BegunAtTimes
from tests.certificates import Authority
from tests.modbus_rig import Chunk, Request, Rig, Script, honest, rig

TIMEOUT_S = 0.25
"""More than a busy machine takes to answer."""
SOCKETS = ("tcp", "tls", "rtu+tcp")
RTU = ("rtu+tcp", "rtu")

Case = TypeVar("Case")


@asynccontextmanager
async def opened(
    url: str, *, timeout_s: float = TIMEOUT_S, pause_s: float = 0, seen: list[Exchange] | None = None
) -> AsyncIterator[Line]:
    on_exchange = seen.append if seen is not None else None
    line = BegunAtTimes("test", parse_endpoint(url), timeout_s=timeout_s, pause_s=pause_s, on_exchange=on_exchange)
    try:
        yield line
    finally:
        await line.close()


@asynccontextmanager
async def device(transport: str, authority: Authority, script: Script = honest, *, port: int = 0) -> AsyncIterator[Rig]:
    tls = authority.server_context(authority.issue("localhost")) if transport == "tls" else None
    query = f"?ca={authority.file}" if tls else ""
    async with rig(transport, script, port=port, tls=tls, query=query) as running:
        yield running


def expected(unit: int, block: Block) -> bytes:
    values = Request(True, 0, unit, block.function, block.address, block.count).values()
    return b"".join(value.to_bytes(2, "big") for value in values)


async def follow_up(line: Line, *, unit: int = 1, reads: int = 8) -> None:
    """Read neighbouring blocks of one shape: a shifted reply would carry the values of the one before."""
    for address in range(reads):
        block = Block(3, 100 + 2 * address, 2)
        assert (await line.read(unit, block)).data == expected(unit, block)


def unhurried(request: Request) -> Iterable[Chunk]:
    """Answer rightly, but take a time in which an older reply could slip in."""
    return [(TIMEOUT_S / 8, request.reply())]


class Once:
    """Does something else for one request, and is honest before and after."""

    def __init__(self, number: int, script: Script, otherwise: Script = honest) -> None:
        self._left = number
        self._script = script
        self._otherwise = otherwise

    def __call__(self, request: Request) -> Iterable[Chunk]:
        self._left -= 1
        return self._script(request) if self._left == 0 else self._otherwise(request)


async def rude(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(100)
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    writer.close()


async def side_by_side(run: Callable[[Case], Awaitable[None]], cases: Iterable[Case]) -> None:
    """Run cases at the same time, each with a line of its own, for they mostly wait; a failure names its case."""

    async def named(case: Case) -> None:
        try:
            await run(case)
        except BaseException as error:
            error.add_note(f"case: {case!r}")
            raise

    async with asyncio.TaskGroup() as group:
        for case in cases:
            group.create_task(named(case))
