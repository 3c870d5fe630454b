"""Waits that end on time: asyncio rounds each up to whole milliseconds, more than the silence between two frames.

The kernel's timer file descriptors (timerfd_create(2)) are exact; Python has them from 3.13 on.
"""

import asyncio
import ctypes
import os
import time

_EXACT_S = 0.05
"""A longer wait may be rounded."""
_CLOCK_MONOTONIC, _ABSOLUTE = 1, 1
_FLAGS = os.O_NONBLOCK | os.O_CLOEXEC
_NS = 1_000_000_000

_libc = ctypes.CDLL(None, use_errno=True)


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Timer(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("first", _Timespec))


async def sleep_until(moment: float) -> None:
    """Return at a time of the monotonic clock [s]; a moment that has passed costs nothing."""
    left_s = moment - time.monotonic()
    if left_s > _EXACT_S:
        await asyncio.sleep(left_s)
        left_s = moment - time.monotonic()  # uvloop rounds to the nearest millisecond, and so may be early
    if left_s > 0:
        await _exactly(moment)


async def _exactly(moment: float) -> None:
    loop = asyncio.get_running_loop()
    timer = _libc.timerfd_create(_CLOCK_MONOTONIC, _FLAGS)
    if timer < 0:
        raise OSError(ctypes.get_errno(), "timerfd_create")
    try:
        seconds, nanoseconds = divmod(round(moment * _NS), _NS)
        first = _Timer(first=_Timespec(seconds, nanoseconds))
        if _libc.timerfd_settime(timer, _ABSOLUTE, ctypes.byref(first), None) < 0:
            raise OSError(ctypes.get_errno(), "timerfd_settime")  # a timer that is not set never rings
        rung = loop.create_future()
        loop.add_reader(timer, _ring, rung)
        try:
            await rung
        finally:
            loop.remove_reader(timer)
    finally:
        os.close(timer)


def _ring(rung: asyncio.Future[None]) -> None:
    if not rung.done():
        rung.set_result(None)
