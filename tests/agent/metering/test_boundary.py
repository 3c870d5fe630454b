from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.metering.amount import NS_PER_S
from agent.metering.boundary import Boundaries


def ns(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp()) * NS_PER_S


def around(zone: str, length_s: float, text: str) -> tuple[str, str]:
    def local(time_ns: int) -> str:
        return datetime.fromtimestamp(time_ns // NS_PER_S, ZoneInfo(zone)).isoformat(timespec="minutes")

    start_ns, end_ns = Boundaries(length_s, ZoneInfo(zone)).around(ns(text))
    return local(start_ns), local(end_ns)


def test_intervals_lie_on_the_wall_clock() -> None:
    assert around("Asia/Shanghai", 900, "2026-11-20T16:07:12+08:00") == (
        "2026-11-20T16:00+08:00",
        "2026-11-20T16:15+08:00",
    )


def test_days_begin_at_local_midnight() -> None:
    assert around("Asia/Kathmandu", 86400, "2026-11-20T01:00+05:45") == (
        "2026-11-20T00:00+05:45",
        "2026-11-21T00:00+05:45",
    )


def test_a_time_on_a_boundary_begins_the_next_interval() -> None:
    assert around("UTC", 900, "2026-11-20T08:15+00:00")[0] == "2026-11-20T08:15+00:00"


def test_a_day_of_23_or_25_hours_has_fewer_or_more_intervals_and_ends_at_midnight() -> None:
    zone = ZoneInfo("Europe/Berlin")
    for day, hours in (("2026-03-29T00:00+01:00", 23), ("2026-10-25T00:00+02:00", 25)):
        for length_s, count in ((900, hours * 4), (21600, 4 if hours == 23 else 5)):
            boundaries = Boundaries(length_s, zone)
            starts = [ns(day)]
            while boundaries.around(starts[-1])[1] <= ns(day) + hours * 3600 * NS_PER_S:
                starts.append(boundaries.around(starts[-1])[1])

            assert starts[-1] == ns(day) + hours * 3600 * NS_PER_S
            assert len(starts) - 1 == count


@pytest.mark.parametrize("length_s", [7, 0, 0.5, -900, 86401, 172800])
def test_a_length_that_does_not_divide_a_day_is_refused(length_s: float) -> None:
    with pytest.raises(ValueError, match="does not divide a day"):
        Boundaries(length_s, ZoneInfo("UTC"))


@given(
    zone=st.sampled_from(
        ["UTC", "Asia/Shanghai", "Europe/Berlin", "America/Havana", "Australia/Lord_Howe", "Asia/Beirut"]
    ),
    length_s=st.sampled_from([1, 60, 900, 3600, 21600, 86400]),
    moment=st.datetimes(datetime(1971, 1, 1), datetime(2037, 1, 1)),  # noqa: DTZ001 - hypothesis wants naive bounds
    nanosecond=st.integers(0, NS_PER_S - 1),
)
@settings(max_examples=300, deadline=None)
def test_intervals_tile_time_without_holes_or_overlaps(
    zone: str, length_s: int, moment: datetime, nanosecond: int
) -> None:
    boundaries = Boundaries(length_s, ZoneInfo(zone))
    passed = moment.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    time_ns = passed // timedelta(seconds=1) * NS_PER_S + nanosecond

    start_ns, end_ns = boundaries.around(time_ns)

    assert start_ns <= time_ns < end_ns <= start_ns + length_s * NS_PER_S
    assert boundaries.around(start_ns) == (start_ns, end_ns)
    assert boundaries.around(end_ns - 1) == (start_ns, end_ns)
    assert boundaries.around(end_ns)[0] == end_ns
