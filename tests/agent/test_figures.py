"""Figures of all sources are recorded with the windows; one that fails keeps neither them nor the others back."""

import logging
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from agent.figure import NOW, Figure
from agent.figures import Figures
from agent.latest import Latest
from agent.record import FIGURE, WINDOW
from agent.store.schema import lane_of, table
from agent.store.settled import Lane
from drivers.frame import Frame
from drivers.reading import Quality
from tests.agent.desk import START, Desk, S
from tests.agent.frames import DEVICES, SITE, configured


def test_figures_are_kept_for_as_long_as_windows_and_wait_for_no_alarm() -> None:
    assert table(FIGURE) == WINDOW
    assert lane_of(FIGURE) is Lane.NORMAL


class Shown:
    """Gives one figure, or fails while it is told to."""

    def __init__(self, name: str) -> None:
        self.name, self.failing = name, False

    def figures(self, time_ns: int) -> Iterable[Figure]:
        yield Figure(self.name, "boiler-house/fan-1", NOW, time_ns, "%", 61.5)
        if self.failing:
            raise ZeroDivisionError


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(configured(tmp_path, SITE + DEVICES))


def test_figures_are_recorded_whenever_windows_are(desk: Desk) -> None:
    desk.recorder.figures = Figures([Shown("motor_load_rate"), Shown("motor_efficiency")])
    desk.ledger.tick(START)
    list(desk.recorder.publish_windows())

    found = desk.store.bodies("figure")
    assert [body["figure"] for body in found] == ["motor_load_rate", "motor_efficiency"]
    assert {(body["key"], body["time_ns"]) for body in found} == {("boiler-house/fan-1", START)}


def test_a_source_that_fails_gives_nothing_is_logged_once_and_keeps_no_other_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bad, good = Shown("bad"), Shown("good")
    figures = Figures([bad, good])
    bad.failing = True
    with caplog.at_level(logging.ERROR):
        assert [[figure.name for figure in figures.at(START)] for _ in range(3)] == [["good"]] * 3
        assert len(caplog.records) == 1
        bad.failing = False
        assert [figure.name for figure in figures.at(START)] == ["bad", "good"]
        bad.failing = True
        assert len(list(figures.at(START))) == 1

    assert len(caplog.records) == 2


def shown(desk: Desk, after_s: int, **said: float | Quality) -> Frame:
    values = np.full(len(desk.profile.points), np.nan)
    quality = np.full(len(desk.profile.points), Quality.NOT_READ, np.uint8)
    for word, value in said.items():
        index = desk.profile.index[word]
        quality[index] = value if isinstance(value, Quality) else Quality.GOOD
        values[index] = np.nan if isinstance(value, Quality) else value
    return Frame("fan-1", START + after_s * S, after_s * S, values, quality)


def test_the_latest_of_a_device_is_put_together_from_all_its_cadences(desk: Desk) -> None:
    latest = Latest()
    latest.configure(desk.config.profiles, desk.config.profiles)
    assert latest.of("fan-1") == {}

    latest.take(shown(desk, 1, output_power=20.0, speed=1480.0), 0)
    latest.take(shown(desk, 2, drive_temperature=41.0), 1)
    latest.take(shown(desk, 3, output_power=22.0, speed=Quality.COMM_LOST), 0)

    found = latest.of("fan-1")
    assert found["output_power"] == (22.0, Quality.GOOD, START + 3 * S)
    assert found["drive_temperature"] == (41.0, Quality.GOOD, START + 2 * S)
    assert found["speed"][1:] == (Quality.COMM_LOST, START + 3 * S)
    assert set(found) == {"output_power", "speed", "drive_temperature"}


def test_what_a_device_said_under_another_configuration_is_forgotten(desk: Desk) -> None:
    latest = Latest()
    latest.configure(desk.config.profiles, desk.config.profiles)
    latest.take(shown(desk, 1, output_power=20.0), 0)

    latest.configure(desk.config.profiles, ["boiler-1"])
    assert latest.of("fan-1") == {}
