"""What is between agent and broker: rivals for a session, keys, the time after which a silent link is given up."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from agent.board import Board
from agent.sections.mqtt import MqttConfig
from agent.sinks import SinkUnavailable, together
from agent.sinks.mqtt import MqttSink, connection
from agent.sinks.mqtt import sink as broker_of
from agent.sinks.mqtt.reasons import TAKEN_OVER
from agent.sinks.mqtt.rivals import Rivals
from agent.store import Store
from tests.agent.sinks.broker_stub import StubBroker, serving
from tests.certificates import Authority
from tests.servers import Broker, running_mosquitto


def sink_of(url: str, folder: Path, **settings: str) -> MqttSink:
    config = MqttConfig.from_file({"url": url, **settings})
    return MqttSink(config, site="works", board=Board(), folder=folder)


# ---- two gateways with one identifier

REMEDY = "give each gateway its own [site] name or [mqtt] client_id"


async def taking_over(broker: StubBroker) -> None:
    broker.cut(TAKEN_OVER)


@pytest.mark.integration
async def test_a_rival_for_the_session_is_named_and_not_fought(tmp_path: Path) -> None:
    reasons: list[str] = []
    broker = StubBroker()
    async with serving(broker):
        sink = sink_of(f"mqtt://127.0.0.1:{broker.port}", tmp_path)
        for _ in range(3):
            with pytest.raises(SinkUnavailable) as caught:
                async with asyncio.timeout(10), sink.session() as session:
                    await together(partial(taking_over, broker), session.watch)
            reasons.append(caught.value.reason)

    assert caught.value.hold
    assert reasons == [
        "another client has taken over the session",
        "another client has taken over the session",
        f"another client uses the client id energy-agent-works: {REMEDY}",
    ]


@pytest.mark.integration
@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_a_rival_is_suspected_where_the_broker_does_not_say_why_it_ends_connections(
    tmp_path: Path, version: str
) -> None:
    reasons: list[str] = []
    with running_mosquitto(tmp_path) as broker:
        ours, theirs = (sink_of(broker.url, tmp_path, version=version) for _ in range(2))
        for _ in range(5):
            with pytest.raises(SinkUnavailable) as caught:
                async with asyncio.timeout(10), ours.session() as mine, theirs.session():
                    await mine.watch()
            reasons.append(caught.value.reason)

    assert caught.value.retry_after_s is not None
    assert reasons[-1].endswith(f"perhaps another client uses the client id energy-agent-works: {REMEDY}")
    assert reasons[:-1] == ["the broker has closed the connection"] * 4


@pytest.mark.parametrize(
    ("code", "lived_s", "apart_s"),
    [(TAKEN_OVER, 10.0, 200.0), (None, 0.1, 1.0), (0x80, 5.0, 6.0)],
    ids=["takeovers far apart", "ended by us", "a link cut now and then"],
)
def test_what_happens_to_any_connection_is_no_rival(code: int | None, lived_s: float, apart_s: float) -> None:
    rivals = Rivals("x")

    for number in range(20):
        rivals.look(code, lived_s=lived_s, now_s=number * apart_s)


def test_one_connection_that_lasts_ends_the_suspicion() -> None:
    rivals = Rivals("x")

    for lived_s in [0.1] * 4 + [2.0] + [0.1] * 4:
        rivals.look(0x80, lived_s=lived_s, now_s=0.0)


# ---- retained messages


async def retained(broker: Broker) -> set[str]:
    """Return the topics a newcomer is told of."""
    async with broker.subscriber("energy/#") as subscriber:
        await subscriber.until_quiet()
    return {message.topic.removeprefix("energy/works/") for message in subscriber.messages if message.retained}


@pytest.mark.integration
async def test_what_left_while_the_link_was_down_is_removed_once_it_is_up_even_in_another_run(tmp_path: Path) -> None:
    topics = {f"hall/{device}/{kind}" for device in ("stays", "leaves", "left") for kind in ("meta", "state")}
    with running_mosquitto(tmp_path) as broker:
        async with run_of(broker, tmp_path) as (board, sink):
            for topic in topics:
                board.put(topic, b"{}")
            async with sink.session():
                assert await retained(broker) == topics
            for kind in ("meta", "state"):  # removed without a link
                board.put(f"hall/leaves/{kind}", b"")
            async with sink.session():
                assert await retained(broker) == {topic for topic in topics if "leaves" not in topic}
        async with run_of(broker, tmp_path) as (_, sink), sink.session():
            assert await retained(broker) == {"hall/stays/meta", "hall/stays/state"}
        async with run_of(broker, tmp_path) as (board, _):
            assert {topic for topic, payload in board.since(0)[1] if not payload} == set()


@asynccontextmanager
async def run_of(broker: Broker, folder: Path) -> AsyncIterator[tuple[Board, MqttSink]]:
    """Give board and sink of a run of an agent whose only device is `hall/stays`."""
    store = Store(folder / "store.db", max_size=1 << 20, commit_every_s=0.1, sinks=("mqtt",))
    await store.open()
    board = Board()
    board.put("hall/stays/meta", b"{}")
    board.remember(store, known=lambda place: place == "hall/stays")
    try:
        yield board, MqttSink(MqttConfig(url=broker.url), site="works", board=board, folder=folder)
    finally:
        await store.close()


# ---- keys


@pytest.mark.parametrize("together", [False, True])
async def test_an_encrypted_key_is_an_error_and_no_question(tmp_path: Path, *, together: bool) -> None:
    pair = Authority(tmp_path).issue("gateway")
    key = serialization.load_pem_private_key(pair.key.read_bytes(), None)
    locked = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    (tmp_path / "locked.pem").write_bytes(pair.cert.read_bytes() + locked)
    files = {"cert_file": "locked.pem"} if together else {"cert_file": str(pair.cert), "key_file": "locked.pem"}
    with pytest.raises(SinkUnavailable) as caught:
        async with sink_of("mqtts://broker", tmp_path, **files).session():
            pass

    name = "the key in locked.pem" if together else "key_file locked.pem"
    assert caught.value.reason == f"{name} is encrypted, and nobody is there to type its pass phrase: give one without"
    assert caught.value.retry_after_s is not None


async def test_a_socket_that_is_closed_before_it_can_be_watched_is_let_be(tmp_path: Path) -> None:
    errors: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
    broker = StubBroker()
    async with serving(broker), sink_of(f"mqtt://127.0.0.1:{broker.port}", tmp_path).session() as session:
        connection = session._connection
        connection._on_socket_register_write(connection._client, None, connection._client.socket())
        connection.abandon()
        await asyncio.sleep(0.01)

    assert errors == []


# ---- silence


async def test_the_kernel_gives_up_what_a_dead_link_does_not_carry(tmp_path: Path) -> None:
    broker = StubBroker()
    async with serving(broker), sink_of(f"mqtt://127.0.0.1:{broker.port}", tmp_path).session() as session:
        connected = session._connection._client.socket()
        assert isinstance(connected, socket.socket)
        allowed_ms = connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)

    assert allowed_ms == broker_of.KEEPALIVE_S * 1000


@pytest.mark.parametrize(("asked", "longest_s"), [(None, 9.0), (0, 9.0), (600, 9.0), (10, 4.0), (1, 1.0)])
async def test_a_ping_and_its_missing_answer_fit_into_the_keep_alive(
    tmp_path: Path, asked: int | None, longest_s: float
) -> None:
    broker = StubBroker(keep_alive=asked)
    async with serving(broker), sink_of(f"mqtt://127.0.0.1:{broker.port}", tmp_path).session() as session:
        assert session._connection._client._keepalive == longest_s


async def test_a_silent_link_is_pinged_when_all_others_look_for_something_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns: list[float] = []

    async def turn(period_s: float) -> None:
        turns.append(period_s)
        await asyncio.sleep(0.01)

    monkeypatch.setattr(connection, "next_turn", turn)
    broker = StubBroker(keep_alive=1)
    async with serving(broker), sink_of(f"mqtt://127.0.0.1:{broker.port}", tmp_path).session():
        async with asyncio.timeout(10):
            while not broker.pings:  # noqa: ASYNC110  # the stub has no event for it
                await asyncio.sleep(0.01)

    assert len(turns) > 1
    assert set(turns) == {1.0}


async def test_a_link_that_dies_while_the_retained_messages_go_out_is_noticed_at_once(tmp_path: Path) -> None:
    broker = StubBroker(puback=lambda *_: None)
    board = Board()
    board.put("hall/meter/state", b"{}")
    async with serving(broker), asyncio.timeout(5):
        sink = MqttSink(MqttConfig(url=f"mqtt://127.0.0.1:{broker.port}"), site="works", board=board, folder=tmp_path)

        async def connect() -> None:
            async with sink.session():
                pass

        connecting = asyncio.create_task(connect())
        while not broker.published:  # noqa: ASYNC110  # the stub has no event for it
            await asyncio.sleep(0.01)
        broker.cut()
        with pytest.raises(SinkUnavailable, match="closed the connection"):
            await connecting
