"""How the library's request reaches the database: by the HTTP client of the standard library, which is loaded anyway.

Those that influxdb-client brings take more memory than all it writes: aiohttp 9 MB, for one request every few seconds.

Invariants:

- One connection, kept from one request to the next; `post` is called in a thread, one call at a time.
- All requests are the same but for their body, so that the rest is put into words once.
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


@frozen
class Request:
    """What is posted, but for the body."""

    url: str
    query: Sequence[tuple[str, str]]
    headers: Mapping[str, str]


class Transport:
    """The connection to the server of a request; each step of one takes `timeout_s` at most."""

    def __init__(self, request: Request, *, tls: ssl.SSLContext, timeout_s: float) -> None:
        self._connection = _connection(request.url, tls, timeout_s)
        self._head = _head(request, tls)
        self._lock = threading.Lock()
        self._busy = self._closed = False

    def post(self, body: bytes) -> Answer:
        """Send the request and return the answer; raise OSError or HTTPException where there is none."""
        with self._lock:
            self._busy = True
        whole = False
        try:
            answer, whole = self._exchange(body)
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

    def _exchange(self, body: bytes) -> tuple[Answer, bool]:
        """Return the answer, and whether all of it was read and another may follow."""
        connection = self._connection
        if connection.sock is not None and _has_ended(connection.sock):
            connection.close()
        self._expect_open()
        if connection.sock is None:
            connection.connect()
            self._expect_open()
        connection.sock.sendall(b"%bContent-Length: %d\r\n\r\n%b" % (self._head, len(body), body))
        with HTTPResponse(connection.sock, method="POST") as response:
            response.begin()
            _expect_sound(response)
            data = response.read(LONGEST)
            whole = response.isclosed() and not response.will_close
            return Answer(response.status, response.reason, data, response.headers), whole

    def _expect_open(self) -> None:
        if self._closed:
            raise ConnectionAbortedError("the connection was closed meanwhile")


def _connection(url: str, tls: ssl.SSLContext, timeout_s: float | None = None) -> HTTPConnection:
    parts = urllib.parse.urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "https":
        return HTTPSConnection(host, parts.port, timeout=timeout_s, context=tls)
    return HTTPConnection(host, parts.port, timeout=timeout_s)


def _head(request: Request, tls: ssl.SSLContext) -> bytes:
    """Return the head of a request without its end, as the standard library writes it."""
    written: list[bytes] = []
    writer = _connection(request.url, tls)
    writer.send = written.append  # type: ignore[assignment, method-assign]  # in place of a connection
    writer.putrequest("POST", f"{urllib.parse.urlsplit(request.url).path}?{urllib.parse.urlencode(request.query)}")
    for name, value in request.headers.items():
        writer.putheader(name, value.encode())  # a token may hold what the standard library would not encode
    writer.endheaders()
    return b"".join(written).removesuffix(b"\r\n")


def _has_ended(connection: socket.socket) -> bool:
    """Whether a connection that awaits nothing can be read from: the server has closed it, or talks out of turn."""
    asked = select.poll()
    asked.register(connection, select.POLLIN)
    return bool(asked.poll(0))


def _expect_sound(response: HTTPResponse) -> None:
    """Raise HTTPException for a "no content" that announces some: RFC 9110, 8.6; whoever says that is no database."""
    if response.status == HTTPStatus.NO_CONTENT and response.headers.get("Content-Length", "0") != "0":
        raise HTTPException("the answer says that it is empty, and how long it is")
