"""`energy-agent intensity`: what one unit of each output took, period by period, from the store."""

import csv
import sys
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from agent.commands.arguments import Periods
from agent.commands.kept import kept
from agent.commands.outcome import CommandError, Exit, print_json, say
from agent.commands.phrases import UNVERIFIED, marked, shorter
from agent.commands.table import fixed, print_table, print_text
from agent.config.load import load_config
from agent.intensity.period import intensities
from agent.intensity.ratio import CO2, ENERGY, WATER
from agent.record import OF_ACCOUNT, ROLLUP
from agent.rollup.periods import ONE_INTERVAL
from drivers.document import nearest

_SUMS = (*ENERGY, *CO2, WATER)
_HEAD = ("start", "end", "intensity", "output_amount", "output_unit")
_NO_FIGURE = "no figure where one of those in 'without' has no record, or not all intervals of the period"
_TAIL = ("coverage", "estimated", "quality", "unverified")

Body = dict[str, Any]


def intensity(path: Path, asked: Periods) -> Exit:
    """Print the intensities of the periods that start within a time."""
    config = load_config(path)
    plant = config.plant()
    names = [each.name for each in plant.intensities]
    if asked.name is not None and asked.name not in names:
        raise CommandError(f"there is no intensity '{asked.name}': {nearest(asked.name, names)}")
    kind = OF_ACCOUNT if asked.every == ONE_INTERVAL else ROLLUP
    records = kept(config, asked.start, asked.end, asked.every, kind=kind)
    rows = [
        body for each in plant.intensities if asked.name in {None, each.name} for body in intensities(each, records)
    ]
    if asked.form == "json":
        print_json(rows)
    elif asked.form == "csv":
        _write(rows)
    elif rows:
        for name in dict.fromkeys(row["intensity"] for row in rows):
            _show(name, [row for row in rows if row["intensity"] == name], config.site.zone)
        if any("missing" in row for row in rows):
            print_text(f"\n{_NO_FIGURE}{shorter(asked.every)}")
        if any(row.get("unverified") for row in rows):
            print_text(f"\n{UNVERIFIED}")
    else:
        say(f"no {asked.every} that is closed starts between {asked.start} and {asked.end}{shorter(asked.every)}")
    return Exit.DONE


def _per(row: Body, key: str) -> Any:
    """Return how much of something one unit took, None where that is not known."""
    return next((value for name, value in row.items() if name.startswith(f"{key}_per_")), None)


def _write(rows: list[Body]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow([*_HEAD, *_SUMS, *(f"{key}_per_unit" for key in _SUMS), *_TAIL])
    for row in rows:
        said = [row.get(key, "") for key in (*_HEAD, *_SUMS)]
        tail = [*(row.get(key, "") for key in _TAIL[:-1]), "true" if row.get("unverified") else "false"]
        writer.writerow([*said, *(_per(row, key) for key in _SUMS), *tail])


def _show(name: str, rows: list[Body], zone: ZoneInfo) -> None:
    unit = next((row["output_unit"] for row in rows if "output_unit" in row), "unit")
    keys = [key for key in _SUMS if any(_per(row, key) is not None for row in rows)]
    times = [datetime.fromisoformat(row["start"]).astimezone(zone) for row in rows]
    form = "%Y-%m-%d %H:%M" + (":%S" if any(each.second for each in times) else "")
    starts = [each.strftime(form) for each in times]
    made = fixed([row.get("output_amount") for row in rows])
    columns = [fixed([_per(row, key) for row in rows]) for key in keys]
    columns = [each if key == WATER else marked(each, rows) for key, each in zip(keys, columns, strict=True)]
    covered = [f"{row['coverage']:.1%}" if "coverage" in row else "" for row in rows]
    head = ("start", f"made {unit}", *(f"{key}/{unit}" for key in keys), "coverage", "without")
    lacking = [", ".join(row.get("missing", ()) or row.get("incomplete", ())) for row in rows]
    lines = [*zip(starts, made, *columns, covered, lacking, strict=True)]
    print_table(f"Intensity {name}, times of {zone.key}", head, lines, right=head[1:-1])
