"""Records of account that the store keeps, for the times in which a command asks for them."""

from typing import Any
from zoneinfo import ZoneInfo

import orjson

from agent.commands.outcome import CommandError
from agent.config import SiteConfig
from agent.record import OF_ACCOUNT, asked_ns
from agent.rollup.periods import ONE_INTERVAL
from agent.store import StoreError, read_intervals

Body = dict[str, Any]


def parse_time(text: str, zone: ZoneInfo) -> int:
    """Return a Unix time [ns]; a time without offset is one of the site's zone. Raise CommandError otherwise."""
    try:
        return asked_ns(text, zone)
    except ValueError as error:
        raise CommandError(f"'{text}' is no time: write one like 2026-11-20T08:00 or 2026-11-20T08:00:00Z") from error
    except OverflowError as error:
        raise CommandError(f"'{text}' is too far away: the store holds times {error}") from error


def kept(
    config: SiteConfig, start: str, end: str, period: str, *, account: str | None = None, kind: str = OF_ACCOUNT
) -> list[Body]:
    """Return the records in force of all periods of a length that start within two times; raise CommandError."""
    start_ns, end_ns = (parse_time(text, config.site.zone) for text in (start, end))
    if end_ns <= start_ns:
        raise CommandError(f"--to {end} is not after --from {start}: give the end of the period with --to")
    try:
        found = read_intervals(config.resolve(config.store.path), start_ns, end_ns, account, kind=kind)
    except StoreError as error:
        raise CommandError(str(error)) from error
    bodies = [orjson.loads(record.payload) for record in found]
    return latest_revisions([body for body in bodies if body.get("period", ONE_INTERVAL) == period])


def latest_revisions(records: list[Body]) -> list[Body]:
    """Return the record in force for each account and interval: the one with the highest revision."""
    latest: dict[tuple[str, str, str], Body] = {}
    for record in records:
        key = (record["account"], record["start"], record.get("shift", ""))
        if key not in latest or record["revision"] >= latest[key]["revision"]:
            latest[key] = record
    return sorted(latest.values(), key=lambda record: (record["start"], record["account"]))
