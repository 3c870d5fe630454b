"""Readiness and watchdog messages to the service manager; silent when there is none.

Protocol: sd_notify(3), one datagram to the socket named by NOTIFY_SOCKET.
"""

import logging
import os
import socket

_log = logging.getLogger(__name__)


def notify(message: str) -> None:
    """Send a message such as "READY=1" to the service manager, if one listens."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    # A leading @ stands for the abstract namespace.
    target = "\0" + address[1:] if address.startswith("@") else address
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.settimeout(1.0)
            channel.sendto(message.encode(), target)
    except OSError as error:
        # The plant's accounts go on whether or not the service manager listens.
        _log.warning("the service manager did not take %s: %s", message, error)


def watchdog_interval_s() -> float | None:
    """Return how often the service manager wants a sign of life [s]: half its time-out; None when it wants none."""
    microseconds = os.environ.get("WATCHDOG_USEC")
    owner = os.environ.get("WATCHDOG_PID")
    if not microseconds or (owner and owner != str(os.getpid())):
        return None
    return int(microseconds) / 2e6
