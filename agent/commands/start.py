"""The start of `energy-agent run`: what must be settled before anything large is loaded."""

import gc
from pathlib import Path

from agent.commands.outcome import Exit
from agent.process.memory import begin_frugally


def start(path: Path) -> Exit:
    """Run the agent; raises as `agent.commands.run.run` does."""
    gc.disable()  # until the agent has settled: nothing that is loaded is garbage
    begin_frugally()
    try:
        from agent.commands.run import run  # noqa: PLC0415 -- see above

        return run(path)
    finally:
        gc.enable()
