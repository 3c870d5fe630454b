"""Records: what the store keeps and the sinks deliver, encoded once and never changed afterwards."""

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from agent.metering.amount import NS_PER_S
from drivers.value import frozen, travelling

TELEMETRY = "telemetry"
WINDOW = "window"
INTERVAL = "interval"
ALARM = "alarm"
HEALTH = "health"
GAP = "gap"
EVENT = "event"
FIGURE = "figure"
ROLLUP = "rollup"
EVIDENCE = "evidence"
SEAL = "seal"
KINDS = (TELEMETRY, WINDOW, INTERVAL, ALARM, HEALTH, GAP, EVENT, FIGURE, ROLLUP, EVIDENCE, SEAL)
CHAINED = frozenset({INTERVAL, EVENT, GAP, EVIDENCE, SEAL})
"""Kinds that prove something: each of their records names the hash of the one before it, whatever the kind of that."""

OF_ACCOUNT = "*"
"""Intervals and roll-ups, where records of account are asked for by kind."""

AGENT = "agent"
"""Key of the records that concern the agent itself."""


@travelling
@frozen
class Record:
    """One record of the store.

    `seq` grows by one per record; `key` is "area/device", "agent", or of a figure an area; `time_ns` is the time of
    the reading or the start of the interval (Unix, ns); `payload` is JSON in UTF-8, exactly what a subscriber receives.
    """

    seq: int
    kind: str
    key: str
    time_ns: int
    payload: bytes


def as_json(value: object, option: int | None = None) -> bytes:
    """Return `value` as JSON in bytes of its own size; raise TypeError where JSON has no form for it.

    orjson leaves the text in the buffer it was written into: 500 bytes in 16 kB for as long as they are kept.
    """
    return bytes(memoryview(orjson.dumps(value, option=option)))


def encode(body: Mapping[str, object]) -> bytes:
    """Return `body` as JSON whose floats read back to the same bits.

    Raises ValueError naming the key when a value is missing, not finite or no JSON: a missing value is an absent key.
    """
    try:
        payload = as_json(body, orjson.OPT_SERIALIZE_NUMPY)
    except TypeError as error:
        raise ValueError(f"a record cannot hold this: {error}") from error
    # orjson writes NaN as null, so only a payload that spells null anywhere deserves the slow look.
    if b"null" in payload:
        for path, value in _leaves(body):
            if value is None or (isinstance(value, float) and not math.isfinite(value)):
                raise ValueError(f"a record's '{path}' is {value}; leave a missing value out")
    return payload


def event_body(site: str, time_ns: int, **said: object) -> dict[str, Any]:
    """Return what an event record says: where, when (Unix, ns), and what is `said` of it. A store may know no site."""
    where = {"site": site} if site else {}
    return {"schema": "energy-agent/event/1", **where, "time": rfc3339(time_ns), **said}


def rfc3339(time_ns: int) -> str:
    """Return a wall clock time (Unix, ns) as UTC with microseconds, cut and not rounded."""
    seconds, rest = divmod(time_ns, NS_PER_S)
    return f"{_second(seconds)}.{rest // 1000:06d}Z"


@lru_cache(maxsize=16)
def _second(seconds: int) -> str:
    """Return a Unix time [s] without its zone; of one second there are thousands of records."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"


def unix_ns(moment: datetime) -> int:
    """Return a time with its offset as Unix time [ns], of which it has whole microseconds."""
    return round(moment.replace(microsecond=0).timestamp()) * NS_PER_S + moment.microsecond * 1000


def time_ns(text: str) -> int:
    """Return the time [Unix ns] that `rfc3339` wrote."""
    return unix_ns(datetime.fromisoformat(text))


def asked_ns(text: str, zone: ZoneInfo) -> int:
    """Return a time as people write it [Unix ns], to the second; one without offset is of the site's zone.

    Raises ValueError for what is no time, OverflowError for one that the store cannot hold, with what it can.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    found = round(moment.timestamp()) * NS_PER_S
    if abs(found) >= 1 << 63:
        raise OverflowError("up to 2262-04-11" if found > 0 else "from 1677-09-22 on")
    return found


def start_of(body: Mapping[str, Any]) -> int:
    """Return when the interval or period of a record starts [Unix ns]."""
    return time_ns(body["start"])


def end_of(body: Mapping[str, Any]) -> int:
    """Return when the interval or period of a record ends [Unix ns]."""
    return time_ns(body["end"])


def _leaves(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        for position, inner in enumerate(value):
            yield from _leaves(inner, f"{path}[{position}]")
    else:
        yield path, value
