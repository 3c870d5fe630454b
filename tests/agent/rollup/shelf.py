"""A store in memory whose records can be read back, and the accounts that write intervals to it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from agent.config import SiteConfig
from agent.record import INTERVAL, Record, rfc3339
from agent.rollup.billed import Billed
from agent.rollup.derived import Derived
from agent.sections import IntervalSection
from tests.agent.desk import Desk, Notebook
from tests.agent.frames import DEVICES, SITE, configured

S = 10**9
FAN = "fan-1/electricity"
GAS = "boiler-1/natural_gas"
SHANGHAI = ZoneInfo("Asia/Shanghai")
MIDNIGHT = int(datetime(2026, 11, 30, tzinfo=SHANGHAI).timestamp())
NIGHT_SHIFT = """
[[shift]]
name = "night"
from = "22:00"
to = "06:00"
"""
VIRTUAL = """
[[virtual]]
name = "hall/third"
share = { of = "fan-1/electricity", factor = 0.3333 }

[[virtual]]
name = "hall/other"
share = { of = "fan-1/electricity", factor = 0.3333 }

[[virtual]]
name = "hall/rest"
share = { of = "fan-1/electricity", factor = 0.3334 }
"""
STEAM = "steam"
QUARTERS = DEVICES.replace('length = "1min"', 'length = "15min"')


@dataclass
class Shelf(Notebook):
    """Stands where the store stands, and gives back what was appended."""

    kept: list[Record] = field(default_factory=list)

    def append(self, kind: str, key: str, time_ns: int, body: Mapping[str, object]) -> Record:
        record = super().append(kind, key, time_ns, body)
        self.kept.append(record)
        return record

    async def first_intervals(self, start_ns: int, end_ns: int, limit: int, *, kind: str = INTERVAL) -> list[Record]:
        within = [r for r in self.kept if kind in {r.kind, "*"} and start_ns <= r.time_ns < end_ns]
        return sorted(within, key=lambda record: (record.time_ns, record.seq))[:limit]

    async def intervals(self, start_ns: int, end_ns: int, account: str | None = None) -> list[Record]:
        found = await self.first_intervals(start_ns, end_ns, 1 << 30)
        return [record for record in found if orjson.loads(record.payload)["account"] == account]

    def load_state(self, name: str) -> bytes | None:
        return self.states.get(name)

    async def flush(self) -> None:
        """All is committed."""

    def rollups(self, account: str, period: str) -> list[dict[str, Any]]:
        """Return the records in force of the periods of an account, by start."""
        found: dict[tuple[str, str], dict[str, Any]] = {}
        for record in self.kept:
            body = orjson.loads(record.payload)
            if record.kind == "rollup" and (body["account"], body["period"]) == (account, period):
                found[body["start"], body.get("shift", "")] = body
        return [found[key] for key in sorted(found)]


class Works:
    """Accounts that write interval records, and what adds them up."""

    def __init__(self, folder: Path, more: str = "", *, zone: str = "Asia/Shanghai", length_s: int = 900) -> None:
        site = SITE.replace('name = "works"', f'name = "works"\ntimezone = "{zone}"', 1)
        self.length_s = length_s
        devices = QUARTERS.replace('length = "15min"', f'length = "{length_s}s"')
        self.config: SiteConfig = configured(folder, site + devices + more)
        self.shelf = Shelf()
        self.begin()
        self.newest: dict[tuple[str, int], dict[str, Any]] = {}

    def begin(self) -> None:
        """Start an agent, maybe once more."""
        self.desk = Desk(self.config, self.shelf)
        self.derived = Derived(self.desk.scribe, Billed(self.shelf, self.desk.ledger))  # type: ignore[arg-type]  # stands in for a Store
        self.derived.keep(self.config, self.desk.ledger)
        self.desk.ledger.restore(self.shelf.states.get)
        self.derived.restore()
        self.desk.bookkeeper.followers.append(self.derived.note)

    def cut(self, length_s: int) -> None:
        """Go on with intervals of another length."""
        self.length_s = length_s
        self.config = replace(self.config, interval=IntervalSection.from_file({"length": f"{length_s}s"}))
        self.derived.keep(self.config, self.desk.ledger)

    def interval(self, start_s: int, quanta: int, account: str = FAN, **keys: Any) -> None:
        """Write the next revision of an interval."""
        former = self.newest.get((account, start_s))
        booked = self.desk.ledger.books[account].account
        body = {
            "account": account,
            "start": rfc3339(start_s * S),
            "end": rfc3339((start_s + self.length_s) * S),
            "revision": former["revision"] + 1 if former else 0,
            "amount": quanta / 1_000_000,
            "unit": booked.unit,
            "coverage": 1.0,
            "estimated": 0.0,
            "quality": "good",
            "hash": "sha256:" + "0" * 64,
            **({"reason": "late_data"} if former else {}),
            **keys,
        }
        self.newest[account, start_s] = body
        self.desk.now_ns = max(self.desk.now_ns, (start_s + self.length_s) * S)
        self.desk.keeper.look()
        with self.shelf.transaction():
            self.desk.bookkeeper.append(booked, start_s * S, body)
            self.desk.bookkeeper.save_book(self.desk.ledger.books[account])

    async def settle(self) -> None:
        """Add up all there is."""
        for _ in range(20_000):
            if not await self.derived.turn():
                return
        raise AssertionError("there is no end to it")
