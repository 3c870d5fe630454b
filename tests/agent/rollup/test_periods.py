from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import orjson
import pytest

from agent.metering.boundary import Boundaries
from agent.record import INTERVAL, ROLLUP, Record
from agent.rollup.periods import Calendar, Shift
from agent.sinks.influx.lines import line
from agent.store.schema import table
from tests.agent.rollup.shelf import FAN, Works

BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = Shift("night", time(22), time(6))
H = 3600 * 10**9


@pytest.mark.parametrize(
    ("zone", "day", "hours", "quarters", "last_min"),
    [
        ("Europe/Berlin", date(2026, 3, 29), 23, 92, 60),
        ("Europe/Berlin", date(2026, 10, 25), 25, 100, 60),
        ("Asia/Shanghai", date(2026, 10, 25), 24, 96, 60),
        ("Australia/Lord_Howe", date(2026, 4, 5), 25, 98, 30),
    ],
)
def test_a_day_has_the_hours_and_intervals_that_pass_in_it(
    zone: str, day: date, hours: int, quarters: int, last_min: int
) -> None:
    calendar = Calendar(ZoneInfo(zone), 900)
    *of_day, whole = calendar.of_day(day)
    assert len(of_day) == hours
    assert (of_day[-1].end_ns - of_day[-1].start_ns) // 10**9 == last_min * 60
    assert sum(span.end_ns - span.start_ns for span in of_day) == whole.end_ns - whole.start_ns
    assert calendar.expected(whole) == quarters == sum(calendar.expected(span) for span in of_day)
    cut = Boundaries(900, ZoneInfo(zone))
    for at in range(whole.start_ns, whole.end_ns, 900 * 10**9):
        assert calendar.interval(at)[2:] == cut.around(at)


def test_a_night_shift_has_an_hour_more_when_the_clocks_are_set_back() -> None:
    calendar = Calendar(BERLIN, 900, [NIGHT])
    (night,) = [span for span in calendar.of_day(date(2026, 10, 24)) if span.name]
    assert (night.end_ns - night.start_ns) // H == 9
    assert calendar.expected(night) == 36
    assert night in calendar.overlapping(date(2026, 10, 25))
    assert night in calendar.ending(night.end_ns)


@pytest.mark.parametrize("day", [date(2026, 3, 28), date(2026, 3, 29), date(2026, 10, 24), date(2026, 10, 25)])
def test_shifts_that_change_in_the_hour_the_clock_skips_or_repeats_still_follow_each_other(day: date) -> None:
    times = [time(3), time(22), time(2, 30)]
    shifts = [
        Shift(f"from-{begin:%H-%M}", begin, end) for begin, end in zip(times, [*times[1:], times[0]], strict=True)
    ]
    calendar = Calendar(BERLIN, 900, shifts)
    spans = sorted(
        (span for at in (day, day + timedelta(days=1)) for span in calendar.of_day(at) if span.name),
        key=lambda span: span.start_ns,
    )
    assert all(one.end_ns == two.start_ns for one, two in pairwise(spans))
    assert all(calendar.expected(span) > 0 for span in spans)


def test_months_follow_each_other_without_a_hole() -> None:
    calendar = Calendar(BERLIN, 900)
    at = int(datetime(2026, 1, 15, tzinfo=UTC).timestamp()) * 10**9
    months = [calendar.month(at)]
    while len(months) < 12:
        months.append(calendar.month(months[-1].end_ns))
    assert all(one.end_ns == two.start_ns for one, two in pairwise(months))
    assert sum(calendar.expected(month) for month in months) == 365 * 96


def test_no_hours_are_made_of_intervals_longer_than_an_hour() -> None:
    assert [span.period for span in Calendar(BERLIN, 4 * 3600).of_day(date(2026, 1, 1))] == ["day"]


async def test_a_roll_up_is_kept_as_long_as_intervals_and_its_period_is_a_tag_in_the_database(tmp_path: Path) -> None:
    works = Works(tmp_path)
    start = int(datetime(2026, 11, 20, tzinfo=UTC).timestamp())
    for quarter in range(4):
        works.interval(start + quarter * 900, 1_000_000)
    await works.settle()
    (body,) = works.shelf.rollups(FAN, "hour")
    record = Record(7, ROLLUP, "boiler-house/fan-1", start * 10**9, orjson.dumps(body))
    text = line(record)
    assert text is not None
    assert text.startswith(
        "rollup,site=works,area=boiler-house,device=fan-1,account=fan-1/electricity,span=hour amount=4.0"
    )
    assert ",intervals=4i,expected=4i" in text
    assert table(ROLLUP) == INTERVAL


def test_the_next_end_does_not_depend_on_what_was_asked_before() -> None:
    asked = Calendar(BERLIN, 900, [NIGHT])
    begin = asked.midnight(date(2026, 3, 28))
    moments = [begin + at * H // 7 for at in (0, 1, 6, 7, 8, 300, 299, 5, 166, 167, 7, 0)]

    assert [asked.next_end(at) for at in moments] == [Calendar(BERLIN, 900, [NIGHT]).next_end(at) for at in moments]
