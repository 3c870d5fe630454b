"""Server-sent events over the local API, read as a browser would."""

import asyncio
import socket
from pathlib import Path
from typing import Any

import orjson
import pytest

from agent.api import stream
from agent.api.stream import EVENTS, Ring
from agent.schemas.classes import MESSAGES
from tests.agent.api_desk import Caller, Reader, reading, serving

pytestmark = pytest.mark.integration

STATE = orjson.dumps({"state": "offline"})


async def some(reader: Reader, count: int) -> list[tuple[str, str, Any]]:
    async with asyncio.timeout(10):
        return [await reader.event() for _ in range(count)]


async def rest(reader: Reader) -> list[tuple[str, str, Any]]:
    async with asyncio.timeout(10):
        return await reader.events()


async def test_records_and_changes_of_retained_topics_come_as_they_happen(tmp_path: Path) -> None:
    async with serving({}, tmp_path) as caller:
        caller.shelf.add("telemetry", x=0)
        caller.board.put("hall/fan-1/meta", b"{}")
        await asyncio.sleep(0)
        async with reading(caller) as reader:
            caller.shelf.add("telemetry", x=1.5)
            caller.shelf.add("interval", amount=2)
            found = await some(reader, 2)
            caller.board.put("hall/fan-1/state", STATE)
            found += await some(reader, 1)
            caller.shelf.add("alarm", text="失联")
            caller.board.put("hall/fan-1/alarm/comm_lost", b'{"twice": true}')
            caller.board.put("hall/fan-1/alarm/state", b'{"twice": true}')
            caller.board.put("hall/fan-1/alarm/comm_lost", b"")
            caller.board.put("agent/status", b'{"state": "online"}')
            found += await some(reader, 2)

    assert found == [
        ("telemetry", "2", {"x": 1.5, "seq": 2}),
        ("interval", "3", {"amount": 2, "seq": 3}),
        ("state", "3", {"state": "offline"}),
        ("alarm", "4", {"text": "失联", "seq": 4}),
        ("status", "4", {"state": "online"}),
    ]


async def test_only_the_kinds_that_are_wanted_come(tmp_path: Path) -> None:
    async with serving({}, tmp_path) as caller, reading(caller, "?kinds=interval,state") as reader:
        for kind in ("telemetry", "interval", "window", "interval"):
            caller.shelf.add(kind)
        caller.board.put("hall/fan-1/state", STATE)
        found = await some(reader, 3)

    assert [(kind, number) for kind, number, _ in found] == [("interval", "2"), ("interval", "4"), ("state", "4")]


async def test_who_comes_back_is_given_what_followed(tmp_path: Path) -> None:
    async with serving({}, tmp_path) as caller:
        for kind in ("telemetry", "interval", "telemetry", "window"):
            caller.shelf.add(kind)
        caller.board.put("hall/fan-1/state", STATE)
        await asyncio.sleep(0.01)
        async with reading(caller, headers={"Last-Event-ID": "2"}) as reader:
            caller.shelf.add("event")
            found = await some(reader, 4)
        async with reading(caller, headers={"Last-Event-ID": "5"}) as reader:
            caller.shelf.add("event")
            nothing_between = await some(reader, 1)
        async with reading(caller, headers={"Last-Event-ID": "0"}) as reader:
            whole = await some(reader, 6)

    assert [kind for kind, _, _ in found] == ["telemetry", "window", "state", "event"]
    assert nothing_between[0][:2] == ("event", "6")
    assert [kind for kind, _, _ in whole] == ["telemetry", "interval", "telemetry", "window", "state", "event"]


async def test_who_was_away_too_long_is_told_so_and_given_what_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "RING", 3)
    async with serving({}, tmp_path) as caller:
        for _ in range(6):
            caller.shelf.add("telemetry")
        async with reading(caller, headers={"Last-Event-ID": "3"}) as reader:
            known = await some(reader, 3)
        async with reading(caller, headers={"Last-Event-ID": "2"}) as reader:
            missed, *kept = await some(reader, 4)
        async with reading(caller, headers={"Last-Event-ID": "900"}) as reader:
            strange, *_ = await some(reader, 4)

    assert [number for _, number, _ in known] == ["4", "5", "6"]
    assert missed == ("missed", "", {"last_event_id": 2, "first_seq": 4, "reason": "no longer kept"})
    assert [number for _, number, _ in kept] == ["4", "5", "6"]
    assert strange[2]["reason"] == "newer than all records: the store is another one"


async def test_records_of_an_earlier_run_are_not_taken_for_known(tmp_path: Path) -> None:
    async with serving({}, tmp_path) as caller:
        caller.api._stream._ring = Ring(7)
        caller.shelf.last_seq = 7
        caller.shelf.add("telemetry")
        async with reading(caller, headers={"Last-Event-ID": "7"}) as reader:
            followed = await some(reader, 1)
        async with reading(caller, headers={"Last-Event-ID": "6"}) as reader:
            missed, *_ = await some(reader, 2)

    assert followed[0][:2] == ("telemetry", "8")
    assert (missed[0], missed[2]["first_seq"]) == ("missed", 8)


async def test_while_nothing_happens_comments_come_that_carry_the_last_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "_HEARTBEAT_S", 0.1)
    async with serving({}, tmp_path) as caller, reading(caller, "?kinds=interval") as reader:
        caller.shelf.add("telemetry")
        task = asyncio.create_task(reader.event())
        async with asyncio.timeout(10):
            while len(reader.comments) < 2 or reader.last_id != "1":  # noqa: ASYNC110  # the reader tells nobody
                await asyncio.sleep(0.01)
        caller.shelf.add("interval")
        event = await task

    assert set(reader.comments) == {": still here\n"}
    assert event[:2] == ("interval", "2")


async def test_records_nobody_asked_for_do_not_keep_the_comments_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "_HEARTBEAT_S", 0.05)
    async with serving({}, tmp_path) as caller, reading(caller, "?kinds=interval") as reader:
        task = asyncio.create_task(reader.event())
        async with asyncio.timeout(10):
            while not reader.comments:
                caller.shelf.add("telemetry")
                await asyncio.sleep(0.005)
        task.cancel()

    assert reader.comments


async def slow_reader(caller: Caller) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open the stream with little room for what is not read."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
    connection.setblocking(False)
    await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", caller.port))
    reader, writer = await asyncio.open_connection(sock=connection, limit=1024)
    writer.write(b"GET /api/v1/stream HTTP/1.1\r\nHost: x\r\n\r\n")
    await reader.readuntil(b"retry: 2000\n")
    return reader, writer


async def test_a_reader_that_is_too_slow_is_told_so_last_and_let_go(tmp_path: Path) -> None:
    async with serving({}, tmp_path) as caller:
        reader, writer = await slow_reader(caller)
        async with reading(caller, "?kinds=interval") as other:
            for _ in range(3000):
                caller.shelf.add("telemetry", pad="p" * 20_000)
                await asyncio.sleep(0)
            caller.shelf.add("interval")
            assert (await some(other, 1))[0][0] == "interval", "others are not held up"
        async with asyncio.timeout(20):
            text = b""
            while not text.endswith(b"}\n\n\r\n0\r\n\r\n"):
                text = text[-1000:] + await reader.read(1 << 16)
                assert not reader.at_eof()
        writer.close()

    last = text.split(b"event: end\ndata: ")[1].split(b"\n")[0]
    assert orjson.loads(last)["reason"].startswith("too slow: ")


async def test_one_reader_too_many_is_refused_until_another_has_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "MOST_READERS", 1)
    async with serving({}, tmp_path) as caller:
        async with reading(caller):
            refused = await caller.get("/api/v1/stream")
        async with asyncio.timeout(10):
            while caller.api._stream._readers:  # noqa: ASYNC110  # nothing tells when a reader is forgotten
                await asyncio.sleep(0.01)
        async with reading(caller) as reader:
            caller.shelf.add("telemetry")
            assert (await some(reader, 1))[0][0] == "telemetry"

    assert refused == (503, {"error": "1 readers are all that are served: come back later"})


async def test_the_stream_ends_with_the_agent_after_everything_that_was_written(tmp_path: Path) -> None:
    async with serving({}, tmp_path) as caller, reading(caller) as reader:
        for _ in range(200):
            caller.shelf.add("telemetry")
        async with asyncio.timeout(1.5):
            await caller.api.stop()
        found = await rest(reader)

    assert [kind for kind, _, _ in found] == ["telemetry"] * 200 + ["end"]
    assert found[-1][2] == {"reason": "the agent ends"}


async def test_an_api_that_has_stopped_is_told_of_no_record(tmp_path: Path) -> None:
    async with serving({}, tmp_path) as caller:
        listening = len(caller.shelf.listeners)
        await caller.api.stop()

        assert (listening, len(caller.shelf.listeners)) == (1, 0)


async def test_a_reader_that_does_not_read_does_not_keep_the_agent_from_ending(tmp_path: Path) -> None:
    async with serving({}, tmp_path) as caller:
        _, writer = await slow_reader(caller)
        for _ in range(500):
            caller.shelf.add("telemetry", pad="p" * 20_000)
            await asyncio.sleep(0)
        async with asyncio.timeout(1.5):
            await caller.api.stop()
        writer.close()


@pytest.mark.parametrize(
    ("query", "headers", "said"),
    [
        ("?kinds=telemetri", {}, "kinds=telemetri: use some of telemetry,window"),
        ("?kinds=", {}, "use some of"),
        ("?kind=telemetry", {}, "there is no parameter 'kind': use kinds"),
        ("", {"Last-Event-ID": "seven"}, "Last-Event-ID: seven"),
    ],
)
async def test_a_wish_that_is_none_says_what_can_be_had(
    tmp_path: Path, query: str, headers: dict[str, str], said: str
) -> None:
    async with serving({}, tmp_path) as caller:
        answer = await caller.ask(f"/api/v1/stream{query}", headers=headers)

    assert answer.status == 400
    assert said in answer.content["error"]


def test_every_class_of_message_is_an_event() -> None:
    assert set(EVENTS) == set(MESSAGES)
