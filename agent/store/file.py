"""The place of the store's file: locked against a second agent, and set aside when it is damaged."""

import contextlib
import fcntl
import logging
import os
import sqlite3
import time
from pathlib import Path

from agent.store.database import Database, StoreError
from agent.store.dead_letter import delete_refused

_LOG = logging.getLogger(__name__)
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


class StoreFile:
    """Opens the database at `path`, or a fresh one where that is damaged."""

    def __init__(self, path: Path, *, max_size: int) -> None:
        self.path = path
        self.set_aside = ""
        """Where a damaged file was put."""
        self._max_size = max_size
        self._lock = -1

    @property
    def locked(self) -> bool:
        """Whether the file is ours."""
        return self._lock >= 0

    def open(self) -> Database:
        """Lock and open the file; raise StoreError when it cannot be used."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = lock(self.path)
            return self._open()
        except OSError as error:
            self.close()
            raise StoreError(f"{self.path}: {error.strerror}: check the path and its rights") from error
        except StoreError:
            self.close()
            raise

    def replace(self, cause: sqlite3.Error) -> Database:
        """Rename the damaged file and return a fresh one; raise StoreError when that fails."""
        target = self.path.with_name(f"{self.path.name}.damaged-{time.time_ns() // 1_000_000}")
        try:
            for suffix in ("", "-wal"):
                source = self.path.with_name(self.path.name + suffix)
                if source.exists():
                    source.rename(target.with_name(target.name + suffix))
            self.path.with_name(self.path.name + "-shm").unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"{self.path}: damaged, and cannot be renamed ({error.strerror}): rename it") from error
        self.set_aside = str(target)
        _LOG.error("%s: damaged (%s); set aside as %s, a new store is started", self.path, cause, target)
        try:
            return self._database()
        except sqlite3.Error as error:
            raise StoreError(f"{self.path}: {reason_of(error)}: check the disk") from error

    def close(self) -> None:
        """Let go of the lock."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _open(self) -> Database:
        try:
            return self._database()
        except sqlite3.Error as error:
            if not damaged(error):
                raise StoreError(f"{self.path}: {reason_of(error)}: check the disk, the path and its rights") from error
            return self.replace(error)

    def _database(self) -> Database:
        return Database(self.path, max_size=self._max_size)


def lock(path: Path) -> int:
    """Return a descriptor that keeps other agents from the store until it is closed; raise StoreError or OSError."""
    # It stands beside the file, so that renaming a damaged one does not let it go.
    found = os.open(path.with_name(path.name + ".lock"), os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(found, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(found)
        if isinstance(error, BlockingIOError):
            raise StoreError(f"{path}: is used by another energy-agent: stop it, or name another file") from error
        raise
    return found


def discard_dead_letters(path: Path, sink: str | None = None) -> int:
    """Delete the dead letters of one sink, or of all; return how many. Raise StoreError while an agent runs."""
    held = -1
    try:
        held = lock(path)
        with contextlib.closing(sqlite3.connect(path, isolation_level=None, timeout=5)) as connection:
            return delete_refused(connection, sink)
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"{path}: {reason_of(error)}: check the file and its rights") from error
    finally:
        if held >= 0:
            os.close(held)


def damaged(error: sqlite3.Error) -> bool:
    """Return whether the file's content is wrong, and not only out of reach."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    # Without a code the error is our own: the file is SQLite, its content is not what we wrote.
    if code is None:
        return type(error) is sqlite3.DatabaseError
    return code & 0xFF in _DAMAGED or code == sqlite3.SQLITE_IOERR_SHORT_READ  # the file was cut


def reason_of(error: sqlite3.Error | OSError) -> str:
    """Return what to tell the operator."""
    return str(error) or type(error).__name__
