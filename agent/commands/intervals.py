"""`energy-agent intervals`: the records of account of a period, from the store."""

import csv
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from agent.commands.outcome import CommandError, Exit, print_json, print_table, say
from agent.config import load_config
from agent.store import StoreError, read_intervals

COLUMNS = (
    "start",
    "end",
    "account",
    "revision",
    "amount",
    "unit",
    "energy_kwh",
    "kgce",
    "co2_kg",
    "co2_market_kg",
    "coverage",
    "estimated",
    "quality",
)


def parse_time(text: str, zone: ZoneInfo) -> int:
    """Return a Unix time [ns]; a time without offset is one of the site's zone. Raise CommandError otherwise."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise CommandError(f"'{text}' is no time: write one like 2026-11-20T08:00 or 2026-11-20T08:00:00Z") from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    found = round(moment.timestamp()) * 1_000_000_000
    if abs(found) >= 1 << 63:
        raise CommandError(f"'{text}' is too far away: the store holds times up to 2262-04-11")
    return found


def latest_revisions(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the record in force for each account and interval: the one with the highest revision."""
    latest: dict[tuple[str, str], dict[str, Any]] = {}
    for record in records:
        key = (record["account"], record["start"])
        if key not in latest or record["revision"] >= latest[key]["revision"]:
            latest[key] = record
    return sorted(latest.values(), key=lambda record: (record["start"], record["account"]))


def intervals(path: Path, *, start: str, end: str, account: str | None, form: str) -> Exit:
    """Print the closed intervals that start within [start, end)."""
    config = load_config(path)
    zone = config.site.zone
    try:
        found = read_intervals(
            config.resolve(config.store.path), parse_time(start, zone), parse_time(end, zone), account
        )
    except StoreError as error:
        raise CommandError(str(error)) from error
    records = latest_revisions([orjson.loads(record.payload) for record in found])
    if form == "json":
        print_json(records)
    elif form == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows([record.get(column, "") for column in COLUMNS] for record in records)
    elif records:
        rows = [[_local(record, column, zone) for column in COLUMNS] for record in records]
        print_table(f"Intervals of {config.site.name} ({zone.key})", COLUMNS, rows)
    else:
        say(f"no closed interval starts between {start} and {end}")
    return Exit.DONE


def _local(record: dict[str, Any], column: str, zone: ZoneInfo) -> Any:
    value = record.get(column)
    if column in {"start", "end"}:
        moment = datetime.fromisoformat(str(value)).astimezone(UTC)
        return moment.astimezone(zone).strftime("%m-%d %H:%M:%S")
    return value
