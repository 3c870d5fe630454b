"""What becomes of alarms, across restarts and for receivers."""

from pathlib import Path

import orjson
import pytest

from agent.alarms import ALARMS
from agent.polled import Condition
from tests.agent.desk import MQTT, Desk
from tests.agent.frames import DEVICES, SITE, configured


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(configured(tmp_path, SITE + DEVICES + MQTT))


def test_an_alarm_that_was_active_when_the_agent_ended_ends_when_its_cause_does(desk: Desk) -> None:
    desk.becomes(Condition.OFFLINE, "no reply", after_s=5)
    retained = desk.posted("boiler-house/fan-1/alarm/comm_lost")

    after = Desk(desk.config)
    after.alarms.restore(desk.store.states[ALARMS], known=after.recorder.knows)
    assert after.posted("boiler-house/fan-1/alarm/comm_lost") == retained
    after.becomes(Condition.OFFLINE, "no reply", after_s=50)
    assert after.store.bodies("alarm") == [], "it is still the same alarm"
    after.becomes(Condition.ONLINE, after_s=60)
    assert after.posted("boiler-house/fan-1/alarm/comm_lost")["active"] is False
    assert orjson.loads(after.store.states[ALARMS]) == []


def test_the_alarm_of_a_device_that_has_left_the_configuration_is_removed(desk: Desk) -> None:
    desk.becomes(Condition.OFFLINE, "no reply", after_s=5)
    elsewhere = configured(
        desk.config.path.parent, SITE + DEVICES.replace('area = "boiler-house"', 'area = "yard"') + MQTT
    )

    after = Desk(elsewhere)
    after.alarms.restore(desk.store.states[ALARMS], known=after.recorder.knows)

    assert after.board.get("boiler-house/fan-1/alarm/comm_lost") == b""
    assert after.alarms.active() == []


def test_a_device_that_leaves_takes_its_alarms_and_all_that_is_retained_of_it_along(desk: Desk) -> None:
    desk.becomes(Condition.OFFLINE, "no reply", after_s=5)
    desk.board.put("boiler-house/fan-1/meta", b"{}")
    desk.board.put("boiler-house/boiler-1/meta", b"{}")

    desk.recorder.forget("boiler-house/fan-1")

    for topic in ("meta", "state", "alarm/comm_lost"):
        assert desk.board.get(f"boiler-house/fan-1/{topic}") == b""
    assert desk.board.get("boiler-house/boiler-1/meta") == b"{}"
    raised, ended = desk.store.bodies("alarm")
    assert (raised["active"], ended["active"], ended["text"]) == (True, False, "fan-1 has left the configuration")
    assert orjson.loads(desk.store.states[ALARMS]) == []
    assert list(desk.alarms) == []


def test_an_alarm_and_its_memory_are_one_transaction(desk: Desk) -> None:
    desk.becomes(Condition.OFFLINE, "no reply")

    assert [[name for name, _ in steps] for steps in desk.store.transactions] == [["alarm", ALARMS]]
