"""Writes the golden capture anew: `python -m tests.agent.replay.golden`, only where what is recorded is to change.

A quarter of an hour of the plant in which much goes wrong, the documents it was booked with, and the hash of every
record that was published. Any Python on any machine must come to the same.
"""

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Any

from agent.audit.documents import Documents
from agent.config import SiteConfig
from agent.corrections.desk import fingerprint
from agent.corrections.request import Revise
from agent.metering.amount import Declaration
from agent.output.entry import Entry
from tests.agent.replay.works import MORNING_NS, NS, Works

CASE = Path(__file__).parents[2] / "cases" / "replay"
CAPTURE, DOCUMENTS, HASHES = CASE / "capture", CASE / "documents", CASE / "hashes.txt"
_FUEL = '\n[[fuel]]\ncarrier = "natural_gas"\nncv = "36.1 MJ/Nm3"\nfrom = 2026-01-01\nby = "a lab"\ndocument = "17"\n'


async def story(works: Works) -> list[dict[str, Any]]:
    """Let everything happen; return what was published."""
    works.now.synchronised = False
    works.now.wall_ns -= 600 * NS
    await works.start()
    keep(works.config, DOCUMENTS)
    await works.run(40)
    works.now.wall_ns += 600 * NS
    works.now.synchronised = True
    await works.run(70)
    works.faults.silent = {"motor-1", "main-meter"}
    await works.run(75)
    works.faults.silent.clear()
    works.faults.shows["motor-2", 0x0010] = b"\xff\xff\xff\xff"
    await works.run(5)
    works.faults.shows.clear()
    await works.run(60)
    works.made(12)

    async def lost() -> None:
        await works.run(70)

    await works.kill(lost)
    works.pass_time(45)
    await works.start()
    last = works.plant.replace_meter("main-meter", 5.0)["active_energy_import"]
    at_ns = works.keeper.now_ns()
    await works.run(150)
    await works.asked(Declaration("main-meter/electricity", at_ns, round(last, 3), 5.0, "calibration", "Li Wei"))
    entry = Entry("one", "bricks", MORNING_NS, MORNING_NS + 120 * NS, 1000.0, "shift book", "Li Wei")
    await works.asked(entry)
    works.now.wall_ns += 90 * NS
    await works.run(40)
    works.now.wall_ns -= 90 * NS
    await works.run(60)
    await works.reload(interval="2min", more=_FUEL)
    keep(works.config, DOCUMENTS)
    await works.run(130)
    factors = fingerprint(works.config, works.ledger.conversions.library)
    await works.asked(Revise(MORNING_NS, MORNING_NS + 300 * NS, "", "analysis", "Li Wei", factors))
    await works.run(130)
    published = await works.published()
    await works.stop()
    return published


def keep(config: SiteConfig, folder: Path) -> None:
    """Keep what a configuration is made of, as an agent does."""
    documents = Documents(folder)
    documents.keep(config.path.read_bytes())
    root = Path(__file__).parents[3]
    for profile in {profile.name for profile in config.profiles.values()}:
        documents.keep((root / "drivers" / "catalogue" / f"{profile}.toml").read_bytes())
    for file in (root / "agent" / "carbon" / "factors").glob("*.toml"):
        documents.keep(file.read_bytes())


def main() -> None:
    """Write the case."""
    shutil.rmtree(CASE, ignore_errors=True)
    DOCUMENTS.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as folder:
        published = asyncio.run(story(Works(Path(folder), capture=CAPTURE)))
    places = (f"{each['hash']} {each['account']} {each['start']} {each['revision']}" for each in published)
    HASHES.write_text("".join(f"{place}\n" for place in places), encoding="utf-8")


if __name__ == "__main__":
    main()
