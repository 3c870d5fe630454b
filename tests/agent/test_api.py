"""The local API on a real port, over a state that the test makes up."""

import asyncio
import socket
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson
import pytest
from prometheus_client.parser import text_string_to_metric_families

from agent.api.errors import ApiError
from agent.api.server import _description
from agent.config.load import load_config
from agent.process.worker import WorkerError
from agent.sections import HttpSection
from agent.service import Agent
from tests.agent.api_desk import Shelf, serving
from tests.agent.frames import DEVICES, SITE, configured

pytestmark = pytest.mark.integration

TOKEN = HttpSection(listen="127.0.0.1:0", token_file="token")  # noqa: S106  # a file's name


@pytest.fixture
def state(tmp_path: Path) -> dict[str, Any]:
    """Return what a real agent that has not started yet says of itself."""
    return Agent(configured(tmp_path, SITE + DEVICES)).snapshot()


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


async def test_what_does_not_exist_is_not_found_and_nothing_can_be_changed(
    state: dict[str, Any], tmp_path: Path
) -> None:
    async with serving(state, tmp_path) as caller:
        assert await caller.get("/api/v1/devices/fan-9") == (404, {"error": "there is no device 'fan-9'"})
        assert await caller.get("/api/v2/state") == (404, {"error": "there is no /api/v2/state"})
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            refused = await caller.ask("/api/v1/state", method=method)
            assert (refused.status, refused.headers["Allow"]) == (405, "GET,HEAD")
            assert refused.content == {"error": f"/api/v1/state can only be read: {method} is not allowed"}


async def test_every_resource_gives_its_headers_alone(state: dict[str, Any], tmp_path: Path) -> None:
    async with serving(state, tmp_path) as caller:
        for path in ("/healthz", "/metrics", "/api/v1/state", "/api/v1/devices/fan-1", "/api/v1/stream"):
            answer = await caller.ask(path, method="HEAD")
            assert (answer.status, answer.body) == (200, b""), path
        length = (await caller.ask("/api/v1/windows", method="HEAD")).headers["Content-Length"]
        assert int(length) == len((await caller.ask("/api/v1/windows")).body)
        assert (await caller.ask("/api/v1/stream", method="HEAD")).headers["Content-Type"] == "text/event-stream"
        assert (await caller.ask("/nothing", method="HEAD")).status == 404


class Describing:
    """Stands in for the process that describes the API."""

    begun = 0
    fails = False

    def __init__(self, *_: str) -> None:
        type(self).begun += 1

    def result(self) -> bytes:
        time.sleep(0.2)
        if self.fails:
            raise WorkerError("was ended by SIGKILL")
        return b"{}"


@pytest.fixture
def describing(monkeypatch: pytest.MonkeyPatch) -> Iterable[type[Describing]]:
    class Counted(Describing):
        pass

    monkeypatch.setattr("agent.api.server.Worker", Counted)
    _description.cache_clear()
    yield Counted
    _description.cache_clear()


async def test_many_who_ask_for_the_description_at_once_begin_one_process(
    describing: type[Describing], tmp_path: Path
) -> None:
    async with serving({}, tmp_path) as caller:
        answers = await asyncio.gather(*(caller.get("/api/v1/openapi.json") for _ in range(20)))

    assert answers == [(200, {})] * 20
    assert describing.begun == 1


async def test_a_description_that_could_not_be_made_is_made_when_somebody_asks_again(
    describing: type[Describing], tmp_path: Path
) -> None:
    async with serving({}, tmp_path) as caller:
        describing.fails = True
        said = "the process that describes it was ended by SIGKILL: ask again later"
        assert await caller.get("/api/v1/openapi.json") == (503, {"error": said})
        describing.fails = False
        assert await caller.get("/api/v1/openapi.json") == (200, {})


async def test_an_agent_that_is_stuck_or_cannot_write_says_why(tmp_path: Path) -> None:
    shelf = Shelf()
    shelf.degraded = "disk full"
    asked: list[None] = []

    class Watched(dict[str, Any]):
        def __missing__(self, key: str) -> None:
            asked.append(None)

    async with serving(Watched(), tmp_path, shelf=shelf, stalled=lambda: ["line hall"]) as caller:
        found = await caller.get("/healthz")

    assert found == (503, {"alive": False, "reasons": ["line hall is stuck", "store: disk full"]})
    assert asked == [], "a sign of life is cheap: it does not need the whole state"


async def test_a_token_guards_everything_but_the_sign_of_life(state: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "token").write_text("let-me-in\n", encoding="utf-8")
    async with serving(state, tmp_path, section=TOKEN) as caller:
        for path in ("/api/v1/state", "/metrics", "/api/v1/devices/fan-1", "/api/v1/nothing"):
            assert (await caller.get(path))[0] == 401
            assert (await caller.get(path, token="Bearer let-me-out"))[0] == 401  # noqa: S106  # a wrong one
        assert (await caller.get("/healthz"))[0] == 200
        assert (await caller.get("/api/v1/state", token="Bearer let-me-in"))[0] == 200  # noqa: S106  # made up
        assert (await caller.get("/api/v1/nothing", token="Bearer let-me-in"))[0] == 404  # noqa: S106  # made up


async def test_a_token_of_odd_bytes_is_refused_like_any_other(state: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "token").write_text("let-me-in", encoding="utf-8")
    async with serving(state, tmp_path, section=TOKEN) as caller:
        reader, writer = await asyncio.open_connection("127.0.0.1", caller.port)
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
        async with serving(state, tmp_path, section=TOKEN):
            pass

    assert str(caught.value).startswith(f"[http] token_file {tmp_path}/token: ")
    assert said in str(caught.value)


async def test_a_port_in_use_is_one_line_with_place_cause_and_remedy(state: dict[str, Any], tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        listen = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(ApiError) as caught:
            async with serving(state, tmp_path, section=HttpSection(listen=listen)):
                pass

    assert str(caught.value) == (
        f"[http] listen {listen}: Address already in use: another program (or another agent) uses this port: "
        "choose another, or stop it"
    )


async def test_an_address_of_another_machine_is_not_blamed_on_a_port(state: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "token").write_text("let-me-in", encoding="utf-8")
    elsewhere = HttpSection(listen="192.0.2.1:8081", token_file="token")  # noqa: S106  # a file's name
    with pytest.raises(ApiError) as caught:
        async with serving(state, tmp_path, section=elsewhere):
            pass

    assert "this machine has no such address" in str(caught.value)


async def test_the_metrics_can_be_read_by_prometheus(state: dict[str, Any], tmp_path: Path) -> None:
    async with serving(state, tmp_path) as caller:
        status, text = await caller.get("/metrics")

    assert status == 200
    assert "energy_agent_uptime_seconds" in {family.name for family in text_string_to_metric_families(text)}


async def test_a_caller_that_does_not_read_its_answer_does_not_keep_the_agent_from_ending(
    state: dict[str, Any], tmp_path: Path
) -> None:
    state["padding"] = "x" * 50_000_000  # more than the buffers of a connection hold
    async with serving(state, tmp_path) as caller:
        reader, writer = await asyncio.open_connection("127.0.0.1", caller.port)
        writer.write(b"GET /api/v1/state HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readexactly(1)
        began = time.monotonic()
    took_s = time.monotonic() - began
    writer.close()

    assert took_s < 5.0


def test_a_state_can_be_written_as_json_whole(tmp_path: Path) -> None:
    agent = Agent(load_config(configured(tmp_path, SITE + DEVICES).path))

    assert orjson.loads(orjson.dumps(agent.snapshot()))["configuration"].startswith("sha256:")
