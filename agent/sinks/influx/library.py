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

from agent.sinks.influx.transport import Answer, Request

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
    """Import what `write_request` and `refusal` need; it takes a moment, so not in the loop."""
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


def write_request(url: str, token: str, *, org: str, bucket: str) -> Request:
    """Return the request by which the library writes lines in gzip with times in ns; it is the same for all lines."""
    configuration = importlib.import_module(f"{_ROOT}.configuration").Configuration()
    configuration.host = url
    client = importlib.import_module(f"{_ROOT}._sync.api_client").ApiClient(
        configuration, header_name="Authorization" if token else None, header_value=f"Token {token}"
    )
    client.rest_client = noted = _Noted()
    service = importlib.import_module(f"{_ROOT}.service.write_service").WriteService(client)
    service.post_write(org, bucket, b"lines", precision="ns", content_encoding="gzip")
    return noted.requests[0]


def refusal(answer: Answer) -> Exception:
    """Return the library's `ApiException` of an answer that is no success."""
    exception: Exception = importlib.import_module(f"{_ROOT}.rest").ApiException(http_resp=answer)
    return exception


class _Noted:
    """What the library sends its requests through, in place of a client of HTTP: it keeps them."""

    pool_manager = None
    """Of the library's own connections, which it looks for at its end."""

    def __init__(self) -> None:
        self.requests: list[Request] = []

    def POST(self, url: str, *, query_params: Any, headers: Any, **_: Any) -> None:  # noqa: N802 -- as the library calls it
        """Keep a request."""
        self.requests.append(Request(url, tuple(query_params), headers))
