"""Frames and figures of a running agent reach what is watched."""

from pathlib import Path

from agent.warning.desk import Warnings
from tests.agent.desk import MQTT, START, Desk, S
from tests.agent.frames import DEVICES, SITE, configured

COUNTED = """
[[alarm]]
name = "counted"
device = "fan-1"
quantity = "active_energy_import"
above = 150
margin = 0
for = "20s"
"""
MOTOR = """
[[equipment]]
kind = "motor"
device = "fan-1"
rated_power = "75 kW"
rated_efficiency = 94.5
no_load_power = "2 kW"
span = "1min"

[[alarm]]
name = "resting"
device = "fan-1"
figure = "motor_load_rate"
below = 20
for = "0s"
"""


def test_a_frame_that_is_booked_is_watched_and_one_that_waits_for_the_time_only_then(tmp_path: Path) -> None:
    desk = Desk(configured(tmp_path, SITE + DEVICES + MQTT + COUNTED), synchronised=False)
    for after_s in (0, 10, 20):
        desk.polled(after_s, counts=200_000)
    assert desk.store.bodies("alarm") == []

    desk.synchronised = True
    desk.keeper.look()
    desk.keeper.look()
    desk.recorder.begin()
    desk.alarms.begin()
    for _ in range(3):
        desk.recorder.release()
    (told,) = desk.store.bodies("alarm")
    assert (told["alarm"], told["active"], told["limit"]) == ("counted", True, 150.0)
    assert told["time_ns"] == START + 20 * S


def test_figures_are_watched_when_windows_are_published(tmp_path: Path) -> None:
    desk = Desk(configured(tmp_path, SITE + DEVICES + MQTT + MOTOR))
    for step in range(7):
        desk.polled(10 * step, counts=1000 + 2 * step)
        desk.ledger.tick(START + 10 * step * S)
    desk.now_ns = START + 60 * S
    desk.recorder.publish_windows()

    told = desk.posted("boiler-house/fan-1/alarm/resting")
    assert (told["active"], told["limit"], told["unit"]) == (True, 20.0, "%")


def test_watching_goes_on_when_another_configuration_keeps_the_alarm(tmp_path: Path) -> None:
    first = configured(tmp_path, SITE + DEVICES + MQTT + COUNTED)
    desk = Desk(first)
    warnings = Warnings(desk.scribe, desk.alarms)
    warnings.configure(first)
    kept = dict(warnings._watched)
    warnings.configure(configured(tmp_path, SITE + DEVICES + MQTT + COUNTED + MOTOR))
    place = ("boiler-house/fan-1", "counted")
    assert warnings._watched[place] is kept[place]
    assert ("boiler-house/fan-1", "resting") in warnings._watched
