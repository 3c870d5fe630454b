"""`energy-agent demo`: a simulated plant, a broker and the agent on this machine, shown live.

The agent is the real one, as a process of its own, with a configuration file like any other site's. The demo
process holds what would stand around it: the machines, the broker and the link to it.
"""

import asyncio
import os
import tempfile
from pathlib import Path

from agent.commands.outcome import Exit
from agent.demo.ending import Ending


def demo(*, seconds: float | None, page: bool) -> Exit:
    """Run the demo until Ctrl-C, or for a number of seconds."""
    del page  # the browser page is a part of its own; the terminal shows everything meanwhile
    ending = Ending()
    from agent.demo.show import show  # noqa: PLC0415 -- takes a while, in which Ctrl-C must already find somebody

    with tempfile.TemporaryDirectory(prefix="energy-agent-demo-") as folder:
        os.chmod(folder, 0o700)  # noqa: PTH101 -- the folder holds a store that only its owner should read
        return asyncio.run(show(Path(folder), seconds, ending))
