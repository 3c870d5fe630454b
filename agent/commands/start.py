"""The start of `energy-agent run`: what must be settled before anything large is loaded."""

import gc
import signal
from pathlib import Path

from agent.commands.outcome import Exit
from agent.config.apart import Reading
from agent.process.memory import begin_frugally


def start(path: Path) -> Exit:
    """Run the agent; raises as `agent.commands.run.run` does."""
    gc.disable()  # until the agent has settled: of what is loaded next to nothing is garbage
    begin_frugally()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the file is about to be read as it is
    try:
        reading = Reading(path)  # while all else is loaded
        from agent.commands.run import run  # noqa: PLC0415 -- see above

        gc.collect()  # the classes that dataclasses were made from: 1 MB, which what follows fills again
        return run(path, reading)
    finally:
        gc.enable()
