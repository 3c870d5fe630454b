"""`energy-agent balance`: what came in at each level of the plant, what was metered of it, and what was not."""

import sys
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from agent.commands.arguments import Periods
from agent.commands.kept import kept
from agent.commands.outcome import CommandError, Exit, print_json, say
from agent.commands.phrases import shorter
from agent.commands.table import fixed, print_table, print_text
from agent.config import SiteConfig
from agent.config.load import load_config
from agent.record import ROLLUP
from agent.rollup.balance import Balance
from agent.rollup.export import csv_text
from agent.rollup.tree import balances_of
from drivers.document import nearest

_COLUMNS = (
    ("import", "import_amount"),
    ("export", "export_amount"),
    ("made", "generation_amount"),
    ("own use", "self_consumption_amount"),
    ("charged", "charge_amount"),
    ("discharged", "discharge_amount"),
    ("used", "amount"),
    ("metered", "metered_amount"),
    ("rest", "rest_amount"),
    ("rest %", "rest_percent"),
    ("disagree %", "disagreement_percent"),
)
"""Heading and key of each column; one that no record has is left out."""

Body = dict[str, Any]


def configured_balances(config: SiteConfig) -> dict[str, Balance]:
    """Return the balances of a configuration by name."""
    plant = config.plant()
    return {each.name: each for each in balances_of(config.balances, config.devices, plant.accounts)}


def balance(path: Path, asked: Periods) -> Exit:
    """Print the balances of the periods that start within a time."""
    config = load_config(path)
    balances = configured_balances(config)
    if not balances:
        raise CommandError('nothing is balanced: let a meter say what it measures, with meters = "site" or an area')
    if asked.name is not None and asked.name not in balances:
        raise CommandError(f"there is no balance '{asked.name}': {nearest(asked.name, balances)}")
    found = kept(config, asked.start, asked.end, asked.every, account=asked.name, kind=ROLLUP)
    records = [record for record in found if record["account"] in balances]
    if asked.form == "json":
        print_json(records)
    elif asked.form == "csv":
        sys.stdout.write(csv_text(records))
    elif records:
        _show(balances, records, config.site.zone)
    else:
        say(f"no balance of a closed {asked.every} starts between {asked.start} and {asked.end}{shorter(asked.every)}")
    return Exit.DONE


def _show(balances: dict[str, Balance], records: list[Body], zone: ZoneInfo) -> None:
    for position, (name, shown) in enumerate(balances.items()):
        rows = [record for record in records if record["account"] == name]
        if rows:
            print_text(f"{'' if not position else chr(10)}{name} [{shown.unit}], times of {zone.key}")
            _show_one(shown, rows, zone)


def _columns(shown: Balance, rows: list[Body]) -> list[tuple[str, str]]:
    """Return the columns that say something of a balance."""
    if shown.compared:
        first, second = (side[0].account.partition("/")[0] for side in (shown.incoming, shown.metered))
        of_two = (
            (first, "amount"),
            (second, "metered_amount"),
            ("difference", "rest_amount"),
            ("in %", "rest_percent"),
        )
        return [*of_two, _COLUMNS[-1]]
    every = _COLUMNS if {flow.direction for flow in shown.incoming} != {"import"} else _COLUMNS[1:]
    return [pair for pair in every if any(pair[1] in row for row in rows)]


def _show_one(shown: Balance, rows: list[Body], zone: ZoneInfo) -> None:
    form = "%Y-%m-%d %H:%M" + (":%S" if any(_start(row, zone).second for row in rows) else "")
    columns: dict[str, list[str]] = {"start": [_named(row, _start(row, zone).strftime(form)) for row in rows]}
    for name, key in _columns(shown, rows):
        columns[name] = fixed((row.get(key) for row in rows), decimals=1 if key.endswith("percent") else 3)
    columns["cover %"] = [f"{row['coverage'] * 100:.1f}" for row in rows]
    columns["est. %"] = [f"{row['estimated'] * 100:.1f}" for row in rows]
    columns["note"] = [_note(row) for row in rows]
    print_table("", tuple(columns), list(zip(*columns.values(), strict=True)), right=tuple(columns)[1:-1])


def _start(row: Body, zone: ZoneInfo) -> datetime:
    return datetime.fromisoformat(row["start"]).astimezone(zone)


def _named(row: Body, start: str) -> str:
    return f"{start} {row['shift']}" if "shift" in row else start


def _note(row: Body) -> str:
    """Return what must be known of a row: what it lacks, what is in doubt, whether it was corrected."""
    notes = [row["quality"]] if row["quality"] != "good" else []
    if row["intervals"] < row["expected"]:
        notes.append(f"{row['intervals']} of {row['expected']} intervals")
    if "missing" in row:
        notes.append(f"no word of {', '.join(row['missing'])}")
    if row["revision"]:
        notes.append(f"revision {row['revision']}")
    return "; ".join(notes)
