"""InfluxDB: records as line protocol through the v2 write API, as VictoriaMetrics and InfluxDB 3 take it too.

One record is one line: the measurement is its class, the time that of the reading or the start of the interval [ns],
the fields its numbers. Every field is a float, except the counts in `COUNTS`, which are integers; the type of a
field never changes. A quality is the number of its reason in `drivers.reading.Quality`: `quality` of an amount, for a
value of telemetry that is not good `quality_` and its key. Other texts, those of seals excepted, and nested objects
but telemetry's `values` are left out: they stand in the record itself. Where two records of one device and moment
must not overwrite each other, the contract's tags tell them apart: the name of an intensity or figure stands in
`account`, the period of a roll-up, or the name of a shift, in `span`; an alarm's name begins its fields.
"""

import asyncio
import contextlib
import gzip
import importlib
import ssl
import time
import urllib.parse
from collections.abc import AsyncIterator, Mapping, Sequence
from email.utils import parsedate_to_datetime
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict

from agent.record import ALARM, FIGURE, GAP, INTERVAL, ROLLUP, SEAL, TELEMETRY, WINDOW, Record
from agent.sinks import SinkRejected, SinkUnavailable, file_marks, library
from drivers.reading import Quality

COUNTS = frozenset({"seq", "revision", "scope", "from_seq", "to_seq", "intervals", "expected", "count"})
_KINDS = frozenset({TELEMETRY, WINDOW, INTERVAL, ALARM, GAP, FIGURE, ROLLUP, SEAL})
_CODES: dict[object, float] = {quality.label: float(quality) for quality in Quality}
_TAGS = ("site", "area", "device", "account", "span")
# Line protocol, "special characters": a comma, an equals sign or a blank in a key or tag takes a backslash. A
# backslash of its own and a line end have no form there.
_ESCAPES = str.maketrans({",": r"\,", "=": r"\=", " ": r"\ ", "\\": "/", "\n": r"\ ", "\r": r"\ ", "\t": r"\ "})
_SEALED = ("root", "head", "signature")
"""The only texts that are kept: without them a seal proves nothing."""
_TIMEOUT_S = 20.0
"""Longest time for one request: a link that carries nothing any more is noticed within it."""
_LONGEST_HOLD_S = 600.0
"""Longest pause that a database may ask for: a mistake in its answer must not silence the agent for days."""
_GZIP_LEVEL = 6
_AT_ONCE = 25
"""Records put into lines before whoever else waits gets a turn: polls must not be late for a batch."""
_WRITTEN = {201, 204}
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


def _server(url: str) -> str:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"'{url}' is no server; write https://host:8086")
    if parts.username or parts.password:
        raise ValueError("credentials do not belong into a URL; use token_file")
    try:
        _ = parts.port
    except ValueError as error:
        raise ValueError(f"'{url}' has no valid port; use 1 to 65535") from error
    return url.rstrip("/")


class InfluxConfig(BaseModel):
    """`[influx]`: which database, and where in it."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    url: Annotated[str, AfterValidator(_server)]
    org: str = ""
    bucket: str = "energy"
    token_file: str | None = None
    ca_file: str | None = None


def line(record: Record) -> str | None:
    """Return a record in line protocol, None when it holds no number."""
    body: dict[str, object] = orjson.loads(record.payload)
    if name := body.get("intensity", body.get("figure")):
        body["account"] = name
    if record.kind == ROLLUP:
        body["span"] = body.get("shift", body["period"])
    prefix = f"{body['alarm']}_" if record.kind == ALARM else ""
    values = body.pop("values", {})
    fields = _fields(body, prefix) + (_fields(values, "") if isinstance(values, Mapping) else [])
    fields += _qualities(body.get("quality"))
    if record.kind == SEAL:
        # 48 bits of the root, which a float holds exactly: for databases that keep numbers only.
        fields.append(f"root_prefix={float(int(str(body['root']).removeprefix('sha256:')[:12], 16))!r}")
        fields += [f'{name}="{body[name]}"' for name in _SEALED]
    if not fields:
        return None
    head = [record.kind, *(f"{name}={str(value).translate(_ESCAPES)}" for name in _TAGS if (value := body.get(name)))]
    return f"{','.join(head)} {','.join(fields)} {record.time_ns}"


def _fields(body: Mapping[str, object], prefix: str) -> list[str]:
    found = []
    for key, value in body.items():
        if isinstance(value, int | float):
            head, count = _named(prefix, key)
            found.append(f"{head}{int(value)}i" if count else f"{head}{float(value)!r}")
    return found


@lru_cache(maxsize=4096)
def _named(prefix: str, key: str) -> tuple[str, bool]:
    """Return how a field begins, and whether it is a count; there are few, and they come again and again."""
    return f"{_escaped(prefix + key)}=", key in COUNTS


def _qualities(quality: object) -> list[str]:
    if isinstance(quality, Mapping):
        named = {f"quality_{key}": label for key, label in quality.items()}
    else:
        named = {"quality": quality}
    return [f"{_escaped(key)}={_CODES[label]!r}" for key, label in named.items() if label in _CODES]


def _escaped(key: str) -> str:
    return key.translate(_ESCAPES)


class InfluxSink:
    """The database of a configuration; paths in it are relative to `folder`."""

    name = "influx"

    def __init__(self, config: InfluxConfig, *, folder: Path) -> None:
        self._config = config
        self._folder = folder
        self._context: tuple[int, ssl.SSLContext] | None = None

    def wants(self, record: Record) -> bool:
        """Return whether this kind of record is kept as numbers over time."""
        return record.kind in _KINDS

    def credentials(self) -> object:
        """Return something that changes when a file does that is read on connecting."""
        return file_marks(self._folder, self._config.token_file, self._config.ca_file)

    @contextlib.asynccontextmanager
    async def session(self) -> AsyncIterator["InfluxSession"]:
        """Make a client; whether the database answers shows with the first records."""
        # Importing the library costs memory and time: only for those who configured it.
        await asyncio.to_thread(library.load)
        answer = importlib.import_module("agent.sinks.answer")
        client = library.client(
            self._config.url,
            self._token(),
            timeout_s=_TIMEOUT_S,
            tls=self._tls(),
            session={
                "response_class": answer.BriefAnswer,
                "headers": {"Accept-Encoding": "identity"},  # of a few words; an answer that swells is not wanted
            },
        )
        try:
            yield InfluxSession(library.writer(client), self._config)
        finally:
            await client.close()

    def _token(self) -> str:
        file = self._config.token_file
        if file is None:
            return ""
        try:
            return (self._folder / file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = f"token_file {file} cannot be read ({_cause(error)}): check path and rights"
            raise SinkUnavailable(reason, hold=True) from error

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
        context = ssl.create_default_context(cafile=self._folder / file if file else None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context


class InfluxSession:
    """A client of the database, used for one row of successes."""

    def __init__(self, writer: Any, config: InfluxConfig) -> None:
        self._writer = writer
        self._config = config
        self._accepted = 0

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
        from influxdb_client.rest import ApiException  # noqa: PLC0415  # loaded with the library, see `session`

        from agent.web import ClientError  # noqa: PLC0415  # the same

        try:
            # Compressed here: the library would do it at the highest level, in five times the time and no better.
            _, status, _ = await self._writer.post_write_async(
                self._config.org,
                self._config.bucket,
                await asyncio.to_thread(gzip.compress, "\n".join(text for _, text in part).encode(), _GZIP_LEVEL),
                precision="ns",
                content_encoding="gzip",
                _return_http_data_only=False,
            )
        except ApiException as error:
            message = error.message
            text = message.decode(errors="replace") if isinstance(message, bytes) else str(message)
            hold = _HOLD if self._config.token_file else _HOLD | _NO_TOKEN
            return _judge(error.status, text, error.retry_after, hold)
        except (ClientError, TimeoutError, OSError) as error:
            raise SinkUnavailable(self._explain(error)) from error
        if status not in _WRITTEN:
            raise SinkUnavailable(f"{self._config.url} does not answer like InfluxDB: check url")
        return ""

    def _explain(self, error: Exception) -> str:
        url = self._config.url
        cause = getattr(error, "os_error", None) or getattr(error, "certificate_error", None) or error
        if isinstance(cause, ssl.SSLCertVerificationError):
            why = cause.verify_message.rstrip(".")
            return f"the certificate of {url} is not accepted ({why}): check ca_file and the host name in url"
        if isinstance(cause, TimeoutError):
            return f"{url} does not answer: check url and the network"
        if isinstance(cause, ConnectionRefusedError):
            return f"nothing listens at {url}: check url, and that the database runs"
        # What is no HTTP stands in the error word for word, however long it is.
        return f"{url}: {' '.join(_cause(cause)[:200].split())}: check url and the network"


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
