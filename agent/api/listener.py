"""Listens for callers of the local API and carries their requests and answers, one after another on a connection.

A library would do it: aiohttp takes 9 MB, for a server that only answers GET and HEAD.

Invariants:

- A caller costs little whatever it does: there are `MOST_CALLERS` connections, a head has `_LONGEST_HEAD` bytes, and
  whoever says or takes nothing for a while is let go.
- A request with a body gets its answer, and the connection ends: what follows is never taken for another request.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from http import HTTPStatus

from agent.api.request import Answer, Parts, Request, RequestError, error, head_of, parsed

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
                await caller.answer(None, error(HTTPStatus.SERVICE_UNAVAILABLE, text), last=True)
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
        last = False
        while not last:
            caller.busy = False
            try:
                request = await caller.request()
            except RequestError as wrong:
                await caller.answer(None, error(wrong.status, str(wrong)), last=True)
                await caller.linger()
                return
            if request is None:
                return
            caller.busy = True
            answer = await self._answer(request)
            last = request.ends_connection or not isinstance(answer.body, bytes)
            await caller.answer(request, answer, last=last)
            if request.has_body:
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
        self.busy = False
        """Whether an answer that ends by itself is under way."""

    async def request(self) -> Request | None:
        """Return the next request, None where there is none any more; raise RequestError and TimeoutError."""
        try:
            async with asyncio.timeout(_QUIET_S):
                head = await self._reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return None
        except asyncio.LimitOverrunError as cause:
            text = f"a head of more than {_LONGEST_HEAD} bytes is not read"
            raise RequestError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, text) from cause
        return parsed(head)

    async def answer(self, request: Request | None, answer: Answer, *, last: bool) -> None:
        """Send an answer; raise ConnectionError and TimeoutError where nobody takes it."""
        head = head_of(answer, request, last=last)
        if request and request.method == "HEAD":
            await self._write(head)
        elif isinstance(answer.body, bytes):
            await self._write(head + answer.body[:_AT_ONCE])
            for start in range(_AT_ONCE, len(answer.body), _AT_ONCE):
                await self._write(answer.body[start : start + _AT_ONCE])
        else:
            await self._write(head)
            await self._stream(answer.body, chunked=request is not None and request.latest)

    async def _stream(self, parts: Parts, *, chunked: bool) -> None:
        """Send parts as they come, until there are no more or the caller has gone."""
        self.busy = False
        sending = asyncio.create_task(self._send(parts, chunked=chunked), name="events of a caller")
        going = asyncio.create_task(self._gone(), name="end of a caller")
        try:
            await asyncio.wait((sending, going), return_when=asyncio.FIRST_COMPLETED)
        finally:
            going.cancel()
            sending.cancel()
            await asyncio.wait((sending, going))
        if not sending.cancelled():
            sending.result()

    async def _send(self, parts: Parts, *, chunked: bool) -> None:
        async with aclosing(parts):
            async for part in parts:
                await self._write(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
        self.busy = True
        if chunked:
            await self._write(b"0\r\n\r\n")

    async def _gone(self) -> None:
        """Return when the caller has ended the connection; what it says meanwhile is of no use."""
        with suppress(ConnectionError):
            while await self._reader.read(_AT_ONCE):
                pass

    async def linger(self) -> None:
        """Let a body come in for a moment."""
        if self._writer.can_write_eof():
            self._writer.write_eof()
        with suppress(TimeoutError):
            async with asyncio.timeout(_LINGER_S):
                await self._gone()

    async def _write(self, part: bytes) -> None:
        self._writer.write(part)
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
