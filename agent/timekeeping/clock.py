"""What the machine's clocks say."""

import ctypes
import os
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

from agent.timekeeping import WAIT_S, Clocks, Timekeeper

_STA_UNSYNC = 0x0040
_STATUS_OFFSET = 5 * ctypes.sizeof(ctypes.c_long)
_TIMEX_BYTES = 512
"""More than `struct timex` has on any platform (208 bytes on 64-bit Linux)."""

_ATTEMPTS = 5
_AT_ONCE_NS = 1_000_000
WAIT_VARIABLE = "ENERGY_AGENT_CLOCK_WAIT_S"
"""Names the uptime [s] from which on a clock that nobody synchronises is believed."""


@cache  # a library opened anew each time is a class of its own each time, and garbage
def _adjtimex() -> Callable[[object], int] | None:
    try:
        found: Callable[[object], int] = ctypes.CDLL(None, use_errno=True).adjtimex
    except (OSError, AttributeError):
        return None
    return found


def synchronised() -> bool | None:
    """Return whether the kernel's clock is disciplined by NTP, PTP or the like; None when it does not say.

    Reads `status` of adjtimex(2): modes, offset, freq, maxerror, esterror (each padded to a long), then status.
    """
    adjtimex = _adjtimex()
    if adjtimex is None:
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


def look() -> Clocks:
    """Return what all clocks say at one moment, however the process is interrupted."""
    known = synchronised()
    for _ in range(_ATTEMPTS):
        before_ns, wall_ns, after_ns = time.monotonic_ns(), time.time_ns(), time.monotonic_ns()
        if after_ns - before_ns < _AT_ONCE_NS:
            break
    uptime_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    return Clocks(wall_ns, (before_ns + after_ns) // 2, uptime_ns, known)


def timekeeper() -> Timekeeper:
    """Return what knows the time by the clocks of this machine."""
    try:
        wait_s = float(os.environ[WAIT_VARIABLE])
    except (KeyError, ValueError):
        wait_s = WAIT_S
    return Timekeeper(look, monotonic_ns=time.monotonic_ns, boot=boot_id(), wait_s=wait_s)
