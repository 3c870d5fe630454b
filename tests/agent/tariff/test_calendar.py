"""Holidays and the weekends that are worked on in exchange."""

from datetime import date

from agent.tariff.calendar import Calendar, DayKind

SPRING = Calendar(
    holidays=frozenset(date(2026, 2, day) for day in range(15, 24)),
    workdays=frozenset({date(2026, 2, 14), date(2026, 2, 28)}),
)


def test_a_holiday_is_no_workday_and_a_make_up_saturday_is_one() -> None:
    kinds = [SPRING.kind(date(2026, 2, day)) for day in (13, 14, 16, 21, 24, 28)]

    assert kinds == [
        DayKind.WORKDAY,
        DayKind.WORKDAY,
        DayKind.HOLIDAY,
        DayKind.HOLIDAY,
        DayKind.WORKDAY,
        DayKind.WORKDAY,
    ]
    assert SPRING.kind(date(2026, 3, 1)) is DayKind.WEEKEND


def test_of_a_year_without_any_day_listed_nothing_is_known() -> None:
    assert SPRING.knows(2026)
    assert not SPRING.knows(2027)
