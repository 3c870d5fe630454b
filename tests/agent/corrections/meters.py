"""An office and a meter of its plant: what is read of it, declared of it, and recorded."""

import asyncio
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import orjson

from agent.config import SiteConfig
from agent.metering.amount import Declaration
from agent.store import read_intervals
from tests.agent import office
from tests.agent.desk import START, S
from tests.agent.frames import DEVICES, SITE, configured, frame

TO_THE_END = START + 10_000 * S
ACCOUNT = "fan-1/electricity"


class Office(office.Office):
    """An office, and a meter whose counter shows tenths of a kWh."""

    def read(self, second: float, counts: int) -> None:
        time_ns = START + round(second * S)
        self.ledger.take(frame("fan-1", self.config.profiles["fan-1"], {0x0010: f"{counts:08x}"}, time_ns))

    async def close(self, second: float) -> None:
        self.bookkeeper.close_due(START + round(second * S))
        self.bookkeeper.save()
        await self.store.flush()

    async def records(self) -> list[dict[str, Any]]:
        await self.store.flush()
        return await asyncio.to_thread(recorded, self.config)


def recorded(config: SiteConfig) -> list[dict[str, Any]]:
    found = read_intervals(config.resolve(config.store.path), 0, TO_THE_END, ACCOUNT)
    return [orjson.loads(each.payload) for each in found]


def latest(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [*{each["start"]: each for each in sorted(records, key=lambda each: each["revision"])}.values()]


def total(records: list[dict[str, Any]]) -> float:
    amounts: list[float] = [each["amount"] for each in latest(records)]
    return round(sum(amounts), 6)


def site(folder: Path, more: str = "") -> SiteConfig:
    return configured(folder, f'{SITE}\n[store]\npath = "store.db"\n{DEVICES}\n{more}')


def opened(config: SiteConfig, second: float = 0.0) -> AbstractAsyncContextManager[Office]:
    return office.opened(Office, config, START + round(second * S))


def declared(second: float, last: float | None, first: float) -> Declaration:
    return Declaration(ACCOUNT, START + round(second * S), last, first, "calibration", "Li Wei")


OLD = [(0, 50_000), (30, 50_100), (60, 50_200), (90, 50_300)]
NEW = [(400, 120), (430, 220), (460, 320)]
"""Of another meter, found after an outage of five minutes."""


async def replaced(rooms: Office) -> None:
    for second, counts in [*OLD, *NEW]:
        rooms.read(second, counts)
    await rooms.close(470)


def stopped(tmp_path: Path) -> SiteConfig:
    config = site(tmp_path)

    async def live() -> None:
        async with opened(config) as rooms:
            await replaced(rooms)
            rooms.read(490, 420)
            await rooms.close(490)

    asyncio.run(live())
    return config
