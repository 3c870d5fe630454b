"""In which order files of a capture were written, whatever the clock said that named them; and for what they are."""

from collections.abc import Iterable
from filecmp import cmp
from itertools import islice
from pathlib import Path

from drivers.capture import Note, Section, read_capture

_LOOKED_THROUGH = 50
"""Entries of a file looked through for a note: it begins with one."""


def in_order(files: Iterable[Path]) -> list[Path]:
    """Return files boot by boot, as they are given, and those of a boot by its monotonic clock.

    Files of others stay where they stand. One that is given twice, or as a copy, counts once: twice it would look like
    what was lost and recorded anew. Raises CaptureError for one that cannot be opened.
    """
    places: dict[str, list[tuple[int, Path]]] = {}
    for number, file in enumerate(files):
        boot, monotonic_ns = _begin(file)
        own = places.setdefault(boot or str(file), [])
        if not any(monotonic_ns == begin and boot and cmp(file, other, shallow=False) for begin, other in own):
            own.append((monotonic_ns if boot else number, file))
    return [file for own in places.values() for _, file in sorted(own)]


def configurations(files: Iterable[Path]) -> set[str]:
    """Return the digests of the configurations that files were made with."""
    heads = (item for file in files for item in islice(read_capture([file]), 1))
    return {head.configuration for head in heads if isinstance(head, Section)}


def _begin(file: Path) -> tuple[str, int]:
    """Return boot and monotonic time of a file's first note; no boot where it has none."""
    boot = ""
    for item in islice(read_capture([file]), _LOOKED_THROUGH):
        if isinstance(item, Section):
            boot = item.boot_id
        elif isinstance(item, Note):
            return boot, item.monotonic_ns
    return "", 0
