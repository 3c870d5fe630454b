"""The records of account, page by page: what a caller asks for, and which records answer it.

Records are ordered by start, account and revision, and a cursor names the last one given, so a page costs the same
wherever it is, and records that are added meanwhile move none.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import orjson

from agent.record import Record
from agent.store import Store

PAGE = 1000
LARGEST_PAGE = 10_000
PARAMETERS = ("from", "to", "account", "revisions", "limit", "after")

_NS = 1_000_000_000
_LATEST_NS = 1 << 63
_READ = 500
"""Records read from the store at once."""
_EXAMPLE = "2026-11-20T08:00 (the site's time) or 2026-11-20T08:00:00Z"

Key = tuple[int, str, int]
"""Start (Unix, ns), account and revision of a record: its place in the order."""
_BEFORE_ALL: Key = (-_LATEST_NS, "", 0)


@dataclass(frozen=True, slots=True)
class Question:
    """Which records are asked for: those that start in [start_ns, end_ns) behind `after`, at most `limit`."""

    start_ns: int
    end_ns: int
    account: str | None
    latest: bool
    """Whether only the revision in force is wanted."""
    limit: int
    after: Key


@dataclass(frozen=True, slots=True)
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
    )


async def page(store: Store, asked: Question) -> Page:
    """Return the first records that answer a question; raise StoreError when the store cannot be read."""
    found: list[tuple[Key, Record]] = []
    async for group in _whole_starts(store, max(asked.start_ns, asked.after[0]), asked.end_ns):
        found += _chosen(group, asked)
        if len(found) > asked.limit:
            break
    shown = found[: asked.limit]
    cursor = _cursor(shown[-1][0]) if len(found) > asked.limit else None
    return Page([record.payload for _, record in shown], cursor)


async def _whole_starts(store: Store, start_ns: int, end_ns: int) -> AsyncIterator[list[Record]]:
    """Yield all records by start, a few at a time; those of one start together."""
    most = _READ
    while True:
        records = await store.first_intervals(start_ns, end_ns, most)
        if len(records) < most:
            yield records
            return
        cut_ns = records[-1].time_ns
        whole = [record for record in records if record.time_ns < cut_ns]
        if whole:
            yield whole
            start_ns = cut_ns
        else:
            most *= 2


def _chosen(records: list[Record], asked: Question) -> list[tuple[Key, Record]]:
    """Return those of some whole starts that answer, in order."""
    keyed = [(_key_of(record), record) for record in records]
    wanted = [entry for entry in keyed if asked.account in {None, entry[0][1]}]
    if asked.latest:
        newest = {key[:2]: (key, record) for key, record in sorted(wanted, key=_by_key)}
        wanted = list(newest.values())
    return sorted((entry for entry in wanted if entry[0] > asked.after), key=_by_key)


def _by_key(entry: tuple[Key, Record]) -> Key:
    return entry[0]


def _key_of(record: Record) -> Key:
    body = orjson.loads(record.payload)
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
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{name}={text} is no time: write one like {_EXAMPLE}") from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    found = round(moment.timestamp()) * _NS
    if abs(found) >= _LATEST_NS:
        raise ValueError(f"{name}={text} is too far away: write a time like {_EXAMPLE}")
    return found
