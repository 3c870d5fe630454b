"""Exchanges and notes in pcapng files, written while a line is read, and read back as they were.

`pcapng` knows the blocks of the format, `packets` what stands in them, `comment` the text beside a packet; `encoder`
makes blocks of exchanges and `decoder` exchanges of blocks; `files` keeps the directory in its bounds and `writer`
the thread that writes. `foreign` reads what others captured: Ethernet, raw or cooked packets of TCP.
"""

from drivers.capture.files import NAMES_KEPT
from drivers.capture.items import Captured, Closed, Damage, Note, Removed, Section, Status
from drivers.capture.reader import CaptureError, read_capture
from drivers.capture.writer import CaptureWriter

__all__ = [
    "NAMES_KEPT",
    "CaptureError",
    "CaptureWriter",
    "Captured",
    "Closed",
    "Damage",
    "Note",
    "Removed",
    "Section",
    "Status",
    "read_capture",
]
