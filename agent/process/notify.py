"""Readiness and watchdog messages to the service manager; silent when there is none.

Protocol: sd_notify(3), one datagram to the socket named by NOTIFY_SOCKET. The system holds few of them: of a manager
that has no time for them the rest waits here, in order, and nobody who sends one waits with it.
"""

import logging
import os
import socket
import threading
from collections import deque

_log = logging.getLogger(__name__)

_PATIENCE_S = 10.0
_MOST = 32
_late: deque[tuple[str, str]] = deque()
_lock = threading.Lock()


def notify(message: str) -> None:
    """Send a message such as "READY=1" to the service manager, if one listens."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    # A leading @ stands for the abstract namespace.
    target = "\0" + address[1:] if address.startswith("@") else address
    with _lock:
        if not _late:
            try:
                _send(message, target, 0.0)
            except BlockingIOError:
                threading.Thread(target=_send_late, name="notify", daemon=True).start()
            except OSError as error:
                _complain(message, error)
                return
            else:
                return
        if len(_late) < _MOST:
            _late.append((message, target))
        else:
            _complain(message, TimeoutError("it takes none at all"))


def _send(message: str, target: str, timeout_s: float) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        channel.settimeout(timeout_s)
        channel.sendto(message.encode(), target)


def _send_late() -> None:
    """Send what waits, until nothing does."""
    while True:
        with _lock:
            message, target = _late[0]
        try:
            _send(message, target, _PATIENCE_S)
        except OSError as error:
            _complain(message, error)
        with _lock:
            _late.popleft()
            if not _late:
                return


def _complain(message: str, error: OSError) -> None:
    # The plant's accounts go on whether or not the service manager listens.
    _log.warning("the service manager did not take %s: %s", message, error)


def watchdog_interval_s() -> float | None:
    """Return how often the service manager wants a sign of life [s]: half its time-out; None when it wants none."""
    microseconds = os.environ.get("WATCHDOG_USEC")
    owner = os.environ.get("WATCHDOG_PID")
    if not microseconds or (owner and owner != str(os.getpid())):
        return None
    return int(microseconds) / 2e6
