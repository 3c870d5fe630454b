"""The local HTTP API's server: its resources, who may read them, and what it answers when something is wrong.

Every error is one line of JSON: `{"error": "what is wrong and what to do"}`.
"""

import asyncio
import errno
import hmac
import logging
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from agent.api.errors import ApiError
from agent.api.intervals import content, page, question
from agent.api.stream import EVENTS, Stream, Wish
from agent.board import Board
from agent.recorder import Recorder
from agent.rollup.export import NoParquetError
from agent.sections import HttpSection
from agent.state.exposition import CONTENT_TYPE
from agent.state.metrics import exposition
from agent.store import Store, StoreError
from agent.web import web
from drivers.regular_file import read_regular

_SHUTDOWN_S = 2.0
"""A caller that asks and does not read may not keep the agent from ending in time."""
_STORE_S = 10.0
"""A caller waits no longer for the store's disk."""
_REMEDIES = {
    errno.EADDRINUSE: "another program (or another agent) uses this port: choose another, or stop it",
    errno.EACCES: "ports below 1024 belong to the system: choose another",
    errno.EADDRNOTAVAIL: "this machine has no such address: choose one of its own, such as 127.0.0.1",
}
_OPEN = frozenset({"/healthz"})
"""Resources that need no token: a load balancer or watchdog asks for them."""


def _json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(body=orjson.dumps(value), status=status, headers=headers, content_type="application/json")


def _error(status: int, text: str, headers: dict[str, str] | None = None) -> web.Response:
    return _json({"error": text}, status, headers)


@cache
def _description() -> bytes:
    # Its models of every message take 4 MB and a quarter of a second; hardly anybody asks for it.
    from agent.api.openapi import openapi  # noqa: PLC0415

    return orjson.dumps(openapi())


def _token(path: Path) -> str:
    """Return the token that callers must show; raise ApiError when there is none."""
    try:
        token = read_regular(path).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ApiError(f"[http] token_file {path}: {reason}: check path and rights") from error
    if not token:
        raise ApiError(f"[http] token_file {path}: is empty: put a token of your choice into it")
    return token


class LocalApi:
    """Serves the agent's state on one address.

    `snapshot` gives the whole state, `stalled` the names of loops that are stuck; times without offset are of `zone`.
    """

    def __init__(
        self,
        section: HttpSection,
        folder: Path,
        *,
        zone: ZoneInfo,
        snapshot: Callable[[], dict[str, Any]],
        stalled: Callable[[], list[str]],
        store: Store,
        recorder: Recorder,
        board: Board,
    ) -> None:
        self._section = section
        self._zone = zone
        self._snapshot = snapshot
        self._stalled = stalled
        self._store = store
        self._recorder = recorder
        self._stream = Stream(store, board)
        self._token = ""
        self._token_path = folder / section.token_file if section.token_file else None
        self.port = section.port
        application = web.Application(middlewares=[self._guard])
        application.add_routes([web.get(path, handler) for path, handler in self._resources().items()])
        # A reader of the stream that goes is forgotten at once.
        self._runner = web.AppRunner(
            application, access_log=None, shutdown_timeout=_SHUTDOWN_S, handler_cancellation=True
        )

    def _resources(self) -> dict[str, Callable[[web.Request], Any]]:
        return {
            "/healthz": self._healthz,
            "/metrics": self._metrics,
            "/api/v1/state": self._state,
            "/api/v1/devices/{name}": self._device,
            "/api/v1/windows": self._windows,
            "/api/v1/alarms": self._alarms,
            "/api/v1/intervals": self._intervals,
            "/api/v1/stream": self._happenings,
            "/api/v1/openapi.json": self._openapi,
        }

    async def start(self) -> None:
        """Listen; raise ApiError when the address is taken or the token cannot be read."""
        if self._token_path:
            self._token = _token(self._token_path)
        # aiohttp's own INFO lines would repeat what the agent says itself.
        logging.getLogger("aiohttp").setLevel(logging.WARNING)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._section.host, self._section.port)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            # asyncio's own text repeats the address; a name that cannot be resolved has no errno.
            reason = os.strerror(error.errno) if error.errno in _REMEDIES else error.strerror or str(error)
            remedy = _REMEDIES.get(error.errno or 0, "check the address")
            raise ApiError(f"[http] listen {self._section.listen}: {reason}: {remedy}") from error
        self.port = self._runner.addresses[0][1]
        self._stream.start()

    async def stop(self) -> None:
        """Stop listening."""
        await self._stream.stop()
        await self._runner.cleanup()

    @web.middleware
    async def _guard(self, request: web.Request, handler: Callable[[web.Request], Any]) -> web.StreamResponse:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        allowed = hmac.compare_digest(given.encode("utf-8", "surrogateescape"), self._token.encode())
        if self._token and request.path not in _OPEN and not allowed:
            text = "a bearer token is needed: see [http] token_file"
            return _error(401, text, {"WWW-Authenticate": "Bearer"})
        try:
            answer: web.StreamResponse = await handler(request)
        except web.HTTPNotFound:
            return _error(404, f"there is no {request.path}")
        except web.HTTPMethodNotAllowed as error:
            text = f"{request.path} can only be read: {request.method} is not allowed"
            return _error(405, text, {"Allow": error.headers["Allow"]})
        except web.HTTPException as error:
            return _error(error.status, error.reason)
        return answer

    async def _healthz(self, _: web.Request) -> web.Response:
        reasons = [f"{name} is stuck" for name in self._stalled()]
        if degraded := self._store.status().degraded:
            reasons.append(f"store: {degraded}")
        return _json({"alive": not reasons, "reasons": reasons}, 503 if reasons else 200)

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=exposition(self._snapshot()), headers={"Content-Type": CONTENT_TYPE})

    async def _state(self, _: web.Request) -> web.Response:
        return _json(self._snapshot())

    async def _device(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        for device in self._snapshot()["devices"]:
            if device["device"] == name:
                return _json(device)
        return _error(404, f"there is no device '{name}'")

    async def _windows(self, _: web.Request) -> web.Response:
        return web.Response(body=self._recorder.latest_windows.json(), content_type="application/json")

    async def _alarms(self, _: web.Request) -> web.Response:
        return _json(self._snapshot()["alarms"])

    async def _openapi(self, _: web.Request) -> web.Response:
        description = await asyncio.to_thread(_description)
        return web.Response(body=description, content_type="application/json")

    async def _intervals(self, request: web.Request) -> web.Response:
        try:
            asked = question(request.query, self._zone)
        except ValueError as error:
            return _error(400, str(error))
        try:
            async with asyncio.timeout(_STORE_S):
                found = await page(self._store, asked)
        except StoreError as error:
            return _error(503, f"store: {error}")
        except TimeoutError:
            return _error(503, f"the store did not answer within {_STORE_S:g} s: is its disk overloaded?")
        try:
            body, content_type = await asyncio.to_thread(content, found, asked.form)
        except NoParquetError as error:
            return _error(503, str(error))
        answer = web.Response(body=body, content_type=content_type)
        if found.cursor:
            following = request.rel_url.update_query(after=found.cursor)
            answer.headers["Link"] = f'<{following}>; rel="next"'
        return answer

    async def _happenings(self, request: web.Request) -> web.StreamResponse:
        try:
            wish = _wish(request)
        except ValueError as error:
            return _error(400, str(error))
        return await self._stream.serve(request, wish)


def _wish(request: web.Request) -> Wish:
    """Return what a reader of the stream wants; raise ValueError with one line about what is wrong with it."""
    for name in request.query:
        if name != "kinds":
            raise ValueError(f"there is no parameter '{name}': use kinds")
    kinds = frozenset(request.query.get("kinds", ",".join(EVENTS)).split(","))
    if unknown := kinds - set(EVENTS):
        raise ValueError(f"kinds={','.join(sorted(unknown))}: use some of {','.join(EVENTS)}")
    last = request.headers.get("Last-Event-ID", "")
    if last and not last.isdecimal():
        raise ValueError(f"Last-Event-ID: {last}: is no id of this stream; leave it out")
    return Wish(kinds, int(last) if last else None)
