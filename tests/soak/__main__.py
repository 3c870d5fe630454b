"""The trial: twenty simulated devices on four lines, the real agent, a real broker and a real database."""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from tests.soak.report import findings, show
from tests.soak.rig import run

_SHORT_S = 120.0


def main() -> int:
    """Run the trial and print what it found; return 0 when every check has passed, else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--for", dest="seconds", type=float, default=60.0, metavar="S", help="how long (default 60)")
    parser.add_argument("--devices", type=int, default=20, metavar="N", help="only the first N devices (default 20)")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="energy-agent-trial-"))
    interval = "1min" if given.seconds > _SHORT_S else "5s"
    evidence = run(folder, seconds=given.seconds, count=given.devices, interval=interval)
    found = findings(evidence)
    console = Console(width=None if sys.stdout.isatty() else 150)
    show(found, console)
    if any(finding.problems for finding in found):
        console.print(f"what the run left behind: {folder}", soft_wrap=True)
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
