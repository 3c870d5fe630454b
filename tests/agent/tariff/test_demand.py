"""Sliding demand of 15 minutes, its forecast and the highest of a month, from a meter that is read every 10 s."""

from pathlib import Path

import pytest

from agent.books.columns import AMOUNT, MEASURED_S
from agent.tariff.book import TariffBooks
from agent.tariff.build import tariffs
from agent.tariff.demand import mean_power
from tests.agent.tariff.metered import METER, NS, Works, clock


def test_demand_is_the_mean_power_of_the_last_15_minutes(tmp_path: Path) -> None:
    works = Works(tmp_path, "2026-11-20T08:00")
    works.runs(20, 360.0)
    assert works.last("demand/15min") == pytest.approx(360.0, abs=0.1)
    works.runs(5, 1080.0)
    # 10 min at 360 kW and 5 min at 1080 kW, less the last 10 s step of the change
    assert works.last("demand/15min") == pytest.approx((10 * 360 + 5 * 1080) / 15, abs=9)


def test_demand_covers_the_very_time_asked_for_though_rows_are_10_s_apart(tmp_path: Path) -> None:
    works = Works(tmp_path, "2026-11-20T08:00", windows='spans = ["15min"]\ntick = "1s"')
    kind = works.ledger.column(AMOUNT, METER)
    for second in range(1007):
        works.ledger.row.reshape(-1)[[kind, works.ledger.column(MEASURED_S, METER)]] = second / 100, second
        works.ledger.tick(second * NS)

    for span_s in (0.5, 3.0, 180.0, 437.25, 900.0):
        found = mean_power(works.ledger, METER, span_s)
        assert found is not None, span_s
        assert found.over_s == span_s
        assert found.kw == pytest.approx(36.0)
        assert found.coverage == pytest.approx(1.0)
    assert mean_power(works.ledger, METER, 1010.0) is None


def test_before_a_whole_window_is_known_there_is_no_demand_and_no_highest(tmp_path: Path) -> None:
    works = Works(tmp_path, "2026-11-20T08:00")
    works.runs(14.5, 360.0)
    assert {value for _, value in works.found["demand/15min"]} == {None}
    assert works.last("demand_max/month") is None
    works.runs(1.5, 360.0)
    assert works.last("demand_max/month") == pytest.approx(360.0, abs=0.1)


def test_the_highest_demand_slides_by_a_minute_and_is_not_bound_to_quarters(tmp_path: Path) -> None:
    # 15 min at 900 kW from 08:22 to 08:37: quarters of the clock would see 900 x 8/15 and 900 x 7/15 only.
    works = Works(tmp_path, "2026-11-20T08:00")
    works.runs(22, 0.0)
    works.runs(15, 900.0)
    works.runs(20, 0.0)
    assert works.last("demand_max/month") == pytest.approx(900.0, abs=0.1)
    peak = works.books.books["grid"].month(works.now_ns).peak
    assert peak is not None
    assert abs(peak.end_ns - clock("2026-11-20T08:37")) <= 60 * NS


def test_the_forecast_goes_to_the_end_of_the_quarter_with_the_power_of_now(tmp_path: Path) -> None:
    # At 08:25: 10 min of the quarter at 300 kW, the last 3 of them at 600 kW which goes on for 5 min:
    # (7 x 300 + 3 x 600 + 5 x 600) / 15 = 460 kW.
    works = Works(tmp_path, "2026-11-20T08:00")
    works.runs(22, 300.0)
    works.runs(3, 600.0)
    works.runs(1 / 6, 600.0)
    at_ns, value = next(pair for pair in works.found["demand_forecast/15min"] if pair[0] == clock("2026-11-20T08:25"))
    assert value == pytest.approx(460.0, abs=1.0), at_ns
    works.runs(4.8, 600.0)
    # At the end of the quarter the forecast is what the quarter was: (7 x 300 + 8 x 600) / 15
    ending = [value for at_ns, value in works.found["demand_forecast/15min"] if at_ns < clock("2026-11-20T08:30")]
    assert ending[-1] == pytest.approx(460.0, abs=1.0)


def test_a_meter_that_is_not_read_has_no_demand(tmp_path: Path) -> None:
    works = Works(tmp_path, "2026-11-20T08:00")
    works.runs(20, 360.0)
    works.runs(20, 360.0, read=False)
    assert works.last("demand/15min") is None, "missing is not zero"
    assert works.last("demand_forecast/15min") is None


def test_the_highest_demand_goes_on_over_a_restart_and_begins_anew_with_the_month(tmp_path: Path) -> None:
    works = Works(tmp_path, "2026-11-30T22:00")
    works.runs(30, 700.0)
    saved = dict(works.books.states())

    books = TariffBooks(tariffs(works.config.tariffs, works.config.calendar, works.config.site.zone))
    books.restore(saved.get)
    again = Works(tmp_path, "2026-11-30T23:30", books)
    again.runs(29, 300.0)
    assert again.last("demand_max/month") == pytest.approx(700.0, abs=0.1)
    again.runs(12, 500.0)
    assert again.last("demand_max/month") is None, "no window lies wholly in December yet"
    again.runs(20, 200.0)
    assert again.last("demand_max/month") == pytest.approx(500.0 * 11 / 15 + 200 * 4 / 15, abs=10)


def test_the_last_quarter_of_a_month_still_counts_for_it(tmp_path: Path) -> None:
    works = Works(tmp_path, "2026-11-30T23:20")
    works.runs(25, 100.0)
    works.runs(15, 800.0)
    works.runs(1 / 6, 100.0)  # the poll at midnight
    november = works.books.books["grid"].month(clock("2026-11-30T12:00")).peak
    assert november is not None
    assert november.kw == pytest.approx(800.0, abs=0.1)
    assert works.last("demand_max/month") is None


def test_the_last_quarter_counts_though_figures_are_worked_out_a_little_after_midnight(tmp_path: Path) -> None:
    works = Works(tmp_path, "2026-11-30T23:30")
    works.now_ns += 12_000_000
    works.runs(15, 100.0)
    works.runs(15, 400.0)
    works.runs(1 / 6, 100.0)  # the poll at midnight
    # Only the window from 23:45 to 24:00 has 400 kW throughout; the one a minute before has 14 min of it: 380 kW.
    november = works.books.books["grid"].month(clock("2026-11-30T12:00")).peak
    assert november is not None
    assert november.kw == pytest.approx(400.0, abs=0.5)


def test_what_concerns_the_month_is_told_once_a_minute(tmp_path: Path) -> None:
    works = Works(tmp_path, "2026-11-20T08:00")
    works.runs(10, 360.0)
    assert len(works.found["demand/15min"]) == 60
    assert len(works.found["electricity_cost/month"]) == 10
