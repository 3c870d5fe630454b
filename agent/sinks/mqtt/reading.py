"""What a broker sends, read for paho: many bytes at a time, and the plainest of all answers without ceremony.

paho asks the system for one byte after another, and makes three objects with dozens of attributes of each
acknowledgement, although nearly all say nothing but the number of the message: half of what a message costs.
"""

import time
from collections.abc import Callable
from typing import Any

_AT_ONCE = 1 << 14
_PLAIN = b"\x40\x02"
"""How an acknowledgement begins that gives the number of a message alone: it was taken (MQTT 5.0, 3.4.2.1)."""
_PLAIN_BYTES = 4


class Reading:
    """Stands between a client of paho, used for one connection, and its socket."""

    def __init__(self, client: Any, answered: Callable[[int, int], None]) -> None:
        """`answered` is told the number of each message that is acknowledged, and the reason code."""
        self._client = client
        self._answered = answered
        self._receive: Callable[[int], bytes] = client._sock_recv  # noqa: SLF001  # paho offers no other place
        self._loop_read: Callable[[], int] = client.loop_read
        self._check: Callable[[str], int] = client._handle_pubackcomp  # noqa: SLF001
        self._rest = b""
        client._sock_recv = self._received  # noqa: SLF001
        client.loop_read = self._all_read
        client._handle_pubackcomp = self._acknowledged  # noqa: SLF001

    def _received(self, most: int) -> bytes:
        """Return bytes, none at the end of the connection; raise BlockingIOError while there are none."""
        rest = self._rest or self._receive(_AT_ONCE)
        if rest.startswith(_PLAIN) and not self._client._in_packet["command"]:  # noqa: SLF001
            rest = self._behind_plain(rest)
            if not rest:
                self._rest = rest
                raise BlockingIOError
        self._rest = rest[most:]
        return rest[:most]

    def _behind_plain(self, found: bytes) -> bytes:
        """Take the plain acknowledgements that come first; return what lies behind them."""
        at, end = 0, len(found)
        while found.startswith(_PLAIN, at) and at + _PLAIN_BYTES <= end:
            at += _PLAIN_BYTES
            self._answered(found[at - 2] << 8 | found[at - 1], 0)
        self._client._last_bytes_received = time.monotonic()  # noqa: SLF001  # else paho would ask whether anybody is there
        return found[at:]

    def _all_read(self) -> int:
        """Take every packet that has come: of those that wait here the event loop does not know."""
        result = self._loop_read()
        while self._rest and not result:
            result = self._loop_read()
        return result

    def _acknowledged(self, command: str) -> int:
        """Take an acknowledgement that paho has read, after its look at it."""
        packet = self._client._in_packet["packet"]  # noqa: SLF001
        result = self._check(command)
        if command == "PUBACK" and not result:
            self._answered(int.from_bytes(packet[:2], "big"), packet[2] if len(packet) > 2 else 0)  # noqa: PLR2004
        return result
