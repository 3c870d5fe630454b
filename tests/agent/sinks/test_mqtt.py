import asyncio
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiomqtt
import orjson
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode
from pydantic import ValidationError

from agent.board import Board
from agent.record import Record
from agent.sinks import SinkRejected, SinkUnavailable
from agent.sinks.mqtt import MqttConfig, MqttSink, connection
from agent.sinks.mqtt import sink as broker_of
from agent.sinks.mqtt.reasons import refusal as translated
from agent.sinks.mqtt.session import MqttSession
from tests.agent.sinks.broker_stub import StubBroker, serving
from tests.certificates import Authority
from tests.servers import Broker, running_mosquitto


def record(seq: int, kind: str = "telemetry", key: str = "hall/meter", **body: object) -> Record:
    return Record(seq, kind, key, seq, orjson.dumps({"seq": seq, **body}))


def sink_of(url: str, folder: Path, board: Board | None = None, **settings: str) -> MqttSink:
    config = MqttConfig.model_validate({"url": url, **settings})
    return MqttSink(config, site="works", board=board or Board(), folder=folder)


def stub_sink(broker: StubBroker, folder: Path, **settings: str) -> MqttSink:
    return sink_of(f"mqtt://127.0.0.1:{broker.port}", folder, None, **settings)


async def refusal(sink: MqttSink) -> SinkUnavailable:
    """Return how a connection attempt fails."""
    with pytest.raises(SinkUnavailable) as caught:
        async with asyncio.timeout(20), sink.session():
            pass
    return caught.value


@asynccontextmanager
async def watched(session: MqttSession) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(session.watch())
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, SinkUnavailable):
            await task


# ---- configuration


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
        MqttConfig.model_validate(settings)


@pytest.mark.parametrize(
    ("url", "place"), [("mqtt://b", "b:1883"), ("mqtts://b", "b:8883"), ("mqtts://b.example:1", "b.example:1")]
)
def test_the_port_follows_from_the_scheme(url: str, place: str) -> None:
    assert MqttConfig(url=url).place == place


# ---- acknowledgements


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
        await asyncio.sleep(0.3)
        under_way = len(broker.published)
        broker.release()
        await sending

    assert under_way == most
    assert [orjson.loads(payload)["seq"] for _, payload, _ in broker.published[:300]] == list(range(1, 301))


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
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await session.send([record(1)])
        async with sink.session() as session:
            await session.send([record(2)])

    assert broker.connections == 2
    assert [orjson.loads(payload)["seq"] for _, payload, _ in broker.published] == [1, 2]


# ---- refusals


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


# ---- a real broker


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
    monkeypatch.setattr(broker_of, "KEEPALIVE_S", 6 if not busy else 60)
    monkeypatch.setattr(connection, "ANSWER_S", 4.0)
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
                async with asyncio.timeout(7):
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


# ---- TLS


@pytest.fixture
async def secure(tmp_path: Path) -> AsyncIterator[Broker]:
    with running_mosquitto(tmp_path, tls=True, client_certificates=True) as broker:
        yield broker


def certificates(broker: Broker) -> dict[str, str]:
    assert broker.authority is not None
    assert broker.client is not None
    return {
        "ca_file": str(broker.authority.file),
        "cert_file": str(broker.client.cert),
        "key_file": str(broker.client.key),
    }


@pytest.mark.integration
async def test_records_travel_over_tls_with_client_certificates(tmp_path: Path, secure: Broker) -> None:
    async with (
        secure.subscriber("energy/#") as subscriber,
        sink_of(secure.url, tmp_path, None, **certificates(secure)).session() as session,
    ):
        await session.send([record(seq) for seq in range(1, 201)])
        messages = list(await subscriber.until(lambda messages: len(messages) == 200))

    assert [orjson.loads(message.payload)["seq"] for message in messages] == list(range(1, 201))


@pytest.mark.integration
async def test_a_broker_of_an_unknown_authority_is_not_trusted(tmp_path: Path, secure: Broker) -> None:
    assert (await refusal(sink_of(secure.url, tmp_path))).reason.startswith(
        f"the certificate of 127.0.0.1:{secure.port} is not accepted (self-signed certificate in certificate chain)"
    )


@pytest.mark.integration
async def test_a_client_without_certificate_is_told_what_to_set(tmp_path: Path, secure: Broker) -> None:
    error = await refusal(sink_of(secure.url, tmp_path, ca_file=certificates(secure)["ca_file"]))

    assert "asks for a client certificate it knows: check cert_file and key_file" in error.reason


@pytest.mark.integration
async def test_a_client_certificate_that_was_replaced_is_noticed_and_used(tmp_path: Path, secure: Broker) -> None:
    (tmp_path / "others").mkdir()
    others = Authority(tmp_path / "others").issue("gateway")
    cert, key = tmp_path / "mine.crt", tmp_path / "mine.key"
    cert.write_bytes(others.cert.read_bytes())
    key.write_bytes(others.key.read_bytes())
    sink = sink_of(secure.url, tmp_path, None, **{**certificates(secure), "cert_file": cert.name, "key_file": key.name})
    before = sink.credentials()
    await refusal(sink)
    assert sink.credentials() == before

    assert secure.client is not None
    key.write_bytes(secure.client.key.read_bytes())
    cert.write_bytes(secure.client.cert.read_bytes())

    assert sink.credentials() != before
    async with sink.session() as session:
        await session.send([record(1)])


@pytest.mark.integration
async def test_a_certificate_for_another_host_is_not_accepted(tmp_path: Path) -> None:
    with running_mosquitto(tmp_path, tls=True, host="other.example") as broker:
        assert broker.authority is not None
        error = await refusal(sink_of(broker.url, tmp_path, ca_file=str(broker.authority.file)))

    assert "is not accepted (IP address mismatch" in error.reason
    assert error.reason.endswith("check ca_file and the host name in url")


@pytest.mark.integration
async def test_a_plain_broker_behind_mqtts_is_recognised(tmp_path: Path) -> None:
    with running_mosquitto(tmp_path) as broker:
        error = await refusal(sink_of(f"mqtts://127.0.0.1:{broker.port}", tmp_path))

    assert "check url" in error.reason


@pytest.mark.integration
async def test_tls_before_1_2_is_refused(tmp_path: Path) -> None:
    with running_mosquitto(tmp_path, tls=True) as broker:
        assert broker.authority is not None
        context = sink_of(broker.url, tmp_path, ca_file=str(broker.authority.file)).tls()

    assert context.minimum_version.name == "TLSv1_2"
    assert context.check_hostname
