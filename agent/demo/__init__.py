"""`energy-agent demo`: a simulated plant, a broker and the agent on this machine, shown live.

The agent is the real one, as a process of its own, with a configuration file like any other site's. The demo
process holds what would stand around it: the machines, the broker and the link to it.
"""

import asyncio
import contextlib
import http.client
import json
import os
import shlex
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live

from agent.clock import WAIT_VARIABLE
from agent.commands.outcome import CommandError, Exit, say
from agent.demo import config, view
from agent.demo.acts import Acts
from agent.demo.broker import broker, free_port
from agent.demo.link import Link
from simulators.plant import SimulatedPlant, load_plant

_MQTT_PORTS = (1883, 11883)
_HTTP_PORTS = (8081, 18081)
_STORE_SIZE = "576KiB"
_START_S = 20.0
_STOP_S = 15.0
_REFRESH_S = 1.0
_LINE_EVERY_S = 5.0


class Watched:
    """The agent's own account of itself, asked for over its local API."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.state: dict[str, Any] = {}
        self.windows: list[dict[str, Any]] = []

    async def refresh(self) -> bool:
        """Ask again; return whether the agent answered."""
        try:
            self.state = await asyncio.to_thread(self._get, "/api/v1/state")
            self.windows = await asyncio.to_thread(self._get, "/api/v1/windows")
        except (OSError, http.client.HTTPException, ValueError):
            return False
        return True

    def _get(self, resource: str) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=2)
        try:
            connection.request("GET", resource)
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()


@contextlib.asynccontextmanager
async def agent_process(configuration: Path, log: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run `energy-agent run` on a configuration; ask it to end, and wait, on the way out."""
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "agent",
            "run",
            str(configuration),
            stdout=output,
            stderr=output,
            env={**os.environ, WAIT_VARIABLE: "0"},  # nobody wants to wait here until the clock is beyond doubt
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), _STOP_S)
            except TimeoutError:
                process.kill()
                await process.wait()


async def _until_up(watched: Watched, process: asyncio.subprocess.Process, log: Path, stop: asyncio.Event) -> bool:
    """Wait for the agent's first answer; return whether it came before the user had enough."""
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and process.returncode is None:
        if stop.is_set() or await watched.refresh():
            break
        await asyncio.sleep(0.1)
    if stop.is_set() or watched.state:
        return not stop.is_set()
    raise CommandError(f"the agent did not start: {_last_words(log)}", Exit.INTERNAL)


def _last_words(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace").strip() or "it said nothing"


def _announce(folder: Path, mqtt_port: int, http_port: int) -> None:
    for what, usual, port in (("MQTT", _MQTT_PORTS[0], mqtt_port), ("HTTP", _HTTP_PORTS[0], http_port)):
        if port != usual:
            say(f"port {usual} is taken: {what} uses {port}")
    program = "energy-agent" if shutil.which("energy-agent") else shlex.quote(_as_typed())
    file = shlex.quote(str(folder / "energy-agent.toml"))
    # No indent, one command a line: each can be copied whole from a terminal of 80 columns.
    say(
        f"a simulated plant, a broker and the agent are running; Ctrl-C ends it\n"
        f"in another terminal: every message, the whole state, the agent's own summary\n"
        f"mosquitto_sub -p {mqtt_port} -v -t 'energy/#'\n"
        f"curl http://127.0.0.1:{http_port}/api/v1/state\n"
        f"{program} status {file}\n"
    )


def _as_typed() -> str:
    """Return how this program was called, when that was by its own name."""
    return sys.argv[0] if Path(sys.argv[0]).name == "energy-agent" else "energy-agent"


async def _show(watched: Watched, acts: Acts, ended: Callable[[], bool]) -> None:
    """Show the state until the end: in place on a terminal, as lines otherwise."""
    console = Console()
    if not console.is_terminal:
        last_line = -_LINE_EVERY_S
        while not ended():
            if await watched.refresh() and time.monotonic() - last_line >= _LINE_EVERY_S:
                last_line = time.monotonic()
                console.print(view.line(watched.state, watched.windows), soft_wrap=True, highlight=False)
                if acts.news:
                    console.print(f"        {acts.news}", soft_wrap=True, highlight=False)
            await asyncio.sleep(_REFRESH_S)
        return
    with Live(console=console, refresh_per_second=4, vertical_overflow="visible") as live:
        while not ended():
            if await watched.refresh():
                live.update(view.page(watched.state, watched.windows, acts.news))
            await asyncio.sleep(_REFRESH_S)


async def _demo(folder: Path, seconds: float | None) -> Exit:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, stop.set)
    mqtt_port, http_port = free_port(_MQTT_PORTS), free_port(_HTTP_PORTS)
    plant = SimulatedPlant(load_plant())
    link = Link(mqtt_port)
    log = folder / "agent.log"
    watched = Watched(http_port)
    async with plant.serving() as endpoints, broker(mqtt_port), link.open():
        path = folder / "energy-agent.toml"
        path.write_text(
            config.text(endpoints, mqtt_port=link.port, http_port=http_port, store_size=_STORE_SIZE), encoding="utf-8"
        )
        async with agent_process(path, log) as process:
            if not await _until_up(watched, process, log, stop):
                return Exit.DONE
            _announce(folder, mqtt_port, http_port)
            started = time.monotonic()
            acts = Acts(plant, link)

            def ended() -> bool:
                over = seconds is not None and time.monotonic() - started >= seconds
                return stop.is_set() or over or process.returncode is not None

            acting = asyncio.create_task(acts.play(), name="acts")
            try:
                await _show(watched, acts, ended)
            finally:
                acting.cancel()
                acts.undo()
            await watched.refresh()
            crashed = process.returncode is not None and not stop.is_set()
    return _summary(watched, log, crashed=crashed)


def _summary(watched: Watched, log: Path, *, crashed: bool) -> Exit:
    """Print what was measured; the answer is no when something that must have happened did not."""
    if crashed:
        raise CommandError(f"the agent ended by itself: {_last_words(log)}", Exit.INTERNAL)
    state = watched.state
    records = state["records"]
    delivered = sum(sink["acknowledged"] for sink in state["sinks"])
    accounts = [account["account"] for account in state["accounts"] if account["carrier"]]
    closed = state["intervals_closed"]
    say(
        f"\n{state['uptime_s']:.0f} s: {records['frames']:,} polls gave {records['values']:,} values; "
        f"{records['telemetry']:,} telemetry, {records['window']:,} window "
        f"and {records['interval']:,} interval records; "
        f"{delivered:,} messages accepted by the broker"
    )
    for account in accounts:
        entry = next(item for item in state["accounts"] if item["account"] == account)
        say(f"  {account:28} {entry['amount']:12.4f} {entry['unit']:4} in {closed.get(account, 0)} closed intervals")
    process = state["process"]
    say(f"  the agent used {process['cpu_s']:.2f} s of processor time and {process['resident_bytes'] / 2**20:.1f} MiB")
    missing = [account for account in accounts if not closed.get(account)]
    if missing and state["uptime_s"] > 30:  # noqa: PLR2004 -- three of the demo's intervals
        say(f"no interval closed for {', '.join(missing)}")
        return Exit.NO
    return Exit.DONE


def demo(*, seconds: float | None, page: bool) -> Exit:
    """Run the demo until Ctrl-C, or for a number of seconds."""
    del page  # the browser page is a part of its own; the terminal shows everything meanwhile
    with tempfile.TemporaryDirectory(prefix="energy-agent-demo-") as folder:
        os.chmod(folder, 0o700)  # noqa: PTH101 -- the folder holds a store that only its owner should read
        return asyncio.run(_demo(Path(folder), seconds))
