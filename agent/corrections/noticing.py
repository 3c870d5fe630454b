"""Whether something was put into a folder, by the kernel's word for it: inotify(7).

To look into the folder itself takes a thread each time, for a disk that hangs must hold up nobody.
"""

import contextlib
import ctypes
import os
import time
import weakref
from pathlib import Path

_PUT = 0x0000_0008 | 0x0000_0080 | 0x0000_0100
"""IN_CLOSE_WRITE, IN_MOVED_TO, IN_CREATE."""
_FLAGS = os.O_NONBLOCK | os.O_CLOEXEC
_AT_ONCE = 65_536
_UNTOLD_S = 10.0
"""After this a folder may be another one, or hold what another machine has put there: nobody tells of either."""

_libc = ctypes.CDLL(None, use_errno=True)


class Folder:
    """A folder that is watched from the first look on; a look and a question do not come at the same time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._inotify = -1
        self._watched = False
        self._looked_at = 0.0

    def watch(self) -> None:
        """Watch what is at the path by now: to be called before each look, in a thread."""
        if self._inotify < 0 and (begin := getattr(_libc, "inotify_init1", None)):
            self._inotify = begin(_FLAGS)
            if self._inotify >= 0:
                weakref.finalize(self, os.close, self._inotify)
        self._looked_at = time.monotonic()
        self._watched = (
            self._inotify >= 0 and _libc.inotify_add_watch(self._inotify, os.fsencode(self._path), _PUT) >= 0
        )

    def may_have_more(self) -> bool:
        """Whether something may have been put there since the last look; the disk is not asked."""
        told = False
        if self._watched:
            with contextlib.suppress(BlockingIOError):
                told = bool(os.read(self._inotify, _AT_ONCE))
        return told or not self._watched or time.monotonic() - self._looked_at >= _UNTOLD_S
