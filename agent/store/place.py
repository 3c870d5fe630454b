"""Where the store's file is: its lock, its identity, and reading it where nothing can be written."""

import contextlib
import errno
import fcntl
import os
import sqlite3
import urllib.parse
from functools import lru_cache
from pathlib import Path

from agent.store.schema import StoreError

_MISTAKEN = {errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP}
"""What the operating system says of a path that can never be a file; anything else may pass."""
_READABLE = {errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOSPC, errno.EDQUOT, errno.EIO}
"""What it says of a lock that cannot be opened to be written, and perhaps to be read."""


@lru_cache(maxsize=8)
def lock_of(path: Path) -> Path:
    """Return where the lock of the store at a path is."""
    # It stands beside the file, so that renaming a damaged one does not let it go.
    return path.with_name(path.name + ".lock")


@lru_cache(maxsize=8)
def log_of(path: Path) -> Path:
    """Return where the log of the store at a path is."""
    return path.with_name(path.name + "-wal")


def lock(path: Path) -> int:
    """Return a descriptor that keeps other agents from the store until it is closed; raise StoreError or OSError."""
    place = lock_of(path)
    try:
        found = os.open(place, os.O_CREAT | os.O_RDWR, 0o600)
    except OSError as error:
        if error.errno not in _READABLE:
            raise
        with contextlib.suppress(OSError):
            return _locked(path, os.open(place, os.O_RDONLY))
        raise
    return _locked(path, found)


def _locked(path: Path, found: int) -> int:
    try:
        fcntl.flock(found, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(found)
        if isinstance(error, BlockingIOError):
            raise StoreError(f"{path}: is used by another energy-agent: stop it, or name another file") from error
        raise
    return found


def made(path: Path) -> Path:
    """Return where a path leads, its folder made; raise StoreError for one that can be no file, OSError otherwise."""
    missing = True
    try:
        place = path.resolve()
        expect_file(place, path)
        expect_file(lock_of(place), lock_of(path))
        missing = not place.parent.exists()
        place.parent.mkdir(parents=True, exist_ok=True)
    except RuntimeError as error:  # what Python 3.11 makes of a circle of symbolic links
        raise StoreError(f"{path}: leads in a circle: name another file as [store] path") from error
    except OSError as error:
        if error.errno in _MISTAKEN or (error.errno in {errno.EACCES, errno.EPERM} and missing):
            raise StoreError(f"{path}: {error.strerror}: check the path and its rights") from error
        raise
    return place


def expect_file(place: Path, path: Path) -> None:
    """Raise StoreError, which names `path`, where a place holds something else than a file."""
    if place.is_dir():
        raise StoreError(f"{path}: is a folder: name a file in it as [store] path")
    if place.exists() and not place.is_file():  # to open a pipe would wait for ever
        raise StoreError(f"{path}: is no regular file: name another one as [store] path")


def leads_to(path: Path, place: Path) -> bool:
    """Whether a path leads to a place, whose own path has no symbolic links in it, through those that it has now."""
    if path == place:  # as nearly always
        return not any(map(os.path.islink, _parts(place)))
    return os.path.realpath(path) == str(place)


@lru_cache(maxsize=8)
def _parts(place: Path) -> tuple[str, ...]:
    """Return a place and the folders that it is in."""
    return str(place), *map(str, place.parents)


def inode(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from every other, None where there is none."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino


def sync(path: Path) -> None:
    """Wait until the disk has a file, or what a folder lists."""
    found = os.open(path, os.O_RDONLY)
    try:
        os.fsync(found)
    finally:
        os.close(found)


def unlocked(path: Path) -> sqlite3.Connection:
    """Return a connection that reads a file with its log and writes nothing, neither the log's index nor a lock."""
    # Where there is no log SQLite would make one, unless told that nothing ever changes.
    still = not log_of(path).exists()
    uri = f"file:{urllib.parse.quote(str(path))}?mode=ro&vfs=unix-none{'&immutable=1' if still else ''}"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None)
    # The index is in memory then, see https://www.sqlite.org/wal.html, 8: use of WAL without shared memory.
    connection.execute("PRAGMA locking_mode = EXCLUSIVE").fetchall()
    return connection
