import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from agent.demo.link import Link
from tests.servers import free_port

pytestmark = pytest.mark.integration


@asynccontextmanager
async def echo() -> AsyncIterator[int]:
    """Serve what sends everything back; give its port."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1000):
            writer.write(data)
        await closed(writer)

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


async def said_back(port: int, text: bytes) -> bytes:
    """Return what comes back through a new connection; nothing when it is closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(text)
        return await reader.read(len(text))
    except OSError:
        return b""
    finally:
        await closed(writer)


async def test_a_link_carries_both_directions() -> None:
    async with echo() as port:
        link = Link(port)
        async with link.open():
            assert await said_back(link.port, b"hello") == b"hello"
            assert await asyncio.gather(*(said_back(link.port, bytes([n] * 9)) for n in range(5))) == [
                bytes([n] * 9) for n in range(5)
            ]


async def test_a_cut_link_takes_no_connection_and_ends_those_there_are_until_it_is_whole_again() -> None:
    async with echo() as port:
        link = Link(port)
        async with link.open():
            reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
            writer.write(b"x")
            assert await reader.read(1) == b"x"

            link.cut = True
            link.break_connections()
            async with asyncio.timeout(5):
                assert await reader.read() == b""
            await closed(writer)
            assert await said_back(link.port, b"hello") == b""

            link.cut = False
            assert await said_back(link.port, b"hello") == b"hello"


async def test_a_link_to_nobody_closes_what_comes() -> None:
    link = Link(free_port())
    async with link.open():
        assert await said_back(link.port, b"hello") == b""


async def test_a_closed_link_listens_no_more() -> None:
    async with echo() as port:
        link = Link(port)
        async with link.open():
            pass

        with pytest.raises(OSError, match=r"refused|Connect"):
            await asyncio.open_connection("127.0.0.1", link.port)
