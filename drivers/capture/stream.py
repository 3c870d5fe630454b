"""A capture file as a row of pieces: plain or compressed, cut into blocks of pcapng or packets of the older pcap."""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import zstandard

from drivers.capture import pcapng
from drivers.regular_file import open_regular
from drivers.value import frozen, travelling

COMPRESSED = b"\x28\xb5\x2f\xfd"
_FRAME_HEAD = 18
_PIECE = 1 << 20
_SHORTEST_BLOCK = 12
_LONGEST_PACKET = 1 << 20
_PCAP_HEAD, _PACKET_HEAD = 24, 16
_PCAP_MAGIC = {
    b"\xa1\xb2\xc3\xd4": (">", 1000),
    b"\xd4\xc3\xb2\xa1": ("<", 1000),
    b"\xa1\xb2\x3c\x4d": (">", 1),
    b"\x4d\x3c\xb2\xa1": ("<", 1),
}
"""Byte order, and nanoseconds in a unit of time."""


class CutOff(Exception):
    """Raised where a file ends or makes no sense; `offset` counts from its start, uncompressed."""

    def __init__(self, offset: int, reason: str) -> None:
        super().__init__(reason)
        self.offset = offset
        self.reason = reason


@travelling
@frozen
class Block:
    """One block: its kind, byte order and body."""

    kind: int
    order: str
    body: bytes


@frozen
class Packet:
    """One packet of the older format: link type, time (Unix, ns) and bytes."""

    link: int
    time_ns: int
    data: bytes


class Pieces:
    """The bytes of a file one after the other, as long as there are any: the next stands in `buffer` at `at`."""

    def __init__(self, path: Path) -> None:
        self.buffer = b""
        self.at = 0
        self._before = 0  # bytes of the file before those of the buffer
        self._file = open_regular(path)
        self._expected = 0
        self._source: BinaryIO = self._file
        head = self._file.read(_FRAME_HEAD)
        self._file.seek(0)
        if head[:4] == COMPRESSED:
            self._expected = _content_size(head)
            self._source = zstandard.ZstdDecompressor().stream_reader(self._file, read_across_frames=True)
        self._read = 0

    @property
    def offset(self) -> int:
        """How many bytes of the file, uncompressed, were taken."""
        return self._before + self.at

    def close(self) -> None:
        """Close the file."""
        self._source.close()
        self._file.close()

    def peek(self, size: int) -> bytes:
        """Return the next bytes without taking them, fewer at the end."""
        self.fill(size)
        return self.buffer[self.at : self.at + size]

    def take(self, size: int, what: str) -> bytes:
        """Return the next bytes; raise CutOff if the file has no more as many."""
        if self.fill(size) < size:
            raise CutOff(self.offset, f"the file ends within {what}")
        self.at += size
        return self.buffer[self.at - size : self.at]

    def fill(self, size: int) -> int:
        """See to it that so many bytes are in the buffer, fewer at the end of the file; return how many are."""
        while self.at + size > len(self.buffer):
            try:
                piece = self._source.read(_PIECE)
            except (zstandard.ZstdError, OSError) as error:
                raise CutOff(self.offset, f"the file cannot be read on: {error}") from error
            if not piece:
                if self._read < self._expected:
                    raise CutOff(self.offset, "the compressed file is cut off")
                break
            self._read += len(piece)
            self.buffer = self.buffer[self.at :] + piece
            self._before += self.at
            self.at = 0
        return len(self.buffer) - self.at


def _content_size(head: bytes) -> int:
    try:
        size = zstandard.get_frame_parameters(head).content_size
    except zstandard.ZstdError:
        return 0
    return size if size != zstandard.CONTENTSIZE_UNKNOWN else 0


def parts(pieces: Pieces) -> Iterator[Block | Packet]:
    """Yield the blocks of a pcapng file, or the packets of a pcap file; raise CutOff where it ends within one."""
    magic = pieces.peek(4)
    if magic in _PCAP_MAGIC:
        yield from _packets(pieces, *_PCAP_MAGIC[magic])
    elif magic == pcapng.SECTION_HEADER.to_bytes(4, "big"):  # the same in either order
        yield from _blocks(pieces)
    elif magic:
        raise CutOff(0, "this is no capture: neither pcapng nor pcap")
    else:
        raise CutOff(0, "the file is empty")


def _blocks(pieces: Pieces) -> Iterator[Block]:
    order = ">"
    head = struct.Struct(">II")
    while True:
        left = len(pieces.buffer) - pieces.at
        if left < _SHORTEST_BLOCK and (left := pieces.fill(_SHORTEST_BLOCK)) < _SHORTEST_BLOCK:
            if not left:
                return
            raise CutOff(pieces.offset, "the file ends within a block")
        kind, size = head.unpack_from(pieces.buffer, pieces.at)
        if kind == pcapng.SECTION_HEADER:  # the same in either order
            order = pcapng.byte_order(pieces.peek(_SHORTEST_BLOCK))
            if not order:
                raise CutOff(pieces.offset, "a section begins that makes no sense")
            head = struct.Struct(f"{order}II")
            kind, size = head.unpack_from(pieces.buffer, pieces.at)
        if size < _SHORTEST_BLOCK or size & 3 or size > pcapng.LONGEST_BLOCK:
            raise CutOff(pieces.offset, f"a block of {size} bytes, which none has")
        if left < size and pieces.fill(size) < size:
            raise CutOff(pieces.offset, "the file ends within a block")
        buffer, start = pieces.buffer, pieces.at
        end = start + size
        if buffer[end - 4 : end] != buffer[start + 4 : start + 8]:
            raise CutOff(pieces.offset, "a block whose two lengths differ")
        pieces.at = end
        yield Block(kind, order, buffer[start + 8 : end - 4])


def _packets(pieces: Pieces, order: str, unit_ns: int) -> Iterator[Packet]:
    link = struct.unpack_from(f"{order}I", pieces.take(_PCAP_HEAD, "its header"), 20)[0] & 0xFFFF
    head = struct.Struct(f"{order}IIII")
    while pieces.peek(1):
        offset = pieces.offset
        seconds, fraction, size, _ = head.unpack(pieces.take(_PACKET_HEAD, "a packet"))
        if size > _LONGEST_PACKET:
            raise CutOff(offset, f"a packet of {size} bytes, which none has")
        yield Packet(link, seconds * 1_000_000_000 + fraction * unit_ns, pieces.take(size, "a packet"))
