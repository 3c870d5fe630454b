"""Listens for callers of the local API and has their requests answered.

Around what is said on a connection, which is `agent.api.caller`'s, it is what asyncio takes to serve; a library that
does both takes 9 MB (aiohttp), for a server that only answers GET and HEAD.

Invariant: a caller costs little whatever it does; there are `MOST_CALLERS` connections.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import TYPE_CHECKING

from agent.api.request import LONGEST_HEAD, Answer, Request, error

if TYPE_CHECKING:
    from agent.api.caller import Caller

_log = logging.getLogger(__name__)

MOST_CALLERS = 64
_SHUTDOWN_S = 2.0
"""A caller that asks and does not read may not keep the agent from ending in time."""

Respond = Callable[[Request], Awaitable[Answer]]


class Listener:
    """Gives each request to `respond`."""

    def __init__(self, respond: Respond) -> None:
        self._respond = respond
        self._server: asyncio.Server | None = None
        self._callers: dict[asyncio.Task[None], Caller] = {}

    async def listen(self, host: str, port: int) -> int:
        """Listen, and return the port; raise OSError where that cannot be."""
        self._server = await asyncio.start_server(self._serve, host, port, limit=LONGEST_HEAD)
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
        from agent.api.caller import Caller  # noqa: PLC0415 -- h11 takes a moment, which a start has not

        caller = Caller(reader, writer)
        full = len(self._callers) >= MOST_CALLERS
        self._callers[task] = caller
        try:
            if full:
                text = f"{MOST_CALLERS} callers are all that are served: come back later"
                await caller.answer(None, error(HTTPStatus.SERVICE_UNAVAILABLE, text))
            else:
                await caller.converse(self._answer)
        except (ConnectionError, TimeoutError):
            caller.abort()
        except asyncio.CancelledError:
            caller.abort()  # by `stop`; a callback of the streams must not find the task cancelled
        finally:
            del self._callers[task]
            await caller.close()

    async def _answer(self, request: Request) -> Answer:
        try:
            return await self._respond(request)
        except Exception:  # noqa: BLE001 -- a bug in one resource must not end a connection without a word
            _log.exception("%s %s failed", request.method, request.path)
            return error(HTTPStatus.INTERNAL_SERVER_ERROR, "internal error: the log says more")
