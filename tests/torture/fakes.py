"""Receivers that answer as a test tells them, and remember what they really took."""

import asyncio
import contextlib
import re
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web

from tests.agent.sinks.broker_stub import StubBroker, serving

Puback = Callable[[int], int | None]
"""Reason code for the record of a number; None for silence."""
_SEQ = re.compile(rb"[ ,]seq=(\d+)i")


@dataclass(slots=True)
class FakeBroker:
    """A broker whose acknowledgement of each record is `puback`; `taken` are those it acknowledged with success."""

    puback: Puback
    connack: int = 0
    taken: set[int] = field(default_factory=set)
    refused: set[int] = field(default_factory=set)
    kinds: dict[int, str] = field(default_factory=dict)
    """The last word of the topic of each record it was sent."""
    stub: StubBroker = field(default_factory=StubBroker)

    def said_taken(self) -> set[int]:
        """Return the numbers of the records it has acknowledged with success."""
        return self.taken

    def answer(self, topic: str, payload: bytes) -> int | None:
        """Return the reason code for a message; what is no record is always taken."""
        seq = orjson.loads(payload).get("seq") if b'"seq":' in payload else None
        if seq is None:
            return 0
        self.kinds[seq] = topic.rpartition("/")[2]
        code = self.puback(seq)
        if code is not None:
            (self.taken if code < 0x80 else self.refused).add(seq)
        return code

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[int]:
        """Serve for the block; yield the port."""
        self.stub.connack, self.stub.puback = self.connack, self.answer
        async with serving(self.stub):
            yield self.stub.port


@dataclass(frozen=True, slots=True)
class Answer:
    """What the database says to a request, and which of its records it has taken all the same."""

    status: int
    taken: frozenset[int] = frozenset()
    headers: tuple[tuple[str, str], ...] = ()
    cut: bool = False
    """Whether the connection ends instead of an answer."""


@dataclass(slots=True)
class FakeDatabase:
    """A database that answers each write as `judge` says, which is given the numbers of its records."""

    judge: Callable[[list[int]], Answer]
    taken: set[int] = field(default_factory=set)
    requests: int = 0

    def said_taken(self) -> set[int]:
        """Return the numbers of the records it has written."""
        return self.taken

    async def write(self, request: web.Request) -> web.StreamResponse:
        """Take a write request."""
        self.requests += 1
        answer = self.judge([int(seq) for seq in _SEQ.findall(await request.read())])
        self.taken |= answer.taken
        if answer.cut and request.transport is not None:
            request.transport.abort()
        text = "" if answer.status == 204 else orjson.dumps({"code": "invalid", "message": "as told"}).decode()
        return web.Response(status=answer.status, text=text, headers=dict(answer.headers))

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[int]:
        """Serve for the block; yield the port."""
        application = web.Application(client_max_size=1 << 24)
        application.router.add_post("/api/v2/write", self.write)
        runner = web.AppRunner(application, shutdown_timeout=0.1)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            yield runner.addresses[0][1]
        finally:
            await runner.cleanup()


@contextlib.contextmanager
def in_thread(job: Callable[[asyncio.Event, Callable[[Any], None]], Awaitable[None]]) -> Iterator[Any]:
    """Run `job(over, tell)` in a loop of its own for the block; yield what it tells once it is ready."""
    ready, told, loops = threading.Event(), [], []

    def tell(value: Any) -> None:
        told.append(value)
        ready.set()

    async def run() -> None:
        over = asyncio.Event()
        loops.append((asyncio.get_running_loop(), over))
        await job(over, tell)
        await asyncio.sleep(0.1)  # for transports to close their sockets

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    if not ready.wait(10):
        raise AssertionError("the receivers do not start")
    try:
        yield told[0]
    finally:
        loop, over = loops[0]
        loop.call_soon_threadsafe(over.set)
        thread.join(10)
