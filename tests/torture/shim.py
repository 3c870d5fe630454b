"""The library that lies to the agent about its disk and its clock: compiled here, preloaded into its process only."""

import mmap
import os
import shutil
import struct
import subprocess
import time
from pathlib import Path

_SOURCE = Path(__file__).with_name("shim.c")
_LAYOUT = struct.Struct("=qiiiii4xq")


def available() -> bool:
    """Whether there is a C compiler."""
    return shutil.which("gcc") is not None


class Shim:
    """The preloaded library and the file that controls it while the process runs."""

    def __init__(self, folder: Path, *, path: Path) -> None:
        """Compile it; files whose paths begin with `path` can be made to fail."""
        self._library = folder / "shim.so"
        control = folder / "shim.control"
        command = [
            "gcc",
            "-O1",
            "-shared",
            "-fPIC",
            "-U_FORTIFY_SOURCE",
            "-o",
            str(self._library),
            str(_SOURCE),
            "-ldl",
        ]
        subprocess.run(command, check=True)
        control.write_bytes(bytes(_LAYOUT.size))
        self._fd = os.open(control, os.O_RDWR)
        self._map = mmap.mmap(self._fd, _LAYOUT.size)
        self.environment = {
            "LD_PRELOAD": str(self._library),
            "TORTURE_CONTROL": str(control),
            "TORTURE_PATH": str(path.resolve()),
        }

    def fail(self, *, write: int = 0, sync: int = 0, read: int = 0) -> None:
        """Let writing to the files, syncing and reading them end with these errors from now on; 0 for none."""
        struct.pack_into("=ii", self._map, 8, write, sync)
        struct.pack_into("=i", self._map, 24, read)

    def clock(self, offset_s: float, *, synchronised: bool) -> None:
        """Set the wall clock off by so much, and say whether it is right."""
        if not synchronised:
            struct.pack_into("=ii", self._map, 16, 1, 0)
        struct.pack_into("=q", self._map, 0, round(offset_s * 1e9))
        if synchronised:  # it never was while the clock was still another
            struct.pack_into("=ii", self._map, 16, 1, 1)

    def booted(self) -> None:
        """Have the machine just been switched on."""
        struct.pack_into("=q", self._map, 32, -time.clock_gettime_ns(time.CLOCK_BOOTTIME))

    def since_1970(self, seconds: float) -> None:
        """Set the wall clock to so many seconds after the beginning of 1970, unsynchronised."""
        self.clock(seconds - time.time(), synchronised=False)

    def close(self) -> None:
        """Let go of the control file."""
        self._map.close()
        os.close(self._fd)
