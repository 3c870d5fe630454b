"""`energy-agent run`: the agent in the foreground."""

import asyncio
import logging
import signal
import sys
from pathlib import Path

from agent.api import ApiError
from agent.commands.outcome import CommandError, Exit, say_problems
from agent.config import ConfigError, SiteConfig, load_config
from agent.notify import notify
from agent.service import Agent
from agent.store import StoreError
from agent.threads import LooseThreads

_log = logging.getLogger("agent")


def set_up_logging() -> None:
    """Log to standard error; under the service manager without times, which the journal adds."""
    under_journal = not sys.stderr.isatty()
    form = "%(levelname)s %(message)s" if under_journal else "%(asctime)s %(levelname)s %(message)s"
    logging.basicConfig(level=logging.INFO, format=form)


async def run_agent(path: Path, config: SiteConfig) -> None:
    """Run the agent until SIGTERM or SIGINT; SIGHUP starts it anew with the file as it is then, if that is right.

    Raises StoreError or ApiError when it cannot start; a configuration taken over later is given up for the former.
    """
    loop = asyncio.get_running_loop()
    loop.set_default_executor(LooseThreads())  # a name nobody answers must not keep the program from its end
    end, stop = asyncio.Event(), asyncio.Event()
    following: list[SiteConfig] = []

    def finish() -> None:
        notify("STOPPING=1")
        end.set()
        stop.set()

    def reload() -> None:
        try:
            following[:] = [load_config(path)]
        except ConfigError as error:
            _log.error("%s is not taken over, the old configuration stays:", path)
            say_problems(error.problems)
            return
        _log.info("%s has changed: starting anew with it", path)
        notify("RELOADING=1")
        stop.set()

    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, finish)
    loop.add_signal_handler(signal.SIGHUP, reload)
    former: SiteConfig | None = None
    while True:
        try:
            await Agent(config).run(stop)
        except (StoreError, ApiError) as error:
            if former is None:
                raise
            _log.error("%s is not taken over, the old configuration is taken up again: %s", path, error)
            config, former = former, None
            continue
        if end.is_set() or not following:
            return
        config, former = following.pop(), config
        stop.clear()


def run(path: Path) -> Exit:
    """Run the agent; raises ConfigError, and CommandError when it cannot start."""
    config = load_config(path)
    set_up_logging()
    try:
        asyncio.run(run_agent(path, config))
    except* (StoreError, ApiError) as group:
        raise CommandError("; ".join(str(error) for error in group.exceptions)) from group
    return Exit.DONE
