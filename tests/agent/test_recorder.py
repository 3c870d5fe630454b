"""What is written, when, and together with what; the store only remembers how it was called."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from agent.alarms import ALARMS, AlarmDesk
from agent.board import Board
from agent.bookkeeper import Bookkeeper
from agent.carbon.factors import FactorLibrary
from agent.config import SiteConfig
from agent.ledger import LAYOUTS, Ledger
from agent.metering.history import Moment
from agent.metering.interval import ClosedInterval
from agent.plant import build_plant
from agent.polled import Cadence, Condition, PolledDevice
from agent.record import Record
from agent.recorder import Recorder
from agent.scribe import Scribe
from drivers.codec import Codec
from drivers.plan import plan
from tests.agent.frames import DEVICES, SITE, configured, frame, lost_frame

S = 10**9
START = int(datetime(2026, 11, 20, 8, tzinfo=UTC).timestamp()) * S
LIBRARY = FactorLibrary.load()
MQTT = '\n[mqtt]\nurl = "mqtt://127.0.0.1:1"\ntelemetry_every = "10s"\n'


@dataclass
class Notebook:
    """Stands where the store stands: a list of transactions, each with what was appended and saved in it."""

    transactions: list[list[tuple[str, dict[str, Any] | None]]] = field(default_factory=list)
    states: dict[str, bytes] = field(default_factory=dict)
    rows: dict[int, bytes] = field(default_factory=dict)
    depth: int = 0
    seq: int = 0

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        if not self.depth:
            self.transactions.append([])
        self.depth += 1
        try:
            yield
        finally:
            self.depth -= 1

    def append(self, kind: str, key: str, time_ns: int, body: Mapping[str, object]) -> Record:
        with self.transaction():
            self.seq += 1
            self.transactions[-1].append((kind, {**body, "key": key, "time_ns": time_ns}))
        return Record(self.seq, kind, key, time_ns, orjson.dumps({**body, "seq": self.seq}))

    def save_state(self, name: str, value: bytes) -> None:
        with self.transaction():
            self.transactions[-1].append((name, None))
        self.states[name] = value

    def save_row(self, time_ns: int, row: bytes) -> None:
        with self.transaction():
            self.transactions[-1].append(("row", None))
        self.rows[time_ns] = row

    def bodies(self, kind: str) -> list[dict[str, Any]]:
        return [body for steps in self.transactions for name, body in steps if name == kind and body is not None]


class Desk:
    """A recorder with its ledger, store and board, and the fan whose polls it is given."""

    def __init__(self, config: SiteConfig, store: Notebook | None = None) -> None:
        self.config = config
        self.store = store or Notebook()
        self.board = Board()
        plant = build_plant(config.devices, config.profiles, config.accounts, config.outputs, config.intensities)
        self.ledger = Ledger(config, plant, LIBRARY, start_ns=START)
        self.now_ns = START
        self.scribe = Scribe(self.store, site=config.site.name)  # type: ignore[arg-type]  # stands in for a Store
        self.alarms = AlarmDesk(self.scribe, self.board)
        self.bookkeeper = Bookkeeper(self.ledger, self.scribe)
        self.recorder = Recorder(
            config,
            self.ledger,
            scribe=self.scribe,
            alarms=self.alarms,
            board=self.board,
            clock=lambda: self.now_ns,
        )
        self.profile = config.profiles["fan-1"]
        planned = plan(self.profile, every_s=1.0)
        self.fan = PolledDevice("fan-1", 1, self.profile, planned)
        codec = Codec(self.profile, planned)
        self.fast, self.slow = (Cadence(self.fan, 1.0, (), codec, index) for index in (0, 1))

    def polled(self, after_s: float, counts: int = 1000, cadence: Cadence | None = None) -> None:
        shown = frame("fan-1", self.profile, {0x0010: f"{counts:08x}"}, START + round(after_s * S))
        self.recorder.frame(self.fan, cadence or self.fast, shown)

    def unanswered(self, after_s: float, cadence: Cadence | None = None) -> None:
        shown = lost_frame("fan-1", self.profile, START + round(after_s * S))
        self.recorder.frame(self.fan, cadence or self.fast, shown)

    def becomes(self, condition: Condition, reason: str = "", *, after_s: float = 0.0) -> None:
        self.fan.condition, self.fan.reason, self.fan.since_ns = condition, reason, START + round(after_s * S)
        self.recorder.condition(self.fan)

    def posted(self, topic: str) -> dict[str, Any]:
        payload = self.board.get(topic)
        assert payload is not None
        found: dict[str, Any] = orjson.loads(payload)
        return found


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(configured(tmp_path, SITE + DEVICES + MQTT))


def test_there_is_one_telemetry_record_per_slot_and_cadence(desk: Desk) -> None:
    for after_s in (1, 2, 9.9, 10, 19, 20, 29):
        desk.polled(after_s)
        desk.polled(after_s, cadence=desk.slow)

    times = [body["time_ns"] - START for body in desk.store.bodies("telemetry")]
    assert times == [1 * S, 1 * S, 10 * S, 10 * S, 20 * S, 20 * S]
    assert desk.scribe.counts["telemetry"] == 6
    assert desk.scribe.counts["frames"] == 14


def test_every_poll_is_booked_whether_or_not_it_is_recorded(desk: Desk) -> None:
    for after_s in range(9):
        desk.polled(after_s, 1000 + after_s)

    assert desk.ledger.books["fan-1/electricity"].intervals.pending_quanta == 80_000


def test_of_a_silence_the_first_poll_is_recorded_and_of_its_end_the_first_value(desk: Desk) -> None:
    desk.polled(1)
    for after_s in (2, 3, 30, 60):
        desk.unanswered(after_s)
    desk.polled(61)
    desk.unanswered(62)

    found = [(body["time_ns"] // S - START // S, bool(body["values"])) for body in desk.store.bodies("telemetry")]
    assert found == [(1, True), (2, False), (61, True), (62, False)]


def test_a_cadence_that_gives_nothing_is_recorded_once_while_the_others_give_values(desk: Desk) -> None:
    for after_s in range(0, 50, 5):
        desk.polled(after_s)
        desk.unanswered(after_s, desk.slow)

    assert sum(not body["values"] for body in desk.store.bodies("telemetry")) == 1


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
    account = desk.ledger.plant.accounts[0]
    monkeypatch.setattr(desk.ledger, "close_due", lambda _now_ns: [(account, [late])])
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


def test_windows_are_recorded_for_every_account_intensity_and_span(desk: Desk) -> None:
    desk.polled(0)
    desk.ledger.tick(START)
    desk.recorder.publish_windows()

    found = [(body["key"], body.get("account", body.get("intensity")), body["span"]) for body in
             desk.store.bodies("window")]  # fmt: skip
    one_span = [("boiler-house/fan-1", "fan-1/electricity"), ("boiler-house/boiler-1", "boiler-1/natural_gas"),
                ("agent", "steam")]  # fmt: skip
    assert found == [(*entry, span) for span in ("1min", "15min") for entry in one_span]
    assert len(desk.recorder.latest_windows) == 6


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


def test_a_condition_is_posted_and_losing_it_raises_an_alarm_that_ends(desk: Desk) -> None:
    desk.becomes(Condition.ONLINE)
    assert desk.posted("boiler-house/fan-1/state")["state"] == "online"
    assert desk.store.bodies("alarm") == []

    desk.becomes(Condition.OFFLINE, "no reply", after_s=5)
    state = desk.posted("boiler-house/fan-1/state")
    assert (state["state"], state["reason"], state["since"]) == ("offline", "no reply", "2026-11-20T08:00:05.000000Z")
    assert desk.posted("boiler-house/fan-1/alarm/comm_lost")["active"] is True

    desk.becomes(Condition.DEGRADED, "illegal address", after_s=9)
    assert desk.posted("boiler-house/fan-1/alarm/comm_lost")["active"] is False
    raised, ended = desk.store.bodies("alarm")
    assert (raised["active"], ended["active"]) == (True, False)
    assert (raised["area"], raised["device"], raised["alarm"], raised["severity"]) == (
        "boiler-house",
        "fan-1",
        "comm_lost",
        "warning",
    )
    assert "no reply" in raised["text"]


def test_an_alarm_that_was_active_when_the_agent_ended_ends_when_its_cause_does(desk: Desk) -> None:
    desk.becomes(Condition.OFFLINE, "no reply", after_s=5)
    retained = desk.posted("boiler-house/fan-1/alarm/comm_lost")

    after = Desk(desk.config)
    after.alarms.restore(desk.store.states[ALARMS], known=after.recorder.knows)
    assert after.posted("boiler-house/fan-1/alarm/comm_lost") == retained
    after.becomes(Condition.OFFLINE, "no reply", after_s=50)
    assert after.store.bodies("alarm") == [], "it is still the same alarm"
    after.becomes(Condition.ONLINE, after_s=60)
    assert after.posted("boiler-house/fan-1/alarm/comm_lost")["active"] is False
    assert orjson.loads(after.store.states[ALARMS]) == []


def test_the_alarm_of_a_device_that_has_left_the_configuration_is_removed(desk: Desk) -> None:
    desk.becomes(Condition.OFFLINE, "no reply", after_s=5)
    elsewhere = configured(
        desk.config.path.parent, SITE + DEVICES.replace('area = "boiler-house"', 'area = "yard"') + MQTT
    )

    after = Desk(elsewhere)
    after.alarms.restore(desk.store.states[ALARMS], known=after.recorder.knows)

    assert after.board.get("boiler-house/fan-1/alarm/comm_lost") == b""
    assert after.alarms.active() == []


def test_a_device_that_leaves_takes_its_alarms_and_all_that_is_retained_of_it_along(desk: Desk) -> None:
    desk.becomes(Condition.OFFLINE, "no reply", after_s=5)
    desk.board.put("boiler-house/fan-1/meta", b"{}")
    desk.board.put("boiler-house/boiler-1/meta", b"{}")

    desk.recorder.forget("boiler-house/fan-1")

    for topic in ("meta", "state", "alarm/comm_lost"):
        assert desk.board.get(f"boiler-house/fan-1/{topic}") == b""
    assert desk.board.get("boiler-house/boiler-1/meta") == b"{}"
    raised, ended = desk.store.bodies("alarm")
    assert (raised["active"], ended["active"], ended["text"]) == (True, False, "fan-1 has left the configuration")
    assert orjson.loads(desk.store.states[ALARMS]) == []
    assert list(desk.alarms) == []


def test_an_alarm_and_its_memory_are_one_transaction(desk: Desk) -> None:
    desk.becomes(Condition.OFFLINE, "no reply")

    assert [[name for name, _ in steps] for steps in desk.store.transactions] == [["alarm", ALARMS]]


def test_the_agents_own_figures_are_a_record_of_the_moment(desk: Desk) -> None:
    desk.now_ns = START + 60 * S
    desk.recorder.health({"uptime_s": 60})

    (body,) = desk.store.bodies("health")
    assert (body["key"], body["time"], body["uptime_s"]) == ("agent", "2026-11-20T08:01:00.000000Z", 60)
