"""The place of the store's file: locked against a second agent, and set aside when it is damaged."""

import contextlib
import fcntl
import logging
import os
import sqlite3
import time
from pathlib import Path

from agent.store.database import Database
from agent.store.dead_letter import delete_refused
from agent.store.ledger import Ledger
from agent.store.salvage import Salvage, salvage
from agent.store.schema import APPLICATION_ID, StoreError

_LOG = logging.getLogger(__name__)
_MOST_ASIDE = 3
"""Damaged files kept: the newest, and the largest of the others."""
FILE_ERRORS = (sqlite3.Error, UnicodeDecodeError)
"""What reading and writing the file may raise: of a damaged one not even SQLite's message need be text."""
# https://www.sqlite.org/fileformat.html, 1.3: WAL, no reserved bytes, the fixed fractions, schema format 4, UTF-8.
_HEADER = {18: 2, 19: 2, 20: 0, 21: 64, 22: 32, 23: 32, 44: 0, 45: 0, 46: 0, 47: 4, 56: 0, 57: 0, 58: 0, 59: 1}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


class StoreFile:
    """Opens the database at `path`, or a fresh one where that is damaged."""

    def __init__(self, path: Path, *, max_size: int) -> None:
        self.path = path
        self.set_aside = ""
        """Where a damaged file was put."""
        self.salvage = Salvage()
        """What was kept of it."""
        self._broken: sqlite3.Error | None = None
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
            self._check_header()
            return self._open()
        except OSError as error:
            self.close()
            raise StoreError(f"{self.path}: {error.strerror}: check the path and its rights") from error
        except StoreError:
            self.close()
            raise

    def replace(self, cause: Exception, ledger: Ledger | None = None) -> Database:
        """Rename the damaged file and return a fresh one with what was readable; raise StoreError when that fails.

        `ledger` is that of the last commit, where it is known.
        """
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
            database = self._database()
            self.salvage = salvage(target, database, ledger=ledger)
            target.with_name(target.name + "-shm").unlink(missing_ok=True)  # made by reading the log
            self._keep_few(target)
        except (*FILE_ERRORS, OSError) as error:
            raise StoreError(f"{self.path}: {reason_of(error)}: check the disk") from error
        return database

    def _keep_few(self, newest: Path) -> None:
        """Delete the smallest damaged files when there are too many: a failing disk must not fill itself."""
        aside = [file for file in self.path.parent.glob(f"{self.path.name}.damaged-*") if file.name[-1].isdigit()]
        for file in sorted(aside, key=lambda file: (file != newest, -file.stat().st_size))[_MOST_ASIDE:]:
            for suffix in ("", "-wal", "-shm"):
                file.with_name(file.name + suffix).unlink(missing_ok=True)

    def note(self, epoch: str, seq: int) -> None:
        """Note what was committed beside the file, for a file that forgets its last commits does not know it."""
        with contextlib.suppress(OSError):
            os.pwrite(self._lock, f"{epoch} {seq:020d}\n".encode(), 0)

    def noted(self, epoch: str) -> int:
        """Return the last number that is known to have been committed in this life of the store, 0 without any."""
        known, _, seq = os.pread(self._lock, 100, 0).decode("ascii", "replace").partition(" ")
        return int(seq) if known == epoch and seq.strip().isdecimal() else 0

    def close(self) -> None:
        """Let go of the lock."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _check_header(self) -> None:
        """Rename the file when its header is ours and yet not as we write it, for SQLite has other names for that."""
        with contextlib.suppress(FileNotFoundError), self.path.open("rb") as file:
            header = file.read(100)
            if header[68:72] == APPLICATION_ID.to_bytes(4, "big") and any(header[n] != x for n, x in _HEADER.items()):
                self._broken = sqlite3.DatabaseError("its header is damaged")

    def _open(self) -> Database:
        try:
            if self._broken:
                raise self._broken
            return self._database()
        except FILE_ERRORS as error:
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


def damaged(error: Exception) -> bool:
    """Return whether the file's content is wrong, and not only out of reach."""
    if isinstance(error, UnicodeDecodeError):
        return True
    code: int | None = getattr(error, "sqlite_errorcode", None)
    # Without a code the error is our own: the file is SQLite, its content is not what we wrote.
    if code is None:
        return type(error) is sqlite3.DatabaseError
    return code & 0xFF in _DAMAGED or code == sqlite3.SQLITE_IOERR_SHORT_READ  # the file was cut


def reason_of(error: Exception) -> str:
    """Return what to tell the operator."""
    return str(error) or type(error).__name__
