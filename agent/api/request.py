"""A request as it came over a connection, and the answer to it; pure, without any connection."""

import urllib.parse
from collections.abc import AsyncGenerator, Mapping
from dataclasses import field
from http import HTTPStatus
from typing import Any

import orjson

from drivers.value import frozen

LONGEST_HEAD = 1 << 14
"""Bytes of a head, more or less."""


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
