"""Checksums of what is kept: SQLite does not notice a flipped bit inside a value."""

import zlib

from agent.record import Record


def record_sum(record: Record) -> int:
    """Return the CRC-32 of everything in a record."""
    head = f"{record.seq} {record.kind} {record.key} {record.time_ns} "
    return zlib.crc32(record.payload, zlib.crc32(head.encode()))


def value_sum(name: object, value: bytes | str) -> int:
    """Return the CRC-32 of a named value."""
    content = value.encode() if isinstance(value, str) else value
    return zlib.crc32(content, zlib.crc32(f"{name} ".encode()))
