"""Records of the store in the revision in force, a few at a time."""

from collections.abc import AsyncIterator, Mapping
from typing import Any, NamedTuple

import orjson

from agent.record import INTERVAL, Record
from agent.store import Store

_READ = 500
"""Records read from the store at once."""

Body = dict[str, Any]


class Kept(NamedTuple):
    """What a record is of; of an interval, period and shift are empty."""

    account: str
    period: str
    shift: str


async def whole_starts(store: Store, start_ns: int, end_ns: int, *, kind: str) -> AsyncIterator[list[Record]]:
    """Yield all records that start in [start_ns, end_ns) by start, a few at a time; those of one start together."""
    most = _READ
    while True:
        records = await store.first_intervals(start_ns, end_ns, most, kind=kind)
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


async def in_force(
    store: Store, start_ns: int, end_ns: int, *, kind: str = INTERVAL
) -> AsyncIterator[tuple[int, Mapping[Kept, Body]]]:
    """Yield for each start [Unix ns] the records in force by what they are of."""
    async for records in whole_starts(store, start_ns, end_ns, kind=kind):
        found: dict[int, dict[Kept, Body]] = {}
        for record in records:
            body = orjson.loads(record.payload)
            key = Kept(body["account"], body.get("period", ""), body.get("shift", ""))
            of_start = found.setdefault(record.time_ns, {})
            if key not in of_start or body["revision"] >= of_start[key]["revision"]:
                of_start[key] = body
        for start in sorted(found):
            yield start, found[start]
