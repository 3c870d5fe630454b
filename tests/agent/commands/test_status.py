import asyncio
import http.server
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from agent.api import LocalApi
from agent.cli import main
from agent.config import SiteConfig
from agent.service import Agent
from tests.agent.frames import DEVICES, SITE, configured
from tests.servers import free_port

pytestmark = pytest.mark.integration

ALARM = {
    "key": "boiler-house/fan-1",
    "name": "comm_lost",
    "severity": "warning",
    "since": "2026-11-20T08:00:00.000000Z",
    "text": "fan-1 does not answer",
    "text_zh": "fan-1 通信中断",
}


@pytest.fixture
def config(tmp_path: Path) -> SiteConfig:
    (tmp_path / "token").write_text("let-me-in\n", encoding="utf-8")
    http_table = f'\n[http]\nlisten = "127.0.0.1:{free_port()}"\ntoken_file = "token"\n'
    return configured(tmp_path, SITE + DEVICES + http_table)


@asynccontextmanager
async def answering(config: SiteConfig, **changes: Any) -> AsyncIterator[None]:
    """Answer as the running agent of a configuration would, in a state of the test's."""
    state = {**Agent(config).snapshot(), **changes}
    assert config.http is not None
    api = LocalApi(
        config.http,
        config.path.parent,
        snapshot=lambda: state,
        store=SimpleNamespace(),  # type: ignore[arg-type]  # is not asked
        recorder=SimpleNamespace(),  # type: ignore[arg-type]  # is not asked
    )
    await api.start()
    try:
        yield
    finally:
        await api.stop()


@contextmanager
def another_program(config: SiteConfig, answer: bytes) -> Iterator[None]:
    """Answer at the agent's port as some other program."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    assert config.http is not None
    with http.server.HTTPServer(("127.0.0.1", config.http.port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield
        server.shutdown()
        thread.join()


async def status(config: SiteConfig, *arguments: str) -> int:
    return await asyncio.to_thread(main, ["status", str(config.path), *arguments])


async def test_a_running_agent_shows_every_part_of_itself(
    config: SiteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    sinks = [{"sink": "mqtt", "connected": True, "acknowledged": 5, "pending": 3}]
    async with answering(config, sinks=sinks, clock_synchronised=False):
        code = await status(config)

    out, err = capsys.readouterr()
    assert (code, err) == (0, "")
    for word in ("works: energy-agent", "clock NOT synchronised", "Lines", "hall", "fan-1", "unknown",
                 "boiler-1/natural_gas", "mqtt", "committed_seq"):  # fmt: skip
        assert word in out


async def test_an_active_alarm_is_shown_and_makes_the_answer_no(
    config: SiteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    async with answering(config, alarms=[ALARM]):
        codes = await status(config), await status(config, "--json")

    out = capsys.readouterr().out
    assert codes == (1, 1)
    assert "alarm boiler-house/fan-1 comm_lost since 2026-11-20T08:00:00.000000Z: fan-1 does not answer" in out


async def test_json_is_the_whole_state(config: SiteConfig, capsys: pytest.CaptureFixture[str]) -> None:
    async with answering(config):
        code = await status(config, "--json")

    assert code == 0
    assert orjson.loads(capsys.readouterr().out)["configuration"] == config.digest


async def test_a_wrong_token_is_one_line(config: SiteConfig, capsys: pytest.CaptureFixture[str]) -> None:
    async with answering(config):
        (config.path.parent / "token").write_text("let-me-out", encoding="utf-8")
        code = await status(config)

    err = capsys.readouterr().err
    assert code == 3
    assert "answers 401: {'error': 'a bearer token is needed" in err
    assert err.count("\n") == 1


async def test_a_token_that_is_missing_is_one_line(config: SiteConfig, capsys: pytest.CaptureFixture[str]) -> None:
    (config.path.parent / "token").unlink()

    assert await status(config) == 2
    assert "token: No such file or directory: check path and rights" in capsys.readouterr().err


async def test_an_agent_that_does_not_run_is_one_line(config: SiteConfig, capsys: pytest.CaptureFixture[str]) -> None:
    assert await status(config) == 3

    err = capsys.readouterr().err
    assert "no agent answers at 127.0.0.1:" in err
    assert "is it running?" in err
    assert err.count("\n") == 1


async def test_another_program_at_the_port_is_not_taken_for_the_agent(
    config: SiteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    with another_program(config, b"<html>a printer</html>"):
        assert await status(config) == 3

    assert "no agent answers" in capsys.readouterr().err


def test_without_an_api_there_is_nobody_to_ask(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = configured(tmp_path, SITE + DEVICES).path

    assert main(["status", str(path)]) == 2
    assert "there is no [http] table to ask the agent through: add one" in capsys.readouterr().err
