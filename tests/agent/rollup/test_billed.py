from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.agent.rollup.shelf import GAS, Works

TARIFF = """
[[tariff]]
name = "grid"
meter = "fan-1/electricity"
two_part = "demand"
day = [{ hours = { peak = ["08:00-22:00"], valley = ["22:00-08:00"] } }]
price = [{ from = 2026-11-01, peak = 0.8333, valley = 0.4, demand = 40 }]
"""
NOON = int(datetime(2026, 11, 20, 12, tzinfo=ZoneInfo("Asia/Shanghai")).timestamp())


@pytest.fixture
def works(tmp_path: Path) -> Works:
    return Works(tmp_path, TARIFF)


def billed(works: Works) -> tuple[int, int, float]:
    """Return amount, estimated part and measured hours of November."""
    month = works.desk.ledger.tariffs.books["grid"].month(NOON * 10**9)
    return month.quanta, month.estimated, month.measured_ns / 3600e9


async def test_the_month_of_a_tariff_follows_the_intervals_of_its_meter(works: Works) -> None:
    for quarter in range(4):
        works.interval(NOON + quarter * 900, 2_000_000)
        works.interval(NOON + quarter * 900, 7_000_000, GAS)
    assert billed(works) == (8_000_000, 0, 1.0)
    works.begin()
    assert billed(works) == (8_000_000, 0, 1.0), "what was counted is saved with the record"


async def test_revisions_count_by_what_they_change_once_also_when_the_agent_ends_in_between(works: Works) -> None:
    works.interval(NOON, 2_000_000)
    works.interval(NOON, 5_000_000, estimated=0.5, coverage=0.5)
    works.interval(NOON, 4_000_000, coverage=0.75)
    assert billed(works) == (2_000_000, 0, 0.25)

    works.begin()
    await works.derived.turn()
    assert billed(works) == (5_000_000, 2_500_000, 0.125)
    works.begin()
    await works.settle()
    assert billed(works) == (4_000_000, 0, 0.1875)
    works.begin()
    await works.settle()
    assert billed(works) == (4_000_000, 0, 0.1875)


async def test_a_revision_whose_former_is_no_more_kept_changes_no_month(
    works: Works, caplog: pytest.LogCaptureFixture
) -> None:
    works.interval(NOON, 2_000_000)
    works.shelf.kept.clear()
    works.interval(NOON, 5_000_000)
    await works.settle()
    assert billed(works)[0] == 2_000_000
    assert "no more kept" in caplog.text
