"""The configuration of a running agent, read in a process of its own.

pydantic and all that judges a file are needed for a second and take 12 MB, on a gateway that has little, and would stay
for as long as the agent runs.
"""

import os
from pathlib import Path

from agent.config.site import ConfigError, SiteConfig
from agent.process.apart import Apart, ApartError
from drivers.document import Problem

_REMEDY = "look in the log above, and whether the machine has memory left"


class Reading:
    """A configuration that is being read."""

    def __init__(self, path: Path) -> None:
        """Begin; raise ConfigError when that cannot be."""
        self._path = path
        try:
            self._call = Apart("agent.config.load", "load_from", os.fspath(path))
        except OSError as error:
            raise self._failed(error.strerror or str(error)) from error

    def config(self) -> SiteConfig:
        """Wait for the configuration; raise ConfigError with every problem found in it."""
        try:
            config: SiteConfig = self._call.result()
        except ApartError as error:
            raise self._failed(f"the process for it {error}") from error
        return config

    def _failed(self, why: str) -> ConfigError:
        return ConfigError([Problem(str(self._path), 0, f"could not be read: {why}", _REMEDY)])


def read_apart(path: Path) -> SiteConfig:
    """Read a configuration in a process of its own, and wait; raise ConfigError with every problem found in it."""
    return Reading(path).config()
