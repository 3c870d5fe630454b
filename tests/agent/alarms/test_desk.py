"""What becomes of alarms, across restarts and for receivers."""

from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from agent.alarms.alarm import Alarm, Severity
from agent.alarms.desk import ALARMS
from agent.polling.polled import DeviceState
from tests.agent.desk import MQTT, START, Desk, Notebook
from tests.agent.frames import DEVICES, SITE, configured

COMM_LOST = "alarm/boiler-house/fan-1/comm_lost"


def again(desk: Desk) -> Notebook:
    """Return the store of another run, with the states of this one."""
    return Notebook(states=dict(desk.store.states))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(configured(tmp_path, SITE + DEVICES + MQTT))


def test_an_alarm_that_was_active_when_the_agent_ended_ends_when_its_cause_does(desk: Desk) -> None:
    desk.becomes(DeviceState.OFFLINE, "no reply", after_s=5)
    retained = desk.posted("boiler-house/fan-1/alarm/comm_lost")

    after = Desk(desk.config, again(desk))
    after.alarms.restore(None, known=after.recorder.knows)
    assert after.posted("boiler-house/fan-1/alarm/comm_lost") == retained
    after.becomes(DeviceState.OFFLINE, "no reply", after_s=50)
    assert after.store.bodies("alarm") == [], "it is still the same alarm"
    after.becomes(DeviceState.ONLINE, after_s=60)
    assert after.posted("boiler-house/fan-1/alarm/comm_lost")["active"] is False
    assert after.store.states[COMM_LOST] == b"{}"


def test_an_alarm_that_stands_for_another_cause_is_told_anew_and_stands_since_the_first(desk: Desk) -> None:
    lost = Alarm("agent", "delivery_influx", True, Severity.WARNING, START, "wrong token", "令牌错误")

    for text in ("wrong token", "wrong token", "HTTP 503", "HTTP 503"):
        desk.alarms.restate(replace(lost, text=text, since_ns=lost.since_ns + 1_000_000_000))

    told = desk.store.bodies("alarm")
    assert [(body["text"], body["active"]) for body in told] == [("wrong token", True), ("HTTP 503", True)]
    assert told[0]["since"] == told[1]["since"]
    assert told[0]["time_ns"] != told[1]["time_ns"], "neither overwrites the other in a database"
    assert desk.alarms.active()[0].text == "HTTP 503"


def test_the_alarm_of_a_device_that_has_left_the_configuration_is_removed(desk: Desk) -> None:
    desk.becomes(DeviceState.OFFLINE, "no reply", after_s=5)
    elsewhere = configured(
        desk.config.path.parent, SITE + DEVICES.replace('area = "boiler-house"', 'area = "yard"') + MQTT
    )

    after = Desk(elsewhere, again(desk))
    after.alarms.restore(None, known=after.recorder.knows)

    assert after.board.get("boiler-house/fan-1/alarm/comm_lost") == b""
    assert after.alarms.active() == []
    assert after.store.states[COMM_LOST] == b"{}"


def test_a_device_that_leaves_takes_its_alarms_and_all_that_is_retained_of_it_along(desk: Desk) -> None:
    desk.becomes(DeviceState.OFFLINE, "no reply", after_s=5)
    desk.board.put("boiler-house/fan-1/meta", b"{}")
    desk.board.put("boiler-house/boiler-1/meta", b"{}")

    desk.recorder.forget("boiler-house/fan-1")

    for topic in ("meta", "state", "alarm/comm_lost"):
        assert desk.board.get(f"boiler-house/fan-1/{topic}") == b""
    assert desk.board.get("boiler-house/boiler-1/meta") == b"{}"
    raised, ended = desk.store.bodies("alarm")
    assert (raised["active"], ended["active"], ended["text"]) == (True, False, "fan-1 has left the configuration")
    assert desk.store.states[COMM_LOST] == b"{}"
    assert list(desk.alarms) == []


def test_an_alarm_and_its_memory_are_one_transaction(desk: Desk) -> None:
    desk.becomes(DeviceState.OFFLINE, "no reply")

    assert [[name for name, _ in steps] for steps in desk.store.transactions] == [["alarm", COMM_LOST]]


def test_a_change_of_one_alarm_saves_that_one_alone(desk: Desk) -> None:
    desk.becomes(DeviceState.OFFLINE, "no reply")
    before = len(desk.store.transactions)
    for number in range(3):
        desk.alarms.set(Alarm("agent", f"other_{number}", True, Severity.WARNING, START, "text", "文"))

    assert [[name for name, _ in steps] for steps in desk.store.transactions[before:]] == [
        ["alarm", f"alarm/agent/other_{number}"] for number in range(3)
    ]


def test_alarms_that_an_earlier_agent_kept_together_are_kept_apart_from_now_on(desk: Desk) -> None:
    desk.becomes(DeviceState.OFFLINE, "no reply", after_s=5)
    retained = desk.board.get("boiler-house/fan-1/alarm/comm_lost") or b""
    together = orjson.dumps([[alarm, retained.decode()] for alarm in desk.alarms.active()])

    after = Desk(desk.config, Notebook(states={ALARMS: together}))
    after.alarms.restore(together, known=after.recorder.knows)

    assert after.board.get("boiler-house/fan-1/alarm/comm_lost") == retained
    assert after.store.states[ALARMS] == b"[]"
    once_more = Desk(desk.config, again(after))
    once_more.alarms.restore(b"[]", known=once_more.recorder.knows)
    assert once_more.alarms.active() == desk.alarms.active()


@pytest.mark.parametrize(
    "state", [b"{", b"[]", b'{"version":99}', b'{"version":2,"alarm":{"key":"agent"},"payload":"{}"}']
)
def test_an_alarm_that_cannot_be_read_is_set_aside_and_told(
    desk: Desk, state: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    desk.store.states |= {"alarm/agent/broken": state}
    desk.alarms.restore(b"no JSON", known=desk.recorder.knows)
    desk.alarms.begin()

    assert orjson.loads(desk.store.states["aside/alarm/agent/broken"])["state"] == state.decode()
    assert orjson.loads(desk.store.states["aside/alarms"])["state"] == "no JSON"
    assert desk.store.states["alarm/agent/broken"] == b"{}"
    assert [event["name"] for event in desk.store.bodies("event")] == ["state_unreadable"] * 2
    assert caplog.text.count("it is set aside") == 2
