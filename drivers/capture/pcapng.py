"""The blocks of pcapng: pure, bytes in and out.

Written in big-endian order: the 64-bit time of a packet then stands with its slow bytes first, next to what does not
change at all, which compresses better. Both orders are read.

Source: PCAP Next Generation (pcapng) Capture File Format, draft-ietf-opsawg-pcapng, sections 3 and 4.
"""

import struct
from collections.abc import Iterator, Sequence

SECTION_HEADER, INTERFACE, SIMPLE_PACKET, PACKET, JOURNAL = 0x0A0D0D0A, 1, 3, 6, 9
LINK_ETHERNET, LINK_RAW, LINK_UPPER_PDU = 1, 101, 252
COMMENT, END = 1, 0
HARDWARE, SYSTEM, APPLICATION = 2, 3, 4
INTERFACE_NAME, INTERFACE_DESCRIPTION, TIME_RESOLUTION, TIME_OFFSET = 2, 3, 9, 14
FLAGS = 2
INBOUND, OUTBOUND = 1, 2
LONGEST_BLOCK = 16 << 20
"""More than any block has that Wireshark would read; a longer one is damage."""

_MAGIC = 0x1A2B3C4D
_HEAD = 12
_LONGEST_OPTION = 0xFFFF
_OPTION = struct.Struct(">HH")
_WORD = struct.Struct(">I")
_START = struct.Struct(">III")
_TIME = struct.Struct(">Q")
_SIZES = struct.Struct(">II")
_PACKET_HEAD = _START.size + _TIME.size + _SIZES.size
_PADDING = (b"", b"\0\0\0", b"\0\0", b"\0")

Option = tuple[int, bytes]


def padding(size: int) -> bytes:
    """Return the zeros that fill up `size` bytes to whole words."""
    return _PADDING[size & 3]


def options(items: Sequence[Option]) -> bytes:
    """Return options with the end that stands behind them; texts too long for one are cut."""
    parts = []
    for code, value in items:
        kept = value[:_LONGEST_OPTION]
        parts += [_OPTION.pack(code, len(kept)), kept, padding(len(kept))]
    return b"".join([*parts, bytes(4)])


def block(kind: int, body: bytes) -> bytes:
    """Return a block around a body, which is filled up to whole words."""
    body += padding(len(body))
    size = _WORD.pack(_HEAD + len(body))
    return b"".join((_WORD.pack(kind), size, body, size))


def section_header(items: Sequence[Option]) -> bytes:
    """Return the block that a file begins with; its length is left open."""
    return block(SECTION_HEADER, struct.pack(">IHHq", _MAGIC, 1, 0, -1) + options(items))


def interface(link_type: int, items: Sequence[Option]) -> bytes:
    """Return the description of an interface whose times are in nanoseconds."""
    return block(INTERFACE, struct.pack(">HHI", link_type, 0, 0) + options([*items, (TIME_RESOLUTION, b"\x09")]))


def around_packet(number: int, size: int, ready: bytes) -> tuple[bytes, bytes, bytes]:
    """Return what stands before the time of a packet, between that and its data, and behind these.

    The packet is of the interface of this number, its data of `size` bytes, its options as `options` made them.
    """
    behind = padding(size) + ready
    total = _PACKET_HEAD + size + len(behind) + _WORD.size
    return _START.pack(PACKET, total, number), _SIZES.pack(size, size), behind + _WORD.pack(total)


def packet(number: int, time_ns: int, data: bytes, ready: bytes) -> bytes:
    """Return the block of a packet of an interface, at a time (Unix, ns), with options as `options` made them."""
    start, sizes, behind = around_packet(number, len(data), ready)
    return b"".join((start, _TIME.pack(time_ns), sizes, data, behind))


def journal(fields: Sequence[tuple[str, str]]) -> bytes:
    """Return one entry of the systemd journal, in its export format; no text may hold a line feed."""
    return block(JOURNAL, "".join(f"{name}={text}\n" for name, text in fields).encode())


def journal_fields(body: bytes) -> dict[str, str]:
    """Return the fields of a journal entry; binary ones are left out."""
    lines = body.rstrip(b"\0").decode("utf-8", "replace").split("\n")
    return {name: text for name, equals, text in (line.partition("=") for line in lines) if equals}


def byte_order(header: bytes) -> str:
    """Return the order, as `struct` writes it, of the section that starts with these 12 bytes; empty if none does."""
    for order in "><":
        if struct.unpack_from(f"{order}I", header, 8)[0] == _MAGIC:
            return order
    return ""


def read_options(body: bytes, order: str) -> Iterator[Option]:
    """Yield options up to their end, or to where they make no sense."""
    at, head = 0, struct.Struct(f"{order}HH")
    while at + 4 <= len(body):
        code, size = head.unpack_from(body, at)
        if code == END or at + 4 + size > len(body):
            return
        yield code, body[at + 4 : at + 4 + size]
        at += 4 + size + (-size & 3)
