"""Whatever happens to an agent, in whatever order: what it recorded is made again from its capture, bit for bit."""

import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import orjson
import pytest

from agent.config import SiteConfig
from agent.corrections.desk import fingerprint
from agent.corrections.request import Revise
from agent.metering.amount import Declaration
from agent.output.entry import Entry
from agent.polling.learning import Learned
from agent.replay.published import Published
from agent.replay.site import Site
from agent.replay.verify import Verifier
from drivers.capture import Section
from drivers.reading import Block
from tests.agent.replay.works import MORNING_NS, NS, Reel, Works

_FUEL = """
[[fuel]]
carrier = "natural_gas"
ncv = "{ncv} MJ/Nm3"
from = 2026-01-01
by = "a laboratory"
document = "report 17"
"""


class Story:
    """Draws what happens next."""

    def __init__(self, works: Works, seed: int) -> None:
        self.works = works
        self.rng = random.Random(seed)  # noqa: S311 -- the same stories in every run
        self.configs: list[SiteConfig] = []
        self._entered_ns = MORNING_NS
        self.happens: list[Callable[[], Awaitable[None]]] = [
            self.silence, self.glitch, self.pieces, self.another_file, self.clock, self.hole, self.stranger,
            self.kill, self.restart, self.reload, self.replacement, self.entry, self.revision,
        ]  # fmt: skip

    async def tell(self, steps: int) -> None:
        await self.works.start()
        self.configs.append(self.works.config)
        for _ in range(steps):
            await self.works.run(self.rng.choice((3, 17, 40, 61)))
            await self.rng.choice(self.happens)()
        self.works.now.synchronised = True
        await self.works.run(130)

    async def silence(self) -> None:
        self.works.faults.silent ^= {self.rng.choice(list(self.works.devices))}

    async def glitch(self) -> None:
        shows = self.works.faults.shows
        if shows:
            shows.clear()
        else:
            name, address = self.rng.choice((("motor-1", 0x0010), ("boiler-1", 0x0012), ("main-meter", 0x0048)))
            shows[name, address] = self.rng.randbytes(4)

    async def pieces(self) -> None:
        if self.works.recorder.settled:
            self.works.made(self.rng.randrange(100))

    async def another_file(self) -> None:
        assert isinstance(self.works.writer, Reel)
        self.works.writer.begin_file()

    async def clock(self) -> None:
        now = self.works.now
        now.synchronised = self.rng.random() < 0.6
        now.wall_ns += self.rng.choice((-40, -2, 0, 2, 75, 1000)) * NS

    async def hole(self) -> None:
        motor = self.works.devices["motor-1"]
        self.works.learn("motor-1", Learned() if motor.learned else Learned((Block(3, 0x0012, 2),)))

    async def stranger(self) -> None:
        self.works.another_answers(self.rng.choice(list(self.works.devices)))

    async def kill(self) -> None:
        async def lost() -> None:
            await self.works.run(self.rng.randrange(50))

        await self.works.kill(lost)
        self.works.pass_time(self.rng.randrange(90))
        await self.works.start()

    async def restart(self) -> None:
        await self.works.stop()
        self.works.pass_time(self.rng.randrange(90))
        if self.rng.random() < 0.5:
            self.works.boot, self.works.now.monotonic_ns = f"boot-{self.rng.random()}", 30 * NS
        await self.works.start()

    async def reload(self) -> None:
        if self.works.recorder.settled:
            interval = self.rng.choice(("1min", "2min"))
            await self.works.reload(interval=interval, more=_FUEL.format(ncv=self.rng.choice((35, 36))))
            self.configs.append(self.works.config)

    async def replacement(self) -> None:
        if self.works.recorder.settled:
            last = self.works.plant.replace_meter("main-meter", 5.0)["active_energy_import"]
            at_ns = self.works.keeper.now_ns()
            await self.works.run(self.rng.choice((5, 150)))
            said = Declaration("main-meter/electricity", at_ns, round(last, 3), 5.0, "calibration", "Li Wei")
            await self.works.asked(said)

    async def entry(self) -> None:
        if self.works.recorder.settled and "bricks" in self.works.ledger.books:
            until_ns = self._entered_ns + 120 * NS
            if until_ns <= self.works.keeper.now_ns():
                entry = Entry(str(until_ns), "bricks", self._entered_ns, until_ns, 120.0, "shift book", "Li Wei")
                self._entered_ns = until_ns
                await self.works.asked(entry)

    async def revision(self) -> None:
        if self.works.recorder.settled:
            factors = fingerprint(self.works.config, self.works.ledger.conversions.library)
            until_ns = self.works.keeper.now_ns()
            await self.works.asked(Revise(MORNING_NS, until_ns, "", "audit", "Li Wei", factors))


@pytest.mark.parametrize("seed", range(16))
async def test_every_story_is_told_again(tmp_path: Path, seed: int) -> None:
    works = Works(tmp_path)
    story = Story(works, seed)
    await story.tell(14)
    sites = [Site(config) for config in story.configs]
    items = [item for reel in works.reels for item in reel.items]
    with Published(tmp_path / "again.jsonl") as published:
        verifier = Verifier(lambda books: next((site for site in sites if not site.unlike(books)), None), published)
        report = verifier.play(items)
    assert report.first is None, f"{report.first} {report.remarks}"
    assert not report.unknown
    again = [orjson.loads(line) for line in (tmp_path / "again.jsonl").read_bytes().splitlines()]
    assert again == await works.published()
    assert len(again) > 20
    # Of a part, too: a file holds all that a replay needs to begin with it.
    begins = [at for at, item in enumerate(items) if isinstance(item, Section)]
    for at in story.rng.sample(begins, min(3, len(begins))):
        with Published(tmp_path / "part.jsonl") as published:
            verifier = Verifier(lambda books: next((site for site in sites if not site.unlike(books)), None), published)
            report = verifier.play(items[at:])
        assert report.first is None, f"{report.first} {report.remarks}"
    await works.stop()
