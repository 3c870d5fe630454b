"""The simulated year at a quarter of an hour, and with --week the week at a second: the figures beside the truth."""

import argparse
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.year.judge import problems
from tests.year.works import NEW_YEAR_NS, NS, Course, Sums, Works

DAY_S = 86_400
YEAR = Course(
    seconds=365 * DAY_S,
    step_s=900,
    agent_off=(40 * DAY_S, 40 * DAY_S + 18_000),
    line_down=(100 * DAY_S, 102 * DAY_S),
    replaced_at=250 * DAY_S + 68_400,
)
WEEK = Course(
    seconds=7 * DAY_S,
    step_s=1,
    start_ns=NEW_YEAR_NS - 3 * DAY_S * NS,
    agent_off=(DAY_S + 30_000, DAY_S + 48_000),
    line_down=(4 * DAY_S, 4 * DAY_S + 7200),
    replaced_at=5 * DAY_S + 68_400,
)


def show(sums: Sums, console: Console) -> None:
    """Print what came of it."""
    table = Table("account", "intervals add up to", "the simulator says", "difference", "one count", "estimated")
    for name, true in sums.true.items():
        booked = sums.amounts[name] / 1e6
        share = sums.estimated[name] / sums.amounts[name]
        numbers = (
            f"{booked:,.3f}",
            f"{true:,.3f}",
            f"{booked - true:+.4f}",
            f"{sums.resolution[name]:g}",
            f"{share:.2%}",
        )
        table.add_row(name, *numbers)
    console.print(table)
    co2 = sums.co2["main-meter/electricity"] / 1e6
    console.print(f"CO2 of the grid's electricity: {co2:,.3f} kg; by the simulator's books {sums.true_co2_kg:,.3f} kg")
    console.print(
        f"{sums.frames:,} frames, {sums.intervals:,} records in {sums.wall_s:.1f} s; sha256 {sums.digest[:16]}"
    )


def main() -> int:
    """Run it; return 0 when the books agree, else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.year", description=__doc__)
    parser.add_argument("--week", action="store_true", help="a week at one second instead, which takes long")
    given = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 150)
    with tempfile.TemporaryDirectory() as folder:
        sums = Works(Path(folder), WEEK if given.week else YEAR).run()
    show(sums, console)
    found = problems(sums)
    for problem in found:
        console.print(problem, style="red")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
