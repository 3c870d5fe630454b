"""The start of `energy-agent run`: what must be settled before anything large is loaded."""

import gc
import signal
from pathlib import Path

from agent.commands.outcome import Exit
from agent.config.loading import Loading
from agent.process.memory import begin_frugally

ENDING = (signal.SIGTERM, signal.SIGINT)


class Early:
    """Takes the signals that come before there is anything to end but the loading of the configuration."""

    def __init__(self) -> None:
        self.asked = False
        """Whether the program was asked to end."""
        self.loading: Loading | None = None
        for signum in ENDING:
            signal.signal(signum, self)

    def __call__(self, *_: object) -> None:
        """Note that the program is to end."""
        self.asked = True
        if self.loading:
            self.loading.end()


def start(path: Path) -> Exit:
    """Run the agent; raises as `agent.commands.run.run` does."""
    gc.disable()  # until the agent has settled: of what is loaded next to nothing is garbage
    begin_frugally()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the file is about to be read as it is
    early = Early()
    try:
        early.loading = loading = Loading(path)  # while all else is loaded
        from agent.commands.run import run  # noqa: PLC0415 -- see above

        gc.collect()  # the classes that dataclasses were made from: 1 MB, which what follows fills again
        return run(path, loading, early)
    finally:
        gc.enable()
