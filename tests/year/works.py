"""A simulated year, or week, of a whole plant: what its own books say, and what the agent makes of its registers.

The plant's time is simulated and its registers go straight into the ledger: no line, no server, no store. Everything
after that is the agent's: decoding, counters, intervals, factors. On the way the agent is off for a while, a line is
down, a meter is replaced, and with the New Year the grid has another factor.
"""

import hashlib
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from agent.books.interval_body import interval_body
from agent.books.ledger import Ledger
from agent.config import SiteConfig
from agent.config.load import load_config
from agent.metering.amount import Declaration, quanta
from agent.plant import Account
from drivers.codec import Codec
from drivers.plan import plan
from drivers.reading import Block, Exchange, Outcome
from simulators.plant import SimulatedPlant, load_plant
from simulators.registers import Registers

NS = 1_000_000_000
SUMMER_NS = int(datetime(2022, 6, 30, 16, tzinfo=UTC).timestamp()) * NS
"""Midnight of 1 July 2022 in Shanghai."""
NEW_YEAR_NS = int(datetime(2022, 12, 31, 16, tzinfo=UTC).timestamp()) * NS
PLANT = Path(__file__).parents[2] / "simulators" / "plants" / "year.toml"
DEVICES = ("boiler-1", "motor-1", "motor-2", "main-meter", "roof")
TRUE = {
    "boiler-1/natural_gas": "gas_volume",
    "motor-1/electricity": "active_energy_import",
    "motor-2/electricity": "active_energy_import",
    "main-meter/electricity": "active_energy_import",
    "roof/generation": "active_energy_export",
    "steam": "steam_mass",
}
"""Account or output -> the counter in the simulator's books."""
GRID_KG_PER_KWH = {False: 0.6782, True: 0.6553}
"""Anhui, before and from 2023 on: MEE/NBS, as the factor files have them."""
_SITE = """[site]
name = "year"
timezone = "Asia/Shanghai"
electricity_region = "CN-AH"

[[line]]
name = "hall"
url = "tcp://127.0.0.1:1502"

[windows]
spans = ["1h"]
tick = "{every}s"

[[account]]
name = "roof/generation"
device = "roof"
carrier = "electricity"
from = "active_energy_export"
direction = "generation"

[[output]]
name = "steam"
device = "boiler-1"
from = "steam_mass"
"""
_DEVICE = """
[[device]]
name = "{name}"
area = "works"
line = "hall"
unit = {unit}
profile = "{profile}"
every = "{every}s"
"""


@dataclass
class Course:
    """What happens: times in seconds from the start; an outage ends with its second time."""

    seconds: int
    step_s: int
    start_ns: int = SUMMER_NS
    agent_off: tuple[int, int] = (0, 0)
    line_down: tuple[int, int] = (0, 0)
    replaced_at: int = -1
    declared: bool = True
    """Whether somebody declares the replaced meter."""


@dataclass
class Sums:
    """What came of it."""

    intervals: int = 0
    frames: int = 0
    wall_s: float = 0.0
    amounts: Counter[str] = field(default_factory=Counter)
    """Quanta of all closed intervals by account."""
    estimated: Counter[str] = field(default_factory=Counter)
    co2: Counter[str] = field(default_factory=Counter)
    """CO2 of all closed intervals by account [millionths of a kg]."""
    true: dict[str, float] = field(default_factory=dict)
    """What the simulator's own books say."""
    true_co2_kg: float = 0.0
    """Of the electricity from the grid, by the simulator's books and the factors of each year."""
    resolution: dict[str, float] = field(default_factory=dict)
    digest: str = ""


class Works:
    """The simulated plant and the agent's ledger side by side."""

    def __init__(self, folder: Path, course: Course) -> None:
        self.course = course
        self.plant = SimulatedPlant(load_plant(PLANT), seed=7, step_s=course.step_s)
        self.config = self._config(folder)
        self._library = self.config.library
        self._declared: list[Declaration] = []
        self.ledger = self._ledger(course.start_ns)
        profiles = self.config.profiles
        self._plans = {name: plan(profiles[name], every_s=course.step_s) for name in DEVICES}
        self._codecs = {name: Codec(profiles[name], self._plans[name]) for name in DEVICES}
        self._registers = {
            name: Registers(profiles[name], lambda name=name: self.plant.values(name))  # type: ignore[misc]  # the name of this round
            for name in DEVICES
        }
        self.sums = Sums()
        self._hash = hashlib.sha256()
        self._grid_before = 0.0
        self._latest: dict[tuple[str, str], tuple[int, int, int]] = {}

    def _config(self, folder: Path) -> SiteConfig:
        entries = {entry.name: entry for entry in self.plant.description.devices}
        every = self.course.step_s
        text = _SITE.format(every=every) + "".join(
            _DEVICE.format(name=name, unit=entries[name].unit, profile=entries[name].profile, every=every)
            for name in DEVICES
        )
        path = folder / "site.toml"
        path.write_text(text, encoding="utf-8")
        return load_config(path)

    def _ledger(self, start_ns: int) -> Ledger:
        config = self.config
        ledger = Ledger(config, self._library, start_ns=start_ns, boot_id="")
        ledger.declare(self._declared)
        return ledger

    def run(self) -> Sums:
        """Let it all happen; return what came of it."""
        course, began = self.course, time.monotonic()
        off_from, off_to = course.agent_off
        self._poll(0)
        for second in range(course.step_s, course.seconds + 1, course.step_s):
            self.plant.advance(course.step_s)
            self._count_grid(second)
            if second == course.replaced_at:
                self._replace(second)
            if off_from < second <= off_to:
                continue
            if off_from < second - course.step_s <= off_to:
                self._restart(second)
            self._poll(second)
        self._close(course.start_ns + (course.seconds + 86_400) * NS)
        self.sums.wall_s = time.monotonic() - began
        return self._result()

    def _poll(self, second: int) -> None:
        course, now_ns = self.course, self.course.start_ns + second * NS
        down = course.line_down[0] < second <= course.line_down[1]
        for name in () if down else DEVICES:
            registers = self._registers[name]
            registers.refresh()
            results: dict[Block, Any] = {}
            for item in self._plans[name]:
                data = registers.read(item.block)
                results[item.block] = Exchange(
                    "hall", 1, item.block, b"", data, data, now_ns, now_ns, now_ns, Outcome.OK
                )
            self.ledger.take(self._codecs[name].decode(name, results))
            self.sums.frames += 1
        self.ledger.tick(now_ns + NS)
        self._close(now_ns)

    def _close(self, now_ns: int) -> None:
        """Close what is due; sum up what the records say."""
        for name, book in self.ledger.books.items():
            while closed := book.due(now_ns):
                weight = self.ledger.conversions.at(book.account, closed.start_ns)
                body = interval_body("year", book.account, self.ledger.point_of(book.account), closed, weight)
                book.close(closed)
                self._sum(name, body)

    def _sum(self, name: str, body: Mapping[str, Any]) -> None:
        """Let a record take the place of the revision before it."""
        sums, key = self.sums, (name, body["start"])
        sums.intervals += 1
        self._hash.update(orjson.dumps(body))
        amount = quanta(body["amount"])
        now = (amount, quanta(body["estimated"] * body["amount"]), quanta(body.get("co2_kg", 0.0)))
        before = self._latest.get(key, (0, 0, 0))
        self._latest[key] = now
        sums.amounts[name] += now[0] - before[0]
        sums.estimated[name] += now[1] - before[1]
        sums.co2[name] += now[2] - before[2]

    def _count_grid(self, second: int) -> None:
        """Weigh what came from the grid in this step by the factor of its year."""
        imported = self.plant.books()["main-meter"]["active_energy_import"]
        after = self.course.start_ns + second * NS > NEW_YEAR_NS
        self.sums.true_co2_kg += (imported - self._grid_before) * GRID_KG_PER_KWH[after]
        self._grid_before = imported

    def _replace(self, second: int) -> None:
        """Put another main meter in, and declare it as an electrician would."""
        last = self.plant.replace_meter("main-meter", first=12.34)["active_energy_import"]
        time_ns = self.course.start_ns + second * NS
        account = "main-meter/electricity"
        said = Declaration(account, time_ns, last, 12.34, "its seal was broken", "Wang Fang")
        if self.course.declared:
            self._declared.append(said)
            self.ledger.declare(self._declared)

    def _restart(self, second: int) -> None:
        """Begin again from what the books saved."""
        states = dict(self.ledger.states())
        self.ledger = self._ledger(self.course.start_ns + second * NS)
        self.ledger.restore(states.get)

    def _result(self) -> Sums:
        sums, books = self.sums, self.plant.books()
        for name, quantity in TRUE.items():
            account = self.ledger.books[name].account
            sums.true[name] = books[account.device][quantity]
            sums.resolution[name] = self._resolution(account, sums.true[name])
        sums.digest = self._hash.hexdigest()
        return sums

    def _resolution(self, account: Account, total: float) -> float:
        """Return one count of an account's counter; a single-precision float counts in steps of its own size."""
        return account.resolution or float(np.spacing(np.float32(total)))
