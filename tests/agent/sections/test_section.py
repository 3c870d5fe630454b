"""What all tables of a configuration have in common."""

import pickle
from dataclasses import FrozenInstanceError

import pytest

from agent.sections import LineSection, WindowsSection


def test_a_table_knows_which_keys_were_given_and_has_the_defaults_of_the_others() -> None:
    line = LineSection.from_file({"name": "line-9", "url": "tcp://127.0.0.1", "pause": "1s"})

    assert line.given == {"name", "url", "pause"}
    assert (line.pause, line.timeout) == (1.0, 1.0)
    assert line == LineSection.from_file({"name": "line-9", "url": "tcp://127.0.0.1", "pause": "1s", "timeout": "1s"})


def test_a_table_that_is_copied_with_another_key_leaves_the_others_alone() -> None:
    line = LineSection(name="line-1", url="tcp://127.0.0.1")
    copied = line.with_(timeout=2.0)

    assert (copied.given, copied.timeout) == (frozenset({"name", "url", "timeout"}), 2.0)
    assert (line.given, line.timeout) == (frozenset({"name", "url"}), 1.0)


def test_a_table_that_travels_to_another_process_is_the_same_there() -> None:
    line = LineSection(name="line-1", url="tcp://127.0.0.1")

    there = pickle.loads(pickle.dumps(line))  # noqa: S301  # made on the same line

    assert there == line
    assert there.given == line.given


def test_a_table_cannot_be_changed() -> None:
    line = LineSection(name="line-1", url="tcp://127.0.0.1")

    with pytest.raises(FrozenInstanceError, match="timeout cannot be changed"):
        line.timeout = 2.0  # type: ignore[misc]


def test_a_table_made_by_hand_is_held_to_its_bounds_and_rules_like_one_of_a_file() -> None:
    with pytest.raises(ValueError, match="name"):
        LineSection(url="tcp://127.0.0.1")  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="shorter than the tick"):
        WindowsSection(spans=("1s",), tick="2s")  # type: ignore[arg-type]
    assert WindowsSection().spans == ("1min", "15min", "1h", "24h")
