"""Free ports of this machine."""

import contextlib
import socket
from collections.abc import Iterable

from agent.commands.outcome import CommandError


def free_port(preferred: Iterable[int] = ()) -> int:
    """Return the first of the preferred ports of this machine that is free, else any free one."""
    for port in (*preferred, 0):
        with socket.socket() as probe:
            # Without this a port would look taken for a minute after its last user has gone.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return int(probe.getsockname()[1])
    raise CommandError("no free port is left on 127.0.0.1: close some programs and try again")
