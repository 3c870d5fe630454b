"""A million reads of lines on which every fault strikes: no wrong value may be accepted."""

import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import orjson

from simulators.fault.faults import FAULTS
from tests.soak.finding import Finding
from tests.soak.rig import running
from tests.torture.fault_reads import UNHARMED

_SLOWEST = 40.0
"""Reads per second and process below which something hangs; lines with faults mostly wait."""
_MOST_LOST = 0.2


def faults(folder: Path, *, reads: int, lines: int, processes: int) -> Finding:
    """Read so many times in all, on so many lines in each of the processes; check every value accepted."""
    finding = Finding(f"{reads:,} reads over {processes * lines} lines, {len(FAULTS)} faults")
    began = time.monotonic()
    said = _run(folder, reads, lines, processes)
    seconds = time.monotonic() - began
    struck: Counter[str] = Counter()
    for kind in said[0]:
        struck.update(_one(finding, kind, [tallies[kind] for tallies in said]))
    done = sum(tally["reads"] for tallies in said for tally in tallies.values())
    finding.expect(done == reads, f"{done:,} reads were done, {reads:,} were to be")
    finding.expect(struck.keys() == FAULTS.keys(), f"these faults did not strike: {FAULTS.keys() - struck.keys()}")
    finding.figures["replies struck"] = ", ".join(f"{name} {struck[name]:,}" for name in FAULTS)
    finding.figures["reads per second"] = f"{done / seconds:,.0f}"
    return finding


def _run(folder: Path, reads: int, lines: int, processes: int) -> list[dict[str, Any]]:
    shares = [reads // processes + (number < reads % processes) for number in range(processes)]
    with ExitStack() as stack:
        started = []
        for number, share in enumerate(shares):
            command = [sys.executable, "-m", "tests.torture.fault_reads", str(number + 1), str(share), str(lines)]
            log = folder / f"reader-{number}.log"
            started.append((log, stack.enter_context(running(command, log, stdout=subprocess.PIPE))))
        said = []
        for log, process in started:
            out, _ = process.communicate(timeout=60.0 + max(shares) / _SLOWEST)
            if process.returncode:
                raise AssertionError(f"a reader ended with {process.returncode}:\n{log.read_text(encoding='utf-8')}")
            said.append(orjson.loads(out))
    return said


def _one(finding: Finding, kind: str, tallies: list[dict[str, Any]]) -> Counter[str]:
    """Judge one kind of line; return how often each fault struck there."""

    def total(name: str) -> Any:
        return sum(tally[name] for tally in tallies)

    def counted(name: str) -> Counter[str]:
        return sum((Counter(tally[name]) for tally in tallies), Counter())

    wrong = [text for tally in tallies for text in tally["wrong"]]
    finding.problems += [f"a wrong value was accepted: {text}" for text in wrong]
    lost = total("lost") / total("right_in_time")
    finding.expect(lost < _MOST_LOST, f"{kind}: {lost:.1%} of the good replies were lost to caution")
    errors = ", ".join(f"{name} {count:,}" for name, count in sorted(counted("errors").items()))
    lost_by = counted("lost_by")
    reasons = ", ".join(f"{name} {count:,}" for name, count in lost_by.most_common(4))
    finding.figures[f"{kind}: reads / accepted / wrong"] = f"{total('reads'):,} / {total('accepted'):,} / {len(wrong)}"
    finding.figures[f"{kind}: ended otherwise"] = f"{errors}; {total('unasked'):,} before a request went out"
    finding.figures[f"{kind}: good replies in time / lost to caution"] = (
        f"{total('right_in_time'):,} / {total('lost'):,} ({lost:.2%}: {reasons})"
    )
    finding.figures[f"{kind}: of these, struck by no fault themselves"] = f"{lost_by[UNHARMED]:,}"
    finding.figures[f"{kind}: time kept silent"] = f"{total('waited_s') / total('taken_s'):.1%} of the line's time"
    return counted("struck")
