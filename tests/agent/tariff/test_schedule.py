"""Which period a moment lies in, by two published schedules and on days when clocks change."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from agent.tariff.schedule import Period, unplanned
from tests.agent.tariff.tables import ANHUI, HUBEI, SHANGHAI, tariff_of

NS = 10**9


def at(text: str, zone: ZoneInfo = SHANGHAI) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()) * NS


@pytest.mark.parametrize(
    ("moment", "period"),
    [
        ("2026-01-15T00:00", Period.VALLEY),
        ("2026-01-15T05:59", Period.VALLEY),
        ("2026-01-15T06:00", Period.FLAT),
        ("2026-01-15T12:00", Period.VALLEY),
        ("2026-01-15T14:00", Period.FLAT),
        ("2026-01-15T16:00", Period.PEAK),
        ("2026-01-15T18:00", Period.SHARP),
        ("2026-01-15T20:00", Period.PEAK),
        ("2026-01-15T23:59", Period.PEAK),
        ("2026-06-30T18:00", Period.SHARP),
        ("2026-07-01T18:00", Period.PEAK),
        ("2026-08-31T21:59", Period.SHARP),
        ("2026-09-01T21:59", Period.PEAK),
    ],
)
def test_hubei_is_charged_by_the_hours_of_its_published_table(moment: str, period: Period) -> None:
    assert tariff_of(HUBEI).schedule.period(at(moment)) is period


def test_a_hubei_day_has_2_sharp_6_peak_8_flat_and_8_valley_hours_in_every_season() -> None:
    schedule = tariff_of(HUBEI).schedule
    for day in ("2026-01-15", "2026-07-15"):
        periods = [schedule.period(at(f"{day}T{hour:02d}:00")) for hour in range(24)]
        assert [periods.count(period) for period in Period] == [2, 6, 8, 8, 0]


@pytest.mark.parametrize(
    ("moment", "period"),
    [
        ("2026-01-15T23:30", Period.VALLEY),  # a valley across midnight
        ("2026-01-16T05:59", Period.VALLEY),
        ("2026-12-31T15:00", Period.PEAK),  # a season across New Year
        ("2026-01-31T15:00", Period.PEAK),
        ("2026-02-01T15:00", Period.FLAT),
        ("2026-09-30T12:00", Period.VALLEY),
        ("2026-10-01T11:00", Period.DEEP_VALLEY),
        ("2026-10-07T14:59", Period.DEEP_VALLEY),
        ("2026-10-08T14:59", Period.FLAT),
        ("2026-02-14T12:00", Period.VALLEY),  # a make-up Saturday is no holiday
    ],
)
def test_anhui_has_a_deep_valley_at_noon_of_holidays_only(moment: str, period: Period) -> None:
    assert tariff_of(ANHUI).schedule.period(at(moment)) is period


def test_a_year_whose_holidays_nobody_listed_has_no_periods_where_holidays_matter() -> None:
    assert tariff_of(ANHUI).schedule.period(at("2027-05-01T12:00")) is None
    assert tariff_of(HUBEI).schedule.period(at("2027-05-01T12:00")) is Period.VALLEY


def test_periods_follow_the_clock_on_the_wall_when_it_is_set() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    schedule = tariff_of(HUBEI, zone=berlin).schedule
    for day, hours in (("2026-03-29", 23), ("2026-10-25", 25)):
        midnight = at(f"{day}T00:00", berlin)
        quarters = [schedule.period(midnight + quarter * 900 * NS) for quarter in range(4 * hours)]
        # 00:00 to 06:00 on the wall are 5 h when clocks go forward and 7 h when they go back.
        assert quarters.count(Period.VALLEY) == 4 * (hours - 16)
        assert quarters.count(Period.FLAT) == 4 * 8
        assert schedule.period(at(f"{day}T06:00", berlin)) is Period.FLAT


def test_days_without_a_plan_are_named() -> None:
    plans = tariff_of(ANHUI).schedule.plans
    assert unplanned(plans) == ""
    assert unplanned(plans[:-1]) == "02-01, if a workday"


def test_prices_hold_from_their_first_to_their_last_day() -> None:
    tariff = tariff_of(HUBEI)
    days = [date(2026, 1, 1) + timedelta(days=offset) for offset in (-1, 0, 30, 31)]
    assert [tariff.price(day) is not None for day in days] == [False, True, True, False]
