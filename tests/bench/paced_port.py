"""A device on a pseudo-terminal that takes the time of a serial line: bytes come at the baud rate, never faster.

Prints the path of the port; a line on standard input ends it, and it prints how many requests came in less than the
silence that the specification wants between frames.
"""

import itertools
import os
import select
import sys
import time
import tty

from modbus_tk.utils import calculate_crc

from drivers.endpoint import parse_endpoint

_REQUEST = 8
_LUMP_S = 0.001
_SPIN_S = 0.0003
_READINGS = itertools.count(1)


def _until(moment: float) -> None:
    """Sleep, and spin for the last part: a line is not late."""
    left = moment - time.monotonic()
    if left > _SPIN_S:
        time.sleep(left - _SPIN_S)
    while time.monotonic() < moment:
        pass


def _reply(request: bytes) -> bytes:
    count = int.from_bytes(request[4:6], "big")
    # As those of a meter at work, the values of two replies differ; equal ones would be listened behind for a repeat.
    body = request[:2] + bytes((2 * count,)) + next(_READINGS).to_bytes(2, "big") * count
    return body + int(calculate_crc(body)).to_bytes(2, "big")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> None:
    """Answer until told to end."""
    port = parse_endpoint(f"rtu:///dev/pts?baud={sys.argv[1]}")
    master, slave = os.openpty()
    tty.setraw(slave)
    _say(os.ttyname(slave))
    hasty, free_at = 0, 0.0
    while sys.stdin not in (readable := select.select([master, sys.stdin], [], [])[0]):
        assert master in readable
        came_at = time.monotonic()
        hasty += came_at < free_at
        request = os.read(master, _REQUEST)
        assert len(request) == _REQUEST
        reply = _reply(request)
        begin = came_at + _REQUEST * port.char_seconds + port.gap_seconds
        lump = max(1, round(_LUMP_S / port.char_seconds))
        for at in range(0, len(reply), lump):
            sent = min(at + lump, len(reply))
            _until(begin + sent * port.char_seconds)
            os.write(master, reply[at:sent])
        free_at = begin + len(reply) * port.char_seconds + port.gap_seconds
    _say(str(hasty))


if __name__ == "__main__":
    main()
