"""What is closed and saved, when, and together with what."""

from pathlib import Path

import pytest

from agent.ledger import LAYOUTS
from agent.metering.history import Moment
from agent.metering.interval import ClosedInterval
from tests.agent.desk import MQTT, START, Desk, S
from tests.agent.frames import DEVICES, SITE, configured


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(configured(tmp_path, SITE + DEVICES + MQTT))


def test_an_interval_is_recorded_together_with_the_books_it_left_behind(desk: Desk) -> None:
    for after_s in range(0, 190, 10):
        desk.polled(after_s, 1000 + after_s)
    before = len(desk.store.transactions)
    desk.bookkeeper.close_due(START + 180 * S)

    (closing,) = desk.store.transactions[before:]
    assert [name for name, _ in closing] == ["interval"] * 3 + ["account/fan-1/electricity"]
    amounts = [body["amount"] for body in desk.store.bodies("interval")]
    assert amounts == [0.6, 0.6, 0.6]
    assert desk.bookkeeper.intervals_closed == {"fan-1/electricity": 3}
    again = Desk(desk.config)
    again.ledger.restore(desk.store.states.get)
    again.bookkeeper.close_due(START + 180 * S)
    assert again.store.bodies("interval") == [], "what was recorded is no longer in the books"


def test_the_youngest_interval_of_an_account_is_at_hand_whatever_is_corrected_before_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for after_s in (0, 10, 20, 200, 210):
        desk.polled(after_s, 1000 + after_s)
    desk.bookkeeper.close_due(START + 200 * S)
    latest = desk.bookkeeper.latest_intervals["fan-1/electricity"]
    assert latest["start"] == "2026-11-20T08:02:00.000000Z"

    late = ClosedInterval(
        start_ns=START, end_ns=START + 60 * S, quanta=7, estimated_quanta=0, measured_s=60.0, open=None, open_next=None,
        close=None, close_next=None, rules=("normal",), decisions=(), revision=1, reason="late_data",
    )  # fmt: skip
    found = [late]
    book = desk.ledger.books["fan-1/electricity"]
    monkeypatch.setattr(book, "due", lambda _now_ns: found[0] if found else None)
    monkeypatch.setattr(book, "close", found.remove)
    desk.bookkeeper.close_due(START + 201 * S)

    assert desk.store.bodies("interval")[-1]["revision"] == 1
    assert desk.bookkeeper.latest_intervals["fan-1/electricity"] == latest


def test_what_a_counter_does_is_an_event(desk: Desk) -> None:
    for after_s, counts in ((0, 100_000), (10, 100_010), (20, 5), (30, 15), (40, 25)):
        desk.polled(after_s, counts)
    desk.bookkeeper.close_due(START + 40 * S)

    (event,) = desk.store.bodies("event")
    assert (event["key"], event["account"], event["rule"]) == ("boiler-house/fan-1", "fan-1/electricity", "reset")
    assert event["time"] == "2026-11-20T08:00:20.000000Z"


def test_all_books_are_saved_in_one_transaction(desk: Desk) -> None:
    desk.bookkeeper.save()

    (saved,) = desk.store.transactions
    assert {name for name, _ in saved} == {
        LAYOUTS,
        "account/fan-1/electricity",
        "account/boiler-1/natural_gas",
        "account/steam",
    }


def test_a_row_of_the_ring_is_saved_with_all_books_or_not_at_all(desk: Desk) -> None:
    desk.bookkeeper.save()
    before = len(desk.store.transactions)
    desk.bookkeeper.save(Moment(START, START, "boot"))

    (saved,) = desk.store.transactions[before:]
    assert [name.partition("/")[0] for name, _ in saved] == ["row", "account", "account", "account"]


def test_windows_go_on_where_the_books_were_saved_and_what_no_row_had_becomes_one(desk: Desk) -> None:
    desk.bookkeeper.restore_windows({}, Moment(START, START, ""), trusted=True)
    for after_s in range(0, 140, 10):
        desk.polled(after_s, 1000 + after_s)
        if desk.ledger.tick(START + after_s * S):
            desk.bookkeeper.save(Moment(START + after_s * S, START + after_s * S, ""))
    desk.bookkeeper.save()
    rows = dict(desk.store.rows)

    after = Desk(desk.config, desk.store)
    after.ledger.restore(desk.store.states.get)
    now_ns = START + 140 * S
    after.bookkeeper.restore_windows(rows, Moment(now_ns, now_ns, ""), trusted=True)
    after.polled(140, 1140)
    after.ledger.tick(now_ns + 1)

    (*_, quarter) = after.ledger.figures()
    assert quarter.elapsed_s == pytest.approx(140)
    assert quarter.values[0, after.ledger.position["fan-1/electricity"]] == pytest.approx(1.4)
    assert desk.store.rows.keys() - rows.keys(), "the next restart finds what this one found"
    saved = {name for name, _ in desk.store.transactions[-2]}
    assert {LAYOUTS, "row", "account/fan-1/electricity"} <= saved
