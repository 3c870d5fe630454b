"""Ten million fuzzed bytes as replies, guided by coverage: no crash, no hang, nothing accepted that is no reply."""

import argparse
import importlib.util
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import orjson
from rich.console import Console

from tests.soak.finding import Finding
from tests.soak.report import show

_BYTES = 10_000_000
_SHARES = {"rtu": 0.4, "tcp": 0.3, "codec": 0.3}
_SLOWEST = 2_000.0
"""Bytes per second below which a run counts as hanging."""
_HUNG = 70
"""The fuzzer's exit code when one input took too long."""
_TAIL = 12


def main() -> int:
    """Fuzz each target for its share; return 0 when nothing was found, 1 for findings, 2 without the fuzzer."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--bytes", type=int, default=_BYTES, help=f"to feed in all (default {_BYTES:,})")
    size = parser.parse_args().bytes
    if importlib.util.find_spec("atheris") is None:
        sys.stderr.write(
            "the fuzzer atheris is not installed here: it exists for Linux on x86-64, Python 3.11 to 3.13\n"
        )
        return 2
    console = Console(width=None if sys.stdout.isatty() else 150)
    found = []
    for target, share in _SHARES.items():
        console.print(f"{target} …")
        found.append(_run(target, int(size * share)))
    show(found, console)
    return 1 if any(finding.problems for finding in found) else 0


def _run(target: str, size: int) -> Finding:
    finding = Finding(f"{target}: {size:,} fuzzed bytes")
    folder = Path(tempfile.mkdtemp(prefix=f"fuzz-{target}-"))
    command = [sys.executable, "-m", "tests.fuzz.guided", target, str(size), str(folder)]
    began = time.monotonic()
    try:
        done = subprocess.run(command, capture_output=True, timeout=60.0 + size / _SLOWEST, check=False)
    except subprocess.TimeoutExpired:
        finding.problems.append(f"hung: not done in time; what it left behind: {folder}")
        return finding
    said = (done.stdout + done.stderr).decode("utf-8", "replace").splitlines()
    kept = sorted(str(path) for path in folder.iterdir() if path.is_file())
    if done.returncode:
        what = "a hang" if done.returncode == _HUNG else "a crash, or something accepted that is no reply"
        finding.problems.append(f"{what}: {', '.join(kept) or folder}")
        finding.problems += [line for line in said if "Wrong" in line or "Error" in line][:_TAIL]
        return finding
    tally = orjson.loads(done.stdout.splitlines()[-1])
    outcomes = ", ".join(f"{name} {count:,}" for name, count in sorted(tally["outcomes"].items()))
    finding.figures["bytes fed / executions"] = f"{tally['fed']:,} / {tally['executions']:,}"
    finding.figures["crashes / hangs / wrongly accepted"] = "0 / 0 / 0"
    finding.figures["valid ones among them, accepted"] = f"{tally['accepted']:,}" + (
        f" ({outcomes})" if outcomes else ""
    )
    finding.figures["inputs that reached new code"] = f"{len(list((folder / 'corpus').iterdir())):,}"
    shutil.rmtree(folder)
    finding.figures["time taken"] = f"{time.monotonic() - began:.0f} s"
    return finding


if __name__ == "__main__":
    sys.exit(main())
