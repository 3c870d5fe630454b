import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agent.commands.outcome import CommandError, Exit
from agent.demo import child
from agent.demo.child import Child, Watched, running_agent
from agent.demo.ports import free_port

pytestmark = pytest.mark.integration

OURS = "tcp://127.0.0.1:5020"


@asynccontextmanager
async def an_agent(url: str) -> AsyncIterator[int]:
    """Serve what an agent with one line says of itself; give its port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        body = json.dumps([] if b"windows" in asked else {"lines": [{"url": url}]}).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def ended(watched: Watched, log: Path) -> Child:
    log.write_text("port 8081: taken\n", encoding="utf-8")
    process: Any = SimpleNamespace(returncode=2)
    return Child(process, watched, log)


async def test_only_the_agent_that_reads_the_demos_lines_is_believed() -> None:
    async with an_agent(OURS) as port:
        watched = Watched(port, [OURS])
        assert await watched.refresh()
        assert watched.state == {"lines": [{"url": OURS}]}

        stranger = Watched(port, ["tcp://127.0.0.1:5021"])
        assert not await stranger.refresh()
        assert stranger.state == {}

    assert not await watched.refresh()


async def test_a_stop_before_the_agent_is_up_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def start(_: Path, watched: Watched) -> Child:
        return ended(watched, tmp_path / "log")

    monkeypatch.setattr(child, "_started", start)
    stop = asyncio.Event()
    stop.set()

    async with running_agent(tmp_path / "demo.toml", str, [OURS], stop) as agent:
        assert agent.watched.state == {}


async def test_an_agent_that_does_not_come_up_is_said_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def start(_: Path, watched: Watched) -> Child:
        return ended(watched, tmp_path / "log")

    monkeypatch.setattr(child, "_started", start)

    with pytest.raises(CommandError) as caught:
        async with running_agent(tmp_path / "demo.toml", str, [OURS], asyncio.Event()):
            pass

    assert str(caught.value) == "the agent did not start: port 8081: taken"
    assert caught.value.code == Exit.INTERNAL


async def test_a_port_lost_at_the_last_moment_is_given_up_for_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configuration = tmp_path / "demo.toml"
    configured = []

    async def start(_: Path, watched: Watched) -> Child:
        configured.append(int(configuration.read_text(encoding="utf-8")))
        return ended(watched, tmp_path / "log")

    with socket.create_server(("127.0.0.1", 0)) as other:
        lost, mine = other.getsockname()[1], free_port()
        looks = iter((lost, free_port((lost,)), mine, mine))
        monkeypatch.setattr(child, "free_port", lambda _: next(looks))
        monkeypatch.setattr(child, "_started", start)

        with pytest.raises(CommandError, match="did not start"):
            async with running_agent(configuration, str, [OURS], asyncio.Event()):
                pass

    assert configured == [lost, mine]  # the second agent ended with its port free: that is no matter of ports
