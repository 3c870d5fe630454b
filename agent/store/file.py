"""The place of the store's file: locked against a second agent, and set aside when it is damaged."""

import contextlib
import fcntl
import glob
import logging
import os
import sqlite3
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from agent.store.database import Database
from agent.store.dead_letter import delete_refused
from agent.store.inventory import Inventory
from agent.store.place import inode, leads_to, lock, lock_of, made, sync
from agent.store.salvage import Salvage, salvage
from agent.store.schema import APPLICATION_ID, DiskError, StoreError
from agent.store.trouble import damage_text

_LOG = logging.getLogger(__name__)
_MOST_ASIDE = 3
"""Damaged files kept: the newest, and the largest of the others."""
FILE_ERRORS = (sqlite3.Error, UnicodeDecodeError)
"""What reading and writing the file may raise: of a damaged one not even SQLite's message need be text."""
# https://www.sqlite.org/fileformat.html, 1.3: WAL, no reserved bytes, the fixed fractions, schema format 4, UTF-8.
_HEADER = {18: 2, 19: 2, 20: 0, 21: 64, 22: 32, 23: 32, 44: 0, 45: 0, 46: 0, 47: 4, 56: 0, 57: 0, 58: 0, 59: 1}
_BESIDE = ("-wal", "-shm")
_UNREAD = "-unread"
"""Behind the name of a damaged file of which nothing was kept yet: whoever starts next must know."""
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


class StoreFile:
    """Opens the database at a path, or a fresh one where that is damaged."""

    def __init__(self, path: Path, *, max_size: int) -> None:
        self.path = path
        """Where the file is, symbolic links resolved."""
        self.set_aside = ""
        """Where a damaged file was put."""
        self.salvage = Salvage()
        """What was kept of it."""
        self._given = path
        self._broken: sqlite3.Error | None = None
        self._unread: Path | None = None
        """A damaged file that was set aside and of which nothing could be kept yet."""
        self._known: Inventory | None = None
        self._max_size = max_size
        self._lock = -1

    def open(self) -> Database:
        """Lock and open the file; raise StoreError when it is the wrong one, DiskError when the disk is at fault."""
        try:
            self.path = made(self._given)
            self._take_lock()
            self._unread = self._unread or self._left_unread()
            if self._unread:
                return self._refill(self._unread)
            self._check_header()
            return self._open()
        except OSError as error:
            raise DiskError(self._given, reason_of(error)) from error
        except DiskError:
            raise
        except StoreError:
            self.close()
            raise

    def read_only(self) -> Database | None:
        """Return the file as far as it can be read where nothing can be written, None when it cannot.

        Raises StoreError for another program's, or another version's.
        """
        with contextlib.suppress(*FILE_ERRORS, OSError):
            return Database(self.path, max_size=self._max_size, writable=False)
        return None

    def in_place(self, database: Database) -> bool:
        """Whether the path still leads to the file that is written to, to its log and to its lock; else raise OSError.

        No write fails when a file was removed or another put in its place: all of it would be gone with the process.
        """
        led = leads_to(self._given, self.path) and self._lock_in_place()
        return led and database.is_at(self.path) and database.logs_beside(self.path)

    def rewrite(self, database: Database, alive: Callable[[], None]) -> None:
        """Put a copy where the path leads, whatever has become of the file; raise FILE_ERRORS, OSError or StoreError.

        What stands there instead is renamed. The database is then to be closed, and opened anew. `alive` is called
        again and again while that takes its time.
        """
        self.path = made(self._given)
        self._take_lock()
        if database.is_at(self.path):
            return  # only its log is gone, and is merged when it is closed
        copy = self.path.with_name(self.path.name + ".rewritten")
        copy.unlink(missing_ok=True)
        database.copy_to(copy, alive)
        sync(copy)
        if self.path.exists():
            found = self.path.with_name(f"{self.path.name}.found-{time.time_ns() // 1_000_000}")
            _rename(self.path, found, with_log=not database.logs_beside(self.path))
        # A log must never lie beside another file than its own, nor SQLite delete a new one for the old.
        for suffix in _BESIDE:
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
        copy.rename(self.path)
        sync(self.path.parent)

    def replace(self, cause: Exception, inventory: Inventory | None = None) -> Database:
        """Rename the damaged file and return a fresh one with what was readable; raise DiskError when that fails.

        `inventory` is that of the last commit, where it is known.
        """
        target = self.path.with_name(f"{self.path.name}.damaged-{time.time_ns() // 1_000_000}")
        unread = target.with_name(target.name + _UNREAD)
        try:
            _rename(self.path, unread)
        except OSError as error:
            raise DiskError(self.path, f"damaged, and cannot be renamed ({error.strerror})") from error
        self.set_aside, self._unread, self._known, self._broken = str(target), unread, inventory, None
        _LOG.error("%s: damaged (%s); set aside as %s, a new store is started", self.path, cause, target)
        return self._refill(unread)

    def _left_unread(self) -> Path | None:
        """Return the damaged file of which an agent that ended meanwhile had kept nothing yet, if there is one."""
        left = sorted(self.path.parent.glob(f"{glob.escape(self.path.name)}.damaged-*{_UNREAD}"))
        if self.path.exists():
            for file in left:  # it was read, and only its name is left to be changed
                _rename(file, _read(file))
        elif left:
            self.set_aside = str(_read(left[-1]))
            return left[-1]
        return None

    def _refill(self, source: Path) -> Database:
        """Return a fresh file with what is readable of a damaged one; raise DiskError when it cannot be made.

        It gets its place when it is whole: whoever starts after a power cut finds either none, or all of it.
        """
        fresh, aside = self.path.with_name(self.path.name + ".refilled"), Path(self.set_aside)
        try:
            for file in (fresh, self.path):  # of an attempt that did not end well
                _remove(file)
            with contextlib.closing(Database(fresh, max_size=self._max_size)) as database:
                if not self._known:
                    self.note(database.inventory.epoch, 0)  # else it goes on under the epoch that is noted
                text = partial(damage_text, self.set_aside)
                self.salvage = salvage(source, database, inventory=self._known, text=text)
            if fresh.with_name(fresh.name + "-wal").exists():
                raise DiskError(self.path, "the log of a new file could not be merged")
            fresh.rename(self.path)
            sync(self.path.parent)
            self._unread = None
            _rename(source, aside)
            self._keep_few(aside)
            return self._database()
        except (*FILE_ERRORS, OSError) as error:
            raise DiskError(self.path, reason_of(error)) from error

    def _keep_few(self, newest: Path) -> None:
        """Delete the smallest damaged files when there are too many: a failing disk must not fill itself."""
        aside = [file for file in self.path.parent.glob(f"{self.path.name}.damaged-*") if file.name[-1].isdigit()]
        for file in sorted(aside, key=lambda file: (file != newest, -file.stat().st_size))[_MOST_ASIDE:]:
            _remove(file)

    def note(self, epoch: str, seq: int) -> None:
        """Note what was committed beside the file, for a file that forgets its last commits does not know it."""
        with contextlib.suppress(OSError):
            os.pwrite(self._lock, f"{epoch} {seq:020d}\n".encode(), 0)

    def noted(self) -> tuple[str, int] | None:
        """Return the epoch and number known to have been committed last, ("", 0) for none; None when nobody can say."""
        try:
            epoch, _, seq = os.pread(self._lock, 100, 0).decode("ascii", "replace").partition(" ")
        except OSError:
            return None
        return (epoch, int(seq)) if seq.strip().isdecimal() else ("", 0)

    def close(self) -> None:
        """Let go of the lock."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _take_lock(self) -> None:
        """Hold the lock that stands beside the file, open for writing."""
        if not self._lock_in_place():
            self.close()
            self._lock = lock(self.path)
        if fcntl.fcntl(self._lock, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            os.close(os.open(lock_of(self.path), os.O_RDWR))  # says why it cannot be
            self.close()
            self._lock = lock(self.path)

    def _lock_in_place(self) -> bool:
        if self._lock < 0:
            return False
        held = os.fstat(self._lock)
        return inode(lock_of(self.path)) == (held.st_dev, held.st_ino)

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
                raise DiskError(self.path, reason_of(error)) from error
            return self.replace(error)

    def _database(self) -> Database:
        return Database(self.path, max_size=self._max_size)


def discard_dead_letters(path: Path, sink: str | None = None) -> int:
    """Delete the dead letters of one sink, or of all; return how many. Raise StoreError while an agent runs."""
    held = -1
    try:
        path = path.resolve()
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
    told = error.strerror if isinstance(error, OSError) else str(error)
    return told or type(error).__name__


def _read(unread: Path) -> Path:
    """Return the name of a damaged file of which everything was kept that could be."""
    return unread.with_name(unread.name.removesuffix(_UNREAD))


def _remove(file: Path) -> None:
    """Delete a file together with its log."""
    for suffix in ("", *_BESIDE):
        file.with_name(file.name + suffix).unlink(missing_ok=True)


def _rename(source: Path, target: Path, *, with_log: bool = True) -> None:
    """Rename a file together with its log."""
    for suffix in ("", "-wal") if with_log else ("",):
        part = source.with_name(source.name + suffix)
        if part.exists():
            part.rename(target.with_name(target.name + suffix))
    source.with_name(source.name + "-shm").unlink(missing_ok=True)
