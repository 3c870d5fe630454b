"""What becomes of alarms when readings and figures come, end, stay away, and after restarts."""

from dataclasses import replace
from pathlib import Path

import pytest

from agent.figure import Figure
from agent.warning.desk import Warnings
from tests.agent.desk import MQTT, START, Desk, Notebook, S
from tests.agent.frames import DEVICES, SITE, configured, frame, lost_frame

ALARMS = """
[[alarm]]
name = "slipping"
device = "fan-1"
figure = "motor_load_rate"
below = 20
margin = 2
for = "1min"

[[alarm]]
name = "jump"
device = "fan-1"
figure = "motor_efficiency"
above = 5
change_in = "10min"
for = "0s"

[[alarm]]
name = "drift"
device = "boiler-1"
figure = "boiler_efficiency_direct"
below = -5
drift_from = "30d"
for = "0s"
severity = "critical"
"""
PLACE = "boiler-house/fan-1"


class Watcher:
    def __init__(self, folder: Path, store: Notebook | None = None, alarms: str = ALARMS) -> None:
        self.desk = Desk(configured(folder, SITE + DEVICES + MQTT + alarms), store)
        self.warnings = Warnings(self.desk.scribe, self.desk.alarms)
        self.desk.alarms.restore(None, known=self.desk.recorder.knows)
        self.warnings.configure(self.desk.config)

    def figure(
        self, name: str, value: float | None, at_s: float, place: str = PLACE, *, unverified: bool = False
    ) -> None:
        time_ns = START + round(at_s * S)
        missing = () if value is not None else ("something",)
        figure = Figure(name, place, "15min", time_ns, "%", value, missing=missing, unverified=unverified)
        self.warnings.figures([figure], time_ns, time_ns)

    @property
    def active(self) -> list[str]:
        return [alarm.name for alarm in self.desk.alarms.active()]


@pytest.fixture
def watcher(tmp_path: Path) -> Watcher:
    return Watcher(tmp_path)


def test_an_alarm_tells_value_limit_and_unit_in_both_languages(watcher: Watcher) -> None:
    for at_s in range(0, 70, 10):
        watcher.figure("motor_load_rate", 12.5, at_s)
    body = watcher.desk.posted(f"{PLACE}/alarm/slipping")

    assert (body["active"], body["severity"]) == (True, "warning")
    assert (body["value"], body["limit"], body["unit"]) == (12.5, 20.0, "%")
    assert body["since"] == "2026-11-20T08:01:00.000000Z"
    assert body["text"] == "fan-1: motor load rate 12.5 %, below the limit 20 %"
    assert body["text_zh"] == "fan-1 电机负载率 12.5 %，低于限值 20 %"  # noqa: RUF001  # Chinese punctuation


@pytest.mark.parametrize("unverified", [False, True])
def test_an_alarm_on_an_unverified_figure_carries_the_mark_until_it_has_ended(
    watcher: Watcher, tmp_path: Path, *, unverified: bool
) -> None:
    for at_s in range(0, 70, 10):
        watcher.figure("motor_load_rate", 12.5, at_s, unverified=unverified)
    assert watcher.desk.posted(f"{PLACE}/alarm/slipping").get("unverified", False) is unverified

    after = Watcher(tmp_path, Notebook(states=dict(watcher.desk.store.states)))
    for at_s in range(100, 170, 10):
        after.figure("motor_load_rate", 30.0, at_s, unverified=unverified)

    body = after.desk.posted(f"{PLACE}/alarm/slipping")
    assert (body["active"], body.get("unverified", False)) == (False, unverified)


def test_an_alarm_outlives_a_restart_and_then_ends(watcher: Watcher, tmp_path: Path) -> None:
    for at_s in range(0, 70, 10):
        watcher.figure("motor_load_rate", 12.5, at_s)

    after = Watcher(tmp_path, Notebook(states=dict(watcher.desk.store.states)))
    after.figure("motor_load_rate", 21.0, 100)
    assert after.active == ["slipping"]
    for at_s in range(110, 180, 10):
        after.figure("motor_load_rate", 22.0, at_s)
    assert after.active == []
    assert after.desk.posted(f"{PLACE}/alarm/slipping")["text"] == "fan-1: motor load rate back at 22 %, limit 20 %"


def test_an_alarm_that_left_the_configuration_ends_and_those_of_others_stay(watcher: Watcher, tmp_path: Path) -> None:
    for at_s in range(0, 70, 10):
        watcher.figure("motor_load_rate", 12.5, at_s)

    after = Watcher(tmp_path, Notebook(states=dict(watcher.desk.store.states)), alarms="")
    after.figure("motor_load_rate", 12.5, 100)
    assert after.active == []
    assert after.desk.posted(f"{PLACE}/alarm/slipping")["text"] == "alarm slipping has left the configuration"


def test_after_a_restart_nothing_is_unknown_before_values_had_time_to_come(watcher: Watcher, tmp_path: Path) -> None:
    for at_s in range(0, 70, 10):
        watcher.figure("motor_load_rate", 12.5, at_s)

    after = Watcher(tmp_path, Notebook(states=dict(watcher.desk.store.states)))
    after.figure("motor_load_rate", None, 100)
    assert "unknown" not in after.desk.posted(f"{PLACE}/alarm/slipping")
    after.figure("motor_load_rate", None, 281)
    assert after.desk.posted(f"{PLACE}/alarm/slipping")["unknown"] is True


def test_an_active_alarm_without_values_says_that_it_is_unknown_until_they_come(watcher: Watcher) -> None:
    for at_s in range(0, 70, 10):
        watcher.figure("motor_load_rate", 12.5, at_s)
    watcher.figure("motor_load_rate", None, 241)
    body = watcher.desk.posted(f"{PLACE}/alarm/slipping")
    assert (body["active"], body["unknown"], body["since"]) == (True, True, "2026-11-20T08:01:00.000000Z")
    assert body["text"].endswith("; unknown now, no value comes")

    watcher.figure("motor_load_rate", None, 300)
    watcher.figure("motor_load_rate", 13.0, 310)
    body = watcher.desk.posted(f"{PLACE}/alarm/slipping")
    assert "unknown" not in body
    assert body["text"] == "fan-1: motor load rate 13 %, below the limit 20 %"
    assert [told["active"] for told in watcher.desk.store.bodies("alarm")] == [True, True, True]
    assert len({told["time_ns"] for told in watcher.desk.store.bodies("alarm")}) == 3


def test_a_change_is_held_against_the_limit_once_it_goes_back_far_enough(watcher: Watcher) -> None:
    for at_s in range(0, 590, 10):
        watcher.figure("motor_efficiency", 80.0 + at_s / 100, at_s)
    assert watcher.active == []
    watcher.figure("motor_efficiency", 86.0, 600)
    assert watcher.active == ["jump"]


def test_a_figure_drifts_against_the_days_before_also_after_a_restart(watcher: Watcher, tmp_path: Path) -> None:
    place, day_s = "boiler-house/boiler-1", 86400
    for day in range(3):
        watcher.figure("boiler_efficiency_direct", 90.0 + day, day * day_s, place)
    assert watcher.active == []

    after = Watcher(tmp_path, Notebook(states=dict(watcher.desk.store.states)))
    after.figure("boiler_efficiency_direct", 87.0, 3 * day_s, place)
    assert after.active == [], "4.4 % below the mean of 91"
    after.figure("boiler_efficiency_direct", 86.0, 3 * day_s + 60, place)
    assert after.active == ["drift"]
    body = after.desk.posted(f"{place}/alarm/drift")
    assert (round(body["value"], 3), body["limit"], body["unit"]) == (-5.495, -5.0, "%")


READING = """
[[alarm]]
name = "overcurrent"
device = "fan-1"
quantity = "{word}"
above = 10
for = "20s"
while = {{ quantity = "{word}", above = 5 }}
"""


def test_a_reading_is_watched_at_every_poll(tmp_path: Path) -> None:
    word = "active_power"
    desk = Desk(configured(tmp_path, SITE + DEVICES + MQTT + READING.format(word=word)))
    point = desk.profile.index[word]
    warnings = Warnings(desk.scribe, desk.alarms)
    warnings.configure(desk.config)
    for at_s in (0, 10, 20):
        shown = frame("fan-1", desk.profile, {}, START + at_s * S)
        values = shown.values.copy()
        values[point] = 11.5
        warnings.frame(replace(shown, values=values))
        if at_s == 10:
            warnings.frame(lost_frame("fan-1", desk.profile, START + 11 * S))
            assert desk.alarms.active() == []
    (alarm,) = desk.alarms.active()
    assert (alarm.name, alarm.value, alarm.limit, alarm.unit) == ("overcurrent", 11.5, 10.0, "kW")


IDLE = """
[[equipment]]
kind = "motor"
device = "fan-1"
rated_power = "75 kW"
rated_efficiency = 94.5
no_load_power = "1.5 kW"
"""


def powered(desk: Desk, warnings: Warnings, power_kw: float, at_s: float) -> None:
    shown = frame("fan-1", desk.profile, {}, START + round(at_s * S))
    values = shown.values.copy()
    values[desk.profile.index["active_power"]] = power_kw
    warnings.frame(replace(shown, values=values))


def test_an_idle_motor_is_told_and_is_no_more_when_it_stops_and_has_no_load_rate(tmp_path: Path) -> None:
    watcher = Watcher(tmp_path, alarms=IDLE)
    for at_s in range(0, 960, 60):
        powered(watcher.desk, watcher.warnings, 3.0, at_s)
        watcher.figure("motor_load_rate", 1.5, at_s)
    assert watcher.active == ["idle-motor"]
    for at_s in range(960, 1921, 60):
        powered(watcher.desk, watcher.warnings, 0.0, at_s)
        watcher.figure("motor_load_rate", None, at_s)
    assert watcher.active == []
    body = watcher.desk.posted(f"{PLACE}/alarm/idle-motor")
    assert body["text"] == "fan-1: motor load rate is not looked at now"
