"""What a broker sends, read for paho: many bytes at a time, and the plainest of all answers without ceremony.

paho asks the system for one byte after another, and makes three objects with dozens of attributes of each
acknowledgement, although nearly all say nothing but the number of the message: half of what a message costs.
"""

from collections.abc import Callable
from typing import Any

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

_AT_ONCE = 1 << 14
_PLAIN = 2
"""Bytes of an acknowledgement that gives the number of a message alone: it was taken (MQTT 5.0, 3.4.2.1)."""
_TAKEN = ReasonCode(PacketTypes.PUBACK)
_NOTHING = Properties(PacketTypes.PUBACK)  # type: ignore[no-untyped-call]  # paho types it in part


class Reading:
    """Stands between a client of paho, used for one connection, and its socket."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._receive: Callable[[int], bytes] = client._sock_recv  # noqa: SLF001  # paho offers no other place
        self._loop_read: Callable[[], int] = client.loop_read
        self._acknowledge: Callable[[str], int] = client._handle_pubackcomp  # noqa: SLF001
        self._rest = b""
        client._sock_recv = self._received  # noqa: SLF001
        client.loop_read = self._all_read
        client._handle_pubackcomp = self._acknowledged  # noqa: SLF001

    def _received(self, most: int) -> bytes:
        """Return bytes, none at the end of the connection; raise BlockingIOError while there are none."""
        rest = self._rest or self._receive(_AT_ONCE)
        self._rest = rest[most:]
        return rest[:most]

    def _all_read(self) -> int:
        """Take every packet that has come: of those that wait here the event loop does not know."""
        result = self._loop_read()
        while self._rest and not result:
            result = self._loop_read()
        return result

    def _acknowledged(self, command: str) -> int:
        """Take an acknowledgement."""
        client = self._client
        packet = client._in_packet["packet"]  # noqa: SLF001
        if command != "PUBACK" or len(packet) != _PLAIN:
            return self._acknowledge(command)
        number = int.from_bytes(packet, "big")
        with client._out_message_mutex:  # noqa: SLF001
            if number not in client._out_messages:  # noqa: SLF001
                return 0
            result: int = client._do_on_publish(number, _TAKEN, _NOTHING)  # noqa: SLF001
            return result
