"""Times that people read are those of the site's clock, with its offset."""

from zoneinfo import ZoneInfo

import pytest

from agent.commands.phrases import by_clock_of

SHANGHAI = ZoneInfo("Asia/Shanghai")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("sealed 2026-11-20T08:00:00.000000Z.", "sealed 2026-11-20 16:00:00+08:00."),
        (
            "record 7 (interval fan-1/electricity 2026-11-20T16:30:00.250000Z) to 9",
            "record 7 (interval fan-1/electricity 2026-11-21 00:30:00.250000+08:00) to 9",
        ),
        ("hour 2026-11-20T08:00:00Z, number 4", "hour 2026-11-20 16:00:00+08:00, number 4"),
        ('start is "2026-11-20T08:00:00.000000Z"', 'start is "2026-11-20T08:00:00.000000Z"'),
        ("works-20261120T080000Z.pcapng, 2026-99-20T08:00:00Z", "works-20261120T080000Z.pcapng, 2026-99-20T08:00:00Z"),
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
    ],
    ids=["plain", "over midnight", "whole seconds", "quoted", "no time", "too late"],
)
def test_times_in_a_text_are_shown_by_the_clock_of_the_site(text: str, shown: str) -> None:
    assert by_clock_of(SHANGHAI, text) == shown


def test_each_time_has_the_offset_of_its_day() -> None:
    assert by_clock_of(ZoneInfo("Europe/Berlin"), "2026-10-24T10:00:00Z 2026-10-25T10:00:00Z") == (
        "2026-10-24 12:00:00+02:00 2026-10-25 11:00:00+01:00"
    )
