"""What stands in a capture, and what its writer tells."""

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from drivers.reading import Exchange
from drivers.value import frozen, travelling


@frozen
class Note:
    """Something besides exchanges that the accounts depend on.

    Times: wall clock (Unix, ns) and monotonic clock [ns]. `body` is what JSON can say, integers of 64 bits.
    """

    kind: str
    time_ns: int
    monotonic_ns: int
    body: Mapping[str, Any]


@frozen
class Section:
    """The head of a file: what follows is of this site and configuration; `lines` are URLs by name.

    Of a capture made by others only `path` is known, and `ours` is false.
    """

    path: Path
    ours: bool
    site: str = ""
    configuration: str = ""
    version: str = ""
    boot_id: str = ""
    lines: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@travelling
@frozen
class Captured:
    """One exchange of a capture, with what the writer knew besides; `number` counts the exchanges of a file from 1.

    `booked` is the cadence of the poll that this exchange ended, if it was booked at once and as it stands. One that is
    told `again` stands in the file before too: it belongs to a poll that was under way when this file began.
    """

    exchange: Exchange
    number: int
    booked: int | None = None
    clock: str = ""
    boot_id: str = ""
    again: bool = False


@frozen
class Damage:
    """Where a file ends within a block, or makes no sense from there on; nothing behind it was read."""

    path: Path
    offset: int
    """Of the first byte that could not be read, in the file as it is uncompressed."""
    reason: str


@frozen
class Closed:
    """A file that is finished: name, digest and size as it lies on disk, and what is in it.

    Times are those of the wall clock (Unix, ns), 0 in a file without exchanges.
    """

    path: Path
    sha256: str
    size: int
    first_ns: int
    last_ns: int
    exchanges: int


@frozen
class Removed:
    """A file that had to go, so that all files together stay within their size."""

    path: Path
    size: int


@frozen
class Status:
    """Figures of a writer: files and bytes on disk, and what went into them or was lost since its start."""

    files: int = 0
    bytes: int = 0
    exchanges: int = 0
    notes: int = 0
    dropped: int = 0
    """Exchanges and notes that are in no file, because the disk failed or was too slow."""
    removed: int = 0
    """Files removed to keep within the size."""
    waiting: int = 0
    """Exchanges and notes that wait to be written."""
    trouble: str = ""
    """Why nothing is written now; empty when all is well."""
