"""The demo from beginning to end: what is built up, what is shown meanwhile, what is said in the end."""

import asyncio
import shlex
import shutil
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.live import Live

from agent.commands.outcome import CommandError, Exit, say
from agent.demo import config, view
from agent.demo.acts import Acts
from agent.demo.broker import MQTT_PORTS, broker
from agent.demo.child import HTTP_PORTS, Child, Watched, running_agent
from agent.demo.ending import Ending
from agent.demo.link import Link
from simulators.plant import SimulatedPlant, load_plant

_STORE_SIZE = "576KiB"
_REFRESH_S = 1.0
_LINE_EVERY_S = 5.0
_INTERVALS_BY_S = 30.0
"""By then [s] every account has closed one of the demo's intervals."""


async def show(folder: Path, seconds: float | None, ending: Ending) -> Exit:
    """Show the demo until it is asked to end, or for a number of seconds."""
    with ending.setting() as stop:
        plant = SimulatedPlant(load_plant())
        async with plant.serving() as endpoints, broker() as mqtt_port:
            link = Link(mqtt_port)
            path = folder / "energy-agent.toml"
            async with link.open():
                text = partial(config.text, endpoints, link.port, store_size=_STORE_SIZE)
                async with running_agent(path, text, {url for url, _ in endpoints.values()}, stop) as agent:
                    if not stop.is_set():
                        _announce(path, mqtt_port, agent.watched.port)
                        await _play(agent, Acts(plant, link), seconds, stop)
                        await agent.watched.refresh()
                    crashed = agent.ended and not stop.is_set()
    if crashed:
        raise CommandError(f"the agent ended by itself: {agent.last_words()}", Exit.INTERNAL)
    return _summary(agent.watched) if agent.watched.state else Exit.DONE


def _announce(configuration: Path, mqtt_port: int, http_port: int) -> None:
    for what, usual, port in (("MQTT", MQTT_PORTS[0], mqtt_port), ("HTTP", HTTP_PORTS[0], http_port)):
        if port != usual:
            say(f"port {usual} is taken: {what} uses {port}")
    program = "energy-agent" if shutil.which("energy-agent") else shlex.quote(_as_typed())
    # No indent, one command a line: each can be copied whole from a terminal of 80 columns.
    say(
        f"a simulated plant, a broker and the agent are running; Ctrl-C ends it\n"
        f"in another terminal: every message, the whole state, the agent's own summary\n"
        f"mosquitto_sub -p {mqtt_port} -v -t 'energy/#'\n"
        f"curl http://127.0.0.1:{http_port}/api/v1/state\n"
        f"{program} status {shlex.quote(str(configuration))}\n"
    )


def _as_typed() -> str:
    """Return how this program was called, when that was by its own name."""
    return sys.argv[0] if Path(sys.argv[0]).name == "energy-agent" else "energy-agent"


async def _play(agent: Child, acts: Acts, seconds: float | None, stop: asyncio.Event) -> None:
    """Play the acts and show what becomes of them, until the end."""
    started = time.monotonic()

    def ended() -> bool:
        over = seconds is not None and time.monotonic() - started >= seconds
        return stop.is_set() or over or agent.ended

    acting = asyncio.create_task(acts.play(), name="acts")
    try:
        await _show_state(agent.watched, acts, stop, ended)
    finally:
        acting.cancel()
        acts.undo()


async def _show_state(watched: Watched, acts: Acts, stop: asyncio.Event, ended: Callable[[], bool]) -> None:
    """Show the state until the end: in place on a terminal, as lines otherwise."""
    console = Console()
    if not console.is_terminal:
        last_line = -_LINE_EVERY_S
        while not ended():
            if await watched.refresh() and time.monotonic() - last_line >= _LINE_EVERY_S:
                last_line = time.monotonic()
                print(view.lines(watched.state, watched.windows, acts.news), flush=True)  # noqa: T201 -- is its output
            await _wait(stop)
        return
    with Live(console=console, refresh_per_second=4, vertical_overflow="visible") as live:
        while not ended():
            if await watched.refresh():
                live.update(view.page(watched.state, watched.windows, acts.news))
            await _wait(stop)


async def _wait(stop: asyncio.Event) -> None:
    """Wait until the state is to be shown again, or for the end."""
    try:
        await asyncio.wait_for(stop.wait(), _REFRESH_S)
    except TimeoutError:
        return


def _summary(watched: Watched) -> Exit:
    """Print what was measured; the answer is no when something that must have happened did not."""
    state = watched.state
    say(f"\n{view.summary(state)}")
    missing = [entry["account"] for entry in view.metered(state) if not view.closed(state, entry["account"])]
    if missing and state["uptime_s"] > _INTERVALS_BY_S:
        say(f"no interval closed for {', '.join(missing)}")
        return Exit.NO
    return Exit.DONE
