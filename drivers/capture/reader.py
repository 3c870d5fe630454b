"""Captures of ours and of others, read back in the order in which they are given."""

import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

from drivers.capture.decoder import Decoder
from drivers.capture.items import Captured, Damage, Note, Section
from drivers.capture.stream import CutOff, Pieces, parts

SUFFIXES = (".pcapng", ".pcapng.zst", ".pcap", ".pcap.zst")


class CaptureError(Exception):
    """Raised when a capture cannot be opened, in words for whoever named it."""


def capture_files(paths: Iterable[Path]) -> list[Path]:
    """Return the files that paths name; a directory stands for the captures in it, by name and so by time.

    Raises CaptureError for what does not exist, and for a directory without captures.
    """
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        inside = sorted(file for file in path.iterdir() if file.name.endswith(SUFFIXES) and file.is_file())
        if not inside:
            raise CaptureError(f"{path}: holds no capture: name a directory with files such as *.pcapng.zst")
        names = {file.name for file in inside}
        found += [file for file in inside if f"{file.name}.zst" not in names]  # being compressed: both are whole
    return found


def read_capture(paths: Iterable[Path]) -> Iterator[Section | Captured | Note | Damage]:
    """Yield what stands in captures: each file begins with a Section and may end with a Damage.

    Raises CaptureError for a file that cannot be opened.
    """
    for path in capture_files(paths):
        yield from _file(path)


def _file(path: Path) -> Iterator[Section | Captured | Note | Damage]:
    try:
        pieces = Pieces(path)
    except OSError as error:
        raise CaptureError(f"{path}: {error.strerror}: name a capture that can be read") from error
    decoder = Decoder(path)
    offset = 0
    try:
        for part in parts(pieces):
            yield from decoder.take(part)
            offset = pieces.offset
        yield from decoder.end()
    except CutOff as cut:
        yield Damage(path, cut.offset or offset, cut.reason)
    except (struct.error, LookupError, TypeError, ValueError):
        # Whatever bytes may do to those who take them apart: the file is not what its blocks say.
        yield Damage(path, offset, "a block that makes no sense")
    finally:
        pieces.close()
