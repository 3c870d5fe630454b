"""The agent under torture: each case as a process of its own with real servers; a table of what was found."""

import argparse
import logging
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path

from rich.console import Console

from tests.soak.finding import Finding
from tests.soak.report import show
from tests.torture.cases import CASES


def main() -> int:
    """Run the cases and print what they found; return 0 when all have passed, else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"only these cases: {', '.join(CASES)}")
    parser.add_argument("--full", action="store_true", help="at full size, which takes about an hour")
    given = parser.parse_args()
    unknown = [name for name in given.names if name not in CASES]
    if unknown:
        parser.error(f"no such case: {', '.join(unknown)}")
    # What the agent's parts say in this process is judged where it matters, not printed.
    logging.getLogger("agent").addHandler(logging.NullHandler())
    console = Console(width=None if sys.stdout.isatty() else 150)
    found = [_run(name, full=given.full, console=console) for name in given.names or CASES]
    show(found, console)
    return 1 if any(finding.problems for finding in found) else 0


def _run(name: str, *, full: bool, console: Console) -> Finding:
    folder = Path(tempfile.mkdtemp(prefix=f"torture-{name}-"))
    began = time.monotonic()
    console.print(f"{name} …")
    try:
        finding = CASES[name](folder, full=full)
    except Exception as error:  # noqa: BLE001 -- one case that breaks must not hide what the others find
        finding = Finding(name, problems=[f"broke: {error!r}"])
        console.print(traceback.format_exc(), markup=False)
    finding.title = f"{name}: {finding.title}"
    finding.figures["time taken"] = f"{time.monotonic() - began:.0f} s"
    if finding.problems:
        console.print(f"{name} has failed; what it left behind: {folder}", soft_wrap=True)
    else:
        shutil.rmtree(folder)
    return finding


if __name__ == "__main__":
    sys.exit(main())
