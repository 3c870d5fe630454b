"""Listens for callers of the local API and carries their requests and answers, one after another on a connection.

What is said on a connection is h11's: heads, bodies, chunks, whether another request may follow. Around it is what
asyncio takes to serve; a library that does both takes 9 MB (aiohttp), for a server that only answers GET and HEAD.

Invariants:

- A caller costs little whatever it does: there are `MOST_CALLERS` connections, a head has some `_LONGEST_HEAD` bytes,
  and whoever says or takes nothing for a while is let go.
- A request with a body gets its answer, and the connection ends: what follows is never taken for another request.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from email.utils import formatdate
from http import HTTPStatus

import h11

from agent.api.request import Answer, Parts, Request, error, parsed

_log = logging.getLogger(__name__)

MOST_CALLERS = 64
_LONGEST_HEAD = 1 << 14
_QUIET_S = 75.0
"""A connection without a whole request for this long is ended."""
_WRITE_S = 30.0
"""A caller that takes nothing for this long is gone."""
_LINGER_S = 1.0
"""How long a body that nobody wants is let come in, so that its sender reads the answer before it sees the end."""
_SHUTDOWN_S = 2.0
"""A caller that asks and does not read may not keep the agent from ending in time."""
_AT_ONCE = 1 << 16

Respond = Callable[[Request], Awaitable[Answer]]


class Listener:
    """Gives each request to `respond`."""

    def __init__(self, respond: Respond) -> None:
        self._respond = respond
        self._server: asyncio.Server | None = None
        self._callers: dict[asyncio.Task[None], Caller] = {}

    async def listen(self, host: str, port: int) -> int:
        """Listen, and return the port; raise OSError where that cannot be."""
        self._server = await asyncio.start_server(self._serve, host, port, limit=_LONGEST_HEAD)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Listen no more; answers under way have a moment to be taken, streams have none."""
        if self._server is None:
            return
        self._server.close()
        for caller in self._callers.values():
            if not caller.busy:
                caller.abort()
        if self._callers:
            await asyncio.wait(self._callers, timeout=_SHUTDOWN_S)
        tasks = [*self._callers]
        for task in tasks:
            self._callers[task].abort()
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or self._server is None or not self._server.is_serving():
            writer.transport.abort()
            return
        caller = Caller(reader, writer)
        full = len(self._callers) >= MOST_CALLERS
        self._callers[task] = caller
        try:
            if full:
                text = f"{MOST_CALLERS} callers are all that are served: come back later"
                await caller.answer(None, error(HTTPStatus.SERVICE_UNAVAILABLE, text))
            else:
                await self._converse(caller)
        except (ConnectionError, TimeoutError):
            caller.abort()
        except asyncio.CancelledError:
            caller.abort()  # by `stop`; a callback of the streams must not find the task cancelled
        finally:
            del self._callers[task]
            await caller.close()

    async def _converse(self, caller: "Caller") -> None:
        """Answer one request after another until one is the last."""
        while not caller.over:
            caller.busy = False
            try:
                request = await caller.request()
            except h11.RemoteProtocolError as wrong:
                await caller.answer(None, error(wrong.error_status_hint, f"the request cannot be read: {wrong}"))
            else:
                if request is None:
                    return
                caller.busy = True
                await caller.answer(request, await self._answer(request))
        await caller.linger()

    async def _answer(self, request: Request) -> Answer:
        try:
            return await self._respond(request)
        except Exception:  # noqa: BLE001 -- a bug in one resource must not end a connection without a word
            _log.exception("%s %s failed", request.method, request.path)
            return error(HTTPStatus.INTERNAL_SERVER_ERROR, "internal error: the log says more")


class Caller:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._protocol = h11.Connection(h11.SERVER, max_incomplete_event_size=_LONGEST_HEAD)
        self.busy = False
        """Whether an answer that ends by itself is under way."""
        self.over = False
        """Whether no other request may follow."""

    async def request(self) -> Request | None:
        """Return the next request, None where there is none; raise h11.RemoteProtocolError and TimeoutError."""
        async with asyncio.timeout(_QUIET_S):
            while (head := self._protocol.next_event()) is h11.NEED_DATA:
                await self._hear()
        if not isinstance(head, h11.Request):
            return None
        request = parsed(head)
        self._protocol.next_event()  # the end of the request, unless it has a body
        return request

    async def _hear(self) -> None:
        """Hand on what comes, but for empty lines before a request: they may stand there (RFC 9112, 2.2)."""
        came = await self._reader.read(_LONGEST_HEAD)
        begun, _ = self._protocol.trailing_data
        said = came if begun else came.lstrip(b"\r\n")
        if said or not came:
            self._protocol.receive_data(said)

    async def answer(self, request: Request | None, answer: Answer) -> None:
        """Send an answer; raise ConnectionError and TimeoutError where nobody takes it."""
        headers = {"Content-Type": answer.content_type, "Date": formatdate(time.time(), usegmt=True), **answer.headers}
        if isinstance(answer.body, bytes):
            headers["Content-Length"] = str(len(answer.body))
        self.over = request is None or not isinstance(answer.body, bytes) or self._protocol.their_state is not h11.DONE
        if self.over:
            headers["Connection"] = "close"
        status = HTTPStatus(answer.status)
        await self._send(h11.Response(status_code=status, reason=status.phrase, headers=[*headers.items()]))
        if request and request.method == "HEAD":
            await self._send(h11.EndOfMessage())
        elif isinstance(answer.body, bytes):
            for start in range(0, len(answer.body), _AT_ONCE):
                await self._send(h11.Data(answer.body[start : start + _AT_ONCE]))
            await self._send(h11.EndOfMessage())
        else:
            await self._stream(answer.body)
        if not self.over:
            self._protocol.start_next_cycle()

    async def _stream(self, parts: Parts) -> None:
        """Send parts as they come, until there are no more or the caller has gone."""
        self.busy = False
        sending = asyncio.create_task(self._send_all(parts), name="events of a caller")
        going = asyncio.create_task(self._gone(), name="end of a caller")
        try:
            await asyncio.wait((sending, going), return_when=asyncio.FIRST_COMPLETED)
        finally:
            going.cancel()
            sending.cancel()
            await asyncio.wait((sending, going))
        if not sending.cancelled():
            sending.result()

    async def _send_all(self, parts: Parts) -> None:
        async with aclosing(parts):
            async for part in parts:
                await self._send(h11.Data(part))
        self.busy = True
        await self._send(h11.EndOfMessage())

    async def _gone(self) -> None:
        """Return when the caller has ended the connection; what it says meanwhile is of no use."""
        with suppress(ConnectionError):
            while await self._reader.read(_AT_ONCE):
                pass

    async def linger(self) -> None:
        """Let come in for a moment what there is of a request that is not read to its end."""
        if self._protocol.their_state not in {h11.SEND_BODY, h11.ERROR}:
            return
        if self._writer.can_write_eof():
            self._writer.write_eof()
        with suppress(TimeoutError):
            async with asyncio.timeout(_LINGER_S):
                await self._gone()

    async def _send(self, event: h11.Response | h11.Data | h11.EndOfMessage) -> None:
        self._writer.write(self._protocol.send(event))
        async with asyncio.timeout(_WRITE_S):
            await self._writer.drain()

    def abort(self) -> None:
        """End the connection, whatever is under way."""
        self._writer.transport.abort()

    async def close(self) -> None:
        """End the connection after what was written."""
        self._writer.close()
        with suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(_LINGER_S):
                await self._writer.wait_closed()
