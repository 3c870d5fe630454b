"""The part of influxdb-client that writes, without the rest of it.

The library's packages import every service and model of the database's whole API the moment anything of them is
imported: 530 modules, of which a write needs ten. Here its packages are entered as they are, but their own code runs
only when somebody asks for a name that is not a service's: then the package is the plain one. Where that cannot be
any more, because the library is built differently some day, it is imported anew as a whole. So that day costs the
memory again and nothing else.
"""

import importlib
import re
import sys
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Any

from agent.sinks.influx.transport import RestClient, Transport

_ROOT = "influxdb_client"
_PACKAGES = (_ROOT, f"{_ROOT}.client", f"{_ROOT}.service", f"{_ROOT}.domain")
_PARTS = ("_sync.api_client", "configuration", "rest", "service.write_service")
_WORDS = re.compile(r"(?<=[a-z])(?=[A-Z])")


class _PutOff(ModuleType):
    """A package that can be imported from, whose own code has not run yet."""

    __spec__: ModuleSpec

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name == "VERSION":
            return importlib.import_module(f"{_ROOT}.version").VERSION
        if name.endswith("Service"):
            module = f"{_ROOT}.service.{_WORDS.sub('_', name).lower()}"
            if find_spec(module):
                return getattr(importlib.import_module(module), name)
        self._run()
        return getattr(self, name)

    def _run(self) -> None:
        self.__class__ = ModuleType  # type: ignore[assignment]  # from here on the package is the plain one
        if self.__spec__.loader:
            self.__spec__.loader.exec_module(self)


def _enter(package: str) -> None:
    """Make a package importable from without running its own code, unless it has run already."""
    spec = None if package in sys.modules else find_spec(package)
    if spec is None:
        return
    module = module_from_spec(spec)
    module.__class__ = _PutOff
    sys.modules[package] = module
    parent, _, name = package.rpartition(".")
    if parent:
        setattr(sys.modules[parent], name, module)


def load() -> None:
    """Import what `client` and `writer` need; it takes a moment, so not in the loop."""
    for package in _PACKAGES:
        _enter(package)
    try:
        _import_parts()
    except ImportError:
        for name in [name for name in sys.modules if name == _ROOT or name.startswith(f"{_ROOT}.")]:
            del sys.modules[name]
        _import_parts()


def _import_parts() -> None:
    for part in _PARTS:
        importlib.import_module(f"{_ROOT}.{part}")


def client(url: str, token: str, transport: Transport) -> Any:
    """Return the library's client of one database, as its `InfluxDBClient` makes it, that sends through `transport`."""
    configuration = importlib.import_module(f"{_ROOT}.configuration").Configuration()
    configuration.host = url
    client = importlib.import_module(f"{_ROOT}._sync.api_client").ApiClient(
        configuration, header_name="Authorization" if token else None, header_value=f"Token {token}"
    )
    client.rest_client = RestClient(transport)
    return client


def writer(client: Any) -> Any:
    """Return the library's `WriteService` of a client."""
    return importlib.import_module(f"{_ROOT}.service.write_service").WriteService(client)
