"""A profile that grows point by point stays a profile that loads."""

from pathlib import Path

import pytest

from agent.commissioning.profile_text import NewPoint, skeleton, with_point
from drivers.profile import Profile
from drivers.profile_file import load_profile

VOLTAGE = NewPoint(
    name="voltage_l1", function=4, address=0x10, unit="V", keys={"type": "float32", "word_order": "little"},
    note="display: 230.1 V",
)  # fmt: skip


def begun() -> str:
    return with_point(skeleton('odd "meter"', VOLTAGE, source="a test", max_gap=4), VOLTAGE)


def loaded(folder: Path, text: str) -> Profile:
    (folder / "new.toml").write_text(text, encoding="utf-8")
    return load_profile("new.toml", relative_to=folder)


def test_the_first_point_makes_a_profile_that_loads(tmp_path: Path) -> None:
    profile = loaded(tmp_path, begun())

    point = profile.point("voltage_l1")
    assert (point.function, point.address, point.type, point.word_order) == (4, 0x10, "float32", "little")
    assert (profile.model, profile.kind, profile.max_gap) == ('odd "meter"', "electricity-meter", 4)


def test_a_point_says_only_what_the_file_does_not_say_for_all(tmp_path: Path) -> None:
    other = NewPoint(
        name="active_power", function=3, address=0x20, unit="W",
        keys={"type": "int32", "word_order": "big", "scale": 0.1},
    )  # fmt: skip
    same = NewPoint(name="voltage_l2", function=4, address=0x12, unit="V", keys=VOLTAGE.keys)

    text = with_point(with_point(begun(), same), other)

    assert 'voltage_l2 = { address = 0x0012, unit = "V" }' in text
    assert 'active_power = { address = 0x0020, function = 3, type = "int32", word_order = "big", scale = 0.1' in text
    point = loaded(tmp_path, text).point("active_power")
    assert (point.function, point.word_order, point.numerator / point.denominator) == (3, "big", 1e-4)


def test_a_counter_of_energy_brings_its_account_once(tmp_path: Path) -> None:
    energy = NewPoint(name="active_energy_import", function=4, address=0x30, unit="kWh", keys=VOLTAGE.keys)
    later = NewPoint(name="voltage_l2", function=4, address=0x12, unit="V", keys=VOLTAGE.keys)

    text = with_point(with_point(begun(), energy), later)

    profile = loaded(tmp_path, text)
    assert [(account.name, account.from_) for account in profile.accounts] == [("electricity", "active_energy_import")]
    assert text.index("voltage_l2") < text.index("[[accounts]]")


def test_a_point_that_is_there_already_is_not_written_again() -> None:
    with pytest.raises(ValueError, match="has a point 'voltage_l1' already"):
        with_point(begun(), VOLTAGE)


def test_comments_and_order_of_the_file_stay(tmp_path: Path) -> None:
    text = "# mine\n" + begun() + "\n# after the points\n[[holes]]\naddress = 5\ncount = 1\n"
    more = NewPoint(name="frequency", function=4, address=0x46, unit="Hz", keys=VOLTAGE.keys)

    grown = with_point(text, more)

    assert grown.startswith("# mine\n")
    assert "# after the points" in grown
    assert loaded(tmp_path, grown).point("frequency").address == 0x46


def test_points_in_another_notation_are_left_alone() -> None:
    text = 'model = "m"\nkind = "plc"\nsource = "s"\nfunction = 3\npoints.voltage_l1 = { address = 1 }\n'

    with pytest.raises(ValueError, match=r"no line \[points\]"):
        with_point(text, NewPoint(name="voltage_l2", function=3, address=2, unit="V", keys={"type": "uint16"}))
