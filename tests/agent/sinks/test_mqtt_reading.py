"""What the broker sends, as paho sees it: in whatever pieces it comes."""

import threading
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from agent.sinks.mqtt.reading import Reading


class Pieces:
    """A socket from which so many bytes can be read at once."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = [*pieces]
        self.asked = 0

    def recv(self, most: int) -> bytes:
        self.asked += 1
        if not self.pieces:
            raise BlockingIOError
        piece, rest = self.pieces[0][:most], self.pieces[0][most:]
        self.pieces[:1] = [rest] if rest else []
        return piece

    def close(self) -> None:
        pass

    def fileno(self) -> int:
        return -1


def acknowledged(*pieces: bytes, sent: int) -> tuple[list[tuple[int, int]], Pieces]:
    """Return number and reason code of each acknowledgement that came of so many messages sent."""
    found: list[tuple[int, int]] = []

    def note(_client: Any, _data: Any, mid: int, reason: Any, _properties: Any) -> None:
        found.append((mid, reason.value))

    client: Any = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    client.on_publish = note
    Reading(client)
    for _ in range(sent):
        client.publish("topic", b"payload", 1)
    client._inflight_messages = sent
    socket = Pieces(*pieces)
    client._sock = socket
    client._thread = threading.current_thread()
    assert client.loop_read() == mqtt.MQTT_ERR_SUCCESS
    return found, socket


PLAIN = [bytes((0x40, 2, 0, number)) for number in range(1, 6)]
REFUSED = bytes((0x40, 4, 0, 2, 0x97, 0))


def test_all_that_has_come_is_taken_at_once_and_the_system_is_asked_but_once() -> None:
    found, socket = acknowledged(b"".join(PLAIN), sent=5)

    assert found == [(number, 0) for number in range(1, 6)]
    assert socket.asked == 1


@pytest.mark.parametrize("cut", range(1, 12))
def test_acknowledgements_may_be_cut_anywhere(cut: int) -> None:
    whole = PLAIN[0] + REFUSED + PLAIN[2]

    found, _ = acknowledged(whole[:cut], whole[cut:], sent=3)

    assert found == [(1, 0), (2, 0x97), (3, 0)]


def test_what_nobody_has_sent_is_not_acknowledged() -> None:
    found, _ = acknowledged(b"".join(PLAIN), sent=1)

    assert found == [(1, 0)]
