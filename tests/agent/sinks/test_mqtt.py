"""The sink of MQTT against brokers that say what they are told."""

import asyncio
import socket
from contextlib import suppress
from pathlib import Path

import aiomqtt
import orjson
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode
from pydantic import ValidationError

from agent.board import Board
from agent.record import Record
from agent.sections.mqtt import MqttConfig
from agent.sinks import PromptSession, SinkRejected, SinkUnavailable
from agent.sinks.mqtt import connection
from agent.sinks.mqtt.reasons import refusal as translated
from tests.agent.sinks.broker_stub import StubBroker, serving
from tests.agent.sinks.mqtt_sinks import record, refusal, sink_of, stub_sink, watched


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"url": "http://broker"}, "is no broker; write mqtts://"),
        ({"url": "mqtts://"}, "is no broker"),
        ({"url": "mqtt://user:secret@broker"}, "credentials do not belong into a URL"),
        ({"url": "mqtt://broker/topic"}, "says more than a broker"),
        ({"url": "mqtt://broker:99999"}, "no valid port"),
        ({"url": "mqtt://broker", "password_file": "p"}, "password_file without username"),
        ({"url": "mqtts://broker", "key_file": "k"}, "key_file without cert_file"),
        ({"url": "mqtt://broker", "ca_file": "c"}, "certificates without TLS"),
        ({"url": "mqtt://broker", "root": "a/#"}, "root"),
        ({"url": "mqtt://broker", "version": "4"}, "version"),
        ({"url": "mqtt://broker", "pasword_file": "p"}, "pasword_file"),
    ],
)
def test_a_wrong_configuration_names_what_is_wrong(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        MqttConfig.from_file(settings)


@pytest.mark.parametrize(
    ("url", "place"), [("mqtt://b", "b:1883"), ("mqtts://b", "b:8883"), ("mqtts://b.example:1", "b.example:1")]
)
def test_the_port_follows_from_the_scheme(url: str, place: str) -> None:
    assert MqttConfig(url=url).place == place


@pytest.mark.parametrize("code", [0x80, 0x83, 0x87, 0x91, 0x97])
async def test_an_acknowledgement_with_an_error_is_no_delivery(tmp_path: Path, code: int) -> None:
    broker = StubBroker(puback=lambda _, payload: code if b'"seq":3' in payload else 0)
    async with serving(broker), stub_sink(broker, tmp_path).session() as session:
        with pytest.raises(SinkUnavailable) as caught:
            await session.send([record(seq) for seq in range(1, 6)])

        assert session.accepted_through == 2
        assert (caught.value.retry_after_s is not None) == (code == 0x87)


@pytest.mark.parametrize("code", [0x90, 0x99])
async def test_a_record_refused_for_good_is_named_and_the_others_are_delivered(tmp_path: Path, code: int) -> None:
    broker = StubBroker(puback=lambda _, payload: code if b'"seq":3' in payload else 0)
    async with serving(broker), stub_sink(broker, tmp_path).session() as session:
        with pytest.raises(SinkRejected) as caught:
            await session.send([record(seq) for seq in range(1, 6)])

    assert caught.value.rejected.keys() == {3}
    assert len(broker.published) == 5


@pytest.mark.parametrize("code", [0x80, 0x83])
async def test_a_message_refused_without_a_reason_time_and_again_is_given_up_when_others_are_taken(
    tmp_path: Path, code: int
) -> None:
    broker = StubBroker(puback=lambda _, payload: code if b'"seq":3' in payload else 0)
    async with serving(broker):
        sink = stub_sink(broker, tmp_path)
        for _ in range(4):
            async with sink.session() as session:
                with pytest.raises(SinkUnavailable):
                    await session.send([record(seq) for seq in range(3, 6)])
        async with sink.session() as session:
            with pytest.raises(SinkUnavailable):
                await session.send([record(3)])
            with pytest.raises(SinkRejected) as caught:
                await session.send([record(seq) for seq in range(3, 6)])

    assert caught.value.rejected.keys() == {3}
    assert "while others were taken" in caught.value.rejected[3]


async def test_nobody_listening_is_a_delivery(tmp_path: Path) -> None:
    broker = StubBroker(puback=lambda *_: 0x10)
    async with serving(broker), stub_sink(broker, tmp_path).session() as session:
        await session.send([record(1)])

        assert session.accepted_through == 1


@pytest.mark.parametrize(("allowed", "most"), [(None, connection.WINDOW), (7, 7), (1, 1)])
async def test_as_much_is_under_way_as_the_broker_takes(tmp_path: Path, allowed: int | None, most: int) -> None:
    broker = StubBroker(receive_maximum=allowed, holding=True)
    async with serving(broker), stub_sink(broker, tmp_path).session() as session:
        sending = asyncio.create_task(session.send([record(seq) for seq in range(1, 301)]))
        async with asyncio.timeout(10):
            while len(broker.published) < most:  # noqa: ASYNC110  # it tells nobody
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        under_way = len(broker.published)
        broker.release()
        await sending

    assert under_way == most
    assert [orjson.loads(payload)["seq"] for _, payload, _ in broker.published[:300]] == list(range(1, 301))


@pytest.mark.parametrize("allowed", [None, 7, 1])
async def test_single_records_go_at_once_while_the_window_has_room_and_are_told_when_it_has_again(
    tmp_path: Path, allowed: int | None
) -> None:
    broker = StubBroker(receive_maximum=allowed, holding=True)
    async with serving(broker), stub_sink(broker, tmp_path).session() as session:
        assert isinstance(session, PromptSession)
        told = asyncio.Event()
        session.on_room = told.set
        answers = [session.offer(record(seq)) for seq in range(1, 301)]
        given = [answer for answer in answers if answer]
        await asyncio.sleep(0.1)
        assert len(broker.published) == len(given) == (allowed or connection.WINDOW)
        assert not told.is_set()

        broker.release()
        assert all([session.took(await answer) for answer in given])
        await asyncio.wait_for(told.wait(), 5)
        assert session.offer(record(301))


async def test_a_single_record_larger_than_the_broker_takes_is_refused_and_holds_up_no_other(tmp_path: Path) -> None:
    broker = StubBroker(maximum_packet=1000)
    async with serving(broker), stub_sink(broker, tmp_path).session() as session:
        assert isinstance(session, PromptSession)
        large, small = session.offer(record(1, pad="x" * 1000)), session.offer(record(2))
        assert large
        assert small

        assert not session.took(await large)
        assert session.took(await small)
    assert len(broker.published) == 1


async def test_nothing_is_offered_to_a_connection_that_is_lost(tmp_path: Path) -> None:
    broker = StubBroker()
    async with serving(broker), stub_sink(broker, tmp_path).session() as session:
        assert isinstance(session, PromptSession)
        broker.cut()
        async with asyncio.timeout(5):
            await asyncio.wait((session._connection.lost,))

        assert session.offer(record(1)) is None


async def test_nothing_is_offered_to_a_socket_that_was_closed(tmp_path: Path) -> None:
    broker = StubBroker()
    async with serving(broker), stub_sink(broker, tmp_path).session() as session:
        assert isinstance(session, PromptSession)
        session._connection.abandon()

        assert session.offer(record(1)) is None


async def test_a_record_larger_than_the_broker_takes_is_set_aside(tmp_path: Path) -> None:
    broker = StubBroker(maximum_packet=1000)
    async with serving(broker), stub_sink(broker, tmp_path).session() as session:
        with pytest.raises(SinkRejected, match="1 records") as caught:
            await session.send([record(1), record(2, pad="x" * 1000), record(3)])

    assert "larger than the broker takes" in caught.value.rejected[2]
    assert len(broker.published) == 2


async def test_a_record_that_just_fits_is_sent(tmp_path: Path) -> None:
    room = 1000 - connection._OVERHEAD - len("energy/works/hall/meter/telemetry")
    broker = StubBroker(maximum_packet=1000)
    fitting, larger = (Record(seq, "telemetry", "hall/meter", 1, b"x" * (room + seq - 1)) for seq in (1, 2))
    async with serving(broker), stub_sink(broker, tmp_path).session() as session:
        with pytest.raises(SinkRejected) as caught:
            await session.send([fitting, larger])

    assert caught.value.rejected.keys() == {2}
    assert broker.largest <= 1000


async def test_a_record_too_large_never_counts_as_taken_when_the_batch_fails_behind_it(tmp_path: Path) -> None:
    broker = StubBroker(maximum_packet=1000, puback=lambda _, payload: 0x97 if b'"seq":4' in payload else 0)
    async with serving(broker), stub_sink(broker, tmp_path).session() as session:
        with pytest.raises(SinkUnavailable):
            await session.send([record(1), record(2, pad="x" * 1000), record(3), record(4)])

        assert session.accepted_through == 1


async def test_a_retained_message_too_large_is_left_out_and_the_others_are_published(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    board = Board()
    board.put("hall/meter/meta", b"x" * 1000)
    board.put("hall/meter/state", b"{}")
    broker = StubBroker(maximum_packet=1000)
    async with serving(broker), sink_of(f"mqtt://127.0.0.1:{broker.port}", tmp_path, board).session() as session:
        await session.send([record(1)])

    assert [topic.removeprefix("energy/works/hall/meter/") for topic, _, _ in broker.published] == [
        "state",
        "telemetry",
    ]
    assert "hall/meter/meta refused: larger than the broker takes" in caplog.text


async def test_a_broker_that_stays_silent_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "ANSWER_S", 0.2)
    broker = StubBroker(puback=lambda *_: None)
    async with serving(broker), stub_sink(broker, tmp_path).session() as session:
        sending = asyncio.create_task(session.send([record(1)]))
        async with asyncio.timeout(10):
            with pytest.raises(SinkUnavailable, match="does not acknowledge"):
                await session.watch()
        sending.cancel()

        assert session.accepted_through == 0


async def test_a_lost_connection_is_noticed_while_idle(tmp_path: Path) -> None:
    broker = StubBroker()
    async with (
        serving(broker),
        stub_sink(broker, tmp_path).session() as session,
        watched(session) as watching,
        asyncio.timeout(10),
    ):
        await asyncio.sleep(0.05)
        broker.cut()
        with pytest.raises(SinkUnavailable, match="closed the connection"):
            await watching


async def test_each_session_is_a_new_connection_that_repeats_nothing(tmp_path: Path) -> None:
    broker = StubBroker(puback=lambda _, payload: None if b'"seq":1}' in payload else 0)
    async with serving(broker):
        sink = stub_sink(broker, tmp_path)
        async with sink.session() as session:
            sending = asyncio.create_task(session.send([record(1)]))
            async with asyncio.timeout(10):
                while not broker.published:  # noqa: ASYNC110  # it tells nobody
                    await asyncio.sleep(0.01)
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
        async with sink.session() as session:
            await session.send([record(2)])

    assert broker.connections == 2
    assert [orjson.loads(payload)["seq"] for _, payload, _ in broker.published] == [1, 2]


@pytest.mark.parametrize(
    ("version", "code", "message", "pause"),
    [
        ("5", 0x86, "user name or password is wrong: check", "operator"),
        ("5", 0x87, "not authorised: check", "operator"),
        ("5", 0x84, "protocol version: set version", "operator"),
        ("5", 0x89, "server busy", "back-off"),
        ("5", 0x88, "server unavailable", "back-off"),
        ("3.1.1", 4, "user name or password is wrong: check", "operator"),
        ("3.1.1", 5, "not authorised: check", "operator"),
        ("3.1.1", 3, "server unavailable", "back-off"),
    ],
)
async def test_a_refused_connection_has_one_clear_reason(
    tmp_path: Path, version: str, code: int, message: str, pause: str
) -> None:
    broker = StubBroker(connack=code, version=5 if version == "5" else 3)
    async with serving(broker):
        error = await refusal(stub_sink(broker, tmp_path, version=version))

    assert message in error.reason
    assert "\n" not in error.reason
    assert (error.retry_after_s is not None) == (pause == "operator")


OPERATOR = {0x84, 0x85, 0x86, 0x87, 0x8A, 0x8C, 0x90, 0x95, 0x99, 0x9A, 0x9B, 0x9C, 0x9D}


LATER = {0x80, 0x81, 0x82, 0x83, 0x88, 0x89, 0x97, 0x9F}


@pytest.mark.parametrize("code", sorted(OPERATOR | LATER))
def test_each_answer_to_a_connection_is_held_for_an_operator_or_tried_again(code: int) -> None:
    reason = ReasonCode(PacketTypes.CONNACK, identifier=code)
    error = translated(aiomqtt.MqttCodeError(reason), "broker:1883")

    assert (error.retry_after_s is not None) == (code in OPERATOR)
    assert error.reason.startswith("the broker refuses the connection: ")
    assert not error.reason.endswith(f": {str(reason).lower()}") or code in (0x88, 0x89)  # not only its name
    assert "\n" not in error.reason
    assert ("password_file" in error.reason and "username" in error.reason) == (code in (0x86, 0x87))


async def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        refused = await refusal(sink_of(f"mqtt://127.0.0.1:{port}", tmp_path))
        unknown = await refusal(sink_of("mqtt://no-such-host.invalid", tmp_path))

    assert refused.reason == f"nothing listens at 127.0.0.1:{port}: check url, and that the broker runs"
    assert unknown.reason.startswith("no-such-host.invalid:1883 is not known")


async def test_missing_files_are_named_with_their_setting(tmp_path: Path) -> None:
    password = await refusal(sink_of("mqtt://b", tmp_path, username="u", password_file="secret"))  # noqa: S106  # a path
    authority = await refusal(sink_of("mqtts://b", tmp_path, ca_file="ca.pem"))
    (tmp_path / "ca.pem").write_text("no certificate")
    content = await refusal(sink_of("mqtts://b", tmp_path, ca_file="ca.pem"))

    assert password.reason.startswith("password_file secret cannot be read (No such file")
    assert authority.reason.startswith("ca_file ca.pem cannot be used (No such file")
    assert content.reason.startswith("ca_file ca.pem cannot be used")


async def test_a_cancelled_attempt_leaves_no_connection_behind(tmp_path: Path) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.set()
        with suppress(ConnectionError):
            await reader.read()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        gone.set()

    connected, gone = asyncio.Event(), asyncio.Event()
    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]

        async def connect() -> None:
            async with sink_of(f"mqtt://127.0.0.1:{port}", tmp_path).session():
                pass

        task = asyncio.create_task(connect())
        async with asyncio.timeout(10):
            await connected.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await gone.wait()
