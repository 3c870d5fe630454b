"""Runs the agent and samples its main thread's stack by processor time; writes folded stacks when it ends.

`python -m tests.bench.sampled OUT run CONFIG`. One line per stack, `outermost;...;innermost count`, as flame graph
tools take it. A sample costs a few microseconds, so the figures of a sampled run are no measurements.
"""

import signal
import sys
import threading
from collections import Counter
from pathlib import Path
from types import FrameType

from agent.cli import main

_EVERY_S = 0.002
_DEEPEST = 60
_LOADED_S = 20.0
"""Until then the agent loads and reads everything for the first time, which is not what is looked at."""


def _run(out: Path) -> int:
    stacks: Counter[str] = Counter()

    def take(_signum: int, frame: FrameType | None) -> None:
        stack: list[str] = []
        while frame is not None and len(stack) < _DEEPEST:
            code = frame.f_code
            stack.append(f"{Path(code.co_filename).parent.name}/{Path(code.co_filename).name}:{code.co_qualname}")
            frame = frame.f_back
        stacks[";".join(reversed(stack))] += 1

    signal.signal(signal.SIGPROF, take)
    begin = threading.Timer(_LOADED_S, signal.setitimer, (signal.ITIMER_PROF, _EVERY_S, _EVERY_S))
    begin.daemon = True
    begin.start()
    try:
        return main()
    finally:
        begin.cancel()
        signal.setitimer(signal.ITIMER_PROF, 0)
        out.write_text("".join(f"{stack} {count}\n" for stack, count in stacks.most_common()), encoding="utf-8")


if __name__ == "__main__":
    file = Path(sys.argv.pop(1))
    sys.exit(_run(file))
