import random
from pathlib import Path

import pytest

from simulators.plant import PlantError, SimulatedPlant, load_plant

TWENTY = Path(__file__).parents[2] / "simulators" / "plants" / "twenty.toml"


def problems(tmp_path: Path, text: str) -> list[str]:
    file = tmp_path / "plant.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(PlantError) as caught:
        load_plant(file)
    return [str(problem).removeprefix(f"{file}:") for problem in caught.value.problems]


def test_the_demo_plant_has_a_boiler_two_motors_and_a_meter_that_counts_both_motors() -> None:
    plant = SimulatedPlant(load_plant(), seed=1)
    plant.advance(3600)
    books = plant.books()

    assert set(books) == {"boiler-1", "motor-1", "motor-2", "main-meter"}
    motors = books["motor-1"]["active_energy_import"] + books["motor-2"]["active_energy_import"]
    assert books["main-meter"]["active_energy_import"] > motors > 5
    assert books["boiler-1"]["gas_volume"] > 30


def test_twenty_devices_stand_on_two_tcp_lines_one_rtu_over_tcp_and_one_serial() -> None:
    description = load_plant(TWENTY)

    assert len(description.devices) == 20
    assert sorted(line.kind for line in description.lines) == ["rtu+tcp", "serial", "tcp", "tcp"]
    SimulatedPlant(description)


def test_meters_add_up_through_the_levels() -> None:
    plant = SimulatedPlant(load_plant(TWENTY), seed=2)
    plant.advance(300)

    for _ in range(3):
        plant.advance(17.3)
        below = sum(plant.values(f"meter-{n}")["active_power"] for n in range(1, 5))
        main = plant._devices["main-meter"]
        assert plant.values("main-meter")["active_power"] == pytest.approx(below + main.base_kw)  # type: ignore[attr-defined]  # a Meter


def test_the_same_seed_gives_the_same_bits_however_the_time_is_cut() -> None:
    one, other = (SimulatedPlant(load_plant(), seed=5) for _ in range(2))
    cut = random.Random(1)  # noqa: S311 - repeatable cuts, not a secret
    one.advance(600.0)
    for _ in range(599):
        piece = cut.uniform(0.0, 1.0)
        other.advance(piece)
        other.advance(1.0 - piece)
    other.advance(1.05)

    assert other.time_s == one.time_s == 600.0
    assert one.books() == other.books()
    assert [one.values(name) for name in one.books()] == [other.values(name) for name in other.books()]


def test_another_seed_gives_another_course() -> None:
    one, other = (SimulatedPlant(load_plant(), seed=seed) for seed in (1, 2))
    for plant in (one, other):
        plant.advance(60)

    assert one.books() != other.books()


def test_every_mistake_of_a_plant_file_is_shown_at_its_place(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        """
[plant]
name = "Wrong Name"

[[line]]
name = "a"
kind = "udp"

[[line]]
name = "b"

[[boiler]]
name = "boiler-1"
line = "c"
unit = 1
profile = "generic/steam-boiler"
rated_steam = 1.0

[[motor]]
name = "motor-1"
line = "b"
unit = 1
profile = "generic/vfd-moter"

[[motor]]
name = "motor-1"
line = "b"
unit = 300
profile = "generic/vfd-motor"

[[meter]]
name = "meter-1"
line = "a"
unit = 1
profile = "eastron/sdm630"
feeds = ["motor-1", "motor-9"]

[[meter]]
name = "meter-2"
line = "a"
unit = 1
profile = "eastron/sdm630"

[extra]
""",
    )

    lines = [int(problem.split(":", 1)[0]) for problem in found]
    assert lines == [3, 7, 17, 23, 28, 36, 41, 44]
    assert "generic/vfd-motor" in found[3]
    assert "motor-9" in found[5]
    assert "unit 1 of line 'a' is already 'meter-1'" in found[6]


def test_meters_that_feed_each_other_are_a_mistake(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        """
plant.name = "ring"
line = [{ name = "a" }]
[[meter]]
name = "m1"
line = "a"
unit = 1
profile = "eastron/sdm630"
feeds = ["m2"]
[[meter]]
name = "m2"
line = "a"
unit = 2
profile = "eastron/sdm630"
feeds = ["m1"]
""",
    )

    assert len(found) == 1
    assert "circle" in found[0]


def test_two_devices_of_one_name_are_a_mistake(tmp_path: Path) -> None:
    device = '[[device]]\nname = "d"\nline = "a"\nunit = {}\nprofile = "eastron/sdm630"\n'
    text = 'plant.name = "twice"\nline = [{ name = "a" }]\n' + device.format(1) + device.format(2)

    assert problems(tmp_path, text) == ["9: a second 'd', the first is in line 3: rename one"]


def test_an_empty_plant_is_a_mistake(tmp_path: Path) -> None:
    assert "no device" in problems(tmp_path, 'plant.name = "empty"\n')[0]


def test_a_profile_beside_the_plant_file_is_found_and_its_mistakes_are_shown(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text('model = "x"\n', encoding="utf-8")
    text = (
        'plant.name = "own"\nline = [{ name = "a" }]\n'
        '[[device]]\nname = "d"\nline = "a"\nunit = 1\nprofile = "own.toml"\n'
    )

    assert all("own.toml:1" in problem for problem in problems(tmp_path, text))
