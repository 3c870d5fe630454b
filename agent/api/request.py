"""A request as it came over a connection, and the answer to it; pure, without any connection."""

import urllib.parse
from collections.abc import AsyncGenerator, Mapping
from dataclasses import field
from http import HTTPStatus
from typing import Any

import h11
import orjson

from drivers.value import frozen

_VERSIONS = {b"1.0", b"1.1"}
_MOST_PARAMETERS = 50


@frozen
class Request:
    """What is asked for. A body is never read: nothing here takes one."""

    method: str
    path: str
    query: Mapping[str, str]
    """The parameters; of one that is given twice the first."""
    headers: Mapping[str, str]
    """By names in lower case; bytes beyond ASCII as ISO 8859-1."""

    def again_with(self, **parameters: str) -> str:
        """Return a reference to the same resource with other parameters."""
        return f"{urllib.parse.quote(self.path)}?{urllib.parse.urlencode({**self.query, **parameters})}"


Parts = AsyncGenerator[bytes, None]


@frozen
class Answer:
    """What a request gets: a body, or parts of one that come as they happen."""

    body: bytes | Parts = b""
    status: int = HTTPStatus.OK
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


def json(value: Any, status: int = HTTPStatus.OK, headers: dict[str, str] | None = None) -> Answer:
    """Return a value as the answer."""
    return Answer(orjson.dumps(value), status, headers=headers or {})


def error(status: int, text: str, headers: dict[str, str] | None = None) -> Answer:
    """Return what is wrong as the answer."""
    return json({"error": text}, status, headers)


def parsed(head: h11.Request) -> Request:
    """Return what a head asks for; raise h11.RemoteProtocolError where that cannot be understood."""
    if head.http_version not in _VERSIONS:
        status = HTTPStatus.HTTP_VERSION_NOT_SUPPORTED
        raise h11.RemoteProtocolError("only HTTP/1.1 is spoken here", error_status_hint=status)
    try:
        parts = urllib.parse.urlsplit(head.target.decode())
        pairs = urllib.parse.parse_qsl(parts.query, keep_blank_values=True, max_num_fields=_MOST_PARAMETERS)
    except ValueError as cause:
        raise h11.RemoteProtocolError(f"its address: {cause}") from cause
    headers: dict[str, str] = {}
    for name, value in ((name.decode(), value.decode("latin-1")) for name, value in head.headers):
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return Request(head.method.decode(), urllib.parse.unquote(parts.path), dict(reversed(pairs)), headers)
