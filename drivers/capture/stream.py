"""A capture file as a row of pieces: plain or compressed, cut into blocks of pcapng or packets of the older pcap."""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import zstandard

from drivers.capture import pcapng
from drivers.regular_file import open_regular
from drivers.value import frozen

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
    """The bytes of a file one after the other, as long as there are any."""

    def __init__(self, path: Path) -> None:
        self.offset = 0
        self._path = path
        self._file = open_regular(path)
        self._expected = 0
        self._source: BinaryIO = self._file
        head = self._file.read(_FRAME_HEAD)
        self._file.seek(0)
        if head[:4] == COMPRESSED:
            self._expected = _content_size(head)
            self._source = zstandard.ZstdDecompressor().stream_reader(self._file, read_across_frames=True)
        self._buffer = b""
        self._at = 0
        self._read = 0

    def close(self) -> None:
        """Close the file."""
        self._source.close()
        self._file.close()

    def peek(self, size: int) -> bytes:
        """Return the next bytes without taking them, fewer at the end."""
        self._fill(size)
        return self._buffer[self._at : self._at + size]

    def take(self, size: int, what: str) -> bytes:
        """Return the next bytes; raise CutOff if the file has no more as many."""
        self._fill(size)
        end = self._at + size
        if end > len(self._buffer):
            raise CutOff(self.offset, f"the file ends within {what}")
        taken = self._buffer[self._at : end]
        self._at = end
        self.offset += size
        return taken

    def _fill(self, size: int) -> None:
        while self._at + size > len(self._buffer):
            try:
                piece = self._source.read(_PIECE)
            except (zstandard.ZstdError, OSError) as error:
                raise CutOff(self.offset, f"the file cannot be read on: {error}") from error
            if not piece:
                if self._read < self._expected:
                    raise CutOff(self.offset, "the compressed file is cut off")
                return
            self._read += len(piece)
            self._buffer = self._buffer[self._at :] + piece
            self._at = 0


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
    while start := pieces.peek(_SHORTEST_BLOCK):
        if len(start) < _SHORTEST_BLOCK:
            raise CutOff(pieces.offset, "the file ends within a block")
        if start[:4] == b"\x0a\x0d\x0d\x0a":
            order = pcapng.byte_order(start)
            if not order:
                raise CutOff(pieces.offset, "a section begins that makes no sense")
            head = struct.Struct(f"{order}II")
        kind, size = head.unpack_from(start)
        if size < _SHORTEST_BLOCK or size % 4 or size > pcapng.LONGEST_BLOCK:
            raise CutOff(pieces.offset, f"a block of {size} bytes, which none has")
        offset = pieces.offset
        taken = pieces.take(size, "a block")
        if taken[-4:] != taken[4:8]:
            raise CutOff(offset, "a block whose two lengths differ")
        yield Block(kind, order, taken[8:-4])


def _packets(pieces: Pieces, order: str, unit_ns: int) -> Iterator[Packet]:
    link = struct.unpack_from(f"{order}I", pieces.take(_PCAP_HEAD, "its header"), 20)[0] & 0xFFFF
    head = struct.Struct(f"{order}IIII")
    while pieces.peek(1):
        offset = pieces.offset
        seconds, fraction, size, _ = head.unpack(pieces.take(_PACKET_HEAD, "a packet"))
        if size > _LONGEST_PACKET:
            raise CutOff(offset, f"a packet of {size} bytes, which none has")
        yield Packet(link, seconds * 1_000_000_000 + fraction * unit_ns, pieces.take(size, "a packet"))
