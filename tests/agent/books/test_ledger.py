"""Frames in, intervals and windows out; a day of a small works with one counter, one output and one flow."""

import struct
from pathlib import Path
from typing import NoReturn

import pytest

from agent.books.columns import AMOUNT, CO2_KG, CO2_MARKET_KG, ESTIMATED, MEASURED_S
from agent.books.ledger import Ledger
from agent.config import SiteConfig
from agent.metering.amount import QUANTA_PER_UNIT, Reading
from agent.metering.interval import ClosedInterval
from tests.agent.books.fans import ENERGY, FAN, INTEGRATED, LIBRARY, START, Fan, S, ledger_of
from tests.agent.frames import DEVICES, SITE, configured, frame, frame_at


@pytest.fixture
def config(tmp_path: Path) -> SiteConfig:
    return configured(tmp_path, SITE + DEVICES)


def closed_of(ledger: Ledger, after_s: float, account: str = FAN) -> list[ClosedInterval]:
    book, closed = ledger.books[account], []
    while interval := book.due(START + round(after_s * S)):
        book.close(interval)
        closed.append(interval)
    return closed


def total(intervals: list[ClosedInterval]) -> int:
    """Return the sum of the latest revisions, in quanta."""
    return sum({interval.start_ns: interval.quanta for interval in intervals}.values())


def test_the_intervals_add_up_to_the_counter_to_the_last_digit(config: SiteConfig) -> None:
    ledger = ledger_of(config)
    fan = Fan(config, ledger)
    closed = []
    # 7 s is no divisor of a minute: each boundary lies between two readings.
    for step in range(200):
        fan.shows(step * 7, 1_000_000 + step * 3)
        closed += closed_of(ledger, step * 7)

    open_share = ledger.books[FAN].intervals.pending_quanta
    assert total(closed) + open_share == 199 * 3 * QUANTA_PER_UNIT // 100
    assert all(interval.measured_s == 60.0 for interval in closed[1:])


def test_an_amount_follows_from_the_microseconds_its_evidence_shows(config: SiteConfig) -> None:
    ledger = ledger_of(config)
    fan = Fan(config, ledger)
    closed = []
    for step in range(200):
        # Steps of 1 kWh: a difference of one microsecond at a boundary is worth a tenth of a quantum and more.
        fan.shows(step * 7 + 0.000001999, 1_000_000 + step * 10_000)
        closed += closed_of(ledger, step * 7)

    for interval in closed[1:]:
        booked = 0
        for before, after, boundary_ns, sign in (
            (interval.close, interval.close_next, interval.end_ns, 1),
            (interval.open, interval.open_next, interval.start_ns, -1),
        ):
            assert before is not None
            assert after is not None
            since, until = before.time_ns // 1000 * 1000, after.time_ns // 1000 * 1000
            start, end = (round(reading.value * QUANTA_PER_UNIT) for reading in (before, after))
            booked += sign * (start + (end - start) * (boundary_ns - since) // (until - since))
        assert interval.quanta == booked


def test_what_nobody_answered_books_nothing(config: SiteConfig) -> None:
    ledger = ledger_of(config)
    fan = Fan(config, ledger)
    fan.shows(0, 1000)
    before = ledger.books[FAN].state()
    for after_s in (10, 20, 30):
        fan.is_silent(after_s)

    assert ledger.books[FAN].state() == before
    assert ledger.books[FAN].events == []
    assert not ledger.row.any()


def test_an_outage_is_booked_as_estimated_and_lowers_the_coverage(config: SiteConfig) -> None:
    ledger = ledger_of(config)
    fan = Fan(config, ledger)
    for after_s in (0, 10, 20, 300, 310):
        fan.shows(after_s, 1000 + after_s)
    closed = closed_of(ledger, 310)

    assert total(closed) + ledger.books[FAN].intervals.pending_quanta == 3_100_000
    column = ledger.row[:, ledger.position[FAN]]
    assert column[AMOUNT] == 3.1
    assert column[ESTIMATED] == 2.8
    assert column[MEASURED_S] == 30.0
    assert [interval.estimated_quanta > 0 for interval in closed] == [True] * 5
    assert sum(interval.measured_s for interval in closed) == 20.0
    assert "gap" in closed[2].rules


def test_a_row_weighs_each_delta_with_the_factors_of_its_day(config: SiteConfig) -> None:
    ledger = ledger_of(config)
    fan = Fan(config, ledger)
    fan.shows(0, 1000)
    fan.shows(10, 1100)

    column = ledger.row[:, ledger.position[FAN]]
    assert column[CO2_KG] == pytest.approx(0.6553)
    assert column[CO2_MARKET_KG] == pytest.approx(0.6096)


def test_an_output_is_booked_and_weighs_nothing(config: SiteConfig) -> None:
    ledger = ledger_of(config)
    profile = config.profiles["boiler-1"]
    for after_s, counts in ((0, 5000), (10, 5250)):
        ledger.take(frame("boiler-1", profile, {0x0012: f"{counts:08x}"}, START + after_s * S))

    column = ledger.row[:, ledger.position["steam"]]
    assert column[AMOUNT] == 0.25
    assert column[CO2_KG] == 0.0
    assert [interval.quanta for interval in closed_of(ledger, 150, "steam")] == [250_000, 0]


def test_conversions_of_past_days_are_not_kept_for_ever(config: SiteConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.books.conversions._MOST_CONVERSIONS", 10)
    ledger = ledger_of(config)
    account = ledger.plant.accounts[0]
    first = ledger.conversions.at(account, START)

    for day in range(100):
        ledger.conversions.at(account, START + day * 86400 * S)

    assert len(ledger.conversions._known) <= 10
    assert ledger.conversions.at(account, START) == first


def test_windows_are_differences_of_what_was_booked(config: SiteConfig) -> None:
    ledger = ledger_of(config)
    fan = Fan(config, ledger)
    for after_s in range(0, 121, 10):
        fan.shows(after_s, 1000 + after_s)
        ledger.tick(START + after_s * S)

    minute, quarter = ledger.figures()
    column = ledger.position[FAN]
    assert (minute.span, minute.span_s, minute.elapsed_s) == ("1min", 60.0, 60.0)
    assert minute.values[AMOUNT, column] == pytest.approx(0.6)
    assert minute.values[MEASURED_S, column] == pytest.approx(60.0)
    assert (quarter.elapsed_s, quarter.values[AMOUNT, column]) == (120.0, pytest.approx(1.2))


def test_what_an_outage_used_falls_into_the_windows_it_happened_in(config: SiteConfig) -> None:
    ledger = Ledger(config, LIBRARY, start_ns=START, boot_id="boot")
    fan = Fan(config, ledger)
    for after_s in range(0, 901, 10):
        if after_s <= 100 or after_s >= 800:  # silent for 700 s, in which the counter went on evenly
            fan.shows(after_s, 1000 + after_s)
        ledger.tick(START + after_s * S)
        if after_s in {800, 830}:
            minute = next(iter(ledger.figures()))
            assert minute.values[AMOUNT, ledger.position[FAN]] == pytest.approx(0.6), "not the whole outage"
            assert minute.values[ESTIMATED, ledger.position[FAN]] == pytest.approx(0.6 if after_s == 800 else 0.3)
            assert minute.values[CO2_KG, ledger.position[FAN]] == pytest.approx(0.6 * 0.6553)

    assert list(ledger.figures())[1].values[AMOUNT, ledger.position[FAN]] == pytest.approx(9.0)


def test_an_outage_of_one_account_makes_nobody_look_through_all(
    config: SiteConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger(config, LIBRARY, start_ns=START, boot_id="boot")
    fan = Fan(config, ledger)
    monkeypatch.setattr("agent.books.ledger.rows.Reader", None)
    for after_s in (0, 10, 100):  # a plant that comes back has an outage of every account at once
        fan.shows(after_s, 1000 + after_s)
        ledger.tick(START + after_s * S)

    assert not ledger.troubles.found
    assert next(iter(ledger.figures())).values[ESTIMATED, ledger.position[FAN]] > 0


def test_a_restart_books_across_itself_exactly_once(config: SiteConfig) -> None:
    first = ledger_of(config)
    fan = Fan(config, first)
    closed = []
    for after_s in range(0, 100, 10):
        fan.shows(after_s, 1000 + after_s)
        closed += closed_of(first, after_s)
    kept = dict(first.states())

    second = ledger_of(config, START + 500 * S)
    second.restore(kept.get)
    fan = Fan(config, second)
    for after_s in range(500, 600, 10):
        fan.shows(after_s, 1000 + after_s)
        closed += closed_of(second, after_s)

    assert total(closed) + second.books[FAN].intervals.pending_quanta == 5_900_000
    starts = [(interval.start_ns, interval.revision) for interval in closed]
    assert len({*starts}) == len(starts), "no interval is recorded twice"
    assert len({start for start, _ in starts}) == 9


def test_the_same_frames_give_the_same_books_with_and_without_a_restart(config: SiteConfig) -> None:
    whole = ledger_of(config)
    for after_s in range(0, 200, 7):
        Fan(config, whole).shows(after_s, 1000 + after_s)

    parts = ledger_of(config)
    for after_s in range(0, 200, 7):
        Fan(config, parts).shows(after_s, 1000 + after_s)
        again = ledger_of(config)
        again.restore(dict(parts.states()).get)
        parts = again

    assert dict(parts.states()) == dict(whole.states())


def test_another_quantity_begins_a_new_segment_without_inventing_anything(
    config: SiteConfig, caplog: pytest.LogCaptureFixture
) -> None:
    first = ledger_of(config)
    fan = Fan(config, first)
    for after_s in (0, 10, 20):
        fan.shows(after_s, 1000 + after_s)
    kept = dict(first.states())

    other = configured(config.path.parent, SITE + DEVICES + INTEGRATED)
    second = ledger_of(other, START + 30 * S)
    second.restore(kept.get)
    fan = Fan(other, second)
    for after_s in (30, 40, 50, 60, 70):
        fan.shows(after_s, 0, power_w=3600_000)  # 1 kWh a second
    (closed,) = closed_of(second, 70)

    assert "was read from active_energy_import before" in caplog.text
    assert closed.quanta == 200_000 + 30 * QUANTA_PER_UNIT
    assert closed.measured_s == 50.0


def test_intervals_of_another_length_begin_where_both_do_and_nothing_is_lost(config: SiteConfig) -> None:
    first = ledger_of(config)
    fan = Fan(config, first)
    for after_s in range(0, 100, 10):
        fan.shows(after_s, 1000 + after_s)
    closed = closed_of(first, 90)
    kept = dict(first.states())

    longer = configured(config.path.parent, SITE + DEVICES.replace('length = "1min"', 'length = "5min"'))
    second = ledger_of(longer, START + 120 * S)
    second.restore(kept.get)
    fan = Fan(longer, second)
    for after_s in (120, 130, 300, 400, 600):
        fan.shows(after_s, 1000 + after_s)
    every = [*closed, *closed_of(second, 600)]

    edges = [(each.start_ns - START) // S for each in every] + [(every[-1].end_ns - START) // S]
    assert edges == [0, 60, 120, 180, 240, 300, 600]
    assert total(every) == 6_000_000


def test_an_account_counted_in_another_unit_begins_anew(config: SiteConfig, caplog: pytest.LogCaptureFixture) -> None:
    first = ledger_of(config)
    Fan(config, first).shows(0, 1000)
    kept = {name: state.replace(b'"unit":"kWh"', b'"unit":"GJ"') for name, state in first.states()}

    second = ledger_of(config)
    second.restore(kept.get)

    assert dict(second.states()) == dict(ledger_of(config).states())
    assert "was counted in GJ before" in caplog.text


@pytest.mark.parametrize("reboots", [False, True])
def test_an_account_whose_clock_was_in_a_wrong_year_goes_on_when_the_clock_is_right(
    config: SiteConfig, *, reboots: bool
) -> None:
    year_ns = 40 * 365 * 86400 * S
    ledger = Ledger(config, LIBRARY, start_ns=START, boot_id="first")
    profile = config.profiles["fan-1"]
    shown = []
    closed = []
    for step in range(600):
        after_ns = step * 10 * S
        if step == 200 and reboots:
            kept = dict(ledger.states())
            ledger = Ledger(config, LIBRARY, start_ns=START, boot_id="second")
            ledger.restore(kept.get)
        ahead_ns = year_ns if 100 <= step < 200 else 0
        ledger.clock_right = not ahead_ns
        shown.append(1000 + step)
        registers = {ENERGY: f"{shown[-1]:08x}"}
        ledger.take(frame_at("fan-1", profile, registers, START + after_ns + ahead_ns, START + after_ns))
        closed += closed_of(ledger, (after_ns + ahead_ns) / S)

    book = ledger.books[FAN]
    assert total(closed) + book.intervals.pending_quanta == 599 * 10_000
    latest = {interval.start_ns: interval for interval in closed}
    assert all(not interval.quanta for start_ns, interval in latest.items() if start_ns > START + year_ns // 2)
    assert [event.rule for event in book.events if event.rule == "clock"] == ["clock"]
    newest = max(interval for interval in latest if interval < START + year_ns // 2)
    assert latest[newest].estimated_quanta == 0, "it books as ever"
    assert ledger.row[AMOUNT, ledger.position[FAN]] == 5.99


def test_absurd_readings_never_keep_the_books_from_being_saved(config: SiteConfig) -> None:
    text = DEVICES.replace("generic/vfd-motor", "eastron/sdm630").replace('length = "1min"', 'length = "1d"')
    other = configured(config.path.parent, SITE + text + INTEGRATED)
    ledger = ledger_of(other)
    for after_s in range(0, 4000, 10):
        # 8.9e15 W as float32: nothing forbids it, and a day of it has more millionths of a kWh than 64 bits hold.
        ledger.take(frame("fan-1", other.profiles["fan-1"], {0x0034: "59fcf406"}, START + after_s * S))

    assert ledger.books[FAN].intervals.pending_quanta > 1 << 63
    again = ledger_of(other)
    again.restore(dict(ledger.states()).get)
    assert again.books[FAN].intervals.pending_quanta == ledger.books[FAN].intervals.pending_quanta


def test_power_far_above_the_rating_of_a_device_becomes_no_energy(config: SiteConfig) -> None:
    text = DEVICES.replace("generic/vfd-motor", "eastron/sdm630")
    text = text.replace('profile = "eastron/sdm630"', 'profile = "eastron/sdm630"\nrated_power = "50 kW"', 1)
    other = configured(config.path.parent, SITE + text + INTEGRATED)
    ledger = ledger_of(other)
    for after_s in range(0, 71, 1):
        power_w = 8e14 if 20 <= after_s < 23 else 36_000.0
        registers = {0x0034: struct.pack(">f", power_w).hex()}
        ledger.take(frame("fan-1", other.profiles["fan-1"], registers, START + after_s * S))
    (interval,) = closed_of(ledger, 70)

    assert interval.quanta == round(36.0 * 60 / 3600 * QUANTA_PER_UNIT)
    assert interval.measured_s == 56.0
    assert [event.rule for event in ledger.books[FAN].events] == ["implausible", "implausible", "glitch"]


def test_what_fails_for_one_account_stops_no_other_of_its_device_and_is_told_once(
    config: SiteConfig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = ledger_of(config)

    def shown(after_s: float, counts: int) -> None:
        registers = {0x0012: f"{counts:08x}", 0x0010: f"{counts:08x}"}
        ledger.take(frame("boiler-1", config.profiles["boiler-1"], registers, START + round(after_s * S)))

    def fails(_: Reading) -> NoReturn:
        raise ZeroDivisionError("a mistake")

    shown(0, 1000)
    gas, steam = ledger.books["boiler-1/natural_gas"], ledger.books["steam"]
    with monkeypatch.context() as patched:
        patched.setattr(gas.source, "book", fails)
        shown(10, 1001)
        shown(20, 1002)
    (told,) = gas.events
    shown(30, 1003)

    assert (told.rule, told.time_ns) == ("unbooked", START + 10 * S)
    assert "a reading cannot be booked: a mistake" in told.text
    assert [record.levelname for record in caplog.records if "boiler-1/natural_gas" in record.message] == ["ERROR"]
    assert steam.source.last == steam.last
    assert gas.source.last == gas.last, "it goes on when it can"
    gas.source.book = fails  # type: ignore[method-assign,assignment]  # whatever it is that fails
    shown(40, 1004)
    assert len(gas.events) == 2, "told anew, for it had gone on"


def test_a_counter_that_starts_anew_is_an_event(config: SiteConfig) -> None:
    ledger = ledger_of(config)
    fan = Fan(config, ledger)
    for after_s, counts in ((0, 100_000), (10, 100_010), (20, 5), (30, 15), (40, 25), (50, 35)):
        fan.shows(after_s, counts)
    (noticed,) = ledger.books[FAN].events

    assert (noticed.rule, noticed.time_ns) == ("reset", START + 20 * S)
    assert ledger.books[FAN].intervals.pending_quanta == 100_000 + 300_000


def test_frames_of_devices_without_accounts_are_no_trouble(config: SiteConfig) -> None:
    ledger = ledger_of(config)

    ledger.take(frame("stranger", config.profiles["fan-1"], {ENERGY: "00000001"}, START))

    assert not ledger.row.any()
