"""Who has a serial port open: two masters on one line would take each other's replies."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from drivers.endpoint import Endpoint

_AGENT = "energy-agent"
_MEMORY_DEVICES = 1
STOP_THE_AGENT = "stop it for as long as you work here (systemctl stop energy-agent), and start it again afterwards"


def agent_on(endpoint: Endpoint, processes: Path = Path("/proc")) -> int | None:
    """Return the process of another agent that has the serial port of an endpoint open, None for none found."""
    device = os.path.realpath(endpoint.device)
    if not endpoint.device or not _is_port(Path(device)):
        return None
    for process in _users(device, processes):
        if process != os.getpid() and _is_agent(processes / str(process)):
            return process
    return None


def _is_port(device: Path) -> bool:
    """Whether a file can be a serial port at all: /dev/null and its like are open everywhere."""
    try:
        found = device.stat()
    except OSError:
        return False
    return stat.S_ISCHR(found.st_mode) and os.major(found.st_rdev) != _MEMORY_DEVICES


def _users(device: str, processes: Path) -> Iterator[int]:
    """Return the processes that have a file open, as far as the rights of this one let it see."""
    for folder in processes.iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            opened = [str(link.readlink()) for link in (folder / "fd").iterdir()]
        except OSError:
            continue  # another user's, or gone by now
        if device in opened:
            yield int(folder.name)


def _is_agent(folder: Path) -> bool:
    try:
        words = (folder / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    names = [Path(os.fsdecode(word)).name for word in words[:2]]
    return _AGENT in names or words[1:3] == [b"-m", b"agent"]
