import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from http.client import HTTPException

import pytest

from agent.sinks.influx.transport import LONGEST, Request, Transport

TAKEN = b"HTTP/1.1 204 No Content\r\n\r\n"
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def talking(talk: Talk) -> AsyncIterator[Transport]:
    """Serve connections by `talk`, which is called for each; yield a transport to them."""
    ended = asyncio.Queue[None]()
    begun = 0

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal begun
        begun += 1
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await talk(reader, writer)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        ended.put_nowait(None)

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server, asyncio.timeout(20):
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/a/write"
        request = Request(url, [("org", "a b")], {"X": "y", "Authorization": "Token \u00e9\u4e2d"})
        transport = Transport(request, tls=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), timeout_s=10.0)
        try:
            yield transport
        finally:
            transport.close()
            for _ in range(begun):
                await ended.get()


async def posted(transport: Transport) -> tuple[int, bytes]:
    answer = await asyncio.to_thread(transport.post, b"body")
    return answer.status, answer.data


async def asked(reader: asyncio.StreamReader) -> bytes:
    """Return the head of the next request, whose body is read too."""
    head = await reader.readuntil(b"\r\n\r\n")
    await reader.readexactly(len(b"body"))
    return head


async def test_requests_one_after_another_share_a_connection() -> None:
    heads: list[list[bytes]] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append([])
        while True:
            heads[-1].append(await asked(reader))
            writer.write(TAKEN)

    async with talking(talk) as transport:
        for _ in range(3):
            assert await posted(transport) == (204, b"")

    assert [len(each) for each in heads] == [3]
    assert heads[0][0] == heads[0][1] == heads[0][2]
    assert heads[0][0].startswith(b"POST /a/write?org=a+b HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"\r\nX: y\r\n" in heads[0][0]
    assert "\r\nAuthorization: Token \u00e9\u4e2d\r\n".encode() in heads[0][0]
    assert b"\r\nContent-Length: 4\r\n" in heads[0][0]
    assert b"\r\nAccept-Encoding: identity\r\n" in heads[0][0], "an answer that swells is not wanted"


async def test_a_server_that_says_it_closes_the_connection_is_not_asked_on_it_again() -> None:
    connections = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await asked(reader)
        writer.write(b"HTTP/1.1 204 x\r\nConnection: close\r\n\r\n")
        await reader.read()

    async with talking(talk) as transport:
        for _ in range(2):
            assert await posted(transport) == (204, b"")

    assert connections == 2


async def test_a_connection_that_the_server_has_closed_is_made_anew() -> None:
    connections = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await asked(reader)
        writer.write(TAKEN)

    async with talking(talk) as transport:
        for _ in range(3):
            assert await posted(transport) == (204, b"")
            await asyncio.sleep(0.05)  # for the end of the connection to arrive

    assert connections == 3


@pytest.mark.parametrize("pause_s", [0.0, 0.02], ids=["at once", "later"])
async def test_what_a_server_says_unasked_is_not_taken_for_the_next_answer(pause_s: float) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await asked(reader)
            writer.write(b"HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            await asyncio.sleep(pause_s)
            writer.write(TAKEN)

    async with talking(talk) as transport:
        assert await posted(transport) == (503, b"")
        await asyncio.sleep(0.1)
        assert await posted(transport) == (503, b"")


async def test_of_a_long_answer_only_the_beginning_is_read_and_the_next_request_gets_its_own() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asked(reader)
        writer.write(b"HTTP/1.1 500 x\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1_000_000)
        await writer.drain()
        await reader.read()

    async with talking(talk) as transport:
        for _ in range(2):
            assert await posted(transport) == (500, b"x" * LONGEST)


async def test_an_answer_in_pieces_is_put_together() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await asked(reader)
            writer.write(b"HTTP/1.1 400 x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nwro\r\n2\r\nng\r\n0\r\n\r\n")

    async with talking(talk) as transport:
        for _ in range(2):
            assert await posted(transport) == (400, b"wrong")


@pytest.mark.parametrize("said", [b"SSH-2.0-x\r\n", b"HTTP/1.1 204 x\r\nContent-Length: 5\r\n\r\nhello", b""])
async def test_what_is_no_http_is_an_error(said: bytes) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asked(reader)
        writer.write(said)

    async with talking(talk) as transport:
        with pytest.raises((HTTPException, ConnectionError)):
            await posted(transport)


async def test_a_request_under_way_ends_when_the_transport_is_closed() -> None:
    arrived, over = asyncio.Event(), asyncio.Event()

    async def talk(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await asked(reader)
        arrived.set()
        await reader.read()
        over.set()

    async with talking(talk) as transport:
        request = asyncio.create_task(posted(transport))
        await arrived.wait()
        transport.close()
        with pytest.raises((HTTPException, OSError)):
            await request
        await over.wait()
        with pytest.raises(ConnectionAbortedError):
            await posted(transport)
