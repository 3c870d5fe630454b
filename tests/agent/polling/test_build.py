"""What a line's task is given by the rest of the agent: its devices, a memory, and somebody to tell."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from agent.alarms.alarm import Alarm
from agent.polling.learning import Learned
from agent.scribe import Scribe
from agent.service import Agent
from drivers.reading import Block
from tests.agent.frames import DEVICES, SITE, configured

STORE = '[store]\npath = "store.db"\n\n'
HOLES = Learned((Block(3, 0x20, 2),), 40)


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    return Agent(configured(tmp_path, SITE + STORE + DEVICES))


async def test_what_is_learned_of_a_device_is_kept_in_the_store(tmp_path: Path, agent: Agent) -> None:
    await agent.store.open()
    (poller,) = agent.pollers
    device = poller.devices[0]
    device.learn(HOLES)
    poller._memory.remember(device)
    await agent.store.close()

    again = Agent(configured(tmp_path, SITE + STORE + DEVICES))
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


async def test_what_is_learned_of_a_device_is_an_event_once_and_not_at_each_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, str, str]] = []

    def record(_: Scribe, kind: str, key: str, time_ns: int, body: dict[str, Any], *, monotonic_ns: int) -> None:
        assert abs(time_ns - body_time_ns(body)) < 1000
        assert monotonic_ns > 0
        told.append((kind, key, body["text"]))

    monkeypatch.setattr(Scribe, "record", record)
    for _ in range(2):
        agent = Agent(configured(tmp_path, SITE + STORE + DEVICES))
        await agent.store.open()
        agent.keeper.look()
        agent.recorder.begin()
        (poller,) = agent.pollers
        device = poller.devices[0]
        poller._memory.recall(device)
        if not device.pacing.told:
            device.pacing.slow_down()
            poller._memory.slow(device)
        if not device.learned:
            device.learn(HOLES)
            poller._memory.remember(device)
        await agent.store.close()

    assert device.pacing.pause_s == 0.02
    (kind, key, busy), (_, _, holes) = told
    assert (kind, key) == ("event", "boiler-house/fan-1")
    assert "fan-1 says that it is busy" in busy
    assert "fan-1 refuses function 3 address 0x0020 count 2, more than 40 registers at once" in holes


def body_time_ns(body: dict[str, Any]) -> int:
    """Return the time an event says it has, to the microsecond [Unix, ns]."""
    return round(datetime.fromisoformat(body["time"]).timestamp() * 1e6) * 1000
