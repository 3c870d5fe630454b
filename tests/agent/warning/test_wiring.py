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
    list(desk.recorder.publish_windows())

    told = desk.posted("boiler-house/fan-1/alarm/resting")
    assert (told["active"], told["limit"], told["unit"]) == (True, 20.0, "%")


AGREED = """
[[tariff]]
name = "grid"
meter = "fan-1/electricity"
contract_demand = "100 kW"
day = [{ hours = { flat = ["00:00-24:00"] } }]
price = [{ from = 2026-11-01, flat = 0.6 }]
"""


def test_a_demand_about_to_exceed_what_is_agreed_is_told_before_the_quarter_of_an_hour_ends(tmp_path: Path) -> None:
    # 8:00 to 8:05 at 60 kW, then 180 kW: at 8:08 it is (5 x 60 + 3 x 180 + 7 x 180) / 15 = 140 kW by 8:15.
    desk = Desk(configured(tmp_path, SITE + DEVICES + MQTT + AGREED))
    counts = 1000.0
    for step in range(8 * 6 + 1):
        desk.polled(10 * step, counts=round(counts))
        desk.ledger.tick(START + 10 * step * S)
        counts += (60 if step < 30 else 180) / 360 * 100  # registers hold hundredths of a kWh
        if step % 6 == 0 and step:
            desk.now_ns = START + 10 * step * S
            desk.keeper.look()
            list(desk.recorder.publish_windows())

    told = desk.posted("boiler-house/fan-1/alarm/demand-about-to-exceed")
    assert (told["active"], told["limit"], told["unit"]) == (True, 100.0, "kW")
    assert told["severity"] == "critical"
    assert desk.board.get("boiler-house/fan-1/alarm/demand-exceeded") is None


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
