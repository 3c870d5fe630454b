"""The local API on a real port, over a store, a board and a state that a test makes up."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp
import orjson

from agent.api.server import LocalApi
from agent.board import Board
from agent.latest import ManyBodies
from agent.record import Record
from agent.sections import HttpSection
from agent.store import StoreError, StoreStatus

Headers = dict[str, str]


class Shelf:
    """A store in memory."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.degraded = ""
        self.asked: list[tuple[int, int, int]] = []
        self.listeners: list[Callable[[Record], None]] = []
        self.last_seq = 0

    def add(self, kind: str, time_ns: int = 0, **body: object) -> Record:
        """Write a record."""
        self.last_seq += 1
        record = Record(self.last_seq, kind, "hall/fan-1", time_ns, orjson.dumps({**body, "seq": self.last_seq}))
        self.records.append(record)
        for listener in self.listeners:
            listener(record)
        return record

    def interval(self, start_ns: int, account: str = "fan-1/electricity", revision: int = 0) -> Record:
        """Write a record of account."""
        return self.add("interval", start_ns, account=account, revision=revision)

    async def first_intervals(self, start_ns: int, end_ns: int, limit: int, *, kind: str = "interval") -> list[Record]:
        self.asked.append((start_ns, end_ns, limit))
        if self.degraded:
            raise StoreError(f"store.db: {self.degraded}")
        within = [r for r in self.records if kind in {r.kind, "*"} and start_ns <= r.time_ns < end_ns]
        return sorted(within, key=lambda record: (record.time_ns, record.seq))[:limit]

    def listen(self, listener: Callable[[Record], None]) -> Callable[[], None]:
        self.listeners.append(listener)
        return self.listeners.clear

    def status(self) -> StoreStatus:
        return StoreStatus(degraded=self.degraded)


class Caller:
    """Asks an API as a client would."""

    def __init__(self, api: LocalApi, shelf: Shelf, board: Board) -> None:
        self.api = api
        self.shelf = shelf
        self.board = board
        self.port = api.port

    async def ask(self, path: str, *, headers: Headers | None = None, method: str = "GET") -> "Answer":
        """Return the whole answer."""
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, f"http://127.0.0.1:{self.port}{path}", headers=headers) as answer,
        ):
            return Answer(answer.status, dict(answer.headers), await answer.read())

    async def get(self, path: str, *, token: str = "", method: str = "GET") -> tuple[int, Any]:
        """Return status and content."""
        answer = await self.ask(path, headers={"Authorization": token} if token else {}, method=method)
        return answer.status, answer.content


class Answer:
    """What came back."""

    def __init__(self, status: int, headers: Headers, body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def content(self) -> Any:
        """The body: JSON parsed, all else as text."""
        is_json = self.headers["Content-Type"].startswith("application/json") and self.body
        return orjson.loads(self.body) if is_json else self.body.decode()


@asynccontextmanager
async def serving(
    state: dict[str, Any],
    folder: Path,
    *,
    section: HttpSection | None = None,
    shelf: Shelf | None = None,
    stalled: Callable[[], list[str]] = list,
) -> AsyncIterator[Caller]:
    """Serve a state, and what a shelf and a board hold."""
    shelf, board, windows = shelf or Shelf(), Board(), ManyBodies()
    windows.add([{"span": "1min"}])
    api = LocalApi(
        section or HttpSection(listen="127.0.0.1:0"),
        folder,
        zone=ZoneInfo("Asia/Shanghai"),
        snapshot=lambda: state,
        stalled=stalled,
        store=shelf,  # type: ignore[arg-type]  # stands in for a Store
        recorder=SimpleNamespace(latest_windows=windows),  # type: ignore[arg-type]  # and for a Recorder
        board=board,
    )
    await api.start()
    try:
        yield Caller(api, shelf, board)
    finally:
        await api.stop()


class Reader:
    """Reads server-sent events as the standard says: blocks of fields, ended by an empty line."""

    def __init__(self, stream: aiohttp.StreamReader) -> None:
        self._stream = stream
        self.last_id = ""
        self.comments: list[str] = []

    async def event(self) -> tuple[str, str, Any]:
        """Return name, last id and data of the next event; raise EOFError when there is none."""
        name, data = "", ""
        while True:
            line = (await self._stream.readline()).decode()
            if not line:
                raise EOFError
            field, _, value = line.rstrip("\n").partition(": ")
            if line.startswith(":"):
                self.comments.append(line)
            elif field == "event":
                name = value
            elif field == "data":
                data += value
            elif field == "id":
                self.last_id = value
            elif not field and data:
                return name, self.last_id, orjson.loads(data)

    async def events(self) -> list[tuple[str, str, Any]]:
        """Return all events until the stream ends."""
        found = []
        with suppress(EOFError):
            while True:
                found.append(await self.event())
        return found


@asynccontextmanager
async def reading(caller: Caller, query: str = "", headers: Headers | None = None) -> AsyncIterator[Reader]:
    """Read the stream; greeted, so that nothing that happens from now on is missed."""
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session,
        session.get(f"http://127.0.0.1:{caller.port}/api/v1/stream{query}", headers=headers) as answer,
    ):
        assert answer.status == 200, await answer.text()
        assert answer.content_type == "text/event-stream"
        assert await answer.content.readline() == b"retry: 2000\n"
        yield Reader(answer.content)
