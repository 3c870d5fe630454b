from drivers.linestats import LineStats
from drivers.reading import Outcome


def test_each_outcome_counts_once_and_in_its_place() -> None:
    stats = LineStats()
    for outcome in Outcome:
        stats.count(outcome)

    assert stats == LineStats(replies=1, exceptions=1, timeouts=1, bad_replies=1)
