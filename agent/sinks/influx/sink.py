"""A client of the database: batches of lines, and what becomes of those that it refuses."""

import asyncio
import contextlib
import gzip
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from functools import partial
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path

from agent.record import Record
from agent.sections.influx import InfluxConfig
from agent.sinks import SinkRejected, SinkUnavailable, file_marks
from agent.sinks.influx import library
from agent.sinks.influx.lines import KINDS, line
from agent.sinks.influx.transport import Transport
from drivers.regular_file import expect_regular, read_regular

_TIMEOUT_S = 20.0
"""Longest time for one request: a link that carries nothing any more is noticed within it."""
_LONGEST_HOLD_S = 600.0
"""Longest pause that a database may ask for: a mistake in its answer must not silence the agent for days."""
_GZIP_LEVEL = 6
_AT_ONCE = 25
"""Records put into lines before whoever else waits gets a turn: polls must not be late for a batch."""
_WRITTEN = {201, 204}
_NOT_REACHED = (HTTPException, OSError, UnicodeError)
"""What says that there is no answer: TimeoutError is an OSError, a name or path that none can ask for the others."""
_HOLD = {
    401: "the database does not accept the token: check token_file",
    403: "the token may not write to this bucket: check token_file and the token's rights",
    404: "there is no such bucket or organisation: check bucket, org and url",
}
_NO_TOKEN = {
    401: "the database wants a token: set [influx] token_file",
    403: "without a token the agent may not write to this bucket: set [influx] token_file",
}
_ALL_REFUSED = 50
"""So many refused lines without one accepted in a batch are a mistake of the set-up, not of the records."""


class InfluxSink:
    """The database of a configuration; paths in it are relative to `folder`."""

    name = "influx"

    def __init__(self, config: InfluxConfig, *, folder: Path) -> None:
        self._config = config
        self._folder = folder
        self._context: tuple[int, ssl.SSLContext] | None = None

    def wants(self, record: Record) -> bool:
        """Return whether this kind of record is kept as numbers over time."""
        return record.kind in KINDS

    def credentials(self) -> object:
        """Return something that changes when a file does that is read on connecting."""
        return file_marks(self._folder, self._config.token_file, self._config.ca_file)

    @contextlib.asynccontextmanager
    async def session(self) -> AsyncIterator["InfluxSession"]:
        """Be ready to write; whether the database answers shows with the first records."""
        session = InfluxSession(partial(_transport, self._config, self._token(), self._tls()), self._config)
        try:
            yield session
        finally:
            session.close()

    def _token(self) -> str:
        file = self._config.token_file
        if file is None:
            return ""
        try:
            token = read_regular(self._folder / file).decode().strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = f"token_file {file} cannot be read ({_cause(error)}): check path and rights"
            raise SinkUnavailable(reason, hold=True) from error
        if len(token.splitlines()) > 1:
            raise SinkUnavailable(f"token_file {file} holds more than one line: write the token alone", hold=True)
        return token

    def _tls(self) -> ssl.SSLContext:
        """Return the context of every session until the file of the authorities changes.

        A context with the system's authorities takes half a megabyte, and a client that failed lies in cycles of
        garbage for hours; the library makes one itself where it is given none, even for a connection without TLS.
        """
        file = self._config.ca_file
        try:
            written_ns = (self._folder / file).stat().st_mtime_ns if file else 0
            if self._context is None or self._context[0] != written_ns:
                self._context = (written_ns, self._new_context())
        except OSError as error:  # ssl.SSLError is one
            reason = f"ca_file {file} cannot be used ({_cause(error)}): check path, rights and content"
            raise SinkUnavailable(reason, hold=True) from error
        return self._context[1]

    def _new_context(self) -> ssl.SSLContext:
        if not self._config.url.startswith("https:"):
            return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # never used, but cheap
        file = self._config.ca_file
        authorities = self._folder / file if file else None
        expect_regular(authorities)
        context = ssl.create_default_context(cafile=authorities)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context


def _transport(config: InfluxConfig, token: str, tls: ssl.SSLContext) -> Transport:
    # Importing the library costs memory and time: only for those who write, and not while an agent starts.
    library.load()
    request = library.write_request(config.url, token, org=config.org, bucket=config.bucket)
    return Transport(request, tls=tls, timeout_s=_TIMEOUT_S)


class InfluxSession:
    """A client of the database, used for one row of successes."""

    def __init__(self, make_transport: Callable[[], Transport], config: InfluxConfig) -> None:
        """`make_transport` takes a moment, and is called in a thread before anything is written."""
        self._make_transport = make_transport
        self._transport: Transport | None = None
        self._config = config
        self._accepted = 0

    def close(self) -> None:
        """Write no more; a request that is under way fails."""
        if self._transport:
            self._transport.close()

    @property
    def accepted_through(self) -> int:
        """Last `seq` of the batch before the first that was not written."""
        return self._accepted

    async def send(self, records: Sequence[Record]) -> None:
        """Write in order; what the database refuses is cut in halves until the bad lines stand alone."""
        self._accepted = 0
        rejected: dict[int, str] = {}
        lines: list[tuple[int, str]] = []
        for first in range(0, len(records), _AT_ONCE):
            lines += [(record.seq, text) for record in records[first : first + _AT_ONCE] if (text := line(record))]
            await asyncio.sleep(0)
        parts = [lines] if lines else []
        taken = 0
        while parts:
            part = parts.pop()
            refused = await self._post(part)
            if not refused:
                taken += len(part)
                self._accepted = self._accepted if rejected else part[-1][0]
            elif len(part) > 1:
                middle = len(part) // 2
                parts += [part[middle:], part[:middle]]
            else:
                rejected[part[0][0]] = refused
            if not taken and len(rejected) >= _ALL_REFUSED:
                raise SinkUnavailable(f"the database refuses everything: {refused}", hold=True)
        if rejected:
            raise SinkRejected(rejected)

    async def watch(self) -> None:
        """Wait for ever: each request is a connection of its own."""
        await asyncio.Event().wait()

    async def _post(self, part: Sequence[tuple[int, str]]) -> str:
        """Write lines; return why they were refused, empty when they were taken."""
        transport = await self._ready()
        from influxdb_client.rest import ApiException  # noqa: PLC0415  # loaded with the library by now

        try:
            async with asyncio.timeout(_TIMEOUT_S):
                status = await asyncio.to_thread(_write, transport, "\n".join(text for _, text in part).encode())
        except ApiException as error:
            message = error.message
            text = message.decode(errors="replace") if isinstance(message, bytes) else str(message)
            hold = _HOLD if self._config.token_file else _HOLD | _NO_TOKEN
            return _judge(error.status, text, error.retry_after, hold)
        except _NOT_REACHED as error:
            raise SinkUnavailable(self._explain(error)) from error
        if status not in _WRITTEN:
            raise SinkUnavailable(f"{self._config.url} does not answer like InfluxDB: check url")
        return ""

    async def _ready(self) -> Transport:
        """Return what sends requests, made when the first is to be sent."""
        if self._transport is None:
            try:
                self._transport = await asyncio.to_thread(self._make_transport)
            except _NOT_REACHED as error:
                raise SinkUnavailable(self._explain(error)) from error
        return self._transport

    def _explain(self, cause: Exception) -> str:
        url = self._config.url
        if isinstance(cause, ssl.SSLCertVerificationError):
            why = cause.verify_message.rstrip(".")
            return f"the certificate of {url} is not accepted ({why}): check ca_file and the host name in url"
        if isinstance(cause, TimeoutError):
            return f"{url} does not answer: check url and the network"
        if isinstance(cause, ConnectionRefusedError):
            return f"nothing listens at {url}: check url, and that the database runs"
        # What is no HTTP stands in the error word for word, however long it is.
        return f"{url}: {' '.join(_cause(cause)[:200].split())}: check url and the network"


def _write(transport: Transport, lines: bytes) -> int:
    """Send lines and return the status of the answer, or raise what the library does; to be called in a thread."""
    # Compressed here: the library would do it at the highest level, in five times the time and no better.
    answer = transport.post(gzip.compress(lines, _GZIP_LEVEL))
    if not HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
        raise library.refusal(answer)
    return answer.status


def _judge(status: int, message: str, retry_after: str | None, hold: Mapping[int, str]) -> str:
    """Return the reason when lines were refused; raise SinkUnavailable when the database takes none at the moment.

    `hold` says what an operator must do about a status.
    """
    if status in {400, 413, 422}:
        return f"HTTP {status}: {message}"[:500]
    if status in hold:
        raise SinkUnavailable(hold[status], hold=True)
    raise SinkUnavailable(f"the database answers HTTP {status}", retry_after_s=_seconds(retry_after))


def _seconds(retry_after: str | None) -> float | None:
    """Return the pause a `Retry-After` asks for, in seconds or until a date (RFC 9110, 10.2.3); None without one."""
    if not retry_after:
        return None
    if retry_after.isdecimal():
        return min(float(retry_after), _LONGEST_HOLD_S)
    try:
        left_s = parsedate_to_datetime(retry_after).timestamp() - time.time()
    except ValueError:
        return None
    # A date in the past, or a clock of ours that is wrong, must neither hammer nor hold for ever.
    return min(max(left_s, 1.0), _LONGEST_HOLD_S)


def _cause(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
