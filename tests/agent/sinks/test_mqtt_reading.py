"""What the broker sends, as paho sees it: in whatever pieces it comes."""

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


def acknowledged(*pieces: bytes) -> tuple[list[tuple[int, int]], Pieces]:
    """Return number and reason code of each acknowledgement that came, and what it was read from."""
    found: list[tuple[int, int]] = []
    client: Any = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    Reading(client, lambda number, code: found.append((number, code)))
    socket = Pieces(*pieces)
    client._sock = socket
    while socket.pieces:
        assert client.loop_read() == mqtt.MQTT_ERR_SUCCESS
    return found, socket


PLAIN = [bytes((0x40, 2, 0, number)) for number in range(1, 6)]
REFUSED = bytes((0x40, 4, 0, 2, 0x97, 0))


def test_all_that_has_come_is_taken_at_once_and_the_system_is_asked_but_once() -> None:
    found, socket = acknowledged(b"".join(PLAIN))

    assert found == [(number, 0) for number in range(1, 6)]
    assert socket.asked == 1


@pytest.mark.parametrize("cut", range(1, 12))
def test_acknowledgements_may_be_cut_anywhere(cut: int) -> None:
    whole = PLAIN[0] + REFUSED + PLAIN[2]

    found, _ = acknowledged(whole[:cut], whole[cut:])

    assert found == [(1, 0), (2, 0x97), (3, 0)]
