import json

from agent.metering.jump import CORRECTED
from agent.metering.revisions import Revisions
from agent.metering.slot import LATE_DATA, ClosedInterval


def revised(start_ns: int, end_ns: int, revision: int) -> ClosedInterval:
    return ClosedInterval(start_ns, end_ns, 0, 0, 0.0, None, None, None, None, (), (), revision, CORRECTED)


def test_what_is_withdrawn_is_revised_one_by_one_and_begins_anew_above_that() -> None:
    revisions = Revisions()
    revisions.note(2)
    revisions.withdraw(100, 300)

    under_way = []
    for end_ns in (200, 300):
        under_way.append(revisions.withdrawing)
        revisions.withdrew(revised(end_ns - 100, end_ns, 3))

    assert [*under_way, revisions.withdrawing] == [(100, 3), (200, 3), None]
    assert [revisions.first(start_ns) for start_ns in (99, 100, 299, 300)] == [
        (0, LATE_DATA),
        (4, CORRECTED),
        (4, CORRECTED),
        (0, LATE_DATA),
    ]


def test_what_was_withdrawn_twice_begins_above_the_later_revision_from_the_earlier_time_on() -> None:
    revisions = Revisions()
    revisions.withdraw(100, 300)
    revisions.note(5)
    revisions.withdraw(50, 200)

    assert revisions.first(50) == revisions.first(299) == (7, CORRECTED)
    assert revisions.known_to_ns == 300


def test_a_withdrawal_under_way_goes_on_after_a_restart() -> None:
    revisions, after = Revisions(), Revisions()
    revisions.note(1)
    revisions.withdraw(100, 300)
    revisions.withdrew(revised(100, 200, 2))
    after.restore(json.loads(json.dumps(revisions.state())))

    assert after.withdrawing == revisions.withdrawing == (200, 2)
    assert (after.highest, after.first(250)) == (1, (3, CORRECTED))
    assert after.state() == revisions.state()
