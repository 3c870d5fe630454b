"""What goes to a broker, written for paho: messages made in one go, and all that wait given to the system at once.

paho keeps for each message an object, a lock to wait for it and a place in two tables, so that another thread may wait
and another connection send it again; and it asks the system once for each. Nobody here needs that.
"""

from collections.abc import Container
from typing import Any

from paho.mqtt.client import PUBLISH

_QOS_1, _RETAIN = 1 << 1, 1
_MORE = 1 << 7
_LARGEST = 268_435_455
"""Bytes behind the fixed header that a packet may have (MQTT 5.0, 2.1.4)."""


class Writing:
    """Stands between those who publish with QoS 1 and a client of paho that is used for one connection."""

    def __init__(self, client: Any, properties: bytes, under_way: Container[int] = ()) -> None:
        """`properties` are those of every message as they go over the line, nothing where the protocol has none.

        `under_way` are the numbers of messages that wait for an answer: no other gets one of these.
        """
        self._client = client
        self._under_way = under_way
        self._properties = properties
        self._waiting: list[bytes] = []

    @property
    def waits(self) -> bool:
        """Whether there is something to be written."""
        return bool(self._waiting)

    def add(self, topic: str, payload: bytes, *, retain: bool) -> int:
        """Have a message wait for `write`; return its number. Raises ValueError for what no message can be."""
        name = topic.encode()
        self._client._raise_for_invalid_topic(name)  # noqa: SLF001  # paho offers no other place
        size = 4 + len(name) + len(self._properties) + len(payload)
        if not name or size > _LARGEST:
            raise ValueError(f"no message of MQTT has {size} bytes for topic '{topic}'")
        number: int = self._client._mid_generate()  # noqa: SLF001
        while number in self._under_way:
            number = self._client._mid_generate()  # noqa: SLF001
        kind = PUBLISH | _QOS_1 | (_RETAIN if retain else 0)
        self._waiting += (
            b"%c%b%b%b%b%b"
            % (kind, _variable(size), len(name).to_bytes(2, "big"), name, number.to_bytes(2, "big"), self._properties),
            payload,
        )
        return number

    def write(self) -> None:
        """Write what waits as far as the system takes it now; the rest follows when it takes more."""
        packets, self._waiting = b"".join(self._waiting), []
        if packets:
            client = self._client
            # To paho it is one packet: of its kind, number and QoS it only wants to know that it is not of QoS 0.
            packet = {"command": PUBLISH, "mid": 0, "qos": 1, "pos": 0, "to_process": len(packets), "packet": packets}
            client._out_packet.append(packet)  # noqa: SLF001
            client.loop_write()


def _variable(number: int) -> bytes:
    """Return a variable byte integer (MQTT 5.0, 1.5.5)."""
    found = bytearray()
    while number >= _MORE:
        found.append(number % _MORE | _MORE)
        number //= _MORE
    found.append(number)
    return bytes(found)
