"""What the ticker and the keeper of the books do when something else happens meanwhile."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from agent.books.ledger import Ledger
from agent.service import Agent
from tests.agent.frames import configured
from tests.agent.running import running, until
from tests.modbus_rig import rig

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


@pytest.mark.integration
async def test_power_far_above_the_rating_raises_an_alarm_until_the_rating_is_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.duties._SAVE_S", 0.5)
    account = '[[account]]\nname = "motor-1/drive"\ndevice = "motor-1"\ncarrier = "electricity"'
    more = f'every = "200ms"\nrated_power = "0.75 kW"\n\n{account}\nfrom = "active_power"\n'
    async with rig("tcp", lambda request: [(0, request.reply([0x56] * request.count))]) as device:
        text = SITE.format(windows="").replace("tcp://127.0.0.1:1", device.url) + more
        agent = Agent(configured(tmp_path, text))
        async with running(agent):
            await until(agent.alarms.active)
            (alarm,) = agent.alarms.active()
            assert (alarm.key, alarm.name) == ("hall/motor-1", "rated-power")
            assert not agent.ledger.books["motor-1/drive"].columns.amount
            agent.reload(configured(tmp_path, text.replace("0.75 kW", "6000 kW")))
            await until(lambda: not agent.alarms.active())
            await until(lambda: agent.ledger.books["motor-1/drive"].columns.amount)
