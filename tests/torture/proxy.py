"""A bad link: a TCP proxy that is slow, cuts connections, or goes on holding them without relaying a byte."""

import asyncio
import contextlib
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

_CHUNK = 1400
"""What fits one packet [bytes]."""
_LAST_WORDS_S = 0.1
"""For transports to close their sockets."""
_FIRST_RETRY_S = 0.2
_LONGEST_RETRY_S = 3.0


@dataclass(slots=True)
class Link:
    """How the proxy behaves; may be changed while it runs."""

    target: int
    """Port on the loopback interface."""
    bytes_per_s: float = 0.0
    """Bandwidth of all connections together in one direction, 0 for no limit."""
    cut_every_s: float = 0.0
    """Mean life of a connection, which ends with a reset; 0 for no end."""
    lost: float = 0.0
    """Share of packets that must be sent again, each time after twice the pause; 0 for none."""
    stalled: bool = False
    """Whether nothing is relayed, while connections stay open and new ones are accepted."""
    host: str = "127.0.0.1"
    """Address to serve at."""
    port: int = 0
    connections: int = 0
    relayed: int = 0
    cuts: int = 0
    _free_at: dict[bool, float] = field(default_factory=lambda: {True: 0.0, False: 0.0})
    _chance: random.Random = field(default_factory=lambda: random.Random(3))  # noqa: S311 -- moments, not secrets
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Relay one connection until either side, or the link, ends it."""
        self.connections += 1
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except BaseException as error:
            writer.transport.abort()
            if isinstance(error, OSError):
                return
            raise
        ends = {writer, far_writer}
        self._open |= ends
        jobs = [
            asyncio.create_task(self._relay(reader, far_writer, up=True)),
            asyncio.create_task(self._relay(far_reader, writer, up=False)),
            asyncio.create_task(self._cut()),
        ]
        try:
            await asyncio.wait(jobs, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for job in jobs:
                job.cancel()
            await asyncio.gather(*jobs, return_exceptions=True)
            for end in ends:
                end.transport.abort()
            self._open -= ends

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, up: bool) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK):
                while self.stalled:  # noqa: ASYNC110 -- the test's thread changes it
                    await asyncio.sleep(0.05)
                await self._delay(len(data), up=up)
                writer.write(data)
                self.relayed += len(data)
                await writer.drain()

    async def _delay(self, size: int, *, up: bool) -> None:
        pause, retry = 0.0, _FIRST_RETRY_S
        while self.lost and self._chance.random() < self.lost:
            pause += retry
            retry = min(2 * retry, _LONGEST_RETRY_S)
        if self.bytes_per_s:
            now = time.monotonic()
            self._free_at[up] = max(now, self._free_at[up]) + size / self.bytes_per_s
            pause += self._free_at[up] - now
        if pause:
            await asyncio.sleep(pause)

    async def _cut(self) -> None:
        while True:
            await asyncio.sleep(0.05)
            if self.cut_every_s and self._chance.random() < 0.05 / self.cut_every_s:
                self.cuts += 1
                return

    def well(self) -> None:
        """Be a good link from now on; what is open stays open."""
        self.bytes_per_s = self.cut_every_s = self.lost = 0.0
        self.stalled = False


@contextlib.contextmanager
def proxied(*links: Link) -> Iterator[None]:
    """Serve the links, each on a free port, in a thread of their own for the block."""
    ready, over = threading.Event(), threading.Event()

    async def serve() -> None:
        servers = [await asyncio.start_server(link.talk, link.host, 0, limit=1 << 14) for link in links]
        for link, server in zip(links, servers, strict=True):
            link.port = server.sockets[0].getsockname()[1]
        ready.set()
        while not over.is_set():  # noqa: ASYNC110 -- the test's thread sets it
            await asyncio.sleep(0.05)
        for server in servers:
            server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(_LAST_WORDS_S)

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    if not ready.wait(10):
        raise AssertionError("the proxy does not start")
    try:
        yield
    finally:
        over.set()
        thread.join(10)
