"""The demo as people start it."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration


@asynccontextmanager
async def demo(*arguments: str, folder: Path | None = None) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "agent",
        "demo",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | ({"TMPDIR": str(folder)} if folder else {}),
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def within(folder: Path) -> list[Path]:
    return list(folder.iterdir())


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
        closed = re.search(rf"{account} +([\d.]+) +\w+ +intervals closed: (\d+)", said)
        assert closed is not None, said
        assert int(closed[2]) >= 1
    accepted = re.search(r"([\d,]+) messages accepted by the broker", said)
    assert accepted is not None
    assert int(accepted[1].replace(",", "")) > 50
    assert re.search(rb"[34]/4 devices online", out)
    assert max(map(len, out.decode().splitlines())) <= 80
    assert max(len(line) for line in said.splitlines() if " status /" not in line) <= 80


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_ends_it_as_asked_and_leaves_nothing_behind(tmp_path: Path, number: signal.Signals) -> None:
    async with demo(folder=tmp_path) as process:
        await port_said(process)
        process.send_signal(number)
        async with asyncio.timeout(20):
            _, err = await process.communicate()

    assert process.returncode == 0, err.decode()
    assert "polls gave" in err.decode()
    assert within(tmp_path) == []


async def test_a_signal_while_it_starts_ends_it_quietly(tmp_path: Path) -> None:
    async with demo(folder=tmp_path) as process:
        async with asyncio.timeout(20):
            while not within(tmp_path):  # noqa: ASYNC110 -- another process makes the folder
                await asyncio.sleep(0.005)
            process.send_signal(signal.SIGTERM)
            out, err = await process.communicate()

    assert (process.returncode, out, err) == (0, b"", b"")
    assert within(tmp_path) == []


async def test_a_reader_that_goes_ends_it(tmp_path: Path) -> None:
    async with demo(folder=tmp_path) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        async with asyncio.timeout(30):
            await process.stdout.readline()
            process.stdout._transport.close()  # type: ignore[attr-defined]  # as `| head -1` does
            err = await process.stderr.read()
            await process.wait()

    assert process.returncode == 0, err.decode()
    assert b"Traceback" not in err
    assert within(tmp_path) == []


async def test_demos_started_together_keep_out_of_each_others_way() -> None:
    async with demo("--for", "1") as one, demo("--for", "1") as other:
        async with asyncio.timeout(60):
            said = [err.decode() for _, err in await asyncio.gather(one.communicate(), other.communicate())]

    assert (one.returncode, other.returncode) == (0, 0), said
    for address in (r"mosquitto_sub -p (\d+)", r"curl http://127.0.0.1:(\d+)"):
        assert len({port for text in said for port in re.findall(address, text)}) == 2, said
