"""`energy-agent intervals`: the records of account of a period, from the store, one by one or added up."""

import sys
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from agent.commands.kept import kept
from agent.commands.outcome import CommandError, Exit, print_json, say
from agent.commands.phrases import UNVERIFIED, marked, marked_energy, shorter
from agent.commands.table import fixed, print_table, print_text
from agent.config import SiteConfig
from agent.config.load import load_config
from agent.record import INTERVAL, OF_ACCOUNT
from agent.rollup.export import NoParquetError, csv_text, parquet_bytes
from agent.rollup.periods import ONE_INTERVAL, PERIODS
from agent.rollup.tree import balances_of
from agent.sections.measure import seconds
from drivers.document import nearest


def period_of(every: str, length_s: float) -> str:
    """Return the period that `--every` names; raise ValueError for one that is not recorded."""
    if every in PERIODS:
        return every
    try:
        if seconds(every) == length_s:
            return ONE_INTERVAL
    except ValueError:
        pass  # said below, with what there is
    raise ValueError(f"'{every}' is not recorded: use {', '.join(PERIODS)}, or the length of the intervals")


def intervals(path: Path, *, start: str, end: str, account: str | None, form: str, every: str | None = None) -> Exit:
    """Print the closed intervals, or other periods, that start within [start, end)."""
    config = load_config(path)
    try:
        period = period_of(every, config.interval.length) if every else ONE_INTERVAL
    except ValueError as error:
        raise CommandError(str(error)) from error
    records = kept(config, start, end, period, account=account, kind=OF_ACCOUNT if every else INTERVAL)
    if account is not None and not records:
        _expect_known(account, config)
    if form == "json":
        print_json(records)
    elif form == "csv":
        sys.stdout.write(csv_text(records))
    elif form == "parquet":
        _write_parquet(records)
    elif records:
        show(config.site.name, records, config.site.zone)
    else:
        say(f"no closed {period} starts between {start} and {end}{shorter(every) if every else ''}")
    return Exit.DONE


def _write_parquet(records: list[dict[str, Any]]) -> None:
    """Write a Parquet file to standard output, unless that is a terminal."""
    if sys.stdout.isatty():
        raise CommandError("a Parquet file is nothing to read: write it to a file with > FILE.parquet")
    try:
        content = parquet_bytes(records)
    except NoParquetError as error:
        raise CommandError(str(error)) from error
    sys.stdout.flush()
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


def _expect_known(account: str, config: SiteConfig) -> None:
    """Raise CommandError for an account that the configuration does not have; one that it had once may have records."""
    plant = config.plant()
    balances = balances_of(config.balances, config.devices, plant.accounts)
    names = [entry.name for entry in (*plant.accounts, *plant.outputs)]
    names += [*(entry.name for entry in config.virtual), *(entry.name for entry in balances)]
    if account not in names:
        raise CommandError(f"there is no account '{account}': {nearest(account, names)}")


def show(site: str, records: list[dict[str, Any]], zone: ZoneInfo) -> None:
    """Print one table for each account; `start` is cut to what differs between the records."""
    starts = [datetime.fromisoformat(record["start"]).astimezone(zone) for record in records]
    years = sorted({start.year for start in starts})
    form = "%m-%d %H:%M" if len(years) == 1 else "%Y-%m-%d %H:%M"
    form += ":%S" if any(start.second for start in starts) else ""
    form += "%z" if len({start.utcoffset() for start in starts}) > 1 else ""
    of_year = f" in {years[0]}" if len(years) == 1 else ""
    print_text(f"Intervals of {site}{of_year}, times of {zone.key}")
    accounts: dict[tuple[str, str], list[tuple[str, dict[str, Any]]]] = {}
    for start, record in zip(starts, records, strict=True):
        shown = " ".join(filter(None, (start.strftime(form), record.get("shift"))))
        accounts.setdefault((record["account"], record["unit"]), []).append((shown, record))
    for (account, unit), rows in accounts.items():
        print_text(f"\n{account}, amounts in {unit}")
        _show_account([start for start, _ in rows], [record for _, record in rows])
    if any(record.get("unverified") for record in records):
        print_text(f"\n{UNVERIFIED}")


def _show_account(starts: list[str], records: list[dict[str, Any]]) -> None:
    units = [record["unit"] for record in records]
    columns = {
        "start": starts,
        "amount": fixed(record["amount"] for record in records),
        "kWh": marked_energy(fixed(record.get("energy_kwh") for record in records), records, units),
        "kg CO2": marked(fixed(record.get("co2_kg") for record in records), records),
        "cover %": [f"{record['coverage'] * 100:.1f}" for record in records],
        "est. %": [f"{record['estimated'] * 100:.1f}" for record in records],
        "quality": [_quality(record) for record in records],
    }
    print_table("", tuple(columns), list(zip(*columns.values(), strict=True)), right=tuple(columns)[1:-1])


def _quality(record: dict[str, Any]) -> str:
    return f"{record['quality']}, revision {record['revision']}" if record["revision"] else str(record["quality"])
