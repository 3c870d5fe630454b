"""A request as it comes over a connection (RFC 9112), and the answer to it; pure, without any connection."""

import re
import time
import urllib.parse
from collections.abc import AsyncGenerator, Mapping
from dataclasses import field
from email.utils import formatdate
from http import HTTPStatus
from typing import Any

import orjson

from drivers.value import frozen

_VERSIONS = {"HTTP/1.0", "HTTP/1.1"}
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""Methods and names of headers: RFC 9110, 5.6.2."""
_MOST_PARAMETERS = 50


class RequestError(Exception):
    """Raised for what is no request; carries the status of the answer to it."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@frozen
class Request:
    """What is asked for. A body is never read: nothing here takes one."""

    method: str
    path: str
    query: Mapping[str, str]
    """The parameters; of one that is given twice the first."""
    headers: Mapping[str, str]
    """By names in lower case; bytes beyond ASCII as ISO 8859-1."""
    latest: bool = True
    """Whether it is of HTTP/1.1, whose answers may come in chunks."""

    @property
    def has_body(self) -> bool:
        """Whether something follows the head."""
        return "transfer-encoding" in self.headers or self.headers.get("content-length", "0") != "0"

    @property
    def ends_connection(self) -> bool:
        """Whether no other request may follow on the connection."""
        said = {word.strip().lower() for word in self.headers.get("connection", "").split(",")}
        return self.has_body or "close" in said or not (self.latest or "keep-alive" in said)

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


def parsed(head: bytes) -> Request:
    """Return the request of a head, the empty line at its end included; raise RequestError where it is none."""
    first, *lines = head.lstrip(b"\r\n").removesuffix(b"\r\n\r\n").split(b"\r\n")
    words = first.decode("utf-8", "replace").split(" ")
    if len(words) != 3 or not _TOKEN.fullmatch(words[0]):  # noqa: PLR2004 -- method, target, version
        raise RequestError(HTTPStatus.BAD_REQUEST, "this is no HTTP request")
    method, target, version = words
    if version not in _VERSIONS:
        raise RequestError(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "only HTTP/1.1 is spoken here")
    try:
        parts = urllib.parse.urlsplit(target)
        pairs = urllib.parse.parse_qsl(parts.query, keep_blank_values=True, max_num_fields=_MOST_PARAMETERS)
    except ValueError as cause:
        raise RequestError(HTTPStatus.BAD_REQUEST, f"the address cannot be read: {cause}") from cause
    path = urllib.parse.unquote(parts.path)
    return Request(method, path, dict(reversed(pairs)), _headers(lines), latest=version != "HTTP/1.0")


def _headers(lines: list[bytes]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon or not _TOKEN.fullmatch(name):
            raise RequestError(HTTPStatus.BAD_REQUEST, "a header cannot be read")
        name, value = name.lower(), value.strip(" \t")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def head_of(answer: Answer, request: Request | None, *, last: bool) -> bytes:
    """Return the head of an answer; `last` says whether the connection ends with it."""
    headers = {
        "Content-Type": answer.content_type,
        "Date": formatdate(time.time(), usegmt=True),
        **answer.headers,
    }
    if isinstance(answer.body, bytes):
        headers["Content-Length"] = str(len(answer.body))
    elif request is not None and request.latest:
        headers["Transfer-Encoding"] = "chunked"
    if last:
        headers["Connection"] = "close"
    status = HTTPStatus(answer.status)
    lines = [f"HTTP/1.1 {status.value} {status.phrase}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")
