"""The directory of captures: one open file, closed ones compressed, all together within a size.

Invariants:
- Used by one thread. Files of other sites and other programs are never touched, nor one that a process still writes.
- A compressed file is whole and on the disk before the plain one goes; what a crash leaves of it is made anew.
- The oldest file goes first, and before a file is opened so much goes that it has room, and its compressed form too.
"""

import errno
import fcntl
import hashlib
import logging
import os
import re
import struct
from collections import deque
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path

import zstandard

from drivers.capture import pcapng
from drivers.capture.items import Closed, Removed
from drivers.capture.stream import Block, CutOff, Pieces, parts
from drivers.value import frozen, mutable

_log = logging.getLogger(__name__)

_PLAIN, _UNFINISHED, _PART = ".pcapng", ".pcapng.zst.part", ".zst.part"
_SHARE = 8
"""A file may take so much of the whole size: the loss of the oldest is then a small one."""
_LARGEST_FILE = 256 << 20
_STRETCH = 1.5
"""How far over its limit a file may grow; twice the limit is kept free for it and its compressed form."""
_STEP = 1 << 20
_LEVEL = 6
"""Higher ones take several times the time for a few per cent."""
_TORN = 4 << 20
"""Bytes without sense behind whole blocks that are cut off; more than a power cut leaves are kept as they are."""
_FLAGS_FROM_END = 8
_SHORTEST_PACKET = 20
"""Bytes of the body of a packet without data and options."""
_MODE = 0o640
"""Of every capture, compressed or not: what goes over the lines is for nobody else."""
_REST_EVERY = 500
_CANNOT_BE_ASKED = (errno.EINVAL, errno.ENOTSUP)
"""What a file system says that keeps no names at a request."""
NAMES_KEPT = 1000
"""Names of a run that are given to no other file: far more than it can make within a second."""


@mutable
class OpenFile:
    """The file that is written, with what is in it so far."""

    path: Path
    descriptor: int
    size: int = 0
    first_ns: int = 0
    last_ns: int = 0
    exchanges: int = 0
    listed: bool = False
    """Whether the disk keeps its name, as far as it can be asked to."""


@frozen
class Finished:
    """A file that waits to be compressed."""

    path: Path
    first_ns: int
    last_ns: int
    exchanges: int


class CaptureFiles:
    """Opens, bounds and compresses the captures of a site in a directory; raises OSError when the disk fails."""

    def __init__(self, directory: Path, site: str, max_size: int) -> None:
        self.directory = directory
        self.used = deque[str](maxlen=NAMES_KEPT)
        """Names given in this run, here or in other directories: no other file gets them."""
        self._ours = re.compile(rf"{re.escape(site)}-\d{{8}}T\d{{6}}Z(_\d+)?\.pcapng(\.zst(\.part)?)?")
        self._site = site
        self._max_size = max_size
        self.file_limit = min(_LARGEST_FILE, max_size // _SHARE)
        """Bytes after which a file is to be closed."""
        self.current: OpenFile | None = None
        self.waiting: list[Finished] = []
        """Closed files that are not compressed yet."""
        self.count = self.bytes = 0

    def take_up(self) -> Generator[None]:
        """Find what runs before left open, and have it compressed too, a small step each time."""
        _make(self.directory)
        for path in self._files():
            try:
                yield from self._take_up(path)
            except OSError as error:
                _log.warning("%s: cannot be taken up, and stays as it is: %s", path, error.strerror or error)
        self._measure()

    def _take_up(self, path: Path) -> Generator[None]:
        if path.name.endswith(_UNFINISHED) or path.with_name(f"{path.name}.zst").exists():
            path.unlink(missing_ok=True)  # it may have made room for a file opened meanwhile, as any of them
        elif path.name.endswith(_PLAIN) and path.exists():
            finished = yield from _left(path)
            if finished:
                self.waiting.append(finished)

    def open(self, start_ns: int) -> list[Removed]:
        """Close the file before and begin a new one; return what had to go to make room."""
        self.close()
        _make(self.directory)
        removed = self._make_room()
        start = datetime.fromtimestamp(start_ns // 1_000_000_000, UTC)
        name = f"{self._site}-{start:%Y%m%dT%H%M%SZ}"
        number = 0
        while True:
            path = self.directory / f"{name}{f'_{number:02}' if number else ''}{_PLAIN}"
            number += 1
            if path.name in self.used or path.with_name(f"{path.name}.zst").exists():
                continue
            try:
                descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE)
            except FileExistsError:
                continue
            self.used.append(path.name)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.current = OpenFile(path, descriptor)
            self._measure()
            return removed

    @property
    def has_room(self) -> bool:
        """Whether the open file may grow further, whatever has kept it from being closed in time."""
        return self.current is not None and self.current.size <= _STRETCH * self.file_limit

    def write(self, data: bytes) -> None:
        """Write to the open file; what a failing disk took of it in part is cut off again."""
        if self.current is None:
            return
        try:
            left = memoryview(data)
            while left:
                left = left[os.write(self.current.descriptor, left) :]
        except OSError:
            os.ftruncate(self.current.descriptor, self.current.size)
            raise
        self.current.size += len(data)
        self.bytes += len(data)

    def sync(self) -> None:
        """Have what was written reach the disk; raise OSError, too, when the file has lost its name."""
        current = self.current
        if current is None:
            return
        os.fdatasync(current.descriptor)
        held = os.fstat(current.descriptor)
        found = current.path.stat() if current.path.exists() else None
        if found is None or (found.st_dev, found.st_ino) != (held.st_dev, held.st_ino):
            raise FileNotFoundError(errno.ENOENT, "its file was removed while it was written")
        if not current.listed:
            _sync_directory(self.directory)
            current.listed = True

    def close(self) -> None:
        """Close the open file; it then waits to be compressed, if anything could be written to it."""
        current, self.current = self.current, None
        if current is None:
            return
        try:
            os.fsync(current.descriptor)
        finally:
            os.close(current.descriptor)
            if current.size:
                self.waiting.append(Finished(current.path, current.first_ns, current.last_ns, current.exchanges))
            else:
                current.path.unlink(missing_ok=True)

    def compress(self) -> Generator[Closed | None]:
        """Compress what waits, a small step each time; yield a file when it is done, else None."""
        while self.waiting:
            finished = self.waiting[0]
            yield from self._compress(finished)
            self.waiting.pop(0)
            self._measure()

    def _compress(self, finished: Finished) -> Generator[Closed | None]:
        if not finished.path.exists():
            return
        target = finished.path.with_name(f"{finished.path.name}.zst")
        part = finished.path.with_name(f"{finished.path.name}.zst.part")
        digest = hashlib.sha256()
        try:
            with finished.path.open("rb") as source, open(part, "wb", opener=_for_group) as sink:
                compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
                pieces = compressor.compressobj(size=os.fstat(source.fileno()).st_size)
                while piece := source.read(_STEP):
                    packed = pieces.compress(piece)
                    digest.update(packed)
                    sink.write(packed)
                    yield None
                packed = pieces.flush()
                digest.update(packed)
                sink.write(packed)
                sink.flush()
                os.fsync(sink.fileno())
                size = sink.tell()
            part.rename(target)
            _sync_directory(self.directory)
            finished.path.unlink()
        finally:
            part.unlink(missing_ok=True)
        yield Closed(target, digest.hexdigest(), size, finished.first_ns, finished.last_ns, finished.exchanges)

    def _make_room(self) -> list[Removed]:
        allowed = self._max_size - 2 * self.file_limit
        files = [(path, path.stat().st_size) for path in self._files()]
        total = sum(size for _, size in files)
        compressing = {self.waiting[0].path.name} if self.waiting else set()
        removed = []
        for path, size in files:
            if total <= allowed:
                break
            if path.name.removesuffix(_PART) in compressing:
                continue
            path.unlink()
            total -= size
            removed.append(Removed(path, size))
        return removed

    def _files(self) -> list[Path]:
        """Return the captures of this site, oldest first."""
        found = [path for path in self.directory.iterdir() if self._ours.fullmatch(path.name) and path.is_file()]
        return sorted(found, key=lambda path: path.name.removesuffix(".part").removesuffix(".zst"))

    def _measure(self) -> None:
        sizes = [path.stat().st_size for path in self._files()]
        self.count, self.bytes = len(sizes), sum(sizes)


def _for_group(path: str, flags: int) -> int:
    return os.open(path, flags, _MODE)


def _left(path: Path) -> Generator[None, None, Finished | None]:
    """Return a file that a run before left open, without a torn end; None if somebody still writes it."""
    with path.open("rb+") as file:
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return None
        end, first_ns, last_ns, exchanges = yield from _walk(path)
        size = os.fstat(file.fileno()).st_size
        torn = bool(end) and size <= end + _TORN
        if end < size:
            done = "cut off" if torn else "kept as they are: somebody may make sense of them"
            _log.warning("%s: its last %d of %d bytes make no sense, and are %s", path, size - end, size, done)
        if torn and end < size:
            file.truncate(end)
            os.fsync(file.fileno())
    if not size:
        path.unlink(missing_ok=True)
        return None
    return Finished(path, first_ns, last_ns, exchanges)


def _walk(path: Path) -> Generator[None, None, tuple[int, int, int, int]]:
    """Return where the last whole block of a file ends, its first and last time [ns], and its exchanges."""
    first_ns = last_ns = exchanges = end = 0
    pieces = Pieces(path)
    try:
        for number, part in enumerate(parts(pieces)):
            end = pieces.offset
            if isinstance(part, Block) and part.kind == pcapng.PACKET and len(part.body) >= _SHORTEST_PACKET:
                _, time_ns = struct.unpack_from(">IQ", part.body)
                first_ns = first_ns or time_ns
                last_ns = max(last_ns, time_ns)
                exchanges += part.body[-_FLAGS_FROM_END:][3] == pcapng.OUTBOUND
            if number % _REST_EVERY == 0:
                yield
    except CutOff:
        pass
    finally:
        pieces.close()
    return end, first_ns, last_ns, exchanges


def _make(directory: Path) -> None:
    """Make a directory, and those above it, that is not there yet; the disk is asked to keep the names of new ones."""
    new = [path for path in (directory, *directory.parents) if not path.exists()]
    directory.mkdir(parents=True, exist_ok=True)
    for path in new:
        _sync_directory(path.parent)


def _sync_directory(directory: Path) -> None:
    """Have the disk keep the names in a directory, where the file system can be asked to; raise OSError if it fails."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _CANNOT_BE_ASKED:
            raise
    finally:
        os.close(descriptor)
