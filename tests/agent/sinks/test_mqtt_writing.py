"""What goes to the broker: byte for byte as paho would write it, in fewer calls, and no later than it can."""

import asyncio
import socket
import statistics
import threading
import time
from itertools import product
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from agent.sinks import PromptSession
from agent.sinks.mqtt import connection
from agent.sinks.mqtt.writing import Writing
from tests.agent.sinks.broker_stub import StubBroker, serving
from tests.agent.sinks.mqtt_sinks import record, stub_sink


class Wire:
    """A socket that takes so many bytes at a time."""

    def __init__(self, most: int) -> None:
        self.sent: list[bytes] = []
        self.most = most

    def send(self, data: bytes) -> int:
        self.sent.append(bytes(data[: self.most]))
        return len(self.sent[-1])

    def fileno(self) -> int:
        return -1

    def close(self) -> None:
        pass


def of_paho(version: MQTTProtocolVersion, messages: list[tuple[str, bytes, bool]]) -> bytes:
    """Return what paho makes of messages."""
    client: Any = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=version)
    client.max_inflight_messages_set(0)
    client._sock, client._thread = Wire(0), threading.current_thread()
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    properties.ContentType = "application/json"
    for topic, payload, retain in messages:
        client.publish(topic, payload, 1, retain, properties if version == MQTTProtocolVersion.MQTTv5 else None)
    return b"".join(packet["packet"] for packet in client._out_packet)


def written(version: MQTTProtocolVersion, messages: list[tuple[str, bytes, bool]], most: int = 1 << 30) -> list[bytes]:
    """Return in which pieces messages are written that wait together."""
    client: Any = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=version)
    client._sock = wire = Wire(most)
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    properties.ContentType = "application/json"
    writing = Writing(client, properties.pack() if version == MQTTProtocolVersion.MQTTv5 else b"")  # type: ignore[no-untyped-call]
    for number, (topic, payload, retain) in enumerate(messages, 1):
        assert writing.add(topic, payload, retain=retain) == number
    writing.write()
    assert not writing.waits
    assert not client.want_write()
    return wire.sent


SIZES = (0, 1, 80, 81, 82, 83, 84, 85, 100, 127, 128, 16_339, 16_340, 16_370, 16_383, 16_384, 2_097_151, 2_097_152)
MESSAGES = [
    ("energy/works/锅炉房/meter/telemetry", b"x" * size, retain) for size, retain in product(SIZES, (False, True))
]


@pytest.mark.parametrize("version", [MQTTProtocolVersion.MQTTv5, MQTTProtocolVersion.MQTTv311])
def test_messages_are_what_paho_would_make_of_them_and_go_in_one_piece(version: MQTTProtocolVersion) -> None:
    assert written(version, MESSAGES) == [of_paho(version, MESSAGES)]


@pytest.mark.parametrize("most", [1, 7, 100, 1024])
def test_the_system_may_take_them_in_any_pieces(most: int) -> None:
    messages = [("a/b", b"one", False), ("a/c", b"x" * 500, True), ("a/d", b"", False)]

    pieces = written(MQTTProtocolVersion.MQTTv5, messages, most)

    assert max(map(len, pieces)) <= most
    assert b"".join(pieces) == of_paho(MQTTProtocolVersion.MQTTv5, messages)


@pytest.mark.parametrize(("topic", "size"), [("a/+/b", 1), ("a/#", 1), ("x" * 65_536, 1), ("", 1), ("a", 268_435_455)])
def test_what_no_message_can_be_is_refused(topic: str, size: int) -> None:
    writing = Writing(mqtt.Client(CallbackAPIVersion.VERSION2), b"")

    with pytest.raises(ValueError, match="topic"):
        writing.add(topic, bytes(size), retain=False)
    assert not writing.waits


async def test_answers_that_have_come_make_room_before_the_loop_has_looked_for_them(tmp_path: Path) -> None:
    broker = StubBroker()
    async with serving(broker), stub_sink(broker, tmp_path).session() as session:
        assert isinstance(session, PromptSession)
        sock: Any = session._connection._client.socket()
        asyncio.get_running_loop().remove_reader(sock.fileno())
        answers = [session.offer(record(seq)) for seq in range(1, connection.WINDOW + 1)]
        assert all(answers)
        assert session.offer(record(1000)) is None
        async with asyncio.timeout(5):
            while len(broker.published) < connection.WINDOW:  # noqa: ASYNC110  # it tells nobody
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)

        assert session.offer(record(1001))
        assert all(answer.done() for answer in answers if answer)


async def test_an_answer_to_what_nobody_has_sent_makes_no_room(tmp_path: Path) -> None:
    broker = StubBroker(receive_maximum=1, holding=True)
    async with serving(broker), stub_sink(broker, tmp_path).session() as session:
        assert isinstance(session, PromptSession)
        answer = session.offer(record(1))
        assert answer
        broker.writers[0].write(bytes((0x40, 2, 0x7F, 0xFF)))
        await asyncio.sleep(0.1)

        assert session.offer(record(2)) is None
        broker.release()
        assert session.took(await answer)


async def test_what_no_message_can_be_takes_no_place_in_the_window(tmp_path: Path) -> None:
    broker = StubBroker(receive_maximum=1)
    async with serving(broker), stub_sink(broker, tmp_path).session() as session, asyncio.timeout(5):
        with pytest.raises(ValueError, match="topic"):
            session._connection.offer("hall/+", b"{}")
        with pytest.raises(ValueError, match="topic"):
            await session._connection.publish("hall/#", b"{}", retain=False)
        answer = session.offer(record(1))

        assert answer is not None
        assert session.took(await answer)


async def test_no_message_gets_the_number_of_one_that_is_still_without_answer(tmp_path: Path) -> None:
    broker = StubBroker(holding=True)
    async with serving(broker), stub_sink(broker, tmp_path).session() as session:
        assert isinstance(session, PromptSession)
        first = session.offer(record(1))
        session._connection._client._last_mid = 65_535  # as after so many more
        second = session.offer(record(2))
        await asyncio.sleep(0.1)
        broker.release()

        async with asyncio.timeout(5):
            assert first is not None
            assert second is not None
            assert session.took(await first)
            assert session.took(await second)


async def test_a_broker_that_writes_no_answer_before_the_one_before_has_arrived_is_not_kept_waiting(
    tmp_path: Path,
) -> None:
    broker, took_s = StubBroker(), []
    async with serving(broker), stub_sink(broker, tmp_path).session() as session:
        serves: socket.socket = broker.writers[0].get_extra_info("socket")
        serves.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
        for batch in range(20):
            began = time.perf_counter()
            await session.send([record(100 * batch + seq) for seq in range(1, 31)])
            took_s.append(time.perf_counter() - began)

    assert statistics.median(took_s) < 0.03
