"""Requests byte by byte, as well-behaved and other callers send them."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import orjson
import pytest

from agent.api import caller, listener
from agent.api.listener import Listener
from agent.api.request import Answer, Request, json

Respond = Callable[[Request], Awaitable[Answer]]


async def echo(request: Request) -> Answer:
    return json({"method": request.method, "path": request.path, "query": dict(request.query)})


@asynccontextmanager
async def listening(respond: Respond = echo) -> AsyncIterator[tuple[Listener, int]]:
    """Listen for the block; yield the listener and its port."""
    served = Listener(respond)
    port = await served.listen("127.0.0.1", 0)
    try:
        async with asyncio.timeout(20):
            yield served, port
    finally:
        await served.stop()


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def said(port: int, sent: bytes) -> bytes:
    """Send bytes and return all that comes until the end of the connection."""
    async with connected(port) as (reader, writer):
        writer.write(sent)
        return await reader.read()


async def one(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Return status and body of the next answer on a connection."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    size = next(int(line.split(":")[1]) for line in head.splitlines() if line.startswith("Content-Length:"))
    return int(head.split(" ")[1]), await reader.readexactly(size)


# ---- what a head says


async def test_a_head_is_read_whole() -> None:
    asked: list[Request] = []

    async def keep(request: Request) -> Answer:
        asked.append(request)
        return Answer()

    async with listening(keep) as (_, port), connected(port) as (reader, writer):
        writer.write(
            b"\r\nGET /api/v1/devices/fan%2D1?from=2026-11-20T08:00%2B08:00&kinds=&from=2 HTTP/1.1\r\n"
            b"Host: x\r\nAUTHORIZATION:Bearer \xff \r\nX: a\r\nX: b\r\n folded\r\n\r\n"
        )
        assert await one(reader) == (200, b"")

    request = asked[0]
    assert (request.method, request.path) == ("GET", "/api/v1/devices/fan-1")
    assert request.query == {"from": "2026-11-20T08:00+08:00", "kinds": ""}
    assert request.headers == {"host": "x", "authorization": "Bearer \xff", "x": "a, b folded"}
    assert request.again_with(after="1~0~a/b") == (
        "/api/v1/devices/fan-1?from=2026-11-20T08%3A00%2B08%3A00&kinds=&after=1~0~a%2Fb"
    )


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /\r\nHost: x\r\n\r\n", 400),
        (b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"G@T / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n folded\r\nHost: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length : 5\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0, 5\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\n", 400),
        (b"GET //[ HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /?" + b"a=1&" * 100 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ],
)
async def test_what_is_no_request_is_refused_and_the_connection_ended(head: bytes, status: int) -> None:
    async with listening() as (_, port):
        answer = await said(port, head + b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b"\r\nConnection: close\r\n" in answer
    assert answer.count(b"\r\n\r\n") == 1, "nothing behind it is answered"
    assert orjson.loads(answer.partition(b"\r\n\r\n")[2])["error"].startswith("the request cannot be read: ")


@pytest.mark.parametrize(
    ("head", "ends"),
    [
        (b"GET / HTTP/1.1\r\n", False),
        (b"GET / HTTP/1.1\r\nConnection: keep-alive, Close\r\n", True),
        (b"GET / HTTP/1.0\r\n", True),
        (b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n", True),
        (b"POST / HTTP/1.1\r\nContent-Length: 0\r\n", False),
        (b"POST / HTTP/1.1\r\nContent-Length: 1\r\n", True),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n", True),
    ],
)
async def test_a_connection_goes_on_only_where_the_next_request_is_sure_to_begin(head: bytes, *, ends: bool) -> None:
    follows = b"GET /2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    async with listening() as (_, port), connected(port) as (reader, writer):
        writer.write(head + b"Host: x\r\n\r\n")
        answer = await reader.readuntil(b"}")
        writer.write(follows)
        more = await reader.read()

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert (b"\r\nConnection: close\r\n" in answer) is ends
    assert (b"/2" in more) is not ends


async def test_to_ask_for_the_head_alone_leaves_the_body_out_and_the_connection_open() -> None:
    async with listening() as (_, port), connected(port) as (reader, writer):
        writer.write(b"HEAD /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        status, body = await one(reader)

    assert b"\r\nContent-Length: %d\r\n" % len(orjson.dumps({"method": "HEAD", "path": "/1", "query": {}})) in head
    assert (status, orjson.loads(body)["path"]) == (200, "/2")


# ---- on a connection


async def test_requests_on_one_connection_are_answered_in_turn() -> None:
    async with listening() as (_, port), connected(port) as (reader, writer):
        writer.write(b"GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\nGET /3 ")
        answers = [await one(reader), await one(reader)]
        writer.write(b"HTTP/1.1\r\nHost: x\r\n\r\n")
        answers.append(await one(reader))

    assert [(status, orjson.loads(body)["path"]) for status, body in answers] == [(200, f"/{n}") for n in (1, 2, 3)]


async def test_a_body_is_never_taken_for_a_request() -> None:
    async with listening() as (_, port):
        answer = await said(
            port, b"POST /1 HTTP/1.1\r\nHost: x\r\nContent-Length: 28\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n"
        )

    assert answer.count(b"HTTP/1.1 200 OK") == 1
    assert b"/2" not in answer


async def test_a_large_body_that_nobody_wants_does_not_cost_its_sender_the_answer() -> None:
    async with listening() as (_, port), connected(port) as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n\r\n" + b"x" * 5_000_000)
        assert (await reader.read()).startswith(b"HTTP/1.1 200 ")


async def test_a_head_without_end_is_refused() -> None:
    async with listening() as (_, port):
        answer = await said(port, b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 10_000)

    assert answer.startswith(b"HTTP/1.1 431 ")


async def test_a_caller_that_says_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caller, "_QUIET_S", 0.1)
    async with listening() as (_, port):
        assert await said(port, b"GET / HT") == b""


async def test_a_caller_that_takes_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caller, "_WRITE_S", 0.1)

    async def large(_: Request) -> Answer:
        return Answer(b"x" * 50_000_000)

    async with listening(large) as (served, port), connected(port) as (_, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await asyncio.sleep(0.05)
        while served._callers:  # noqa: ASYNC110  # nobody is told
            await asyncio.sleep(0.01)


async def test_a_large_answer_comes_whole() -> None:
    body = bytes(range(256)) * 40_000

    async def large(_: Request) -> Answer:
        return Answer(body)

    async with listening(large) as (_, port), connected(port) as (reader, writer):
        for _ in range(2):
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert await one(reader) == (200, body)


async def test_one_caller_too_many_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "MOST_CALLERS", 1)
    async with listening() as (_, port), connected(port) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await one(reader)
        refused = await said(port, b"")
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await one(reader))[0] == 200

    assert refused.startswith(b"HTTP/1.1 503 ")


async def test_a_resource_that_fails_says_so_and_the_next_request_is_answered(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fail(_: Request) -> Answer:
        raise KeyError("a bug")

    async with listening(fail) as (_, port), connected(port) as (reader, writer):
        for _ in range(2):
            writer.write(b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n")
            status, body = await one(reader)

    assert (status, orjson.loads(body)) == (500, {"error": "internal error: the log says more"})
    assert caplog.text.count("GET /x failed") == 2


@pytest.mark.parametrize("version", ["1.1", "1.0"])
async def test_what_comes_in_parts_ends_the_connection(version: str) -> None:
    async def parts() -> AsyncGenerator[bytes, None]:
        yield b"one"
        yield b"two"

    async def respond(_: Request) -> Answer:
        return Answer(parts())

    async with listening(respond) as (_, port):
        answer = await said(port, f"GET / HTTP/{version}\r\nHost: x\r\nConnection: keep-alive\r\n\r\n".encode())

    body = answer.partition(b"\r\n\r\n")[2]
    assert body == (b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n" if version == "1.1" else b"onetwo")


async def test_a_reader_that_goes_ends_what_would_come_in_parts() -> None:
    over = asyncio.Event()

    async def parts() -> AsyncGenerator[bytes, None]:
        try:
            yield b"one"
            await asyncio.Event().wait()
        finally:
            over.set()

    async def respond(_: Request) -> Answer:
        return Answer(parts())

    async with listening(respond) as (_, port):
        async with connected(port) as (reader, writer):
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            await reader.readuntil(b"one")
            assert not over.is_set()
        await over.wait()


async def test_to_stop_ends_idle_callers_at_once() -> None:
    async with listening() as (served, port), connected(port) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await one(reader)
        async with asyncio.timeout(1.0):
            await served.stop()
        assert await reader.read() == b""
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
