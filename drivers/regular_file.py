"""Files opened to be read: regular ones only, so that a pipe that nobody writes into holds nobody up."""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO


class NotRegularError(OSError):
    """Raised for a pipe, a device or a socket where a file belongs."""

    def __init__(self, path: Path) -> None:
        super().__init__(errno.EINVAL, "is no regular file", str(path))


def open_regular(path: Path) -> BinaryIO:
    """Open a file to read; raise NotRegularError for what is none, else OSError as `open` does."""
    file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise NotRegularError(path)
    return file


def read_regular(path: Path) -> bytes:
    """Return what is in a file; raise as `open_regular` does."""
    with open_regular(path) as file:
        return file.read()


def expect_regular(*paths: Path | None) -> None:
    """Raise NotRegularError, or OSError, for the first path that a library could not read from to the end."""
    for path in paths:
        if path is not None:
            open_regular(path).close()
