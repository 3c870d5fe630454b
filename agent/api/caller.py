"""One caller of the local API: its requests and the answers, one after another on a connection.

What is said on it is h11's: heads, bodies, chunks, whether another request may follow.

Invariants:

- A caller costs little whatever it does: a head has some `LONGEST_HEAD` bytes, and whoever says or takes nothing for a
  while is let go.
- A request with a body gets its answer, and the connection ends: what follows is never taken for another request.
"""

import asyncio
import time
import urllib.parse
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from email.utils import formatdate
from http import HTTPStatus

import h11

from agent.api.request import LONGEST_HEAD, Answer, Parts, Request, error

_VERSIONS = {b"1.0", b"1.1"}
_MOST_PARAMETERS = 50
_QUIET_S = 75.0
"""A connection without a whole request for this long is ended."""
_WRITE_S = 30.0
"""A caller that takes nothing for this long is gone."""
_LINGER_S = 1.0
"""How long a body that nobody wants is let come in, so that its sender reads the answer before it sees the end."""
_AT_ONCE = 1 << 16


def _parsed(head: h11.Request) -> Request:
    """Return what a head asks for; raise h11.RemoteProtocolError where that cannot be understood."""
    if head.http_version not in _VERSIONS:
        status = HTTPStatus.HTTP_VERSION_NOT_SUPPORTED
        raise h11.RemoteProtocolError("only HTTP/1.1 is spoken here", error_status_hint=status)
    try:
        parts = urllib.parse.urlsplit(head.target.decode())
        pairs = urllib.parse.parse_qsl(parts.query, keep_blank_values=True, max_num_fields=_MOST_PARAMETERS)
    except ValueError as cause:
        raise h11.RemoteProtocolError(f"its address: {cause}") from cause
    headers: dict[str, str] = {}
    for name, value in ((name.decode(), value.decode("latin-1")) for name, value in head.headers):
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return Request(head.method.decode(), urllib.parse.unquote(parts.path), dict(reversed(pairs)), headers)


class Caller:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._protocol = h11.Connection(h11.SERVER, max_incomplete_event_size=LONGEST_HEAD)
        self.busy = False
        """Whether an answer that ends by itself is under way."""
        self.over = False
        """Whether no other request may follow."""

    async def converse(self, respond: Callable[[Request], Awaitable[Answer]]) -> None:
        """Answer one request after another until one is the last; raise ConnectionError and TimeoutError."""
        while not self.over:
            self.busy = False
            try:
                request = await self._request()
            except h11.RemoteProtocolError as wrong:
                await self.answer(None, error(wrong.error_status_hint, f"the request cannot be read: {wrong}"))
            else:
                if request is None:
                    return
                self.busy = True
                await self.answer(request, await respond(request))
        await self._linger()

    async def _request(self) -> Request | None:
        """Return the next request, None where there is none; raise h11.RemoteProtocolError and TimeoutError."""
        async with asyncio.timeout(_QUIET_S):
            while (head := self._protocol.next_event()) is h11.NEED_DATA:
                await self._hear()
        if not isinstance(head, h11.Request):
            return None
        request = _parsed(head)
        self._protocol.next_event()  # the end of the request, unless it has a body
        return request

    async def _hear(self) -> None:
        """Hand on what comes, but for empty lines before a request: they may stand there (RFC 9112, 2.2)."""
        came = await self._reader.read(LONGEST_HEAD)
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

    async def _linger(self) -> None:
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
