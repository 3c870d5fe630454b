import asyncio
import socket
import threading
import time
import weakref

import pytest

from agent.process.threads import MOST_NAMES, Loop, LooseThreads
from tests.servers import free_port


def test_a_call_that_never_returns_delays_neither_other_calls_nor_the_end() -> None:
    for_ever = threading.Event()

    async def program() -> int:
        asyncio.get_running_loop().set_default_executor(LooseThreads())
        stuck = [asyncio.ensure_future(asyncio.to_thread(for_ever.wait)) for _ in range(100)]
        found = await asyncio.to_thread(lambda: 7)
        assert not any(task.done() for task in stuck)
        return found

    began = time.monotonic()
    assert asyncio.run(program()) == 7
    assert time.monotonic() - began < 5
    for_ever.set()


async def test_calls_one_after_another_share_a_thread_and_those_at_once_have_one_each() -> None:
    asyncio.get_running_loop().set_default_executor(LooseThreads())
    both = threading.Barrier(2)

    def meet() -> int:
        both.wait(5)
        return threading.get_ident()

    after_another = {await asyncio.to_thread(threading.get_ident) for _ in range(20)}
    at_once = set(await asyncio.gather(asyncio.to_thread(meet), asyncio.to_thread(meet)))
    later = {await asyncio.to_thread(threading.get_ident) for _ in range(20)}

    assert len(after_another) == 1
    assert len(at_once) == 2
    assert len(later) == 1


async def test_a_call_that_gets_no_thread_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    asyncio.get_running_loop().set_default_executor(LooseThreads())
    done: list[int] = []
    with monkeypatch.context() as without_threads:
        without_threads.setattr(threading.Thread, "start", _refuse)
        with pytest.raises(RuntimeError, match="new thread"):
            await asyncio.to_thread(done.append, 1)
    await asyncio.wait_for(asyncio.to_thread(done.append, 2), 5)

    assert done == [2]


def _refuse(_thread: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


@pytest.mark.parametrize("busy", [False, True])
def test_no_thread_waits_for_calls_of_a_loop_that_is_no_more(*, busy: bool) -> None:
    before = set(threading.enumerate())
    going_on = threading.Event()

    async def program() -> None:
        await asyncio.to_thread(int)
        if busy:
            waiting = asyncio.ensure_future(asyncio.to_thread(going_on.wait))
            await asyncio.wait([waiting], timeout=0.01)

    with asyncio.Runner(loop_factory=Loop) as runner:
        runner.run(program())
    going_on.set()
    for left in set(threading.enumerate()) - before:
        left.join(5)

    assert set(threading.enumerate()) <= before


async def test_an_idle_thread_holds_nothing_of_its_last_call() -> None:
    class Given: ...

    given = Given()
    gone = weakref.ref(given)
    asyncio.get_running_loop().set_default_executor(LooseThreads())
    await asyncio.to_thread(id, given)
    del given
    for _ in range(100):
        if gone() is None:
            break
        await asyncio.sleep(0.01)

    assert gone() is None


async def test_what_a_call_raises_reaches_who_waits() -> None:
    def fail() -> None:
        raise LookupError("no such name")

    asyncio.get_running_loop().set_default_executor(LooseThreads())
    with pytest.raises(LookupError, match="no such name"):
        await asyncio.to_thread(fail)


def test_a_name_is_connected_to_at_the_address_where_somebody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    both = [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", 0)), (socket.AF_INET, 1, 6, "", ("127.0.0.1", 0))]

    def resolve(host: str, port: int, **_: int) -> list[object]:
        assert host == "plc.works"
        return [(*kind, (place[0], port, *place[2:])) for *kind, place in both]

    async def program() -> str:
        async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
            monkeypatch.setattr(socket, "getaddrinfo", resolve)
            _, writer = await asyncio.open_connection("plc.works", server.sockets[0].getsockname()[1])
            peer: str = writer.get_extra_info("peername")[0]
            writer.close()
            return peer

    with asyncio.Runner(loop_factory=Loop) as runner:
        assert runner.run(program()) == "127.0.0.1"


def test_a_name_where_nobody_listens_is_refused_as_an_address_is() -> None:
    with asyncio.Runner(loop_factory=Loop) as runner, pytest.raises(ConnectionRefusedError):
        runner.run(asyncio.wait_for(_connect("localhost", free_port()), 5))


async def _connect(host: str, port: int) -> None:
    await asyncio.open_connection(host, port)


def test_names_that_nobody_answers_take_few_threads_and_those_asked_for_twice_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answered = threading.Event()
    asked: list[str] = []

    def resolve(host: str, port: int, **_: int) -> list[object]:
        asked.append(host)
        answered.wait()
        return [(socket.AF_INET, 1, 6, "", ("127.0.0.1", port))]

    async def program() -> tuple[int, int, list[object]]:
        loop = asyncio.get_running_loop()
        names = [f"plc-{number}" for number in range(100)] + ["plc-0"] * 50
        waiting = [asyncio.ensure_future(loop.getaddrinfo(name, 502)) for name in names]
        given_up = asyncio.ensure_future(asyncio.wait_for(loop.getaddrinfo("plc-1", 502), 0.01))
        refused, _ = await asyncio.wait(waiting, timeout=5, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait([given_up])
        answered.set()
        found = await asyncio.gather(*waiting, return_exceptions=True)
        assert isinstance(given_up.exception(), TimeoutError)
        later = await loop.getaddrinfo("plc-99", 502)
        return len(refused), sum(not isinstance(each, Exception) for each in found), [later, found[99]]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with asyncio.Runner(loop_factory=Loop) as runner:
        refused, found, (later, refusal) = runner.run(program())

    assert len(asked) == MOST_NAMES + 1
    assert (refused, found) == (100 - MOST_NAMES, MOST_NAMES + 50)
    assert isinstance(refusal, socket.gaierror)
    assert later == [(socket.AF_INET, 1, 6, "", ("127.0.0.1", 502))]
