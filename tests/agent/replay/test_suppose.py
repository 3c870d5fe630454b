"""What would have been: what was asked by command applies to what the other configuration has made."""

from pathlib import Path

import pytest

from agent.corrections.request import Withdrawal
from agent.metering.amount import Declaration, Reading
from agent.replay.published import Published
from agent.replay.site import Site
from agent.replay.suppose import Supposition
from tests.agent.replay.works import MORNING_NS, NS, Works

METER = "main-meter/electricity"


async def test_what_was_declared_and_taken_back_before_an_interval_closed_is_not_supposed(tmp_path: Path) -> None:
    works = Works(tmp_path)
    await works.start()
    await works.run(130)
    begun = works.ledger.books[METER].source.last
    assert isinstance(begun, Reading)
    at_ns, first = MORNING_NS - 60 * NS, begun.value - 5.0
    await works.asked(Declaration(METER, at_ns, None, first, "log book", "Li Wei"))
    await works.asked(Withdrawal(METER, at_ns, None, first, "of another meter", "Li Wei"))
    await works.run(100)
    with Published(tmp_path / "supposed.jsonl") as published:
        items = [item for reel in works.reels for item in reel.items]
        rows = Supposition(Site(works.config), published).play(items)
    amount = next(row for row in rows if (row.account, row.figure) == (METER, "amount"))
    assert amount.supposed == pytest.approx(amount.recorded, abs=1e-9)
    await works.stop()
