"""The local HTTP API: state, health and metrics of the running agent. It only reads.

`/healthz` · `/metrics` · `/api/v1/state` · `/api/v1/devices/{name}` · `/api/v1/windows` · `/api/v1/alarms` ·
`/api/v1/intervals?from&to&account`
"""

import errno
import hmac
import logging
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web

from agent.metrics import exposition
from agent.recorder import Recorder
from agent.sections import HttpSection
from agent.store import Store

_NS = 1_000_000_000
_LATEST_NS = 1 << 63
_SHUTDOWN_S = 2.0
"""A caller that asks and does not read may not keep the agent from ending in time."""
_REMEDIES = {
    errno.EADDRINUSE: "another program (or another agent) uses this port: choose another, or stop it",
    errno.EACCES: "ports below 1024 belong to the system: choose another",
    errno.EADDRNOTAVAIL: "this machine has no such address: choose one of its own, such as 127.0.0.1",
}
_OPEN = frozenset({"/healthz"})
"""Resources that need no token: a load balancer or watchdog asks for them."""


class ApiError(Exception):
    """Raised when the API cannot listen; its text says where, why and what to do."""


def _json(value: Any, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(value), status=status, content_type="application/json")


def _time_ns(text: str) -> int:
    """Return a Unix time [ns]; raise ValueError for what is no time, or one the store cannot hold."""
    moment = datetime.fromisoformat(text)
    found = round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()) * _NS
    if abs(found) >= _LATEST_NS:
        raise ValueError(f"'{text}' is too far away")
    return found


def _token(path: Path) -> str:
    """Return the token that callers must show; raise ApiError when there is none."""
    try:
        token = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ApiError(f"[http] token_file {path}: {reason}: check path and rights") from error
    if not token:
        raise ApiError(f"[http] token_file {path}: is empty: put a token of your choice into it")
    return token


class LocalApi:
    """Serves the agent's state on one address."""

    def __init__(
        self,
        section: HttpSection,
        folder: Path,
        *,
        snapshot: Callable[[], dict[str, Any]],
        store: Store,
        recorder: Recorder,
    ) -> None:
        self._section = section
        self._snapshot = snapshot
        self._store = store
        self._recorder = recorder
        self._token = ""
        self._token_path = folder / section.token_file if section.token_file else None
        self.port = section.port
        application = web.Application(middlewares=[self._guard])
        application.add_routes(
            [
                web.get("/healthz", self._healthz),
                web.get("/metrics", self._metrics),
                web.get("/api/v1/state", self._state),
                web.get("/api/v1/devices/{name}", self._device),
                web.get("/api/v1/windows", self._windows),
                web.get("/api/v1/alarms", self._alarms),
                web.get("/api/v1/intervals", self._intervals),
            ]
        )
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=_SHUTDOWN_S)

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

    async def stop(self) -> None:
        """Stop listening."""
        await self._runner.cleanup()

    @web.middleware
    async def _guard(self, request: web.Request, handler: Callable[[web.Request], Any]) -> web.StreamResponse:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        allowed = hmac.compare_digest(given.encode("utf-8", "surrogateescape"), self._token.encode())
        if self._token and request.path not in _OPEN and not allowed:
            return _json({"error": "a bearer token is needed: see [http] token_file"}, 401)
        try:
            answer: web.StreamResponse = await handler(request)
        except web.HTTPNotFound:
            return _json({"error": f"there is no {request.path}"}, 404)
        return answer

    async def _healthz(self, _: web.Request) -> web.Response:
        state = self._snapshot()
        reasons = [f"{name} is stuck" for name in state["stalled"]]
        if state["store"].get("degraded"):
            reasons.append(f"store: {state['store']['degraded']}")
        return _json({"alive": not reasons, "reasons": reasons}, 503 if reasons else 200)

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(
            body=exposition(self._snapshot()), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        )

    async def _state(self, _: web.Request) -> web.Response:
        return _json(self._snapshot())

    async def _device(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        for device in self._snapshot()["devices"]:
            if device["device"] == name:
                return _json(device)
        return _json({"error": f"there is no device '{name}'"}, 404)

    async def _windows(self, _: web.Request) -> web.Response:
        return _json(self._recorder.latest_windows)

    async def _alarms(self, _: web.Request) -> web.Response:
        return _json(self._snapshot()["alarms"])

    async def _intervals(self, request: web.Request) -> web.Response:
        query = request.query
        try:
            start, end = _time_ns(query["from"]), _time_ns(query["to"])
        except (KeyError, ValueError):
            return _json({"error": "give from and to as times like 2026-11-20T08:00:00Z"}, 400)
        records = await self._store.intervals(start, end, query.get("account"))
        return web.Response(
            body=b"[" + b",".join(record.payload for record in records) + b"]", content_type="application/json"
        )
