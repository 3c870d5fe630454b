"""The demo as people start it."""

import asyncio
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from agent.commands.outcome import CommandError, Exit
from agent.demo import Watched, _until_up
from agent.demo.broker import free_port

pytestmark = pytest.mark.integration


@asynccontextmanager
async def demo(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "agent",
        "demo",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"COLUMNS": "120"},
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def port_said(process: asyncio.subprocess.Process) -> int:
    """Return the broker's port once the demo says where to look."""
    assert process.stderr is not None
    async with asyncio.timeout(30):
        async for line in process.stderr:
            if found := re.search(r"mosquitto_sub -p (\d+)", line.decode()):
                return int(found[1])
    raise AssertionError("the demo said no port")


async def test_it_ends_by_itself_and_says_what_was_measured_while_another_terminal_watches() -> None:
    async with demo("--for", "12", "--no-ui") as process:
        port = await port_said(process)
        watcher = await asyncio.create_subprocess_exec(
            "mosquitto_sub", "-p", str(port), "-W", "11", "-t", "energy/#", "-F", "%t", stdout=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(60):
            (topics, _), (out, err) = await asyncio.gather(watcher.communicate(), process.communicate())

    said = err.decode()
    assert process.returncode == 0, said
    assert "Traceback" not in said
    heard = {*topics.decode().split()}
    wanted = {
        f"energy/demo/boiler-house/boiler-1/{name}" for name in ("meta", "state", "telemetry", "window", "interval")
    }
    assert wanted | {"energy/demo/agent/status"} <= heard
    summary = re.search(r"([\d,]+) polls gave ([\d,]+) values", said)
    assert summary is not None
    assert int(summary[1].replace(",", "")) > 30
    # The acts may have silenced motor-2 just when its interval ended.
    for account in ("boiler-1/natural_gas", "motor-1/electricity", "main-meter/electricity"):
        closed = re.search(rf"{account} +([\d.]+) +\w+ +in (\d+) closed intervals", said)
        assert closed is not None, said
        assert int(closed[2]) >= 1
    accepted = re.search(r"([\d,]+) messages accepted by the broker", said)
    assert accepted is not None
    assert int(accepted[1].replace(",", "")) > 50
    assert re.search(rb"[34]/4 devices online", out)


async def test_an_interrupt_ends_it_as_asked_and_leaves_nothing_behind() -> None:
    async with demo() as process:
        await port_said(process)
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(20):
            _, err = await process.communicate()

    said = err.decode()
    assert process.returncode == 0, said
    assert "polls gave" in said


async def test_an_interrupt_before_the_agent_is_up_is_no_error(tmp_path: Path) -> None:
    stop = asyncio.Event()
    stop.set()
    ended = SimpleNamespace(returncode=0)

    up = await _until_up(Watched(free_port()), ended, tmp_path / "log", stop)  # type: ignore[arg-type]  # a process

    assert up is False


async def test_an_agent_that_does_not_come_up_is_said_with_its_last_words(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("store.db: disk full\n", encoding="utf-8")
    ended = SimpleNamespace(returncode=2)

    with pytest.raises(CommandError) as caught:
        await _until_up(Watched(free_port()), ended, log, asyncio.Event())  # type: ignore[arg-type]  # a process

    assert str(caught.value) == "the agent did not start: store.db: disk full"
    assert caught.value.code == Exit.INTERNAL


def test_usual_ports_are_preferred_and_taken_ones_passed_over() -> None:
    usual = free_port()

    assert free_port([usual]) == usual
    with socket.socket() as other:
        other.bind(("127.0.0.1", usual))
        assert free_port([usual]) != usual
