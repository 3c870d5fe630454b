"""The configuration of a running agent, loaded in a process of its own.

pydantic's core and all that judges a file are needed for a moment and take 5 MB, on a gateway that has little, and
would stay for as long as the agent runs.
"""

import os
from collections.abc import Callable
from pathlib import Path

from agent import __version__
from agent.config.site import ConfigError, SiteConfig
from agent.process.worker import Copy, Worker, WorkerError
from drivers.document import Problem

_REMEDY = "look in the log above, and whether the machine has memory left"


class Loading:
    """A configuration that is being loaded."""

    def __init__(self, path: Path, process: Callable[..., Worker | Copy] = Worker) -> None:
        """Begin, in a process of this kind; raise ConfigError when that cannot be."""
        self._path = path
        try:
            self._worker = process("agent.config.load", "load_for", __version__, os.fspath(path))
        except WorkerError as error:
            raise self._failed(error) from error

    def end(self) -> None:
        """End it: nobody wants the configuration any more."""
        self._worker.end()

    def config(self) -> SiteConfig:
        """Wait for the configuration; raise ConfigError with every problem found in it."""
        try:
            config: SiteConfig = self._worker.result()
        except WorkerError as error:
            raise self._failed(error) from error
        return config

    def _failed(self, error: WorkerError) -> ConfigError:
        return ConfigError([Problem(str(self._path), 0, f"could not be read: the process for it {error}", _REMEDY)])


def load_apart(path: Path) -> SiteConfig:
    """Load a configuration in a process of its own, and wait; raise ConfigError with every problem found in it."""
    return Loading(path).config()
