"""The start of `energy-agent run`: what must be settled before anything large is loaded."""

import gc
import os
import signal
import sys
from pathlib import Path

from agent.commands.outcome import Exit
from agent.config.loading import Loading
from agent.process.worker import Copy

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


def _open_standard_streams() -> None:
    """Open what the caller has closed of standard input, output and error, before a store or a capture takes its place.

    uvloop ends the process where a number of theirs is free.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115  # open until the end


def start(path: Path) -> Exit:
    """Run the agent; raises as `agent.commands.run.run` does."""
    _open_standard_streams()
    gc.disable()  # until the agent has settled: of what is loaded next to nothing is garbage
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the file is about to be read as it is
    early = Early()
    try:
        early.loading = loading = Loading(path, Copy)  # while all else is loaded, before there is another thread
        from agent.process.memory import begin_frugally  # noqa: PLC0415 -- see above

        begin_frugally()
        from agent.commands.run import run  # noqa: PLC0415 -- see above

        return run(path, loading, early)
    finally:
        gc.enable()
