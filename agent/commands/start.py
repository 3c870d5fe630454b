"""The start of `energy-agent run`: what must be settled before anything large is loaded."""

import gc
from pathlib import Path

from agent.commands.outcome import Exit
from agent.process.memory import begin_frugally


def start(path: Path) -> Exit:
    """Run the agent; raises as `agent.commands.run.run` does."""
    gc.disable()  # until the agent has settled: of what is loaded next to nothing is garbage
    begin_frugally()
    try:
        from agent.commands.run import run  # noqa: PLC0415 -- see above

        gc.collect()  # the classes that dataclasses were made from: 1 MB, which what follows fills again
        return run(path)
    finally:
        gc.enable()
