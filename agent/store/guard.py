"""Checksums of what is kept: SQLite does not notice a flipped bit inside a value."""

import json
import zlib
from typing import Any

from agent.record import Record


def record_sum(record: Record) -> int:
    """Return the CRC-32 of everything in a record."""
    head = f"{record.seq} {record.kind} {record.key} {record.time_ns} "
    return zlib.crc32(record.payload, zlib.crc32(head.encode()))


def value_sum(name: object, value: bytes) -> int:
    """Return the CRC-32 of a named value."""
    return zlib.crc32(value, zlib.crc32(f"{name} ".encode()))


def guarded(content: object) -> str:
    """Return JSON behind its checksum."""
    text = json.dumps(content)
    return f"{zlib.crc32(text.encode()):08x} {text}"


def unguarded(text: object) -> Any:
    """Return what `guarded` was given; raise ValueError when the text is not what was written."""
    if not isinstance(text, str):
        raise ValueError("no text")  # noqa: TRY004  # one error for all that can be wrong with a file
    stated, _, content = text.partition(" ")
    if stated != f"{zlib.crc32(content.encode()):08x}":
        raise ValueError("its checksum differs")
    return json.loads(content)
