"""The sink of MQTT and a real broker: topics, retained messages, the last will, links that die, passwords."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import orjson
import pytest

from agent.board import Board
from agent.sinks import SinkUnavailable
from agent.sinks.mqtt import MqttSink, connection
from agent.sinks.mqtt import sink as broker_of
from tests.agent.sinks.mqtt_sinks import record, refusal, sink_of, watched
from tests.servers import running_mosquitto


@pytest.mark.integration
@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_every_class_has_its_topic_its_type_and_its_bytes(tmp_path: Path, version: str) -> None:
    records = [
        record(1, values={"x": 0.1 + 0.2}),
        record(2, "window"),
        record(3, "interval"),
        record(4, "alarm", alarm="comm_lost"),
        record(5, "health", "agent"),
        record(6, "gap", "agent"),
        record(7, "event", "agent"),
    ]
    with running_mosquitto(tmp_path) as broker:
        async with (
            broker.subscriber("energy/works/#") as subscriber,
            sink_of(broker.url, tmp_path, version=version).session() as session,
        ):
            await session.send(records)
            messages = list(await subscriber.until(lambda messages: len(messages) == 7))

    assert [message.topic.removeprefix("energy/works/") for message in messages] == [
        "hall/meter/telemetry",
        "hall/meter/window",
        "hall/meter/interval",
        "hall/meter/alarm/comm_lost",
        "agent/health",
        "agent/gap",
        "agent/event",
    ]
    assert [message.payload for message in messages] == [record.payload for record in records]
    assert {message.content_type for message in messages} == {"application/json" if version == "5" else ""}


@pytest.mark.integration
async def test_retained_messages_are_there_on_connecting_and_follow_changes(tmp_path: Path) -> None:
    board = Board()
    board.put("hall/meter/state", b'{"state":"online"}')
    board.put("agent/status", b'{"state":"online","version":"1"}')
    with running_mosquitto(tmp_path) as broker:
        async with (
            sink_of(broker.url, tmp_path, board).session() as session,
            watched(session),
            broker.subscriber("energy/works/#") as late,
        ):
            messages = await late.until(lambda messages: len(messages) == 2)
            assert all(message.retained for message in messages)
            board.put("hall/meter/state", b'{"state":"offline"}')
            board.put("hall/meter/state", b'{"state":"degraded"}')
            messages = await late.until(lambda messages: messages[-1].payload == b'{"state":"degraded"}')
        async with broker.subscriber("energy/works/hall/meter/state") as later:
            messages = await later.until(lambda messages: len(messages) == 1)

    assert messages[0].payload == b'{"state":"degraded"}'


@pytest.mark.integration
async def test_an_old_alarm_delivered_late_does_not_replace_the_present_one(tmp_path: Path) -> None:
    board = Board()
    board.put("hall/meter/alarm/comm_lost", b'{"active":false}')
    with running_mosquitto(tmp_path) as broker:
        async with sink_of(broker.url, tmp_path, board).session() as session:
            await session.send([record(1, "alarm", alarm="comm_lost", active=True)])
        async with broker.subscriber("energy/works/#") as later:
            topic = "energy/works/hall/meter/alarm/comm_lost"
            messages = await later.until(lambda messages: any(message.topic == topic for message in messages))

    assert [message.payload for message in messages if message.topic == topic] == [b'{"active":false}']


async def hold_until_cancelled(sink: MqttSink, up: asyncio.Event) -> None:
    async with sink.session() as session:
        up.set()
        await session.watch()


@pytest.mark.integration
async def test_leaving_publishes_what_the_board_says_last(tmp_path: Path) -> None:
    board, up = Board(), asyncio.Event()
    board.put("agent/status", b'{"state":"online"}')
    with running_mosquitto(tmp_path) as broker:
        task = asyncio.create_task(hold_until_cancelled(sink_of(broker.url, tmp_path, board), up))
        await up.wait()
        board.put("agent/status", b'{"state":"offline","last":"word"}')
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with broker.subscriber("energy/works/agent/status") as subscriber:
            messages = await subscriber.until(lambda messages: len(messages) == 1)

    assert messages[0].payload == b'{"state":"offline","last":"word"}'


@pytest.mark.integration
async def test_a_connection_that_dies_leaves_the_last_will(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker_of, "WILL_DELAY_S", 1)
    board = Board()
    board.put("agent/status", b'{"state":"online","version":"1.2"}')
    with running_mosquitto(tmp_path) as broker:
        async with (
            sink_of(broker.url, tmp_path, board).session() as session,
            broker.subscriber("energy/works/agent/status") as subscriber,
        ):
            session._connection.abandon()
            messages = await subscriber.until(lambda messages: len(messages) == 2)

    will = orjson.loads(messages[1].payload)
    assert (will["state"], will["site"], will["version"]) == ("offline", "works", "1.2")


@pytest.mark.integration
async def test_whoever_comes_back_soon_was_never_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker_of, "WILL_DELAY_S", 2)
    board = Board()
    board.put("agent/status", b'{"state":"online"}')
    with running_mosquitto(tmp_path) as broker:
        sink = sink_of(broker.url, tmp_path, board)
        async with broker.subscriber("energy/works/agent/status") as subscriber:
            for _ in range(3):
                async with sink.session() as session:
                    session._connection.abandon()
            async with sink.session(), asyncio.timeout(10):
                await asyncio.sleep(3)
                assert {message.payload for message in subscriber.messages} == {b'{"state":"online"}'}


@pytest.mark.integration
async def test_a_broker_that_forgot_everything_is_told_again(tmp_path: Path) -> None:
    board = Board()
    board.put("hall/meter/meta", b'{"kind":"meter"}')
    board.put("hall/meter/state", b'{"state":"online"}')
    with running_mosquitto(tmp_path) as broker:
        sink = sink_of(broker.url, tmp_path, board)
        async with sink.session() as session:
            broker.server.kill()
            with pytest.raises(SinkUnavailable):
                async with asyncio.timeout(10):
                    await session.watch()
        broker.server.start()
        async with sink.session(), broker.subscriber("energy/works/#") as late:
            messages = await late.until(lambda messages: len(messages) == 2)

    assert {message.payload for message in messages} == {b'{"kind":"meter"}', b'{"state":"online"}'}
    assert all(message.retained for message in messages)


@asynccontextmanager
async def stalling(port: int, stalled: asyncio.Event) -> AsyncIterator[int]:
    """Serve a way to a port that carries nothing any more once `stalled` is set, and never says so."""

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(4096):
                if stalled.is_set():
                    await asyncio.Event().wait()
                writer.write(data)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        ways = [asyncio.create_task(carry(reader, far_writer)), asyncio.create_task(carry(far_reader, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            for end in (writer, far_writer):
                end.close()
                with suppress(ConnectionError):
                    await end.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@pytest.mark.integration
@pytest.mark.parametrize("busy", [False, True])
async def test_a_half_open_link_is_noticed_within_the_keep_alive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, busy: bool
) -> None:
    monkeypatch.setattr(broker_of, "KEEPALIVE_S", 4 if not busy else 60)
    monkeypatch.setattr(connection, "ANSWER_S", 2.0)
    stalled = asyncio.Event()
    with running_mosquitto(tmp_path) as broker:
        async with (
            stalling(broker.port, stalled) as port,
            sink_of(f"mqtt://127.0.0.1:{port}", tmp_path).session() as session,
            watched(session) as watching,
        ):
            await session.send([record(1)])
            stalled.set()
            sending = asyncio.create_task(session.send([record(2)])) if busy else None
            with pytest.raises(SinkUnavailable):
                async with asyncio.timeout(5):
                    await watching

            assert session.accepted_through == (0 if busy else 1)
            if sending:
                sending.cancel()


@pytest.mark.integration
async def test_a_broker_that_forbids_the_topic_gets_nothing_counted_as_delivered(tmp_path: Path) -> None:
    rules = tmp_path / "acl"
    rules.write_text("topic read energy/#\ntopic write energy/works/agent/#\n")
    with running_mosquitto(tmp_path, settings=f"acl_file {rules}") as broker:
        async with sink_of(broker.url, tmp_path).session() as session:
            with pytest.raises(SinkUnavailable, match="not authorised to publish"):
                await session.send([record(1)])

            assert session.accepted_through == 0


def make_user(file: Path, name: str, password: str) -> None:
    subprocess.run(["mosquitto_passwd", "-b", "-c", str(file), name, password], check=True)


@pytest.mark.integration
async def test_the_password_is_read_anew_for_each_connection(tmp_path: Path) -> None:
    make_user(tmp_path / "users", "works", "right")
    (tmp_path / "secret").write_text("wrong\n")
    with running_mosquitto(tmp_path, settings=f"password_file {tmp_path / 'users'}") as broker:
        sink = sink_of(broker.url, tmp_path, username="works", password_file="secret")  # noqa: S106  # a path
        refused = await refusal(sink)
        (tmp_path / "secret").write_text("right\n")
        async with sink.session() as session:
            await session.send([record(1)])

    assert "check username and password_file" in refused.reason
    assert refused.hold
