"""What the torture by wrong clocks takes for a right time, held against what the agent records."""

from pathlib import Path
from typing import Any

import pytest

from tests.agent.desk import MQTT, START, Desk, S
from tests.agent.frames import DEVICES, SITE, configured
from tests.torture.clocks import wrong_times

RESET_S = 20
KNOWN_S = 67
Records = list[tuple[str, dict[str, Any]]]


@pytest.fixture
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Records:
    """Return what came of a clock an hour ahead until it was set, and of a counter that was reset before that."""
    desk = Desk(configured(tmp_path, SITE + DEVICES + MQTT), synchronised=False, wrong_ns=3600 * S)
    monkeypatch.setattr("time.monotonic_ns", lambda: desk.now_ns)
    for after_s, counts in ((0, 100_000), (10, 100_010), (RESET_S, 5), (30, 15), (40, 25), (50, 35), (60, 45)):
        desk.polled(after_s, counts)
    desk.learn_the_time(KNOWN_S)
    desk.bookkeeper.save()
    return [(kind, body) for steps in desk.store.transactions for kind, body in steps if body is not None]


def test_an_event_of_a_reading_has_the_time_of_the_reading_however_late_it_is_told(records: Records) -> None:
    (event,) = [body for kind, body in records if kind == "event"]

    assert (event["rule"], event["time"]) == ("reset", "2026-11-20T08:00:20.000000Z")
    assert event["clock"]["monotonic_us"] == (START + KNOWN_S * S) // 1000, "told when the time was known"
    assert wrong_times(records, START, 0) == []


@pytest.mark.parametrize(
    "time",
    [
        pytest.param("2026-11-20T09:00:20.000000Z", id="that of the wrong clock"),
        pytest.param("2026-11-20T08:01:07.000000Z", id="when it was told"),
    ],
)
def test_an_event_of_a_reading_at_a_time_when_its_device_was_not_read_is_wrong(records: Records, time: str) -> None:
    (event,) = [body for kind, body in records if kind == "event"]
    event["time"] = time

    assert wrong_times(records, START, 0) == [("event", event)]


def test_an_event_of_a_reading_that_was_read_only_after_it_was_told_is_wrong(records: Records) -> None:
    (event,) = [body for kind, body in records if kind == "event"]
    event["clock"] = {"monotonic_us": (START + (RESET_S - 2) * S) // 1000}

    assert wrong_times(records, START, 0) == [("event", event)]


def test_what_is_not_of_a_reading_has_the_time_at_which_it_came_to_be(records: Records) -> None:
    event = {"time": "2026-11-20T08:00:20.000000Z", "clock": {"monotonic_us": (START + KNOWN_S * S) // 1000}}
    window = {**event, "account": "fan-1/electricity"}

    assert wrong_times([*records, ("event", event), ("window", window)], START, 0) == [
        ("event", event),
        ("window", window),
    ]
