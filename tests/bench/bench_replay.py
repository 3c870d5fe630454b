"""How fast a capture of the demo's plant is replayed: exchanges a second on one core."""

import asyncio
import tempfile
import time
from pathlib import Path

from agent.config.load import load_config
from agent.replay.published import Published
from agent.replay.site import Site
from agent.replay.verdict import Report
from agent.replay.verify import Verifier
from drivers.capture import read_capture
from tests.agent.replay.works import Works
from tests.bench.row import Row

_SECONDS = 1800
_AIM = 20_000.0
_REPEATS = 3


def rows() -> list[Row]:
    """Capture half an hour of the plant, read every second, and replay it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        asyncio.run(_captured(folder))
        site = Site(load_config(folder / "site.toml"))
        rates = [_rate(folder, site) for _ in range(_REPEATS)]
    return [Row("replay_exchanges_per_s", max(rates), "1/s", target=_AIM)]


async def _captured(folder: Path) -> None:
    works = Works(folder, interval="15min", every="1s", capture=folder / "capture", plain=True)
    await works.start()
    await works.run(_SECONDS)
    await works.stop()


def _rate(folder: Path, site: Site) -> float:
    with Published(folder / "again.jsonl") as published:
        began = time.process_time()
        report = Verifier(lambda _: site, published).play(read_capture([folder / "capture"]))
        took_s = time.process_time() - began
    _must_be_identical(report)
    return report.exchanges / took_s


def _must_be_identical(report: Report) -> None:
    if report.first or report.unknown or not report.total.identical:
        raise SystemExit(f"the replay is wrong, and its speed of no interest: {report.first} {report.unknown}")
