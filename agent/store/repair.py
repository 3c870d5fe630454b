"""A damaged first page replaced in a copy: it holds header and schema, without which SQLite reads nothing at all.

What stands on it is the same in every store of this version, so that of an empty one will do.
"""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from agent.store.schema import create
from agent.store.sizes import PAGE

LARGEST = 256 << 20
"""Files above this size are not copied: it would take too long [bytes]."""


@contextmanager
def repaired(source: Path) -> Iterator[Path | None]:
    """Give a copy of a store with a sound first page for the block; None when the file is too large for that."""
    size = source.stat().st_size
    if not 2 * PAGE <= size <= LARGEST:
        yield None
        return
    copy, log = source.with_name(source.name + "-copy"), source.with_name(source.name + "-wal")
    try:
        shutil.copyfile(source, copy)
        if log.exists():
            shutil.copyfile(log, copy.with_name(copy.name + "-wal"))
        with copy.open("r+b") as file:
            file.write(_first_page(size // PAGE))
        yield copy
    finally:
        for suffix in ("", "-wal", "-shm"):
            copy.with_name(copy.name + suffix).unlink(missing_ok=True)


def _first_page(pages: int) -> bytes:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute(f"PRAGMA page_size = {PAGE}")
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        create(connection)
        page = bytearray(connection.serialize()[:PAGE])
    # https://www.sqlite.org/fileformat.html, 1.3: WAL for writing and reading; the size; no free pages.
    page[18:20] = b"\x02\x02"
    page[28:40] = pages.to_bytes(4, "big") + bytes(8)
    return bytes(page)
