"""What the books of an earlier run left is booked when they turn up while the agent runs."""

import json
from pathlib import Path

import pytest

from agent.books.taking_up import take_up
from agent.metering.amount import QUANTA_PER_UNIT
from agent.store import FOUND
from tests.agent.desk import MQTT, START, Desk, S
from tests.agent.frames import DEVICES, SITE, configured

NAME = "fan-1/electricity"
SAVED = f"{FOUND}account/{NAME}"


@pytest.fixture
def before(tmp_path: Path) -> Desk:
    """Return a run that has read 1000 to 1100 and recorded its first interval."""
    desk = Desk(configured(tmp_path, SITE + DEVICES + MQTT))
    for after_s in range(0, 110, 10):
        desk.polled(after_s, 1000 + after_s)
    desk.bookkeeper.close_due(START + 100 * S)
    desk.bookkeeper.save()
    return desk


def amounts(desk: Desk) -> float:
    """Everything of the latest revisions, in steps of the counter."""
    latest = {body["start"]: body["amount"] for body in desk.store.bodies("interval") if body["account"] == NAME}
    return round(float(sum(latest.values())) * 100, 6)


def later(before: Desk) -> Desk:
    """Return a run without a store that has begun with 1500, 400 s later."""
    desk = Desk(before.config)
    for after_s in range(500, 560, 10):
        desk.polled(after_s, 1000 + after_s)
    return desk


def test_what_was_left_open_and_counted_between_is_booked_as_estimated(before: Desk) -> None:
    after = later(before)
    after.store.states[SAVED] = before.store.states[f"account/{NAME}"]
    taken = take_up(after.store, after.ledger, lambda: Desk(before.config).ledger)  # type: ignore[arg-type]  # stands in for a Store
    for after_s in range(560, 700, 10):
        after.polled(after_s, 1000 + after_s)
    after.bookkeeper.close_due(START + 660 * S)
    closed = after.store.bodies("interval")
    pending = after.ledger.books[NAME].intervals.pending_quanta

    assert taken == [NAME]
    assert after.store.states[SAVED] == b""
    assert amounts(before) == 60.0
    # 1000 to 1690: 60 in the first run's interval, the rest here, what is pending included.
    assert amounts(before) + amounts(after) + pending / QUANTA_PER_UNIT * 100 == pytest.approx(690, abs=1e-6)
    assert any(body["estimated"] for body in closed)
    told = [body["text"] for body in after.store.bodies("event")]
    assert any("books of the run before were found: 4.4 kWh" in text for text in told)


@pytest.mark.parametrize("order", ["between, before", "idle, between, before", "between, idle, before"])
def test_what_was_found_by_a_run_that_ended_before_it_could_be_booked_is_not_lost(before: Desk, order: str) -> None:
    between = later(before)
    between.bookkeeper.close_due(START + 540 * S)
    between.bookkeeper.save()
    after = Desk(before.config)
    for after_s in range(900, 960, 10):
        after.polled(after_s, 1000 + after_s)
    idle = Desk(before.config)  # has begun and ended before it read anything
    idle.bookkeeper.save()
    runs = {"before": before, "idle": idle, "between": between}
    for depth, run in enumerate(order.split(", ")):
        after.store.states[FOUND * depth + SAVED] = runs[run].store.states[f"account/{NAME}"]
    taken = take_up(after.store, after.ledger, lambda: Desk(before.config).ledger)  # type: ignore[arg-type]  # stands in for a Store
    for after_s in range(960, 1100, 10):
        after.polled(after_s, 1000 + after_s)
    after.bookkeeper.close_due(START + 1080 * S)
    pending = after.ledger.books[NAME].intervals.pending_quanta

    assert taken == [NAME]
    assert not any(state for place, state in after.store.states.items() if place.startswith(FOUND))
    booked = amounts(before) + amounts(between) + amounts(after)
    assert amounts(between) > 0
    assert booked + pending / QUANTA_PER_UNIT * 100 == pytest.approx(1090, abs=1e-6)


def test_it_is_taken_up_once(before: Desk) -> None:
    after = later(before)
    after.store.states[SAVED] = before.store.states[f"account/{NAME}"]
    take_up(after.store, after.ledger, lambda: Desk(before.config).ledger)  # type: ignore[arg-type]  # stands in for a Store

    assert take_up(after.store, after.ledger, lambda: Desk(before.config).ledger) == []  # type: ignore[arg-type]  # the same


def test_what_the_counter_went_on_by_is_not_guessed_when_it_went_back(before: Desk) -> None:
    after = Desk(before.config)
    for after_s in range(500, 560, 10):
        after.polled(after_s, 300 + after_s)
    after.store.states[SAVED] = before.store.states[f"account/{NAME}"]

    assert take_up(after.store, after.ledger, lambda: Desk(before.config).ledger) == []  # type: ignore[arg-type]  # stands in for a Store
    assert after.store.states[SAVED]


def test_a_bug_that_meets_the_booking_lets_nothing_be_booked_twice(
    before: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise KeyError("a bug")

    after = later(before)
    book = after.ledger.books[NAME]
    after.store.states[SAVED] = before.store.states[f"account/{NAME}"]
    monkeypatch.setattr(book.columns, "add", broken)
    with pytest.raises(KeyError):
        take_up(after.store, after.ledger, lambda: Desk(before.config).ledger)  # type: ignore[arg-type]  # stands in for a Store
    once = book.intervals.pending_quanta

    assert take_up(after.store, after.ledger, lambda: Desk(before.config).ledger) == []  # type: ignore[arg-type]  # the same
    assert book.intervals.pending_quanta == once


@pytest.mark.parametrize("state", [b"no state", b'{"version":2}'])
def test_what_nobody_can_read_is_set_aside_and_told_once(before: Desk, state: bytes) -> None:
    after = later(before)
    after.store.states[SAVED] = state
    for _ in range(3):
        assert take_up(after.store, after.ledger, lambda: Desk(before.config).ledger) == []  # type: ignore[arg-type]  # stands in for a Store
        after.bookkeeper.save()

    assert after.store.states[SAVED] == b""
    assert json.loads(after.store.states[f"aside/{SAVED}"])["state"] == state.decode()
    told = [body for body in after.store.bodies("event") if body["rule"] == "unreadable"]
    assert [(body["account"], "cannot be read" in body["text"]) for body in told] == [(NAME, True)]


def test_what_can_be_told_only_after_a_reading_waits_for_it(before: Desk) -> None:
    after = Desk(before.config)
    after.store.states[SAVED] = before.store.states[f"account/{NAME}"]

    assert take_up(after.store, after.ledger, lambda: Desk(before.config).ledger) == []  # type: ignore[arg-type]  # stands in for a Store
    assert after.store.states[SAVED]
