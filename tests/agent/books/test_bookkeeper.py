"""What is closed and saved, when, and together with what."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from agent.books.bookkeeper import MOST_RECORDS
from agent.books.ledger import LAYOUTS
from agent.metering.history import Moment
from agent.metering.interval import ClosedInterval
from agent.record import Record, start_of
from agent.store import Store
from tests.agent.desk import MQTT, START, Desk, Notebook, S
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
    assert desk.bookkeeper.intervals_revised == {}
    again = Desk(desk.config)
    again.ledger.restore(desk.store.states.get)
    again.bookkeeper.close_due(START + 180 * S)
    assert again.store.bodies("interval") == [], "what was recorded is no longer in the books"


def test_a_revision_is_one_more_record_and_no_further_interval(desk: Desk) -> None:
    for after_s in range(0, 190, 10):
        desk.polled(after_s, 1000 + after_s)
    desk.bookkeeper.close_due(START + 180 * S)
    account = desk.ledger.books["fan-1/electricity"].account
    first, *_ = desk.store.bodies("interval")
    desk.bookkeeper.append(account, start_of(first), first | {"revision": 1, "reason": "another factor"})

    assert desk.bookkeeper.intervals_closed == {"fan-1/electricity": 4}
    assert desk.bookkeeper.intervals_revised == {"fan-1/electricity": 1}


def test_intervals_of_a_long_outage_are_closed_in_bounded_turns_in_which_every_account_has_its_part(desk: Desk) -> None:
    for after_s, counts in ((0, 1000), (10, 1010), (60 * 1000, 61_000)):
        desk.polled(after_s, counts)
        desk.boiler(after_s, 5000 + after_s)
    turns = 0
    seen: list[dict[str, Any]] = []
    while desk.bookkeeper.close_due(START + 60 * 1000 * S):
        turns += 1
        found = desk.store.bodies("interval")[len(seen) :]
        assert 0 < len(found) <= MOST_RECORDS
        seen += found
        if turns == 1:
            assert {body["account"] for body in found} == {"fan-1/electricity", "boiler-1/natural_gas", "steam"}

    assert turns >= 1000 * 3 // MOST_RECORDS
    amounts = [body["amount"] for body in desk.store.bodies("interval") if body["account"] == "fan-1/electricity"]
    assert len(amounts) == 1000
    assert sum(round(amount * 1e6) for amount in amounts) == 600_000_000
    assert desk.ledger.books["fan-1/electricity"].intervals.pending_quanta == 0


def test_no_more_is_appended_than_the_store_has_room_for(desk: Desk) -> None:
    for after_s in (0, 10, 6000):
        desk.polled(after_s, 1000 + after_s)
    desk.store.room = 0
    assert desk.bookkeeper.close_due(START + 6000 * S), "more is due"
    assert desk.store.bodies("interval") == []

    desk.store.room = 20_000
    assert desk.bookkeeper.close_due(START + 6000 * S)
    used = sum(len(orjson.dumps(body)) for body in desk.store.bodies("interval"))
    assert 5_000 < used < 12_000

    desk.store.room = 16 << 20
    assert not desk.bookkeeper.close_due(START + 6000 * S)
    assert len(desk.store.bodies("interval")) == 100


async def test_a_long_outage_of_many_accounts_overflows_no_queue(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.db", max_size=8 << 20, commit_every_s=1.0, sinks=["mqtt"], site="works")
    await store.open()
    try:
        desk = Desk(configured(tmp_path, SITE + DEVICES + MQTT), store)  # type: ignore[arg-type]  # a real one
        for after_s in (0, 10, 60 * 300):
            desk.polled(after_s, 1000 + after_s)
            desk.boiler(after_s, 5000 + after_s)
        whole = store.room
        while desk.bookkeeper.close_due(START + 60 * 300 * S):
            assert store.room > whole // 4
            await store.flush()
        await store.flush()
        found = await store.intervals(START, START + 60 * 300 * S)
        dropped = store.status().dropped
    finally:
        await store.close()

    assert sum(len(record.payload) for record in found) > whole, "all at once would have been too much"
    assert (len(found), dropped) == (3 * 300, {})


def test_an_interval_that_cannot_be_appended_stays_in_the_books_and_the_others_go_on(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for after_s in (0, 10, 20, 60, 70, 130):
        desk.polled(after_s, 1000 + after_s)
        desk.boiler(after_s, 5000 + after_s)
    append, refused = desk.store.append, [2]

    def fails(kind: str, key: str, time_ns: int, body: Mapping[str, object]) -> Record:
        if body.get("account") == "fan-1/electricity" and time_ns > START and refused:
            raise ValueError(f"no {refused[0]}")
        return append(kind, key, time_ns, body)

    monkeypatch.setattr(desk.store, "append", fails)
    for _ in range(3):
        assert not desk.bookkeeper.close_due(START + 130 * S)
    closed = [(body["account"], body["start"][14:16]) for body in desk.store.bodies("interval")]
    assert closed.count(("fan-1/electricity", "00")) == 1, "what was appended before is not appended again"
    assert ("steam", "01") in closed
    assert caplog.text.count("fan-1/electricity cannot be closed") == 1

    refused.clear()
    desk.bookkeeper.close_due(START + 130 * S)
    amounts = [body["amount"] for body in desk.store.bodies("interval") if body["account"] == "fan-1/electricity"]
    assert amounts == [0.6, 0.6]


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
    (closing,) = [steps for steps in desk.store.transactions if "event" in {name for name, _ in steps}]
    assert [name for name, _ in closing] == ["event", "account/fan-1/electricity"], "or a crash tells of it twice"
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


def test_only_books_that_have_changed_are_saved_again(desk: Desk) -> None:
    desk.polled(0)
    desk.bookkeeper.save()
    before = len(desk.store.transactions)
    desk.bookkeeper.save()
    desk.polled(10, 1001)
    desk.bookkeeper.save()

    saved = [[name for name, _ in steps] for steps in desk.store.transactions[before:]]
    assert saved == [[], ["telemetry"], ["account/fan-1/electricity"]]
    again = Desk(desk.config, desk.store)
    again.ledger.restore(desk.store.states.get)
    assert dict(again.ledger.states()) == dict(desk.ledger.states())


def test_the_first_reading_of_an_account_asks_to_be_saved_and_later_ones_do_not(desk: Desk) -> None:
    asked = []
    for after_s in (0, 1):
        desk.polled(after_s, 1000 + after_s)
        asked.append(desk.bookkeeper.unsaved_begin)
        desk.bookkeeper.save()
        asked.append(desk.bookkeeper.unsaved_begin)

    assert asked == [True, False, False, False]


def test_what_a_counter_noticed_is_told_with_the_books_that_are_saved(desk: Desk) -> None:
    for after_s, counts in ((0, 100_000), (10, 100_010), (20, 5), (30, 15), (40, 25)):
        desk.polled(after_s, counts)
    desk.bookkeeper.save()

    saved = desk.store.transactions[-1]
    assert [name for name, _ in saved].count("event") == 1
    assert desk.ledger.books["fan-1/electricity"].events == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: b"{",
        lambda _: b"null",
        lambda _: b"\xff\x00",
        lambda state: state.replace(b'"version":2', b'"version":1'),
        lambda state: state.replace(b'"version":2,', b""),
        lambda state: state.replace(b'"quanta":', b'"amounts":'),
        lambda state: state.replace(b'"limit":', b'"border":'),
        lambda state: state.replace(b'"columns":[', b'"columns":[1.0,'),
    ],
)
def test_a_state_that_cannot_be_read_ends_no_start_but_is_set_aside_and_told(
    desk: Desk, damage: Callable[[bytes], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    for after_s in (0, 10, 20):
        desk.polled(after_s, 1000 + after_s)
        desk.boiler(after_s, 5000 + after_s)
    desk.bookkeeper.save()
    name = "account/fan-1/electricity"
    kept = damage(desk.store.states[name])
    assert kept != desk.store.states[name]

    after = Desk(desk.config, Notebook(states={**desk.store.states, name: kept}))
    after.ledger.restore(after.store.states.get)
    after.bookkeeper.save()

    set_aside = orjson.loads(after.store.states[f"aside/{name}"])
    assert set_aside["state"] == kept.decode(errors="backslashreplace")
    (event,) = after.store.bodies("event")
    assert (event["account"], event["rule"]) == ("fan-1/electricity", "unreadable")
    assert "begins anew" in event["text"]
    assert event["text"] in caplog.text
    after.polled(30, 1030)
    (fresh,) = [interval for interval in [after.ledger.books["fan-1/electricity"].due(START + 200 * S)] if interval]
    assert (fresh.rules, fresh.quanta) == (("first",), 0)
    assert dict(after.ledger.states())["account/steam"] == desk.store.states["account/steam"]


def test_rows_and_layouts_that_cannot_be_read_leave_the_windows_to_begin_anew(desk: Desk) -> None:
    desk.polled(0)
    desk.bookkeeper.save(Moment(START, START, "boot"))
    desk.bookkeeper.save(Moment(START + 60 * S, START + 60 * S, "boot"))
    rows = {time_ns: row.replace(b'"version":2', b'"version":3') for time_ns, row in desk.store.rows.items()}

    after = Desk(desk.config, Notebook(states={**desk.store.states, LAYOUTS: b'{"version":2,"layouts":[]}'}))
    after.ledger.restore(after.store.states.get)
    after.bookkeeper.restore_windows({**rows, 1: b"torn"}, Moment(START + 90 * S, START + 90 * S, "boot"), trusted=True)

    texts = [event["text"] for event in after.store.bodies("event")]
    assert len(texts) == 2
    assert "'windows' cannot be read" in texts[0]
    assert "'row (and 2 more)' cannot be read" in texts[1]
    assert {"aside/windows", "aside/row"} <= after.store.states.keys()


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
