"""What is recorded of polls, conditions and windows, and when."""

from pathlib import Path

import orjson
import pytest

from agent.metering.agreement import Agreement
from agent.metering.amount import Reading
from agent.polling.polled import DeviceState
from agent.warning.desk import Watched
from tests.agent.desk import MQTT, START, Desk, S
from tests.agent.frames import DEVICES, SITE, configured


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


def test_windows_are_recorded_for_every_account_intensity_and_span(desk: Desk) -> None:
    desk.polled(0)
    desk.ledger.tick(START)
    list(desk.recorder.publish_windows())

    found = [(body["key"], body.get("account", body.get("intensity")), body["span"]) for body in
             desk.store.bodies("window")]  # fmt: skip
    one_span = [("boiler-house/fan-1", "fan-1/electricity"), ("boiler-house/boiler-1", "boiler-1/natural_gas"),
                ("agent", "steam")]  # fmt: skip
    assert found == [(*entry, span) for span in ("1min", "15min") for entry in one_span]
    assert len(orjson.loads(desk.recorder.latest_windows.json())) == 6


def test_a_condition_is_posted_and_losing_it_raises_an_alarm_that_ends(desk: Desk) -> None:
    desk.becomes(DeviceState.ONLINE)
    assert desk.posted("boiler-house/fan-1/state")["state"] == "online"
    assert desk.store.bodies("alarm") == []

    desk.becomes(DeviceState.OFFLINE, "no reply", after_s=5)
    state = desk.posted("boiler-house/fan-1/state")
    assert (state["state"], state["reason"], state["since"]) == ("offline", "no reply", "2026-11-20T08:00:05.000000Z")
    assert desk.posted("boiler-house/fan-1/alarm/comm_lost")["active"] is True

    desk.becomes(DeviceState.DEGRADED, "illegal address", after_s=9)
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


def test_the_agents_own_figures_are_a_record_of_the_moment(desk: Desk) -> None:
    desk.now_ns = START + 60 * S
    desk.recorder.health({"uptime_s": 60})

    (body,) = desk.store.bodies("health")
    assert (body["key"], body["time"], body["uptime_s"]) == ("agent", "2026-11-20T08:01:00.000000Z", 60)


def test_windows_of_a_ledger_that_another_has_followed_are_not_recorded_further(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.recorder._AT_ONCE", 1)
    desk.ledger.tick(START)
    parts = desk.recorder.publish_windows()
    next(parts)
    recorded = len(desk.store.bodies("window"))

    desk.recorder.configure(desk.config, Desk(desk.config).ledger)

    assert list(parts) == []
    assert len(desk.store.bodies("window")) == recorded == 1


def test_what_fails_beside_the_booking_costs_neither_other_checks_nor_the_record_of_the_poll(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    alarms = '\n[[alarm]]\nname = "{name}"\ndevice = "fan-1"\nquantity = "active_power"\nabove = -1\nfor = "0s"\n'
    second = '\n[[account]]\nname = "fan-1/again"\ndevice = "fan-1"\ncarrier = "electricity"'
    second += '\nfrom = "active_energy_import"\ncheck = "active_power"\n'
    text = SITE + DEVICES + MQTT + alarms.format(name="first") + alarms.format(name="second") + second
    desk = Desk(configured(tmp_path, text))
    wrong = [True]
    power, seen = Agreement.power, Watched.seen
    checked: list[Agreement] = []

    def fails_for_the_first(agreement: Agreement, reading: Reading) -> None:
        checked.append(agreement)
        if wrong and agreement is checked[0]:
            raise ZeroDivisionError("a mistake in the agent")
        power(agreement, reading)

    def fails_for_one(watched: Watched, at_ns: int, time_ns: int, value: float) -> float | None:
        if wrong and watched.watch.name == "first":
            raise KeyError(value)
        return seen(watched, at_ns, time_ns, value)

    monkeypatch.setattr(Agreement, "power", fails_for_the_first)
    monkeypatch.setattr(Watched, "seen", fails_for_one)
    frames, desk.recorder._latest._frames = desk.recorder._latest._frames, None  # type: ignore[assignment]  # a mistake
    for after_s in range(0, 50, 10):
        desk.polled(after_s, 1000 + after_s)

    assert desk.ledger.books["fan-1/electricity"].columns.amount == pytest.approx(0.4)
    assert desk.scribe.counts["telemetry"] == 5
    assert len(set(map(id, checked))) == 2, "the other check was done"
    assert [alarm.name for alarm in desk.alarms.active()] == ["second"]
    told = [record.getMessage().partition(" failed")[0] for record in caplog.records if "failed" in record.getMessage()]
    assert sorted(told) == [
        "alarm first of boiler-house/fan-1",
        "the check of fan-1/electricity",
        "what is shown of readings",
    ]
    wrong.clear()
    desk.recorder._latest._frames = frames
    desk.polled(50, 1050)
    assert [alarm.name for alarm in desk.alarms.active()] == ["second", "first"]
    assert frames["fan-1"]
