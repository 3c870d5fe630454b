"""Outputs of other systems, from the broker into the books."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agent.board import Board
from agent.books.columns import AMOUNT
from agent.books.ledger import Ledger
from agent.carbon.library import load_library
from agent.config import SiteConfig
from agent.output.listening import Listener
from agent.timekeeping import Timekeeper
from agent.timekeeping.clock import look
from tests.agent.frames import DEVICES, SITE, configured
from tests.servers import running_mosquitto

LIBRARY = load_library()
COUNT, PALLETS = "mes/line-1/count", "mes/line-1/pallets"
TOPICS = f"""
[[output]]
name = "bricks"
topic = "{COUNT}"
unit = "count"

[[output]]
name = "pallets"
topic = "{PALLETS}"
counts = "increment"
value = "made"
unit = "count"

[[output]]
name = "timed"
topic = "{PALLETS}"
counts = "increment"
value = "made"
time = "at"
unit = "count"
"""
WAIT_S = 20.0


def site(folder: Path, url: str) -> SiteConfig:
    return configured(folder, f'{SITE}{DEVICES}{TOPICS}\n[mqtt]\nurl = "{url}"\n')


class Desk:
    """A ledger, and a listener beside it."""

    def __init__(self, config: SiteConfig) -> None:
        self.keeper = Timekeeper(look, wait_s=0.0)
        self.keeper.look()
        self.ledger = Ledger(config, LIBRARY, start_ns=self.keeper.now_ns())
        self.ready = True
        self.listener = Listener(self.keeper, Board(), ready=lambda: self.ready, boot_id="boot")
        self.listener.keep(config, self.ledger)

    def made(self, name: str) -> float:
        return float(self.ledger.books[name].columns.present[AMOUNT])

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(WAIT_S):
            while not true():  # noqa: ASYNC110  # what is waited for is a figure, which rings no bell
                await asyncio.sleep(0.05)


@asynccontextmanager
async def working(desk: Desk) -> AsyncIterator[None]:
    job = asyncio.create_task(desk.listener.run_for_ever())
    try:
        yield
    finally:
        job.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await job


async def hears(desk: Desk, *messages: tuple[str, bytes]) -> None:
    """Let a listener hear messages without a broker, and book them."""
    for topic, payload in messages:
        desk.listener.hear(topic, payload)
    job = asyncio.create_task(desk.listener._book_for_ever())  # the part that needs no broker
    await asyncio.sleep(0)
    job.cancel()


async def test_a_sum_is_booked_as_a_counter_and_an_increment_as_it_is(tmp_path: Path) -> None:
    desk = Desk(site(tmp_path, "mqtt://127.0.0.1:1"))
    await hears(desk, (COUNT, b"1000"), (COUNT, b"1004"), (PALLETS, b'{"made": 2}'), (PALLETS, b'{"made": 3}'))
    await hears(desk, (COUNT, b"1010"), ("mes/other", b"7"))

    assert (desk.made("bricks"), desk.made("pallets")) == (10.0, 5.0)


async def test_what_is_retained_counts_no_increment_twice(tmp_path: Path) -> None:
    desk = Desk(site(tmp_path, "mqtt://127.0.0.1:1"))
    desk.listener.hear(PALLETS, b'{"made": 2}', retained=True)
    await hears(desk, (PALLETS, b'{"made": 3}'))

    assert desk.made("pallets") == 3.0


async def test_what_is_heard_before_the_time_is_known_waits(tmp_path: Path) -> None:
    desk = Desk(site(tmp_path, "mqtt://127.0.0.1:1"))
    desk.ready = False
    await hears(desk, (PALLETS, b'{"made": 2}'))
    assert desk.made("pallets") == 0.0
    desk.ready = True
    await hears(desk)

    assert desk.made("pallets") == 2.0


async def test_the_time_of_a_message_is_its_own_where_it_has_one(tmp_path: Path) -> None:
    desk = Desk(site(tmp_path, "mqtt://127.0.0.1:1"))
    late = b'{"made": 2, "at": "2026-01-01T08:00:00+08:00"}'
    to_come = b'{"made": 3, "at": "2126-01-01T08:00:00+08:00"}'
    await hears(desk, (PALLETS, late), (PALLETS, to_come))

    assert desk.made("timed") == 2.0
    last = desk.ledger.books["timed"].last
    assert last is not None
    assert last.time_ns == 1_767_225_600 * 10**9


async def test_a_message_that_says_nothing_is_told_of_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk(site(tmp_path, "mqtt://127.0.0.1:1"))
    await hears(desk, (COUNT, b"many"), (COUNT, b"many"), (COUNT, b"5"))

    assert caplog.text.count("says nothing of output 'bricks': it is neither a number nor JSON") == 1


async def publish(port: int, topic: str, text: str, *options: str) -> None:
    command = ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(port), "-V", "5", "-q", "1", *options]
    process = await asyncio.create_subprocess_exec(*command, "-t", topic, "-m", text)
    assert await process.wait() == 0


@pytest.mark.integration
async def test_outputs_are_heard_over_a_broker_that_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.output.listening._PAUSE_S", 0.2)
    with running_mosquitto(tmp_path) as broker:
        await publish(broker.port, COUNT, "100", "-r")
        await publish(broker.port, PALLETS, '{"made": 9}', "-r")
        desk = Desk(site(tmp_path, broker.url))
        async with working(desk):
            await desk.until(lambda: desk.ledger.books["bricks"].last is not None)
            await publish(broker.port, PALLETS, '{"made": 4}')
            await desk.until(lambda: desk.made("pallets") == 4.0)
            broker.server.stop()
            await asyncio.sleep(0.3)
            broker.server.start()
            async with asyncio.timeout(WAIT_S):
                while desk.made("bricks") != 20.0:
                    await publish(broker.port, COUNT, "120", "-r")
                    await asyncio.sleep(0.3)

    assert (desk.made("bricks"), desk.made("pallets")) == (20.0, 4.0)
