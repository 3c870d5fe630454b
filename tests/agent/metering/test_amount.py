import json
import re
from pathlib import Path

import pytest

from agent.metering.amount import NS_PER_S, Delta, Reading, Rule, elapsed_ns, quanta


def test_amounts_are_whole_millionths_of_the_unit() -> None:
    assert quanta(412.5) == 412_500_000
    assert quanta(0.1) + quanta(0.2) == quanta(0.3)
    assert quanta(429_496_729.5) == 429_496_729_500_000


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e13])
def test_what_is_no_amount_raises(value: float) -> None:
    with pytest.raises(ValueError, match="no amount"):
        quanta(value)


def test_readings_of_one_boot_are_timed_by_the_monotonic_clock_and_others_by_the_wall() -> None:
    before = Reading(1_000 * NS_PER_S, 50 * NS_PER_S, 0.0, b"", "a")
    stepped = Reading(5_000 * NS_PER_S, 51 * NS_PER_S, 0.0, b"", "a")

    assert elapsed_ns(before, stepped) == NS_PER_S
    assert elapsed_ns(before, Reading(stepped.time_ns, stepped.monotonic_ns, 0.0, b"", "b")) == 4_000 * NS_PER_S
    assert elapsed_ns(before, Reading(stepped.time_ns, 49 * NS_PER_S, 0.0, b"", "a")) == 4_000 * NS_PER_S


def test_readings_without_a_boot_are_timed_by_the_wall_clock() -> None:
    assert elapsed_ns(Reading(0, 0, 0.0), Reading(60 * NS_PER_S, NS_PER_S, 0.0)) == 60 * NS_PER_S


def test_a_delta_is_spread_over_the_time_between_its_readings_unless_the_clock_was_set_forward() -> None:
    start = Reading(1_000 * NS_PER_S, 0, 0.0, b"", "a")
    slewed = Reading(1_010_500_000_000, 10 * NS_PER_S, 1.0, b"", "a")
    forward = Reading(4_610 * NS_PER_S, 10 * NS_PER_S, 1.0, b"", "a")

    assert Delta(start, slewed, 1, True, Rule.NORMAL).since_ns == start.time_ns
    assert Delta(start, forward, 1, True, Rule.NORMAL).since_ns == forward.time_ns - 10 * NS_PER_S
    assert Delta(start, forward, 1, True, Rule.NORMAL).measured_s == 10.0
    assert Delta(start, forward, 1, False, Rule.GAP).measured_s == 0.0


def test_a_reading_survives_json() -> None:
    reading = Reading(1_790_000_000_123_456_789, 42, 0.1 + 0.2, b"\x00\x12\xd6\x44", "boot")

    assert Reading.restored(json.loads(json.dumps(reading.state()))) == reading


@pytest.mark.parametrize("page", ["messages.md", "messages.zh-CN.md"])
def test_every_rule_that_an_interval_may_name_stands_on_the_pages(page: str) -> None:
    text = (Path(__file__).parents[3] / "docs" / page).read_text(encoding="utf-8")
    rows = text.partition("`rules`")[2].partition("\n\n")[0]
    told = {name for row in re.findall(r"^\| (`[^|]+) \|", rows, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}

    # An event tells of `unbooked`: an interval does not, for nothing was booked.
    assert told == {str(rule) for rule in Rule if rule is not Rule.UNBOOKED}
