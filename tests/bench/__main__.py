"""All benchmarks: prints one table with the ceiling beside each figure, and writes bench.json.

It fails only where it cannot measure; a target that is missed is shown and no failure.
"""

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench import (
    bench_agent,
    bench_capture,
    bench_delivery,
    bench_fleet,
    bench_growth,
    bench_line,
    bench_metering,
    bench_replay,
    bench_serial,
    bench_store,
)
from tests.bench.row import Row

_FILE = Path("bench.json")
_TARGETS = {"tick_and_4_windows_20000_columns_us": 400.0, "records_committed_per_s": 50_000.0}


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def main() -> int:
    """Run every benchmark; return 0."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "--for", dest="seconds", type=float, default=60.0, metavar="S", help="how long the agent runs (default 60)"
    )
    parser.add_argument(
        "--fleet",
        type=float,
        default=20.0,
        metavar="S",
        help="how long each fleet runs (default 20); a multiple of 10 s, for so often is delivered",
    )
    given = parser.parse_args()
    before = os.getloadavg()
    figures: dict[str, float] = {}
    parts: dict[str, Callable[[], Mapping[str, float]]] = {
        "windows and accounts": bench_metering.figures,
        "one line": bench_line.figures,
        "a serial line": bench_serial.figures,
        "the store": bench_store.figures,
        "20 devices and starts": partial(bench_agent.figures, given.seconds),
    }
    for part, measured in parts.items():
        _say(part)
        figures |= measured()
    rows = [_beside(name, value, figures) for name, value in figures.items()]
    tables: dict[str, Callable[[], Sequence[Row]]] = {
        "delivery of a backlog": bench_delivery.rows,
        "fleets": partial(bench_fleet.rows, given.fleet),
        "growth, the longest": partial(bench_growth.rows, bench_growth.MINUTE_S),
        "captures": partial(bench_capture.rows, given.fleet),
        "replay": bench_replay.rows,
    }
    for part, told in tables.items():
        _say(part)
        rows += told()
    machine = {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load_before": before,
        "load_after": os.getloadavg(),
    }
    found = {"machine": machine, "figures": {row.name: row.to_json() for row in rows}}
    _FILE.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    _print(rows, f"{machine['processor']}, {machine['cores']} cores, Python {machine['python']}")
    return 0


def _say(part: str) -> None:
    """Tell who waits for the table what is being measured."""
    sys.stderr.write(f"bench: {part}\n")


def _beside(name: str, value: float, figures: Mapping[str, float]) -> Row:
    """Return a figure with what it is held against."""
    if name in {"poll_line_us", "poll_line_and_codec_us"}:
        return Row(name, value, "µs", figures["poll_bare_pymodbus_us"], "bare pymodbus")
    if name.startswith("line_use_"):
        return Row(name, value, "%", 100.0, "the line's arithmetic")
    return Row(name, value, target=_TARGETS.get(name))


def _print(rows: Sequence[Row], title: str) -> None:
    table = Table(title=title)
    table.add_column("figure")
    for column in ("value", "target", "ceiling", "times"):
        table.add_column(column, justify="right")
    table.add_column("ceiling is")
    for row in rows:
        target = "" if row.target is None else f"{row.target:,.6g}"
        ceiling = "" if row.ceiling is None else f"{row.ceiling:,.2f}"
        times = "" if row.ratio is None else f"{row.ratio:.2f}"
        table.add_row(row.name, f"{row.value:,.3f} {row.unit}".strip(), target, ceiling, times, row.beside)
    Console(width=None if sys.stdout.isatty() else 140).print(table)


if __name__ == "__main__":
    sys.exit(main())
