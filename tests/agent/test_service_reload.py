"""A running agent takes over another configuration, and what has not changed notices nothing of it."""

import asyncio
import itertools
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from agent import service as module
from agent.config import SiteConfig
from agent.service import Agent
from agent.store import read_intervals
from tests.agent.frames import configured
from tests.agent.running import Motor, running, until
from tests.modbus_rig import Rig, rig

pytestmark = pytest.mark.integration

HEAD = """[site]
name = "works"

[store]
path = "store.db"
max_size = "4MiB"
commit_every = "50ms"

[interval]
length = "1s"
"""
WINDOWS = """
[windows]
spans = ["1min"]
tick = "100ms"
publish = "100ms"
"""
LINE = """
[[line]]
name = "{name}"
url = "{url}"
timeout = "300ms"
"""
DEVICE = """
[[device]]
name = "{name}"
area = "hall"
line = "{line}"
unit = {unit}
profile = "generic/vfd-motor"
every = "100ms"
"""


class Works:
    """Two lines with a motor each, and an agent."""

    def __init__(self, folder: Path, hall: Rig, yard: Rig) -> None:
        self.folder = folder
        self.hall, self.yard = hall, yard
        self.agent = Agent(self.config(WINDOWS))

    def config(
        self, more: str = WINDOWS, *, hall: tuple[str, ...] = ("motor-1",), yard: tuple[str, ...] = ("motor-2",)
    ) -> SiteConfig:
        text = HEAD + more + LINE.format(name="hall", url=self.hall.url) + LINE.format(name="yard", url=self.yard.url)
        for line, names in (("hall", hall), ("yard", yard)):
            text += "".join(DEVICE.format(name=name, line=line, unit=unit) for unit, name in enumerate(names, 1))
        return configured(self.folder, text)

    async def takes_over(self, config: SiteConfig) -> None:
        self.agent.reload(config)
        await until(lambda: self.agent.config is config)

    @staticmethod
    def motor(line: Rig) -> Motor:
        assert isinstance(line.script, Motor)
        return line.script

    def devices(self) -> dict[str, dict[str, Any]]:
        return {entry["device"]: entry for entry in self.agent.snapshot()["devices"]}

    def window(self, account: str) -> dict[str, Any]:
        list(self.agent.recorder.publish_windows())
        return next(body for body in self.windows() if body["account"] == account)

    def windows(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = orjson.loads(self.agent.recorder.latest_windows.json())
        return found

    def booked(self, account: str) -> float:
        """Return what the latest revisions of all intervals and the open one add up to, in units."""
        records = [orjson.loads(each.payload) for each in read_intervals(self.folder / "store.db", 0, 1 << 62, account)]
        latest = {record["start"]: record["amount"] for record in records}
        assert len({(record["start"], record["revision"]) for record in records}) == len(records)
        open_share = self.agent.ledger.books[account].intervals.pending_quanta / 1e6
        return float(sum(latest.values())) + open_share


@pytest.fixture
async def works(tmp_path: Path) -> AsyncIterator[Works]:
    async with rig("tcp", Motor()) as hall, rig("tcp", Motor()) as yard:
        found = Works(tmp_path, hall, yard)
        async with running(found.agent):
            await until(lambda: min(len(found.motor(line).served) for line in (hall, yard)) > 8)
            yield found


async def test_an_unchanged_line_misses_no_poll_and_keeps_its_windows_while_others_change(works: Works) -> None:
    motor = works.motor(works.hall)
    before = works.devices()["motor-1"]
    window = works.window("motor-1/electricity")
    poller = works.agent.pollers[0]

    # In a thread, as a running agent loads it: here it would itself hold up the polls.
    await works.takes_over(await asyncio.to_thread(works.config, yard=("motor-2", "motor-3")))
    await until(lambda: works.devices().get("motor-3", {}).get("state") == "online")
    reached = len(motor.served) + 5
    await until(lambda: len(motor.served) > reached)
    after = works.devices()["motor-1"]

    assert works.hall.connections == 1
    assert works.agent.pollers[0] is poller
    assert after["since"] == before["since"]
    assert (after["skipped"], after["failures"]) == (before["skipped"], before["failures"])
    gaps = [later - earlier for earlier, later in itertools.pairwise(motor.times[1:])]
    assert max(gaps) < 0.45, "a poll every 100 ms, three may come late, none is left out"
    grown = works.window("motor-1/electricity")
    first, last = motor.served[0], motor.served[-1]
    assert grown["amount"] == pytest.approx((last - first) / 100, abs=0.3)
    assert grown["coverage"] > window["coverage"] > 0


async def test_a_changed_line_begins_anew_and_its_books_and_windows_go_on(works: Works) -> None:
    motor = works.motor(works.yard)
    await works.takes_over(works.config(yard=("motor-2", "motor-3")))
    reached = len(motor.served) + 8
    await until(lambda: len(motor.served) > reached)
    await works.agent.store.flush()

    assert works.yard.connections == 2
    assert works.window("motor-2/electricity")["amount"] > 0.5
    last = works.agent.ledger.books["motor-2/electricity"].last
    assert last is not None
    assert works.booked("motor-2/electricity") == pytest.approx(last.value - motor.served[0] / 100)


async def test_a_removed_device_ends_and_nothing_of_it_is_retained(works: Works) -> None:
    await until(lambda: works.agent.board.get("hall/motor-2/state") is not None)
    await works.takes_over(works.config(yard=()))
    asked = len(works.yard.requests)
    await asyncio.sleep(0.3)

    assert len(works.yard.requests) == asked
    assert set(works.devices()) == {"motor-1"}
    assert works.agent.board.get("hall/motor-2/meta") == b""
    assert works.agent.board.get("hall/motor-2/state") == b""
    meta = orjson.loads(works.agent.board.get("hall/motor-1/meta") or b"")
    assert meta["configuration"] == works.agent.config.digest
    assert works.agent.duties.stalled() == []


async def test_a_device_that_comes_back_continues_its_books(works: Works) -> None:
    motor = works.motor(works.yard)
    both = works.config()
    await works.takes_over(works.config(yard=()))
    await asyncio.sleep(1.2)
    await works.takes_over(both)
    reached = len(motor.served) + 5
    await until(lambda: len(motor.served) > reached)
    works.agent.bookkeeper.close_due(time.time_ns())
    await works.agent.store.flush()

    first, last = motor.served[0], works.agent.ledger.books["motor-2/electricity"].last
    assert last is not None
    assert works.booked("motor-2/electricity") == pytest.approx(last.value - first / 100)


async def test_other_windows_and_intervals_keep_what_is_known(works: Works) -> None:
    more = WINDOWS.replace('["1min"]', '["1min", "1h"]').replace("100ms", "200ms")
    other = works.config(more)
    before = works.window("motor-1/electricity")
    await works.takes_over(other)
    await until(lambda: works.agent.scribe.counts["window"] > 0)
    frames = works.agent.scribe.counts["frames"]
    await until(lambda: works.agent.scribe.counts["frames"] > frames + 6)

    assert works.window("motor-1/electricity")["amount"] > before["amount"] > 0
    assert {body["span"] for body in works.windows()} == {"1min", "1h"}
    assert works.hall.connections == works.yard.connections == 1


async def test_a_factor_file_that_has_changed_weighs_what_is_booked_from_then_on(works: Works) -> None:
    def factor(value: float) -> str:
        return (
            f'id = "works"\ntitle = "w"\ntitle_zh = "厂"\nissuer = "w"\nsource = "{value}"\nncv_unit = "MJ"\n'
            f'[fuel]\nnatural_gas = {{ en = "gas", zh = "气", unit = "Nm3", ncv = {value}, '
            'carbon_content = 0.015, oxidation = 1.0, confidence = "measured" }\n'
        )

    (works.folder / "factors").mkdir()
    for ncv in (36.0, 35.0):
        (works.folder / "factors" / "works.toml").write_text(factor(ncv), encoding="utf-8")
        await works.takes_over(works.config())

        assert works.agent.ledger.conversions.library.row("works", "natural_gas").ncv == ncv


async def test_the_last_of_several_requests_counts_and_is_answered(
    works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(module, "notify", told.append)
    for yard in ((), ("motor-2", "motor-3"), ("motor-3",)):
        works.agent.reload(works.config(yard=yard))
    await until(lambda: set(works.devices()) == {"motor-1", "motor-3"})
    await until(lambda: "READY=1" in told)


async def test_an_address_that_is_taken_leaves_the_former_configuration(
    works: Works, caplog: pytest.LogCaptureFixture
) -> None:
    listening = works.config(WINDOWS + '[http]\nlisten = "127.0.0.1:0"\n')
    await works.takes_over(listening)
    assert works.agent.door.api
    port = works.agent.door.api.port
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        works.agent.reload(works.config(WINDOWS + f'[http]\nlisten = "127.0.0.1:{taken}"\n', yard=()))
        await until(lambda: "is not taken over" in caplog.text)
        await until(lambda: works.agent.door.api is not None and works.agent.door.api.port != 0)

    assert works.agent.config is listening
    assert set(works.devices()) == {"motor-1", "motor-2"}
    assert works.agent.door.api.port
    assert port
    await works.takes_over(works.config())
    assert works.agent.door.api is None
