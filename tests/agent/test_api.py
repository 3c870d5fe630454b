"""The local API on a real port, over a state that the test makes up."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import orjson
import pytest
from prometheus_client.parser import text_string_to_metric_families

from agent.api import ApiError, LocalApi
from agent.config import load_config
from agent.record import Record
from agent.sections import HttpSection
from agent.service import Agent
from agent.store import Store
from tests.agent.frames import DEVICES, SITE, configured

pytestmark = pytest.mark.integration

INTERVALS = [
    Record(7, "interval", "hall/fan-1", 100, b'{"account":"fan-1/electricity","amount":1.5}'),
    Record(8, "interval", "hall/fan-1", 200, b'{"account":"fan-1/electricity","amount":2.5}'),
]


class Shelf:
    """A store with two intervals that notes what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int, str | None]] = []

    async def intervals(self, start_ns: int, end_ns: int, account: str | None = None) -> list[Record]:
        self.asked.append((start_ns, end_ns, account))
        return INTERVALS


@pytest.fixture
def state(tmp_path: Path) -> dict[str, Any]:
    """Return what a real agent that has not started yet says of itself."""
    return Agent(configured(tmp_path, SITE + DEVICES)).snapshot()


class Caller:
    """Asks an API as a client would."""

    def __init__(self, port: int, shelf: Shelf) -> None:
        self.shelf = shelf
        self._base = f"http://127.0.0.1:{port}"

    async def get(self, path: str, *, token: str = "", method: str = "GET") -> tuple[int, Any]:
        headers = {"Authorization": token} if token else {}
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, self._base + path, headers=headers) as answer,
        ):
            body = await answer.read()
            return answer.status, orjson.loads(body) if answer.content_type == "application/json" else body.decode()


@asynccontextmanager
async def serving(
    state: dict[str, Any], folder: Path, *, listen: str = "127.0.0.1:0", token_file: str | None = None
) -> AsyncIterator[Caller]:
    shelf = Shelf()
    api = LocalApi(
        HttpSection(listen=listen, token_file=token_file),
        folder,
        snapshot=lambda: state,
        store=shelf,  # type: ignore[arg-type]  # stands in for a Store
        recorder=SimpleNamespace(latest_windows=[{"span": "1min"}]),  # type: ignore[arg-type]  # and for a Recorder
    )
    await api.start()
    try:
        yield Caller(api.port, shelf)
    finally:
        await api.stop()


async def test_every_resource_answers_with_its_part_of_the_state(state: dict[str, Any], tmp_path: Path) -> None:
    async with serving(state, tmp_path) as caller:
        assert await caller.get("/healthz") == (200, {"alive": True, "reasons": []})
        status, whole = await caller.get("/api/v1/state")
        assert (status, whole["site"], {device["device"] for device in whole["devices"]}) == (
            200,
            "works",
            {"fan-1", "boiler-1"},
        )
        status, device = await caller.get("/api/v1/devices/fan-1")
        assert (status, device["unit"], device["state"]) == (200, 1, "unknown")
        assert await caller.get("/api/v1/windows") == (200, [{"span": "1min"}])
        assert await caller.get("/api/v1/alarms") == (200, [])


async def test_intervals_are_given_as_they_were_booked(state: dict[str, Any], tmp_path: Path) -> None:
    async with serving(state, tmp_path) as caller:
        found = await caller.get("/api/v1/intervals?from=2026-11-20T08:00:00Z&to=2026-11-20T16:30:00%2B08:00")
        await caller.get("/api/v1/intervals?from=2026-11-20&to=2026-11-21&account=fan-1/electricity")

    assert found == (200, [orjson.loads(record.payload) for record in INTERVALS])
    eight = 1_795_161_600 * 10**9
    assert caller.shelf.asked == [
        (eight, eight + 1800 * 10**9, None),
        (eight - 8 * 3600 * 10**9, eight + 16 * 3600 * 10**9, "fan-1/electricity"),
    ]


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?from=2026-11-20",
        "?from=yesterday&to=today",
        "?from=2026-11-20&to=",
        "?from=2026-11-20&to=9999-12-31",
        "?from=0001-01-01&to=2026-11-20",
    ],
)
async def test_a_query_that_is_none_says_how_to_ask(state: dict[str, Any], tmp_path: Path, query: str) -> None:
    async with serving(state, tmp_path) as caller:
        status, body = await caller.get(f"/api/v1/intervals{query}")

    assert status == 400
    assert "2026-11-20T08:00:00Z" in body["error"]
    assert caller.shelf.asked == []


async def test_what_does_not_exist_is_not_found_and_nothing_can_be_changed(
    state: dict[str, Any], tmp_path: Path
) -> None:
    async with serving(state, tmp_path) as caller:
        assert await caller.get("/api/v1/devices/fan-9") == (404, {"error": "there is no device 'fan-9'"})
        assert await caller.get("/api/v2/state") == (404, {"error": "there is no /api/v2/state"})
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            assert (await caller.get("/api/v1/state", method=method))[0] == 405


async def test_an_agent_that_is_stuck_or_cannot_write_says_why(state: dict[str, Any], tmp_path: Path) -> None:
    state["stalled"] = ["line hall"]
    state["store"]["degraded"] = "disk full"
    async with serving(state, tmp_path) as caller:
        assert await caller.get("/healthz") == (
            503,
            {"alive": False, "reasons": ["line hall is stuck", "store: disk full"]},
        )


async def test_a_token_guards_everything_but_the_sign_of_life(state: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "token").write_text("let-me-in\n", encoding="utf-8")
    async with serving(state, tmp_path, token_file="token") as caller:  # noqa: S106  # a file's name
        for path in ("/api/v1/state", "/metrics", "/api/v1/devices/fan-1", "/api/v1/nothing"):
            assert (await caller.get(path))[0] == 401
            assert (await caller.get(path, token="Bearer let-me-out"))[0] == 401  # noqa: S106  # a wrong one
        assert (await caller.get("/healthz"))[0] == 200
        assert (await caller.get("/api/v1/state", token="Bearer let-me-in"))[0] == 200  # noqa: S106  # made up
        assert (await caller.get("/api/v1/nothing", token="Bearer let-me-in"))[0] == 404  # noqa: S106  # made up


async def test_a_token_of_odd_bytes_is_refused_like_any_other(state: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "token").write_text("let-me-in", encoding="utf-8")
    async with serving(state, tmp_path, token_file="token") as caller:  # noqa: S106  # a file's name
        reader, writer = await asyncio.open_connection("127.0.0.1", int(caller._base.rpartition(":")[2]))
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \xff\xfe\r\nConnection: close\r\n\r\n")
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()

    assert answer.startswith(b"HTTP/1.1 401")


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "No such file or directory"), (b" \n", "is empty"), (b"\xff\xfe", "codec can't decode")],
)
async def test_a_token_that_cannot_be_read_keeps_the_api_from_standing_open(
    state: dict[str, Any], tmp_path: Path, content: bytes | None, said: str
) -> None:
    if content is not None:
        (tmp_path / "token").write_bytes(content)

    with pytest.raises(ApiError) as caught:
        async with serving(state, tmp_path, token_file="token"):  # noqa: S106  # a file's name
            pass

    assert str(caught.value).startswith(f"[http] token_file {tmp_path}/token: ")
    assert said in str(caught.value)


async def test_a_port_in_use_is_one_line_with_place_cause_and_remedy(state: dict[str, Any], tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        listen = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(ApiError) as caught:
            async with serving(state, tmp_path, listen=listen):
                pass

    assert str(caught.value) == (
        f"[http] listen {listen}: Address already in use: another program (or another agent) uses this port: "
        "choose another, or stop it"
    )


async def test_an_address_of_another_machine_is_not_blamed_on_a_port(state: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "token").write_text("let-me-in", encoding="utf-8")
    with pytest.raises(ApiError) as caught:
        async with serving(state, tmp_path, listen="192.0.2.1:8081", token_file="token"):  # noqa: S106  # a file's name
            pass

    assert "this machine has no such address" in str(caught.value)


async def test_the_metrics_can_be_read_by_prometheus(state: dict[str, Any], tmp_path: Path) -> None:
    async with serving(state, tmp_path) as caller:
        status, text = await caller.get("/metrics")

    assert status == 200
    assert "energy_agent_uptime_seconds" in {family.name for family in text_string_to_metric_families(text)}


async def test_the_api_reads_a_real_store(state: dict[str, Any], tmp_path: Path) -> None:
    store = Store(tmp_path / "store.db", max_size=2**20, commit_every_s=0.05, sinks=[])
    await store.open()
    store.append("interval", "hall/fan-1", 10**9, {"account": "fan-1/electricity", "amount": 1.5})
    await store.flush()
    api = LocalApi(
        HttpSection(listen="127.0.0.1:0"),
        tmp_path,
        snapshot=lambda: state,
        store=store,
        recorder=SimpleNamespace(latest_windows=[]),  # type: ignore[arg-type]  # stands in for a Recorder
    )
    await api.start()
    try:
        caller = Caller(api.port, Shelf())
        _, found = await caller.get("/api/v1/intervals?from=1970-01-01&to=1970-01-02")
        _, none = await caller.get("/api/v1/intervals?from=1970-01-01&to=1970-01-02&account=other")
    finally:
        await api.stop()
        await store.close()

    assert [record["amount"] for record in found] == [1.5]
    assert none == []


async def test_a_caller_that_does_not_read_its_answer_does_not_keep_the_agent_from_ending(
    state: dict[str, Any], tmp_path: Path
) -> None:
    state["padding"] = "x" * 50_000_000  # more than the buffers of a connection hold
    async with serving(state, tmp_path) as caller:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(caller._base.rpartition(":")[2]))
        writer.write(b"GET /api/v1/state HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readexactly(1)
        began = time.monotonic()
    took_s = time.monotonic() - began
    writer.close()

    assert took_s < 5.0


def test_a_state_can_be_written_as_json_whole(tmp_path: Path) -> None:
    agent = Agent(load_config(configured(tmp_path, SITE + DEVICES).path))

    assert orjson.loads(orjson.dumps(agent.snapshot()))["configuration"].startswith("sha256:")
