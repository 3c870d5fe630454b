"""What is known about the machine's clock."""

import ctypes
from pathlib import Path

_STA_UNSYNC = 0x0040
_STATUS_OFFSET = 5 * ctypes.sizeof(ctypes.c_long)
_TIMEX_BYTES = 512
"""More than `struct timex` has on any platform (208 bytes on 64-bit Linux)."""


def synchronised() -> bool | None:
    """Return whether the kernel's clock is disciplined by NTP, PTP or the like; None when it does not say.

    Reads `status` of adjtimex(2): modes, offset, freq, maxerror, esterror (each padded to a long), then status.
    """
    try:
        adjtimex = ctypes.CDLL(None, use_errno=True).adjtimex
    except (OSError, AttributeError):
        return None
    buffer = ctypes.create_string_buffer(_TIMEX_BYTES)
    if adjtimex(buffer) < 0:
        return None
    status = ctypes.c_int.from_buffer(buffer, _STATUS_OFFSET).value
    return not status & _STA_UNSYNC


def boot_id() -> str:
    """Return the kernel's id of this boot: monotonic times of different boots cannot be compared."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
