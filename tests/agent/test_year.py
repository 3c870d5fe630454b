"""What `python -m tests.year` shows of a whole year and week, in small."""

from dataclasses import replace
from pathlib import Path

from tests.year.judge import problems
from tests.year.works import NEW_YEAR_NS, NS, Course, Works

DAY_S = 86_400
DAYS = Course(
    seconds=3 * DAY_S,
    step_s=900,
    start_ns=NEW_YEAR_NS - DAY_S * NS,
    agent_off=(20_700, 38_700),
    line_down=(DAY_S + 43_200, DAY_S + 57_600),
    replaced_at=2 * DAY_S + 68_400,
)
SECONDS = Course(
    seconds=2400,
    step_s=1,
    start_ns=NEW_YEAR_NS - 1200 * NS,
    agent_off=(300, 420),
    line_down=(700, 800),
    replaced_at=1500,
)


def test_days_over_new_year_come_to_what_the_simulator_has_in_its_books(tmp_path: Path) -> None:
    sums = Works(tmp_path, DAYS).run()

    assert problems(sums) == []
    assert sums.estimated["main-meter/electricity"] > 0, "outages are estimated"
    assert sums.true_co2_kg > 0


def test_every_second_comes_to_the_same(tmp_path: Path) -> None:
    assert problems(Works(tmp_path, SECONDS).run()) == []


def test_the_same_year_gives_the_same_records(tmp_path: Path) -> None:
    short = replace(DAYS, seconds=DAY_S)

    assert Works(tmp_path, short).run().digest == Works(tmp_path, short).run().digest


def test_a_replacement_nobody_declares_is_missed_by_the_judge(tmp_path: Path) -> None:
    works = Works(tmp_path, replace(DAYS, declared=False))

    assert any("main-meter" in problem for problem in problems(works.run()))
