"""The local HTTP API's server: its resources, who may read them, and what it answers when something is wrong.

Every error is one line of JSON: `{"error": "what is wrong and what to do"}`.
"""

import asyncio
import errno
import hmac
import os
from collections.abc import Awaitable, Callable
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from agent.api.errors import ApiError
from agent.api.intervals import content, page, question
from agent.api.listener import Listener
from agent.api.request import Answer, Request, error, json
from agent.api.stream import EVENTS, Stream, Wish
from agent.board import Board
from agent.process.worker import Worker, WorkerError
from agent.recorder import Recorder
from agent.rollup.export import NoParquetError
from agent.sections import HttpSection
from agent.state.exposition import CONTENT_TYPE
from agent.state.metrics import exposition
from agent.store import Store, StoreError
from drivers.regular_file import read_regular

_STORE_S = 10.0
"""A caller waits no longer for the store's disk."""
_REMEDIES = {
    errno.EADDRINUSE: "another program (or another agent) uses this port: choose another, or stop it",
    errno.EACCES: "ports below 1024 belong to the system: choose another",
    errno.EADDRNOTAVAIL: "this machine has no such address: choose one of its own, such as 127.0.0.1",
}
METHODS = ("GET", "HEAD")
_DEVICE = "/api/v1/devices/{name}"
_DEVICES = _DEVICE.removesuffix("{name}")
_OPEN = frozenset({"/healthz"})
"""Resources that need no token: a load balancer or watchdog asks for them."""


@cache
def _description() -> bytes:
    # Its models of every message, and pydantic, take 13 MB and half a second; hardly anybody asks for it.
    described: bytes = Worker("agent.api.openapi", "encoded").result()
    return described


def _token(path: Path) -> str:
    """Return the token that callers must show; raise ApiError when there is none."""
    try:
        token = read_regular(path).decode().strip()
    except (OSError, UnicodeDecodeError) as cause:
        reason = getattr(cause, "strerror", None) or str(cause)
        raise ApiError(f"[http] token_file {path}: {reason}: check path and rights") from cause
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
        self._listener = Listener(self._respond)
        self._describing = asyncio.Lock()
        """One process at a time, however many ask."""

    def _resources(self) -> dict[str, Callable[[Request], Answer | Awaitable[Answer]]]:
        return {
            "/healthz": self._healthz,
            "/metrics": self._metrics,
            "/api/v1/state": self._state,
            _DEVICE: self._device,
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
        try:
            self.port = await self._listener.listen(self._section.host, self._section.port)
        except OSError as cause:
            # asyncio's own text repeats the address; a name that cannot be resolved has no errno.
            reason = os.strerror(cause.errno) if cause.errno in _REMEDIES else cause.strerror or str(cause)
            remedy = _REMEDIES.get(cause.errno or 0, "check the address")
            raise ApiError(f"[http] listen {self._section.listen}: {reason}: {remedy}") from cause
        self._stream.start()

    async def stop(self) -> None:
        """Stop listening."""
        await self._stream.stop()
        await self._listener.stop()

    async def _respond(self, request: Request) -> Answer:
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        allowed = hmac.compare_digest(given.encode("latin-1"), self._token.encode())
        if self._token and request.path not in _OPEN and not allowed:
            text = "a bearer token is needed: see [http] token_file"
            return error(HTTPStatus.UNAUTHORIZED, text, {"WWW-Authenticate": "Bearer"})
        path = _DEVICE if _of_device(request.path) else request.path
        resource = self._resources().get(path)
        if resource is None:
            return error(HTTPStatus.NOT_FOUND, f"there is no {request.path}")
        if request.method not in METHODS:
            text = f"{request.path} can only be read: {request.method} is not allowed"
            return error(HTTPStatus.METHOD_NOT_ALLOWED, text, {"Allow": ",".join(METHODS)})
        answer = resource(request)
        return answer if isinstance(answer, Answer) else await answer

    def _healthz(self, _: Request) -> Answer:
        reasons = [f"{name} is stuck" for name in self._stalled()]
        if degraded := self._store.status().degraded:
            reasons.append(f"store: {degraded}")
        status = HTTPStatus.SERVICE_UNAVAILABLE if reasons else HTTPStatus.OK
        return json({"alive": not reasons, "reasons": reasons}, status)

    def _metrics(self, _: Request) -> Answer:
        return Answer(exposition(self._snapshot()), content_type=CONTENT_TYPE)

    def _state(self, _: Request) -> Answer:
        return json(self._snapshot())

    def _device(self, request: Request) -> Answer:
        name = request.path.removeprefix(_DEVICES)
        for device in self._snapshot()["devices"]:
            if device["device"] == name:
                return json(device)
        return error(HTTPStatus.NOT_FOUND, f"there is no device '{name}'")

    def _windows(self, _: Request) -> Answer:
        return Answer(self._recorder.latest_windows.json())

    def _alarms(self, _: Request) -> Answer:
        return json(self._snapshot()["alarms"])

    async def _openapi(self, _: Request) -> Answer:
        try:
            async with self._describing:
                return Answer(await asyncio.to_thread(_description))
        except WorkerError as cause:
            return error(HTTPStatus.SERVICE_UNAVAILABLE, f"the process that describes it {cause}: ask again later")

    async def _intervals(self, request: Request) -> Answer:
        try:
            asked = question(request.query, self._zone)
        except ValueError as wrong:
            return error(HTTPStatus.BAD_REQUEST, str(wrong))
        try:
            async with asyncio.timeout(_STORE_S):
                found = await page(self._store, asked)
        except StoreError as wrong:
            return error(HTTPStatus.SERVICE_UNAVAILABLE, f"store: {wrong}")
        except TimeoutError:
            text = f"the store did not answer within {_STORE_S:g} s: is its disk overloaded?"
            return error(HTTPStatus.SERVICE_UNAVAILABLE, text)
        try:
            body, content_type = await asyncio.to_thread(content, found, asked.form)
        except NoParquetError as wrong:
            return error(HTTPStatus.SERVICE_UNAVAILABLE, str(wrong))
        following = {"Link": f'<{request.again_with(after=found.cursor)}>; rel="next"'} if found.cursor else {}
        return Answer(body, content_type=content_type, headers=following)

    def _happenings(self, request: Request) -> Answer:
        try:
            wish = _wish(request)
        except ValueError as wrong:
            return error(HTTPStatus.BAD_REQUEST, str(wrong))
        return self._stream.answer(request, wish)


def _of_device(path: str) -> bool:
    """Whether a path is that of a device, should there be such a device."""
    return path.startswith(_DEVICES) and "/" not in path.removeprefix(_DEVICES)


def _wish(request: Request) -> Wish:
    """Return what a reader of the stream wants; raise ValueError with one line about what is wrong with it."""
    for name in request.query:
        if name != "kinds":
            raise ValueError(f"there is no parameter '{name}': use kinds")
    kinds = frozenset(request.query.get("kinds", ",".join(EVENTS)).split(","))
    if unknown := kinds - set(EVENTS):
        raise ValueError(f"kinds={','.join(sorted(unknown))}: use some of {','.join(EVENTS)}")
    last = request.headers.get("last-event-id", "")
    if last and not last.isdecimal():
        raise ValueError(f"Last-Event-ID: {last}: is no id of this stream; leave it out")
    return Wish(kinds, int(last) if last else None)
