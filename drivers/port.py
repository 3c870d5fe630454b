"""What the system tells of an open port or connection, and takes for it at once."""

import array
import fcntl
import os
import termios

_TIOCGICOUNT, _ICOUNTER_INTS = 0x545D, 20  # struct serial_icounter_struct of linux/serial.h


def waiting(descriptor: int) -> bool:
    """Return whether bytes have come that nobody has taken yet."""
    count = array.array("i", [0])
    try:
        fcntl.ioctl(descriptor, termios.FIONREAD, count)
    except OSError:
        return False  # broken: the request will find out
    return count[0] > 0


def counted(descriptor: int) -> tuple[int, int, int]:
    """Return how many framing, parity and break errors the driver of a serial port has counted."""
    counters = array.array("i", [0] * _ICOUNTER_INTS)
    try:
        fcntl.ioctl(descriptor, _TIOCGICOUNT, counters)
    except OSError:  # pseudo-terminals and some adapters do not count
        return (0, 0, 0)
    _cts, _dsr, _ring, _carrier, _received, _sent, framing, _overrun, parity, breaks, *_ = counters
    return framing, parity, breaks


def write_now(descriptor: int, data: bytes) -> bool:
    """Write to a serial port; return False for one that is broken.

    What a port that is stuck does not take is dropped: later it would go out for a request that was given up.
    """
    try:
        os.write(descriptor, data)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return True
