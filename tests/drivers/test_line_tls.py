"""A line over TLS: whose certificate is taken, and what is said where it is not."""

import asyncio
import os
import socket
import ssl
from pathlib import Path

import pytest

from drivers.errors import LineDown
from drivers.reading import Block
from tests.certificates import Authority
from tests.drivers.lines import follow_up, opened, rude
from tests.modbus_rig import rig

pytestmark = pytest.mark.integration


async def tls_failure(url: str) -> str:
    async with opened(url) as line:
        with pytest.raises(LineDown) as caught:
            await line.read(1, Block(3, 0, 2))
    return str(caught.value)


async def test_a_certificate_for_another_name_is_refused(authority: Authority) -> None:
    tls = authority.server_context(authority.issue("other.works"))
    async with rig("tls", tls=tls, query=f"?ca={authority.file}") as there:
        message = await tls_failure(there.url)

    assert "does not match (Hostname mismatch" in message
    assert "use the name in the certificate as the host" in message


async def test_a_certificate_for_another_address_is_refused(authority: Authority) -> None:
    tls = authority.server_context(authority.issue("127.0.0.9"))
    async with rig("tls", tls=tls, query=f"?ca={authority.file}") as there:
        message = await tls_failure(there.url.replace("localhost", "127.0.0.1"))

    assert "does not match (IP address mismatch" in message


async def test_a_certificate_of_an_unknown_authority_is_refused(authority: Authority, tmp_path: Path) -> None:
    stranger = Authority(tmp_path, "stranger")
    async with rig("tls", tls=authority.server_context(authority.issue("localhost"))) as there:
        messages = [await tls_failure(there.url), await tls_failure(f"{there.url}?ca={stranger.file}")]

    assert all("name the certificate authority that signed it with ca=" in message for message in messages)


async def test_an_expired_certificate_is_refused(authority: Authority) -> None:
    tls = authority.server_context(authority.issue("localhost", days=-1))
    async with rig("tls", tls=tls, query=f"?ca={authority.file}") as there:
        message = await tls_failure(there.url)

    assert "renew the device's certificate" in message


async def test_a_device_that_wants_a_client_certificate_gets_it(authority: Authority) -> None:
    tls = authority.server_context(authority.issue("localhost"), client_certificates=True)
    client = authority.issue("agent")
    query = f"?ca={authority.file}&cert={client.cert}&key={client.key}"
    async with rig("tls", tls=tls, query=query) as there, opened(there.url) as line:
        await follow_up(line)


async def test_a_missing_client_certificate_is_told(authority: Authority) -> None:
    tls = authority.server_context(authority.issue("localhost"), client_certificates=True)

    def refuse(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False) as refusing:
            with pytest.raises(ssl.SSLError):
                refusing.do_handshake()
            # Closed with bytes unread, the alert would be overtaken by a reset.
            while os.read(refusing.fileno(), 1024):
                pass

    # asyncio's server closes without the alert that a device sends: a plain socket sends it.
    with socket.create_server(("127.0.0.1", 0)) as listener:
        refusing = asyncio.create_task(asyncio.to_thread(refuse, listener))
        message = await tls_failure(f"tls://localhost:{listener.getsockname()[1]}?ca={authority.file}")
        await refusing

    assert "the device refused this side's certificate" in message
    assert "give the right ones with cert= and key=" in message


async def test_a_device_that_closes_without_a_word_may_want_a_client_certificate(authority: Authority) -> None:
    tls = authority.server_context(authority.issue("localhost"), client_certificates=True)
    async with rig("tls", tls=tls, query=f"?ca={authority.file}") as there:
        message = await tls_failure(there.url)

    assert "it may want a client certificate (cert= and key=)" in message


async def test_a_key_of_another_certificate_is_told(authority: Authority) -> None:
    one, other = authority.issue("one"), authority.issue("other")
    message = await tls_failure(f"tls://127.0.0.1:1?ca={authority.file}&cert={one.cert}&key={other.key}")

    assert "cannot be used" in message
    assert "correct cert and key in the URL" in message


async def test_a_device_without_tls_is_told(authority: Authority) -> None:
    server = await asyncio.start_server(rude, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    message = await tls_failure(f"tls://127.0.0.1:{port}?ca={authority.file}")
    server.close()
    await server.wait_closed()

    assert "else use tcp://" in message
