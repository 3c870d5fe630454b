import asyncio
import gc
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterator

import pytest

from agent.process import memory


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    yield
    gc.unfreeze()
    gc.enable()


class Knot:
    """Something that refers to itself."""

    def __init__(self) -> None:
        self.self = self


def test_to_settle_throws_garbage_away_and_keeps_the_rest_out_of_later_searches() -> None:
    kept, gone = Knot(), weakref.ref(Knot())

    memory.settle()

    assert gone() is None
    assert gc.get_freeze_count() > 0
    assert not any(found is kept for found in gc.get_objects())
    assert gc.isenabled()


def test_a_burst_of_polls_of_many_devices_is_not_searched_for_garbage() -> None:
    devices = 3000
    plant = [[Knot() for _ in range(100)] for _ in range(devices)]
    memory.settle()
    looks = gc.get_stats()[0]["collections"]

    burst = [[device] for device in plant for _ in range(12)]  # what a poll has under way

    assert gc.get_stats()[0]["collections"] == looks
    assert len(burst) == 12 * devices


async def test_what_a_change_has_made_garbage_is_thrown_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_SETTLED_AFTER_S", 0.01)
    former = Knot()
    gone, changed = weakref.ref(former), asyncio.Event()
    task = asyncio.create_task(memory.keep_settled(changed))
    await until(lambda: gc.get_freeze_count() > 0)
    del former

    changed.set()
    await until(lambda: gone() is None)

    task.cancel()
    await asyncio.wait([task])
    assert gone() is None


async def test_what_is_free_is_given_back_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    given_back: list[float] = []
    monkeypatch.setattr(memory, "_SETTLED_AFTER_S", 0.01)
    monkeypatch.setattr(memory, "_GIVEN_BACK_EVERY_S", 0.01)
    monkeypatch.setattr(memory, "give_back", lambda: given_back.append(0.0))
    task = asyncio.create_task(memory.keep_settled(asyncio.Event()))

    await until(lambda: len(given_back) > 3)

    task.cancel()
    await asyncio.wait([task])


async def test_where_no_thread_can_be_had_nothing_is_given_back_and_nothing_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refused: list[str] = []

    async def no_thread(_: Callable[[], None]) -> None:
        refused.append("can't start new thread")
        raise RuntimeError(refused[0])

    monkeypatch.setattr(memory, "_SETTLED_AFTER_S", 0.01)
    monkeypatch.setattr(memory, "_GIVEN_BACK_EVERY_S", 0.01)
    monkeypatch.setattr(asyncio, "to_thread", no_thread)
    task = asyncio.create_task(memory.keep_settled(asyncio.Event()))

    await until(lambda: len(refused) > 3 or task.done())

    assert not task.done()
    task.cancel()
    await asyncio.wait([task])


def test_free_pages_between_those_in_use_go_back_to_the_system() -> None:
    program = """if True:
        from pathlib import Path
        from agent.process.memory import give_back
        def resident():
            return int(Path("/proc/self/statm").read_text().split()[1]) * 4
        kept, burst = [], []
        for number in range(4000):
            burst.append(bytes(20000))
            kept.append(bytes(600))
        before = resident()
        del burst
        give_back()
        print(before - resident())
    """
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)

    assert int(done.stdout) > 40_000, "half of the 80 MB of the burst at least [kB]"


async def until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not done():  # noqa: ASYNC110  # garbage tells nobody that it is gone
            await asyncio.sleep(0.01)


def test_the_web_library_trusts_nobody_by_itself_and_the_environment_stays() -> None:
    program = """if True:
        import os, ssl
        os.environ["SSL_CERT_FILE"] = "/etc/of-the-plant.pem"
        os.environ.pop("SSL_CERT_DIR", None)
        import agent.web
        from aiohttp import connector
        contexts = connector._SSL_CONTEXT_VERIFIED, connector._SSL_CONTEXT_UNVERIFIED
        print([context.cert_store_stats()["x509"] for context in contexts])
        print(contexts[0].verify_mode is ssl.CERT_REQUIRED)
        print(os.environ["SSL_CERT_FILE"], "SSL_CERT_DIR" in os.environ)
    """
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)

    assert done.stdout.split("\n")[:3] == ["[0, 0]", "True", "/etc/of-the-plant.pem False"]


def test_all_threads_share_one_heap_and_numpy_starts_none() -> None:
    program = """
import ctypes, os, sys, threading
from agent.process.memory import begin_frugally
begin_frugally()
import numpy
print(len(os.listdir("/proc/self/task")), flush=True)
for _ in range(3):
    thread = threading.Thread(target=lambda: [bytes(1000) for _ in range(1000)])
    thread.start()
    thread.join()
library = ctypes.CDLL(None)
library.fdopen.restype = ctypes.c_void_p
out = ctypes.c_void_p(library.fdopen(1, b"w"))
library.malloc_info(0, out)
library.fflush(out)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    threads, _, heaps = done.stdout.partition("\n")
    assert threads == "1"
    assert heaps.count("<heap nr=") == 1


def test_to_serve_and_to_write_over_http_takes_no_large_library() -> None:
    program = """if True:
        import sys, agent.commands.run, agent.sinks.mqtt, agent.api.server
        from agent.sinks.influx import library
        library.load()
        print([name for name in ('aiohttp', 'http.server', 'pydantic', 'drivers.checked') if name in sys.modules])
    """
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
