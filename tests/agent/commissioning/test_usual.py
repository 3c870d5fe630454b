"""What a decoded value says for its point: much, nothing, or the contrary."""

from pathlib import Path

import pytest

from agent.commissioning.usual import weight_of
from drivers.point import Point
from drivers.profile_file import load_profile

TEXT = """
model = "m"
kind = "electricity-meter"
source = "this test"
function = 3
type = "uint16"

[points]
frequency = { address = 0, scale = 0.01, unit = "Hz" }
current_l1 = { address = 1, scale = 0.1, unit = "A" }
voltage_l1 = { address = 2, type = "float32", unit = "V" }
run_hours = { address = 4, type = "uint32", unit = "h" }
status_word = { address = 6 }
"""


@pytest.fixture
def points(tmp_path: Path) -> dict[str, Point]:
    (tmp_path / "m.toml").write_text(TEXT, encoding="utf-8")
    return {point.name: point for point in load_profile("m.toml", relative_to=tmp_path).points}


def test_the_rarer_the_usual_range_is_by_chance_the_more_a_value_in_it_says(points: dict[str, Point]) -> None:
    frequency, current = weight_of(points["frequency"], 50.0), weight_of(points["current_l1"], 5.0)

    assert frequency > 4.0
    assert 0.0 <= current < 0.1


def test_what_no_plant_shows_speaks_against_a_profile(points: dict[str, Point]) -> None:
    assert weight_of(points["frequency"], 300.0) < -5.0
    assert weight_of(points["voltage_l1"], 1e-38) < -5.0
    assert weight_of(points["voltage_l1"], 230.0) > 2.0


def test_zeros_and_states_say_nothing_but_mains_are_never_zero(points: dict[str, Point]) -> None:
    assert weight_of(points["current_l1"], 0.0) == 0.0
    assert weight_of(points["status_word"], 77.0) == 0.0
    assert weight_of(points["frequency"], 0.0) < 0.0
