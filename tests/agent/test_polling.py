"""What a line's task is given by the rest of the agent: its devices, a memory, and somebody to tell."""

from pathlib import Path

import pytest

from agent.alarm import Alarm
from agent.learning import Learned
from agent.service import Agent
from drivers.reading import Block
from tests.agent.frames import DEVICES, SITE, configured

HOLES = Learned((Block(3, 0x20, 2),), 40)


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    return Agent(configured(tmp_path, SITE + DEVICES))


async def test_what_is_learned_of_a_device_is_kept_in_the_store(tmp_path: Path, agent: Agent) -> None:
    await agent.store.open()
    (poller,) = agent.pollers
    device = poller.devices[0]
    device.learn(HOLES)
    poller._memory.remember(device)
    await agent.store.close()

    again = Agent(configured(tmp_path, SITE + DEVICES))
    await again.store.open()
    first, second = again.pollers[0].devices[:2]
    for known in (first, second):
        again.pollers[0]._memory.recall(known)
    await again.store.close()

    assert first.name == device.name
    assert first.learned == HOLES
    assert not second.learned
    assert all(planned.block.count <= 40 for planned in first.planned)


def test_an_overloaded_line_is_an_alarm_of_the_agent_until_it_ends(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Alarm] = []
    monkeypatch.setattr(agent.alarms, "set", told.append)
    (poller,) = agent.pollers
    for active in (True, False):
        poller.overload.active, poller.overload.share = active, 0.4
        poller._tell_load(active=active)

    assert [(alarm.key, alarm.name, alarm.active) for alarm in told] == [
        ("agent", "line_overload_hall", True),
        ("agent", "line_overload_hall", False),
    ]
    assert "leaves out 40 % of its polls" in told[0].text
