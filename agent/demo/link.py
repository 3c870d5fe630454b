"""The link between gateway and broker, which the demo can cut."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

_CHUNK = 65536


class Link:
    """Relays TCP connections from a port of its own to a server, unless it is cut."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._writers: set[asyncio.StreamWriter] = set()
        self._relays: set[asyncio.Task[None]] = set()
        self.cut = False
        self.port = 0

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Relay for as long as the block lasts."""
        server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()
            self.break_connections()
            if self._relays:
                await asyncio.wait(self._relays)

    def break_connections(self) -> None:
        """Drop every connection there is."""
        for writer in self._writers:
            writer.close()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 -- a coroutine always runs in one
        self._relays.add(task)
        self._writers.add(writer)
        try:
            if not self.cut:
                await self._join(reader, writer)
        finally:
            writer.close()
            self._writers.discard(writer)
            self._relays.discard(task)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            return
        self._writers.add(there_writer)
        try:
            await asyncio.gather(_copy(reader, there_writer), _copy(there_reader, writer))
        finally:
            there_writer.close()
            self._writers.discard(there_writer)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
    writer.close()
