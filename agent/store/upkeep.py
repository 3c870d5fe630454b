"""The store's file as its writer has it: open, only readable, out of reach, or no longer where it was.

Invariants:
- `database` is what can be read now: that of the last commit, or one that can only be read, or none. Only `ready`
  gives one that can be written.
- While nothing can be written the store is *degraded*, with a reason; what is appended carries an epoch of its own.
- A start without the file's own last number begins far above every number a file can hold, under a new epoch: once
  the file can be read, nothing has to get another number, and no number has stood for two records.
- A start behind an end without a last commit begins behind all numbers that were promised, and a gap record says so.
- States in memory win over those of a file that could not be read at the start; its own are kept beside them.
"""

import logging
import secrets
import time
from collections.abc import Callable, Collection
from pathlib import Path

from agent.store.backlog import Backlog
from agent.store.database import Database
from agent.store.delivery import Deliveries
from agent.store.file import FILE_ERRORS, StoreFile, damaged, reason_of
from agent.store.inventory import Inventory
from agent.store.losses import Losses
from agent.store.schema import DiskError, StoreError
from agent.store.settled import Lanes
from agent.store.told import Untold

_LOG = logging.getLogger(__name__)
RETRY_S = 2.0
"""Pause between attempts to write to a file that cannot be written."""
_ABOVE_ALL = 1 << 40
"""More records than any store ever counts: where a start without a readable file begins at least."""
FOUND = "found/"
"""Before the names of states that another start has left and this one could not go on with."""
_TAKEN_UP = "account/"
"""States that somebody waits for where they were found, so that they must not make room for such as are found later."""
_REPLACE_S = 60.0
"""A file that is damaged, or gone, again within this time is not replaced: the disk, or somebody, is the culprit."""
TROUBLES = (*FILE_ERRORS, OSError, StoreError)
"""What `ready`, and using what it gives, may raise."""


class Upkeep:
    """Keeps the database open, and knows why it is not."""

    def __init__(self, path: Path, *, max_size: int, backlog: Backlog, deliveries: Deliveries) -> None:
        self.database: Database | None = None
        self.degraded = ""
        """Why nothing can be written; empty while it can be."""
        self.retry_ns = 0
        """Monotonic time of the next attempt, while degraded."""
        self.displaced = ""
        """What was done because the file was no longer where it was."""
        self.alive: Callable[[], None] = lambda: None
        """Called again and again while something takes its time, as it may."""
        self._path = path
        self._backlog = backlog
        self._deliveries = deliveries
        self._file = StoreFile(path, max_size=max_size)
        self._last: Inventory | None = None
        """The inventory of the last commit, None while no file could be read."""
        self._first_seq = 0
        self._reported = ""
        self._replaced_ns = self._put_back_ns = -int(_REPLACE_S * 1e9)

    @property
    def inventory(self) -> Inventory:
        """What the file says of itself as of the last commit; where none could be read, of an empty one."""
        return self._last or Inventory(self._backlog.epoch, self._first_seq)

    @property
    def promises(self) -> bool:
        """Whether the file says that numbers behind its last one may be in use."""
        return bool(self.inventory.in_doubt)

    @property
    def set_aside(self) -> str:
        """Where a damaged file was put."""
        return self._file.set_aside

    def open(self) -> None:
        """Open the file; raise StoreError for one that is not to be used. A disk that fails leaves it degraded."""
        try:
            self._begin(self._file.open())
        except DiskError as error:
            self._begin_reading()
            self.degrade(error)

    def ready(self) -> Database:
        """Return the database, open for writing and where its path leads; raise one of `TROUBLES`."""
        database = self.database
        if database is None or not database.writable:
            return self._return()
        if not self._file.in_place(database):
            return self._put_back(database)
        return database

    def committed(self, inventory: Inventory) -> None:
        """Note a commit."""
        self._last = inventory
        self._file.note(inventory.epoch, inventory.seq)
        if self.degraded:
            _LOG.warning("%s: can be written again", self._path)
            self._backlog.recover()
        self.degraded = ""

    def failed(self, error: Exception) -> None:
        """Do what can be done about an error: go on in a new file after damage, or wait for the disk."""
        if damaged(error) and self.database and self.database.writable:
            self._recreate(error, self.database)
        else:
            self.degrade(error)

    def degrade(self, error: Exception) -> None:
        """Go on without the disk until it can be written again."""
        self.retry_ns = time.monotonic_ns() + int(RETRY_S * 1e9)
        reason = error.reason if isinstance(error, DiskError) else reason_of(error)
        if not self.degraded:
            _LOG.error("%s: %s; values are delivered live only until it can be written again", self._path, reason)
            self._backlog.degrade()
        self.degraded = reason

    def close(self) -> None:
        """Close the file and let go of its lock."""
        if self.database:
            self.database.close()
        self._file.close()

    def _begin(self, database: Database) -> None:
        """Go on where a file ended."""
        self.database, self._last = database, database.inventory
        inventory, salvage, backlog = database.inventory, self._file.salvage, self._backlog
        backlog.seq, backlog.chain, backlog.epoch = inventory.promised, inventory.chain, inventory.epoch
        backlog.states = database.states | salvage.states
        backlog.untold = inventory.untold.copy()
        self._deliveries.restore(database.settled | salvage.settled)
        self._look_ahead(inventory)
        self._reported = self.set_aside  # a file that took the place of another knows what to tell of it

    def _look_ahead(self, inventory: Inventory) -> None:
        """Begin behind all numbers that receivers may have seen; under a new epoch where a file does not know them."""
        noted, backlog = self._file.noted(), self._backlog
        backlog.keep_untold(Untold(inventory.in_doubt))
        self._deliveries.settle(inventory.seq, inventory.promised)
        if noted is None:
            backlog.epoch = secrets.token_hex(6)
            return
        epoch, seq = noted
        if epoch == inventory.epoch and seq > inventory.seq:
            backlog.epoch, backlog.seq = secrets.token_hex(6), max(seq, backlog.seq)
            self._tell_forgotten(inventory.seq, seq)
        elif epoch not in ("", inventory.epoch) and inventory.commits and not self.set_aside:
            # How far that life of the store went nobody knows: another one has been here since.
            backlog.epoch, backlog.seq = secrets.token_hex(6), max(seq, backlog.seq)
            self._tell_other(inventory.seq, seq)

    def _begin_reading(self) -> None:
        """Go on where a file that can only be read ended."""
        try:
            database = self._file.read_only()
        except StoreError:
            self._file.close()
            raise
        if database:
            self._begin(database)
        else:
            self._begin_without()

    def _begin_without(self) -> None:
        """Begin without knowing anything of a file that may be there."""
        # Milliseconds since 1970, so that the next start of this kind lies above this one.
        self._first_seq = max(_ABOVE_ALL, time.time_ns() // 1_000_000)
        self._backlog.seq, self._backlog.epoch = self._first_seq, secrets.token_hex(6)
        self._deliveries.settle(0, self._first_seq)

    def _return(self) -> Database:
        """Open the file after it could not be written, or not even be read."""
        reader = self.database
        if reader:
            if not reader.is_at(self._file.path):
                self._rewrite(reader)
            reader.close()
            self.database = None
        try:
            database = self._file.open()
        except StoreError:
            self.database = self._file.read_only() if reader else None
            raise
        self.database = database
        self._deliveries.touch()
        found, known = database.inventory, self._last
        ours = known and (self._reported != self.set_aside or (found.epoch, found.seq) == (known.epoch, known.seq))
        if found.commits and not ours:
            salvage = self._file.salvage
            self._join(found, database.settled | salvage.settled, database.states | salvage.states)
            self._reported = self.set_aside
        else:
            self._keep_states()
            self._report_damage()
        return database

    def _join(self, found: Inventory, settled: dict[str, Lanes], states: dict[str, bytes]) -> None:
        """Bring what is in memory together with a file that could not be read before."""
        if found.promised > self._first_seq:
            self._backlog.renumber(found.promised, found.chain)
            self._deliveries.forget_memory()
        else:
            self._backlog.relink(found.chain)
        self._deliveries.begin_with(settled)
        self._deliveries.settle(found.seq, self._first_seq)
        self._backlog.keep_untold(found.untold)
        self._backlog.keep_untold(Untold(found.in_doubt))
        noted = self._file.noted()
        if noted and noted[0] == found.epoch and noted[1] > found.seq:
            self._tell_forgotten(found.seq, noted[1])
        with self._backlog.changed:
            mine = set(self._backlog.states)
            for name, value in states.items():
                target = _beside(name, mine)
                if target and (value or states.get(target)):
                    self._backlog.save(target, value)
        if mine & states.keys():
            text = (
                "the store could not be read at the start, and can be now: the books go on as of this start; what it "
                f"held of them is kept in it as '{FOUND}…', and its accounts are taken up"
            )
            self._backlog.report("store_found", text)

    def _keep_states(self) -> None:
        """Let the next commit write every state."""
        with self._backlog.changed:
            for name, value in self._backlog.states.items():
                self._backlog.save(name, value)

    def _put_back(self, database: Database) -> Database:
        """Go on where the path leads, with everything that is committed."""
        self._rewrite(database)
        database.close()
        self.database = None
        self.database = self._file.open()
        return self.database

    def _rewrite(self, database: Database) -> None:
        """Write the file anew where its path leads."""
        if time.monotonic_ns() - self._put_back_ns < _REPLACE_S * 1e9:
            raise DiskError(self._path, "was removed or replaced again")
        _LOG.error("%s: was removed or replaced while in use; it is written anew", self._path)
        self.displaced = "was removed or replaced while in use, and could not yet be written anew"
        self._file.rewrite(database, self.alive)
        self.displaced = "was removed or replaced while in use, and was written anew"
        self._put_back_ns = time.monotonic_ns()
        self._backlog.report("store_displaced", f"the store's file {self.displaced}: {self._path}")

    def _recreate(self, error: Exception, database: Database) -> None:
        """Go on in a fresh file after damage was found while running."""
        if time.monotonic_ns() - self._replaced_ns < _REPLACE_S * 1e9:
            self.degrade(DiskError(self._path, f"damaged again ({error}): check the disk"))
            return
        database.close()
        self.database = None
        try:
            self.database = self._file.replace(error, self._last)
        except StoreError as again:
            self.degrade(again)
            return
        self._replaced_ns = time.monotonic_ns()
        self._deliveries.touch()
        self._keep_states()
        self._report_damage()

    def _report_damage(self) -> None:
        if self._reported == self.set_aside:
            return
        self._reported = self.set_aside
        self._backlog.keep_untold(self._file.salvage.untold)

    def _tell_forgotten(self, found: int, noted: int) -> None:
        """Tell of numbers that receivers may have seen and the file has forgotten."""
        self._lose(found, noted, "commits lost by the disk")
        lost = f"the store has lost its last commits, records {found + 1} to {noted}"
        text = f"{lost}: check the disk, and whether somebody has put back an older copy"
        self._backlog.report("store_damaged", text)

    def _tell_other(self, found: int, noted: int) -> None:
        """Tell of a file that is not the one that was written last in this place, or of before its last epoch."""
        if noted > found:
            self._lose(found, noted, "not in the file that was found; so many records at most")
        text = (
            f"the store is another one than was used here last: whatever came in it after record {found} is lost; "
            "check whether somebody has put back an older copy, or another file"
        )
        self._backlog.report("store_damaged", text)

    def _lose(self, found: int, noted: int, reason: str) -> None:
        losses = Losses()
        losses.add(found + 1, noted, {}, reason)
        self._backlog.keep_untold(Untold(losses))


def _beside(name: str, mine: Collection[str]) -> str:
    """Return where a state of a found file goes beside those of this start, "" where nobody wants it."""
    bare = name
    while bare.startswith(FOUND):
        bare = bare.removeprefix(FOUND)
    if bare not in mine:
        return name
    return f"{FOUND}{name}" if name == bare or bare.startswith(_TAKEN_UP) else ""
