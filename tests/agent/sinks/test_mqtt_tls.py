"""The sink of MQTT over TLS: who is trusted, and what is said where nobody is."""

import socket
import ssl
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import orjson
import pytest

from agent.sinks.mqtt.connection import TlsSocket
from tests.agent.sinks.mqtt_sinks import record, refusal, sink_of
from tests.certificates import Authority
from tests.servers import Broker, running_mosquitto


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


def test_a_refusal_that_came_before_the_first_message_was_sent_is_heard(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    asking = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority.file)
    pair = authority.issue("127.0.0.1")
    asking.load_cert_chain(pair.cert, pair.key)
    asking.verify_mode = ssl.CERT_REQUIRED
    trusting = ssl.create_default_context(cafile=authority.file)
    trusting.sslsocket_class = TlsSocket
    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor(1) as broker:
        refused = broker.submit(refuse, listening, asking)
        with trusting.wrap_socket(
            socket.create_connection(listening.getsockname()), server_hostname="127.0.0.1"
        ) as client:
            assert refused.result(10) == "PEER_DID_NOT_RETURN_A_CERTIFICATE"
            with pytest.raises(ssl.SSLError, match="CERTIFICATE_REQUIRED"):
                send_until_closed(client)


def refuse(listening: socket.socket, asking: ssl.SSLContext) -> str:
    """Take one connection, and close it because of its certificate; return why."""
    connection, _ = listening.accept()
    with connection, pytest.raises(ssl.SSLError) as caught:
        asking.wrap_socket(connection, server_side=True)
    return caught.value.reason


def send_until_closed(client: ssl.SSLSocket) -> None:
    """Send until the system has noticed that the other side is gone; the first bytes may still be taken."""
    for _ in range(100):
        client.send(b"CONNECT")
        time.sleep(0.01)


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
