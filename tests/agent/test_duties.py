"""What the ticker and the keeper of the books do when something else happens meanwhile."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from agent.books.ledger import Ledger
from agent.service import Agent
from tests.agent.frames import configured

SITE = """[site]
name = "works"

[store]
path = "store.db"

[[line]]
name = "hall"
url = "tcp://127.0.0.1:1"
{windows}
[[device]]
name = "motor-1"
area = "hall"
line = "hall"
unit = 1
profile = "generic/vfd-motor"
"""


async def test_saved_rows_are_read_again_for_the_windows_of_a_reload_that_came_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = Agent(configured(tmp_path, SITE.format(windows="")))
    config = configured(tmp_path, SITE.format(windows='\n[windows]\nspans = ["1h"]\n'))
    monkeypatch.setattr(agent.keeper, "now_ns", lambda: 1)
    follower = Agent(config).ledger
    asked: list[Ledger] = []

    def needed(ledger: Ledger, stored: Iterable[tuple[int, bytes]], now_ns: int) -> dict[int, bytes]:
        del stored
        if not asked:
            agent.duties.configure(config, follower, [])
        asked.append(ledger)
        return {now_ns: str(len(asked)).encode()}

    monkeypatch.setattr(Ledger, "needed", needed)
    rows = await agent.duties._stored_rows()

    assert asked == [agent.ledger, follower]
    assert [*rows.values()] == [b"2"]
