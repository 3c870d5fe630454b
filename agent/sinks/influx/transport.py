"""How the library's requests reach the database: by the HTTP client of the standard library, which is loaded anyway.

Those that influxdb-client brings take more memory than all it writes: aiohttp 9 MB, for one request every few seconds.

Invariants:

- One connection, kept from one request to the next; `post` is called in a thread, one call at a time.
- `close` may be called by another thread at any time and ends a request that is under way.
- Of an answer only the beginning is read: whoever answers, it costs no memory and ends in time.
"""

import contextlib
import select
import socket
import ssl
import threading
import urllib.parse
from collections.abc import Mapping, Sequence
from email.message import Message
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any

from drivers.value import frozen

LONGEST = 4096
"""Bytes that are read of an answer; a database's reason for a refusal fits."""


@frozen
class Answer:
    """What a server answered, cut; the methods are those by which the library asks for headers."""

    status: int
    reason: str
    data: bytes
    headers: Message

    def getheader(self, name: str, default: str | None = None) -> str | None:
        """Return a header, `default` where it is missing."""
        return self.headers.get(name, default)

    def getheaders(self) -> Message:
        """Return all headers."""
        return self.headers


class Transport:
    """The connection to the server of a URL; each step of a request takes `timeout_s` at most."""

    def __init__(self, url: str, *, tls: ssl.SSLContext, timeout_s: float) -> None:
        parts = urllib.parse.urlsplit(url)
        host = parts.hostname or ""
        self._connection = (
            HTTPSConnection(host, parts.port, timeout=timeout_s, context=tls)
            if parts.scheme == "https"
            else HTTPConnection(host, parts.port, timeout=timeout_s)
        )
        self._lock = threading.Lock()
        self._busy = self._closed = False

    def post(self, url: str, query: Sequence[tuple[str, str]], headers: Mapping[str, str], body: bytes) -> Answer:
        """Send a request and return the answer; raise OSError or HTTPException where there is none."""
        with self._lock:
            self._busy = True
        whole = False
        try:
            answer, whole = self._exchange(url, query, headers, body)
        finally:
            with self._lock:
                self._busy = False
                if self._closed or not whole:
                    self._connection.close()
        return answer

    def close(self) -> None:
        """Close the connection; a request that is under way fails."""
        with self._lock:
            self._closed = True
            if not self._busy:
                self._connection.close()
            elif self._connection.sock is not None:
                with contextlib.suppress(OSError):
                    # Not the method of a connection with TLS: that would go on without TLS for a moment.
                    socket.socket.shutdown(self._connection.sock, socket.SHUT_RDWR)

    def _exchange(
        self, url: str, query: Sequence[tuple[str, str]], headers: Mapping[str, str], body: bytes
    ) -> tuple[Answer, bool]:
        """Return the answer, and whether all of it was read."""
        connection = self._connection
        if connection.sock is not None and _has_ended(connection.sock):
            connection.close()
        self._expect_open()
        if connection.sock is None:
            connection.connect()
            self._expect_open()
        target = f"{urllib.parse.urlsplit(url).path}?{urllib.parse.urlencode(query)}"
        # As bytes: a token may hold what the client would not encode.
        connection.request("POST", target, body, {name: value.encode() for name, value in headers.items()})
        with connection.getresponse() as response:
            _expect_sound(response)
            data = response.read(LONGEST)
            whole = response.isclosed()
            return Answer(response.status, response.reason, data, response.headers), whole

    def _expect_open(self) -> None:
        if self._closed:
            raise ConnectionAbortedError("the connection was closed meanwhile")


class RestClient:
    """What the library's client sends its requests through, in place of its own."""

    pool_manager = None
    """Of the library's own connections, which it looks for at its end."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def POST(self, url: str, *, query_params: Any, headers: Any, body: bytes, **_: Any) -> Answer:  # noqa: N802 -- as the library calls it
        """Send a request and return the answer; raise ApiException where it is no success."""
        from influxdb_client.rest import ApiException  # noqa: PLC0415 -- with the library, see `agent.sinks.influx.library`

        answer = self._transport.post(url, query_params, headers, body)
        if not HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
            raise ApiException(http_resp=answer)  # type: ignore[no-untyped-call]
        return answer


def _has_ended(connection: socket.socket) -> bool:
    """Whether a connection that awaits nothing can be read from: the server has closed it, or talks out of turn."""
    asked = select.poll()
    asked.register(connection, select.POLLIN)
    return bool(asked.poll(0))


def _expect_sound(response: HTTPResponse) -> None:
    """Raise HTTPException for a "no content" that announces some: RFC 9110, 8.6; whoever says that is no database."""
    if response.status == HTTPStatus.NO_CONTENT and response.headers.get("Content-Length", "0") != "0":
        raise HTTPException("the answer says that it is empty, and how long it is")
