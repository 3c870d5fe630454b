from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.agent.rollup.shelf import FAN, GAS, MIDNIGHT, NIGHT_SHIFT, VIRTUAL, Works


@pytest.fixture
def works(tmp_path: Path) -> Works:
    return Works(tmp_path, NIGHT_SHIFT)


async def test_an_hour_is_recorded_once_its_last_interval_is(works: Works) -> None:
    for quarter in range(3):
        works.interval(MIDNIGHT + quarter * 900, 1_000_001, energy_kwh=1.5, co2_kg=0.1, scope=2)
    await works.settle()
    assert works.shelf.rollups(FAN, "hour") == []

    works.interval(
        MIDNIGHT + 2700, 2, energy_kwh=0.25, co2_kg=0.2, scope=2, coverage=0.5, quality="uncertain:incomplete"
    )
    await works.settle()
    await works.settle()
    (hour,) = works.shelf.rollups(FAN, "hour")
    figures = {
        key: hour[key] for key in ("amount", "energy_kwh", "co2_kg", "scope", "coverage", "intervals", "expected")
    }
    assert figures == {
        "amount": 3.000005, "energy_kwh": 4.75, "co2_kg": 0.5, "scope": 2, "coverage": 0.875, "intervals": 4,
        "expected": 4,
    }  # fmt: skip
    assert (hour["revision"], hour["quality"], hour["source"]["from_seq"]) == (0, "uncertain:incomplete", 1)


async def test_sums_above_what_can_be_booked_at_once_are_added_up_all_the_same(tmp_path: Path) -> None:
    works = Works(tmp_path, VIRTUAL)
    for quarter in range(96):
        works.interval(MIDNIGHT + quarter * 900, 9 * 10**18, energy_kwh=9e13)
    await works.settle()
    (day,) = works.shelf.rollups(FAN, "day")
    assert (day["amount"], day["energy_kwh"]) == (96 * 9e12, 96 * 9e13)
    assert len(works.shelf.rollups("hall/rest", "day")) == 1


async def test_a_figure_that_one_interval_lacks_the_hour_lacks_too(works: Works) -> None:
    for quarter in range(4):
        co2: dict[str, Any] = {"co2_kg": 1.0} if quarter else {}
        works.interval(MIDNIGHT + quarter * 900, 1, cost_cny=1.75, **co2)
    await works.settle()
    (hour,) = works.shelf.rollups(FAN, "hour")
    assert "co2_kg" not in hour
    assert hour["cost_cny"] == 7.0


async def test_an_estimated_share_is_weighed_by_the_amounts(works: Works) -> None:
    for quarter, (amount, estimated) in enumerate([(3_000_000, 0.0), (1_000_000, 1.0), (0, 0.0), (0, 0.0)]):
        works.interval(MIDNIGHT + quarter * 900, amount, estimated=estimated)
    await works.settle()
    (hour,) = works.shelf.rollups(FAN, "hour")
    assert (hour["estimated"], hour["estimated_amount"], hour["quality"]) == (0.25, 1.0, "uncertain:estimated")


async def test_shifts_over_midnight_days_and_months_add_up_as_they_end(works: Works) -> None:
    for quarter in range(-96, 97):
        works.interval(MIDNIGHT + 86_400 + quarter * 900, 1_000_000)
    await works.settle()
    nights = works.shelf.rollups(FAN, "shift")
    assert [(night["shift"], night["amount"], night["expected"]) for night in nights] == [
        ("night", 24.0, 32),
        ("night", 32.0, 32),
    ]
    assert [day["amount"] for day in works.shelf.rollups(FAN, "day")] == [96.0, 96.0]
    (month,) = works.shelf.rollups(FAN, "month")
    assert (month["amount"], month["intervals"], month["expected"]) == (96.0, 96, 30 * 96)
    assert month["coverage"] == pytest.approx(1 / 30, abs=1e-6)
    assert month["end"] == "2026-11-30T16:00:00.000000Z"


async def test_a_revised_interval_revises_every_period_it_is_in_and_no_other(works: Works) -> None:
    for quarter in range(97):
        works.interval(MIDNIGHT + quarter * 900, 1_000_000)
    await works.settle()
    before = len(works.shelf.kept)
    works.interval(MIDNIGHT + 900, 5_000_000, reason="declared_reading")
    await works.settle()
    new = [works.shelf.bodies("rollup")[-n] for n in range(len(works.shelf.kept) - before - 1, 0, -1)]
    assert [(body["period"], body["revision"], body["reason"]) for body in new] == [
        ("shift", 1, "declared_reading"), ("hour", 1, "declared_reading"), ("day", 1, "declared_reading"),
        ("month", 1, "declared_reading"),
    ]  # fmt: skip
    assert [body["amount"] for body in new] == [28.0, 8.0, 100.0, 100.0]


async def test_a_period_whose_intervals_are_no_more_kept_is_not_made_smaller(works: Works) -> None:
    for quarter in range(5):
        works.interval(MIDNIGHT + quarter * 900, 1_000_000)
    await works.settle()
    works.shelf.kept = [record for record in works.shelf.kept if record.seq > 2]
    works.interval(MIDNIGHT + 2700, 2_000_000)
    await works.settle()
    (hour,) = works.shelf.rollups(FAN, "hour")
    assert (hour["amount"], hour["revision"]) == (4.0, 0)


async def test_a_clock_that_was_ahead_leaves_no_periods_that_have_not_come(works: Works) -> None:
    works.interval(MIDNIGHT + 86_400 * 400, 1_000_000)
    works.desk.now_ns = MIDNIGHT * 10**9
    works.derived._progress[FAN].done_ns = (MIDNIGHT + 86_400 * 400) * 10**9
    works.desk.keeper.now_ns = lambda: (MIDNIGHT + 3600) * 10**9  # type: ignore[method-assign]  # set right again
    for quarter in range(4):
        works.interval(MIDNIGHT + quarter * 900, 1_000_000)
    await works.settle()
    assert [hour["amount"] for hour in works.shelf.rollups(FAN, "hour")] == [4.0]


async def test_what_is_recorded_while_a_period_is_read_is_not_left_out(
    works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    for quarter in range(4):
        works.interval(MIDNIGHT + quarter * 900, 1_000_000)
    read, once = works.derived._read, [1]

    async def meanwhile(step: object) -> None:
        await read(step)  # type: ignore[arg-type]  # handed through
        if once:
            once.clear()
            works.interval(MIDNIGHT, 3_000_000)

    monkeypatch.setattr(works.derived, "_read", meanwhile)
    await works.settle()
    assert [hour["amount"] for hour in works.shelf.rollups(FAN, "hour")] == [6.0]


async def test_what_has_left_the_configuration_has_no_last_interval(tmp_path: Path) -> None:
    works = Works(tmp_path, VIRTUAL)
    works.interval(MIDNIGHT, 3_000_000)
    await works.settle()
    assert works.derived.latest_intervals.keys() == {"hall/third", "hall/other", "hall/rest"}
    works.derived.keep(replace(works.config, virtual=works.config.virtual[:1]), works.desk.ledger)
    assert works.derived.latest_intervals.keys() == {"hall/third"}


# From 0:20 on in hours instead of quarters, and in quarters instead of hours: what was begun goes on to the full hour.
SHORTER = [(0, 900), (900, 900), (1800, 900), (2700, 900), (3600, 3600), (7200, 3600)]
LONGER = [(0, 3600), (3600, 900), (4500, 900), (5400, 900), (6300, 900)]
OF_TWO_HOURS = [(0, 7200), (7200, 900), (8100, 900)]


@pytest.mark.parametrize(
    ("cuts", "former_s", "length_s", "read_before"),
    [(SHORTER, 900, 3600, 1), (LONGER, 3600, 900, 0), (OF_TWO_HOURS, 7200, 900, 0)],
)
@pytest.mark.parametrize("revised", [False, True])
async def test_intervals_that_are_worked_out_are_cut_as_those_they_are_made_of_when_the_length_changes(
    tmp_path: Path, cuts: list[tuple[int, int]], former_s: int, length_s: int, read_before: int, *, revised: bool
) -> None:
    works = Works(tmp_path, VIRTUAL, length_s=former_s)
    for index, (since, lasting) in enumerate(cuts):
        if index == read_before:
            works.cut(length_s)
        works.length_s = lasting
        works.interval(MIDNIGHT + since, 1_000_000 * (index + 1))
        await works.settle()
    if revised:
        works.length_s = cuts[0][1]
        works.interval(MIDNIGHT, 5_000_000)
        await works.settle()
    made = works.shelf.rollups("hall/third", "interval")
    assert [(moment(body["start"]), moment(body["end"])) for body in made] == [
        (since, since + lasting) for since, lasting in cuts
    ]
    assert [body["revision"] for body in made] == [int(revised), *[0] * (len(cuts) - 1)]
    assert {(body["intervals"], body["expected"], body["coverage"]) for body in made} == {(1, 1, 1.0)}


async def test_each_part_of_a_period_is_expected_to_have_intervals_of_its_own_length(tmp_path: Path) -> None:
    # From midnight on quarters, none between 1:00 and 2:00, from 12:00 on intervals of five minutes; two days of these.
    works = Works(tmp_path, NIGHT_SHIFT + VIRTUAL)
    for quarter in [*range(4), *range(8, 48)]:
        works.interval(MIDNIGHT + quarter * 900, 1_000_000)
    await works.settle()
    works.cut(300)
    for at in range(43_200, 2 * 86_400, 300):
        works.interval(MIDNIGHT + at, 1_000_000)
    await works.settle()
    works.length_s = 900
    works.interval(MIDNIGHT + 900, 2_000_000)
    works.length_s = 300
    await works.settle()

    for account in (FAN, "hall/third"):
        days = works.shelf.rollups(account, "day")
        assert [(day["intervals"], day["expected"]) for day in days] == [(44 + 144, 48 + 144), (288, 288)]
        hours = works.shelf.rollups(account, "hour")
        assert [hour["expected"] for hour in hours] == [4] * 11 + [12] * 36
    assert works.shelf.rollups(FAN, "day")[0]["revision"] == 1


async def test_a_month_expects_what_its_days_do_and_where_there_are_none_intervals_as_they_are_cut_now(
    tmp_path: Path,
) -> None:
    works = Works(tmp_path)
    works.length_s = 3600
    for hour in range(24):
        works.interval(MIDNIGHT - 86_400 + hour * 3600, 1_000_000)
    works.length_s = 900
    for quarter in range(97):
        works.interval(MIDNIGHT + quarter * 900, 1_000_000)
    await works.settle()

    (month,) = works.shelf.rollups(FAN, "month")
    assert (month["intervals"], month["expected"]) == (24 + 96, 28 * 96 + 24 + 96)


def moment(time: str) -> int:
    """Return seconds since midnight."""
    return round(datetime.fromisoformat(time).timestamp()) - MIDNIGHT


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["closed", "closed", "closed", "revised", "skipped", "restart", "turn"]),
        st.integers(-(10**9), 10**12),
        st.integers(0, 10**9),
    ),
    min_size=1,
    max_size=60,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, zone=st.sampled_from(["Asia/Shanghai", "Europe/Berlin", "Australia/Lord_Howe"]))
async def test_intervals_hours_shifts_days_months_and_virtual_accounts_agree_to_the_last_quantum(
    tmp_path: Path, steps: list[tuple[str, int, int]], zone: str
) -> None:
    works = Works(tmp_path, NIGHT_SHIFT + VIRTUAL, zone=zone)
    # Three hours before the clocks are set back in Berlin; in Lord Howe they are set on another day.
    at = int(datetime(2026, 10, 24, 21, tzinfo=UTC).timestamp())
    written: list[int] = []
    for what, amount, choice in steps:
        if what == "closed":
            works.interval(at, amount)
            written.append(at)
            at += 900
        elif what == "revised" and written:
            works.interval(written[choice % len(written)], amount)
        elif what == "skipped":
            at += 900 * (1 + choice % 50)
        elif what == "restart":
            works.begin()
        else:
            await works.derived.turn()
    works.begin()
    end = int(datetime(2026, 12, 1, 14, tzinfo=UTC).timestamp())
    works.interval(end, 0)
    works.interval(end + 900, 0)
    await works.settle()

    truth = sum(round(body["amount"] * 10**6) for body in works.newest.values())
    for period in ("hour", "day", "month"):
        found = works.shelf.rollups(FAN, period)
        assert sum(round(body["amount"] * 10**6) for body in found) == truth, period
        assert sum(body["intervals"] for body in found) == len(works.newest) - 2
    shares = [works.shelf.rollups(name, "interval") for name in ("hall/third", "hall/other", "hall/rest")]
    assert {len(share) for share in shares} == {len(works.newest)}
    for parts in zip(*shares, strict=True):
        start = int(datetime.fromisoformat(parts[0]["start"]).timestamp())
        whole = round(works.newest[FAN, start]["amount"] * 10**6)
        assert sum(round(part["amount"] * 10**6) for part in parts) == whole
    assert GAS not in {body["account"] for body in works.shelf.bodies("rollup")}
