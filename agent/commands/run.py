"""`energy-agent run`: the agent in the foreground."""

import asyncio
import logging
import signal
import sys
import time
from pathlib import Path

from agent.api.errors import ApiError
from agent.audit.key_file import KeyFileError
from agent.commands.outcome import CommandError, Exit, say_problems
from agent.commands.start import ENDING, Early
from agent.config import ConfigError, SiteConfig
from agent.config.loading import Loading, load_apart
from agent.config.reload import needs_new_start
from agent.process.memory import keep_settled
from agent.process.notify import notify
from agent.process.threads import Loop
from agent.service import Agent
from agent.store import StoreError

_log = logging.getLogger("agent")


def set_up_logging() -> None:
    """Log to standard error; under the service manager without times, which the journal adds."""
    under_journal = not sys.stderr.isatty()
    form = "%(levelname)s %(message)s" if under_journal else "%(asctime)s %(levelname)s %(message)s"
    logging.basicConfig(level=logging.INFO, format=form)


class Run:
    """One run of the program: an agent and, after a change that takes a new start, the next one.

    SIGTERM and SIGINT end it. SIGHUP has the agent take over the file as it is then, if that is right.
    """

    def __init__(self, path: Path, config: SiteConfig) -> None:
        self._path = path
        self._end, self._stop, self._changed = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._renewed = asyncio.Event()
        self._agent = Agent(config)
        self._following: SiteConfig | None = None

    def finish(self) -> None:
        """End the agent and the program."""
        notify("STOPPING=1")
        self._end.set()
        self._stop.set()

    def reload(self) -> None:
        """Have the file taken over as it is now."""
        if not self._end.is_set():
            notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
            self._changed.set()

    async def _reload_for_ever(self) -> None:
        """Take over the file after each change, one after another."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self._reload()
            except Exception:  # noqa: BLE001 -- a bug that a new file meets must not end the old configuration
                _log.exception("%s is not taken over, the old configuration stays", self._path)
                notify("READY=1")

    async def _reload(self) -> None:
        """Take over the file, or say what is wrong with it."""
        try:
            config = await asyncio.to_thread(load_apart, self._path)
        except ConfigError as error:
            if self._end.is_set():
                return  # the service manager ends all processes, also the one that reads
            _log.error("%s is not taken over, the old configuration stays:", self._path)
            say_problems(error.problems)
            notify("READY=1")
            return
        self._renewed.set()
        table = needs_new_start(self._agent.config, config)
        if self._stop.is_set():
            self._following = config  # the agent is ending already, to start anew
        elif table:
            _log.info("%s: %s has changed, which takes a new start: starting anew", self._path, table)
            self._following = config
            self._stop.set()
        else:
            self._agent.reload(config)

    async def until_ended(self) -> None:
        """Run agent after agent; raise a group of StoreError, KeyFileError, ApiError when the first cannot start."""
        async with asyncio.TaskGroup() as group:
            beside = [
                group.create_task(self._reload_for_ever(), name="reload"),
                group.create_task(keep_settled(self._renewed), name="memory"),
            ]
            try:
                await self._run_agents()
            finally:
                for task in beside:
                    task.cancel()

    async def _run_agents(self) -> None:
        """Run agent after agent; a configuration with which the next one cannot start is given up for the former."""
        former: SiteConfig | None = None
        while True:
            try:
                await self._agent.run(self._stop)
            except (StoreError, KeyFileError, ApiError) as error:
                if former is None:
                    raise
                _log.error("%s is not taken over, the old configuration is taken up again: %s", self._path, error)
                self._agent, former = Agent(former), None
                continue
            if self._end.is_set() or not self._following:
                return
            former = self._agent.config
            self._agent, self._following = Agent(self._following), None
            self._stop.clear()


async def run_agent(path: Path, config: SiteConfig, early: Early) -> None:
    """Run the agent until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    run = Run(path, config)
    for signum in ENDING:
        loop.add_signal_handler(signum, run.finish)
    loop.add_signal_handler(signal.SIGHUP, run.reload)
    try:
        if not early.asked:
            await run.until_ended()
    finally:
        for signum in ENDING:
            loop.remove_signal_handler(signum)
            signal.signal(signum, signal.SIG_IGN)  # to be asked again changes nothing


def run(path: Path, loading: Loading, early: Early) -> Exit:
    """Run the agent with the configuration being loaded; raises ConfigError, and CommandError when it cannot start."""
    try:
        config = loading.config()
    except ConfigError:
        if early.asked:
            return Exit.DONE
        raise
    set_up_logging()
    refused: BaseExceptionGroup | None = None
    try:
        with asyncio.Runner(loop_factory=Loop) as runner:
            runner.run(run_agent(path, config, early))
    except* (StoreError, KeyFileError, ApiError) as group:
        refused = group  # not raised here: Python before 3.11.4 would wrap what is raised into another group
    if refused:
        raise CommandError("; ".join(str(error) for error in refused.exceptions)) from refused
    return Exit.DONE
