"""`energy-agent intensity`: what one unit of each output took, period by period, from the store."""

import csv
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from agent.commands.intervals import parse_time
from agent.commands.outcome import CommandError, Exit, print_json, say
from agent.commands.table import fixed, print_table
from agent.config import load_config
from agent.intensity.period import intensities
from agent.intensity.ratio import CO2, ENERGY, WATER
from agent.record import OF_ACCOUNT, ROLLUP
from agent.rollup.periods import INTERVAL
from agent.store import StoreError, read_intervals
from drivers.document import nearest

_SUMS = (*ENERGY, *CO2, WATER)
_HEAD = ("start", "end", "intensity", "output_amount", "output_unit")
_TAIL = ("coverage", "estimated", "quality")

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """Periods of which length, and of which intensity, as the command line has it."""

    start: str
    end: str
    every: str
    name: str | None
    form: str


def intensity(path: Path, asked: Asked) -> Exit:
    """Print the intensities of the periods that start within a time."""
    config = load_config(path)
    zone = config.site.zone
    start_ns, end_ns = parse_time(asked.start, zone), parse_time(asked.end, zone)
    if end_ns <= start_ns:
        raise CommandError(f"--to {asked.end} is not after --from {asked.start}: give the end of the period with --to")
    plant = config.plant()
    names = [each.name for each in plant.intensities]
    if asked.name is not None and asked.name not in names:
        raise CommandError(f"there is no intensity '{asked.name}': {nearest(asked.name, names)}")
    kind = OF_ACCOUNT if asked.every == INTERVAL else ROLLUP
    try:
        found = read_intervals(config.resolve(config.store.path), start_ns, end_ns, kind=kind)
    except StoreError as error:
        raise CommandError(str(error)) from error
    records = _in_force([orjson.loads(each.payload) for each in found], asked.every)
    rows = [
        body for each in plant.intensities if asked.name in {None, each.name} for body in intensities(each, records)
    ]
    if asked.form == "json":
        print_json(rows)
    elif asked.form == "csv":
        _write(rows)
    elif rows:
        for name in dict.fromkeys(row["intensity"] for row in rows):
            _show(name, [row for row in rows if row["intensity"] == name], zone)
    else:
        say(f"no {asked.every} that is closed starts between {asked.start} and {asked.end}")
    return Exit.DONE


def _in_force(records: list[Body], every: str) -> list[Body]:
    latest: dict[tuple[str, str, str], Body] = {}
    for record in records:
        if record.get("period", INTERVAL) == every:
            key = (record["account"], record["start"], record.get("shift", ""))
            if key not in latest or record["revision"] >= latest[key]["revision"]:
                latest[key] = record
    return [*latest.values()]


def _per(row: Body, key: str) -> Any:
    """Return how much of something one unit took, None where that is not known."""
    return next((value for name, value in row.items() if name.startswith(f"{key}_per_")), None)


def _write(rows: list[Body]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow([*_HEAD, *_SUMS, *(f"{key}_per_unit" for key in _SUMS), *_TAIL])
    for row in rows:
        said = [row.get(key, "") for key in (*_HEAD, *_SUMS)]
        writer.writerow([*said, *(_per(row, key) for key in _SUMS), *(row.get(key, "") for key in _TAIL)])


def _show(name: str, rows: list[Body], zone: ZoneInfo) -> None:
    unit = next((row["output_unit"] for row in rows if "output_unit" in row), "unit")
    keys = [key for key in _SUMS if any(_per(row, key) is not None for row in rows)]
    times = [datetime.fromisoformat(row["start"]).astimezone(zone) for row in rows]
    form = "%Y-%m-%d %H:%M" + (":%S" if any(each.second for each in times) else "")
    starts = [each.strftime(form) for each in times]
    made = fixed([row.get("output_amount") for row in rows])
    columns = [fixed([_per(row, key) for row in rows]) for key in keys]
    covered = [f"{row['coverage']:.1%}" if "coverage" in row else "" for row in rows]
    head = ("start", f"made {unit}", *(f"{key}/{unit}" for key in keys), "coverage", "without")
    lacking = [", ".join(row.get("missing", ()) or row.get("incomplete", ())) for row in rows]
    lines = [*zip(starts, made, *columns, covered, lacking, strict=True)]
    print_table(f"Intensity {name}, times of {zone.key}", head, lines, right=head[1:-1])
