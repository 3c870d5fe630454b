"""A copy of the books, taken at any moment: a ledger that begins with it goes on like the one it was taken from."""

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent.books.interval_body import interval_body
from agent.books.ledger import Ledger
from agent.carbon.library import load_library
from agent.config import SiteConfig
from agent.metering.amount import Declaration, Reading
from agent.tape.books import copied, put
from drivers.reading import Quality
from tests.agent.frames import DEVICES, SITE, configured, frame_at, lost_frame

NS = 10**9
START = int(datetime(2026, 11, 20, 8, tzinfo=UTC).timestamp()) * NS
LIBRARY = load_library()
MORE = """
[[account]]
name = "boiler-1/steam"
device = "boiler-1"
carrier = "steam"
from = "steam_mass"
pressure = "steam_pressure"
pressure_is = "gauge"
temperature = "steam_temperature"

[[account]]
name = "fan-1/drive"
device = "fan-1"
carrier = "electricity"
from = "active_power"

[[output]]
name = "pieces"
area = "hall"
topic = "mes/pieces"
unit = "count"
counts = "increment"

[[output]]
name = "bricks"
area = "hall"
entered = true
unit = "count"

[[green_power]]
certificate = "GEC-1"
contract = "17"
accounts = ["fan-1/electricity"]
amount = "3 MWh"
from = 2026-01-01
to = 2026-12-31

[mqtt]
url = "mqtt://127.0.0.1:1"
"""


class Story:
    """A run of random events, drawn beforehand, that any ledger can be told from any event on."""

    def __init__(self, config: SiteConfig, seed: int) -> None:
        self.config = config
        self.rng = random.Random(seed)  # noqa: S311 -- the same stories in every run
        self.counts, self.mass, self.wall_ns, self.monotonic_ns = 100_000, 5_000, START, 7 * NS
        self.boot, self.right = "boot-1", False
        self.events = [self._event() for _ in range(self.rng.randrange(60, 160))]

    def _event(self) -> tuple[Any, ...]:
        rng = self.rng
        step_ns = rng.choice((1, 7, 10, 10, 10, 31, 95, 400)) * NS + rng.randrange(1000)
        self.wall_ns, self.monotonic_ns = self.wall_ns + step_ns, self.monotonic_ns + step_ns
        what = rng.random()
        if what < 0.03:
            self.wall_ns += rng.choice((-7200, -40, 40, 1800)) * NS
        elif what < 0.05:
            self.boot, self.monotonic_ns = f"boot-{rng.randrange(100)}", 5 * NS
        elif what < 0.08:
            self.right = rng.random() < 0.7
        elif what < 0.10:
            self.counts, self.mass = rng.randrange(2_000_000), rng.randrange(20_000)
        self.counts += rng.randrange(40)
        self.mass += rng.randrange(20)
        shown = (self.counts, self.mass)
        if rng.random() < 0.05:
            shown = (rng.randrange(1 << 32), rng.randrange(1 << 32))
        device = rng.choice(("fan-1", "boiler-1"))
        power, pressure = rng.randrange(90_000), rng.choice((700, 820, 0xFFFF))
        partial = rng.random() < 0.3
        lost = rng.random() < 0.15
        return device, shown, power, pressure, partial, lost, self.wall_ns, self.monotonic_ns, self.boot, self.right

    def tell(self, ledger: Ledger, since: int, until: int) -> Iterator[dict[str, Any]]:
        """Tell a ledger events, and yield every interval record that is due meanwhile."""
        for event in self.events[since:until]:
            device, (counts, mass), power, pressure, partial, lost, wall_ns, monotonic_ns, _, right = event
            ledger.clock_right = right
            registers = {0x0010: f"{counts:08x}", 0x0020: f"{power:08x}"}
            if device == "boiler-1":
                registers = {0x0010: f"{counts:08x}", 0x0012: f"{mass:08x}", 0x0029: f"{pressure:04x}07d0"}
            profile = self.config.profiles[device]
            frame = frame_at(device, profile, registers, wall_ns, monotonic_ns)
            if partial:
                frame.quality[[index for name, index in profile.index.items() if "_pressure" in name]] = 255
                frame.values[frame.quality == Quality.NOT_READ] = np.nan
            if lost:
                frame = lost_frame(device, profile, wall_ns)
            ledger.take(frame)
            if counts % 7 == 0:
                ledger.receive("pieces", Reading(wall_ns, monotonic_ns, float(counts % 5), boot=event[8]))
            if counts % 61 == 0:
                said = Declaration("fan-1/electricity", wall_ns - 60 * NS, counts / 100, 5.0, "new meter", "someone")
                ledger.declare((*ledger.declared, said))
            yield from due(ledger, wall_ns)


def due(ledger: Ledger, now_ns: int) -> Iterator[dict[str, Any]]:
    for name, book in ledger.books.items():
        while interval := book.due(now_ns):
            weight = ledger.conversions.at(book.account, interval.start_ns)
            yield interval_body("works", book.account, ledger.point_of(book.account), interval, weight) | {"of": name}
            book.close(interval)


def empty(config: SiteConfig, boot: str = "boot-1") -> Ledger:
    return Ledger(config, LIBRARY, start_ns=START, boot_id=boot)


@pytest.mark.parametrize("seed", range(40))
def test_a_ledger_that_begins_with_a_copy_of_the_books_goes_on_bit_for_bit(tmp_path: Path, seed: int) -> None:
    config = configured(tmp_path, SITE + DEVICES + MORE)
    story = Story(config, seed)
    moment = story.rng.randrange(len(story.events))
    original = empty(config)
    before = list(story.tell(original, 0, moment))
    copy = json.dumps([copied(original), [each.state() for each in original.declared]])
    right = original.clock_right
    told = list(story.tell(original, moment, len(story.events)))
    told += due(original, story.wall_ns + 7200 * NS)

    accounts, declared = json.loads(copy)
    other = empty(config)
    put(other, accounts, declared)
    other.clock_right = right
    again = list(story.tell(other, moment, len(story.events)))
    again += due(other, story.wall_ns + 7200 * NS)
    assert again == told
    assert len(before) + len(told) > 10, "the story has intervals"
    assert {name: book.state() for name, book in other.books.items()} == {
        name: book.state() for name, book in original.books.items()
    }


def test_books_with_intervals_of_another_length_go_on_too(tmp_path: Path) -> None:
    config = configured(tmp_path, SITE + DEVICES + MORE)
    story = Story(config, 3)
    former = empty(config)
    list(story.tell(former, 0, 20))
    changed = configured(tmp_path, (SITE + DEVICES + MORE).replace('length = "1min"', 'length = "15min"'))
    original = empty(changed)
    original.take_over(former, lambda _: None)
    accounts = json.loads(json.dumps(copied(original)))
    assert any(json.loads(state)["intervals"]["slot"] for state, _ in accounts.values())
    told = list(story.tell(original, 20, 60))

    other = empty(changed)
    put(other, accounts, [])
    assert list(story.tell(other, 20, 60)) == told
    assert {record["end"][14:16] for record in told} > {"00", "15"}
