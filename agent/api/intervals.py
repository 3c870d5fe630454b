"""The records of account, page by page: what a caller asks for, and which records answer it.

Records are ordered by start, account and revision, and a cursor names the last one given, so a page costs the same
wherever it is, and records that are added meanwhile move none.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from agent.record import INTERVAL, OF_ACCOUNT, Record, asked_ns
from agent.rollup.export import csv_text, parquet_bytes
from agent.rollup.periods import ONE_INTERVAL, PERIODS
from agent.rollup.reading import whole_starts
from agent.store import Store
from drivers.value import frozen

PAGE = 1000
LARGEST_PAGE = 10_000
PARQUET = "application/vnd.apache.parquet"
FORMATS = ("json", "csv", "parquet")
PARAMETERS = ("from", "to", "account", "every", "format", "revisions", "limit", "after")

_LATEST_NS = 1 << 63
_EXAMPLE = "2026-11-20T08:00 (the site's time) or 2026-11-20T08:00:00Z"

Key = tuple[int, str, int]
"""Start (Unix, ns), account and revision of a record: its place in the order."""
_BEFORE_ALL: Key = (-_LATEST_NS, "", 0)


@frozen
class Question:
    """Which records are asked for: those that start in [start_ns, end_ns) behind `after`, at most `limit`."""

    start_ns: int
    end_ns: int
    account: str | None
    latest: bool
    """Whether only the revision in force is wanted."""
    limit: int
    after: Key
    every: str | None
    """Which period; None for the records of account alone."""
    form: str


@frozen
class Page:
    """Records as they were booked, and the cursor of the next page; None where this is the last."""

    payloads: list[bytes]
    cursor: str | None


def question(query: Mapping[str, str], zone: ZoneInfo) -> Question:
    """Return what a query asks; raise ValueError with one line about what is wrong with it."""
    for name in query:
        if name not in PARAMETERS:
            raise ValueError(f"there is no parameter '{name}': use {', '.join(PARAMETERS)}")
    revisions = query.get("revisions", "latest")
    if revisions not in {"latest", "all"}:
        raise ValueError(f"revisions={revisions}: use latest or all")
    return Question(
        start_ns=_time_ns(query, "from", zone),
        end_ns=_time_ns(query, "to", zone),
        account=query.get("account"),
        latest=revisions == "latest",
        limit=_limit(query.get("limit", str(PAGE))),
        after=_key(query["after"]) if "after" in query else _BEFORE_ALL,
        every=_one_of(query, "every", PERIODS) if "every" in query else None,
        form=_one_of({"format": "json", **query}, "format", FORMATS),
    )


async def page(store: Store, asked: Question) -> Page:
    """Return the first records that answer a question; raise StoreError when the store cannot be read."""
    found: list[tuple[Key, Record]] = []
    kind = OF_ACCOUNT if asked.every else INTERVAL
    async for group in whole_starts(store, max(asked.start_ns, asked.after[0]), asked.end_ns, kind=kind):
        found += _chosen(group, asked)
        if len(found) > asked.limit:
            break
    shown = found[: asked.limit]
    cursor = _cursor(shown[-1][0]) if len(found) > asked.limit else None
    return Page([record.payload for _, record in shown], cursor)


def _chosen(records: list[Record], asked: Question) -> list[tuple[Key, Record]]:
    """Return those of some whole starts that answer, in order."""
    bodies = [(orjson.loads(record.payload), record) for record in records]
    period = asked.every or ONE_INTERVAL
    keyed = [(_key_of(body, record), record) for body, record in bodies if body.get("period", ONE_INTERVAL) == period]
    wanted = [entry for entry in keyed if asked.account in {None, entry[0][1]}]
    if asked.latest:
        newest = {key[:2]: (key, record) for key, record in sorted(wanted, key=_by_key)}
        wanted = list(newest.values())
    return sorted((entry for entry in wanted if entry[0] > asked.after), key=_by_key)


def _by_key(entry: tuple[Key, Record]) -> Key:
    return entry[0]


def _key_of(body: Mapping[str, Any], record: Record) -> Key:
    return record.time_ns, body["account"], body["revision"]


def _cursor(key: Key) -> str:
    start_ns, account, revision = key
    return f"{start_ns}~{revision}~{account}"


def _key(cursor: str) -> Key:
    try:
        start, revision, account = cursor.split("~", 2)
        key = int(start), account, int(revision)
    except ValueError as error:
        raise ValueError(f"after={cursor}: take it from the link to the next page as it is") from error
    if abs(key[0]) >= _LATEST_NS:
        raise ValueError(f"after={cursor}: take it from the link to the next page as it is")
    return key


def _one_of(query: Mapping[str, str], name: str, known: Sequence[str]) -> str:
    if query[name] not in known:
        raise ValueError(f"{name}={query[name]}: use {', '.join(known)}")
    return query[name]


def _limit(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= LARGEST_PAGE:
        raise ValueError(f"limit={text}: use 1 to {LARGEST_PAGE}")
    return int(text)


def _time_ns(query: Mapping[str, str], name: str, zone: ZoneInfo) -> int:
    """Return a Unix time [ns]; one without offset is of the site's zone."""
    if name not in query:
        raise ValueError(f"{name} is missing: give from and to as times like {_EXAMPLE}")
    text = query[name]
    try:
        return asked_ns(text, zone)
    except ValueError as error:
        raise ValueError(f"{name}={text} is no time: write one like {_EXAMPLE}") from error
    except OverflowError as error:
        raise ValueError(f"{name}={text} is too far away: write a time like {_EXAMPLE}") from error


def content(found: Page, form: str) -> tuple[bytes, str]:
    """Return a page in the form that is asked for, and its type; raise NoParquetError."""
    if form == "json":
        return b"[" + b",".join(found.payloads) + b"]", "application/json"
    records = [orjson.loads(payload) for payload in found.payloads]
    if form == "csv":
        return csv_text(records).encode(), "text/csv"
    return parquet_bytes(records), PARQUET
