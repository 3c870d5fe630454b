from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from agent.books.conversions import Conversions
from agent.carbon.factors import FactorLibrary
from tests.agent.frames import DEVICES, SITE, configured

S = 1_000_000_000


def moments(year: int, month: int, day: int) -> list[int]:
    """Return a time every seven minutes [Unix ns] of the days around a midnight, there and back."""
    middle_s = int(datetime(year, month, day, tzinfo=UTC).timestamp())
    there = [(middle_s + offset_s) * S + 999_999_999 for offset_s in range(-86_400, 86_400, 420)]
    return [*there, *reversed(there)]


@pytest.mark.parametrize("zone", ["Asia/Shanghai", "Asia/Kathmandu", "Australia/Lord_Howe", "America/St_Johns"])
@pytest.mark.parametrize("around", [(2026, 11, 21), (2026, 4, 5), (2026, 3, 8)])
def test_the_day_of_a_time_is_the_local_one_whatever_was_asked_before(
    tmp_path: Path, zone: str, around: tuple[int, int, int]
) -> None:
    site = SITE.replace('name = "works"', f'name = "works"\ntimezone = "{zone}"')
    conversions = Conversions(configured(tmp_path, site + DEVICES), FactorLibrary.load())

    for time_ns in moments(*around):
        assert conversions.day(time_ns) == datetime.fromtimestamp(time_ns // S, ZoneInfo(zone)).date()
