"""All benchmarks: prints one table and writes bench.json."""

import argparse
import json
import os
import platform
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench import bench_agent, bench_line, bench_metering, bench_serial, bench_store

_FILE = Path("bench.json")


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
    given = parser.parse_args()
    figures = {
        **bench_metering.figures(),
        **bench_line.figures(),
        **bench_serial.figures(),
        **bench_store.figures(),
        **bench_agent.figures(given.seconds),
    }
    machine = {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load_before": os.getloadavg()[2],
    }
    _FILE.write_text(json.dumps({"machine": machine, "figures": figures}, indent=2) + "\n", encoding="utf-8")
    table = Table(title=f"{machine['processor']}, {machine['cores']} cores, Python {machine['python']}")
    table.add_column("figure")
    table.add_column("value", justify="right")
    for name, value in figures.items():
        table.add_row(name, f"{value:,.2f}")
    Console(width=None if sys.stdout.isatty() else 100).print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
