"""The agent of the demo: a process of its own, on a port that nobody else has, and its own account of itself."""

import asyncio
import contextlib
import http.client
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Collection
from pathlib import Path
from typing import Any

from agent.commands.outcome import CommandError, Exit, say
from agent.demo.ports import free_port
from agent.timekeeping.clock import WAIT_VARIABLE
from drivers.value import frozen

HTTP_PORTS = (8081, 18081)
_ATTEMPTS = 5
"""So many ports may be lost to programs that start at the same time."""
_START_S = 20.0
_SOON_S = 1.5
_STOP_S = 15.0


class Watched:
    """The agent's own account of itself, asked for over its local API; `lines` are the URLs that only it reads."""

    def __init__(self, port: int, lines: Collection[str]) -> None:
        self.port = port
        self.state: dict[str, Any] = {}
        self.windows: list[dict[str, Any]] = []
        self._lines = set(lines)

    async def refresh(self) -> bool:
        """Ask again; return whether this agent, and not another one at its port, answered."""
        try:
            state = await asyncio.to_thread(self._get, "/api/v1/state")
            if {line["url"] for line in state["lines"]} != self._lines:
                return False
            self.windows = await asyncio.to_thread(self._get, "/api/v1/windows")
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
            return False
        self.state = state
        return True

    def _get(self, resource: str) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("GET", resource)
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()


@frozen
class Child:
    """A running agent: its process, its account of itself and its log."""

    process: asyncio.subprocess.Process
    watched: Watched
    log: Path

    @property
    def ended(self) -> bool:
        """Whether the process is no more."""
        return self.process.returncode is not None

    def last_words(self) -> str:
        """Return what the agent has logged."""
        return self.log.read_text(encoding="utf-8", errors="replace").strip() or "it said nothing"

    async def until_up(self, stop: asyncio.Event) -> bool:
        """Wait for the first answer; return whether it came before `stop`, the process's end and a long time."""
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline and not self.ended and not stop.is_set():
            if await self.watched.refresh():
                return not stop.is_set()
            await asyncio.sleep(0.1)
        return False

    async def end(self) -> None:
        """Ask the process to end, and wait."""
        if self.ended:
            return
        self.process.send_signal(signal.SIGTERM)
        if not await self._ends_within(_SOON_S):
            say("ending: the agent still delivers what waits")
            if not await self._ends_within(_STOP_S):
                self.process.kill()
                await self.process.wait()

    async def _ends_within(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self.process.wait(), seconds)
        except TimeoutError:
            return False
        return True


async def _started(configuration: Path, watched: Watched) -> Child:
    log = configuration.with_name("agent.log")
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
            start_new_session=True,  # Ctrl-C is for the demo, which ends the agent once it can
        )
    return Child(process, watched, log)


@contextlib.asynccontextmanager
async def running_agent(
    configuration: Path, text: Callable[[int], str], lines: Collection[str], stop: asyncio.Event
) -> AsyncIterator[Child]:
    """Run an agent for as long as the block lasts, and give it once it is up or `stop` is set.

    `text` gives the content of the configuration file for an HTTP port: another one is taken when it was lost to
    another program between the look at it and the agent's start. Raises CommandError when the agent does not start.
    """
    for attempt in range(_ATTEMPTS):
        port = free_port(HTTP_PORTS)
        await asyncio.to_thread(configuration.write_text, text(port), encoding="utf-8")
        child = await _started(configuration, Watched(port, lines))
        try:
            up = await child.until_up(stop)
            lost = child.ended and free_port((port,)) != port
            if up or stop.is_set():
                yield child
                return
        finally:
            await child.end()
        if not lost or attempt == _ATTEMPTS - 1:
            raise CommandError(f"the agent did not start: {child.last_words()}", Exit.INTERNAL)
