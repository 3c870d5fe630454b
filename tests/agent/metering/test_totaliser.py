"""Amounts told piece by piece: added up once, whatever their times."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.metering.amount import Declaration, Reading, Rule
from agent.metering.interval import IntervalBook
from agent.metering.totaliser import Totaliser
from tests.agent.metering.quarters import ZONE

S = 10**9
START = 1_767_225_600 * S


def told(after_s: float, amount: float, boot: str = "boot") -> Reading:
    time_ns = START + round(after_s * S)
    return Reading(time_ns, time_ns, amount, boot=boot)


def test_the_first_amount_counts_too() -> None:
    (delta,) = Totaliser(gap_after_s=900).book(told(60, 5.0))

    assert (delta.quanta, delta.measured, delta.rule) == (5_000_000, True, Rule.NORMAL)


def test_what_comes_after_a_gap_is_known_in_sum_alone() -> None:
    totaliser = Totaliser(gap_after_s=900)
    totaliser.book(told(0, 5.0))
    (delta,) = totaliser.book(told(901, 2.0))

    assert (delta.quanta, delta.measured, delta.rule) == (2_000_000, False, Rule.GAP)
    assert (delta.start.value, delta.end.value) == (5.0, 7.0), "as a counter would show it"


@pytest.mark.parametrize("amount", [-1.0, float("nan"), float("inf")])
def test_what_is_no_amount_is_refused_and_told_of_once(amount: float) -> None:
    totaliser = Totaliser(gap_after_s=900)

    assert totaliser.book(told(0, amount)) == totaliser.book(told(1, amount)) == ()
    assert (totaliser.refused, len(totaliser.events)) == (2, 1)


def test_it_goes_on_after_a_restart() -> None:
    totaliser, later = Totaliser(gap_after_s=900), Totaliser(gap_after_s=900)
    totaliser.book(told(0, 5.0))
    later.restore(json.loads(json.dumps(totaliser.state())))
    (delta,) = later.book(told(10, 1.0))

    assert delta.start == totaliser.last
    assert delta.end.value == 6.0


_STEPS = st.lists(st.tuples(st.floats(-600, 4000), st.integers(0, 10**6), st.booleans()), min_size=1, max_size=40)


@given(_STEPS)
def test_intervals_add_up_to_all_that_was_told_or_entered(steps: list[tuple[float, int, bool]]) -> None:
    totaliser, book = Totaliser(gap_after_s=900), IntervalBook(length_s=900, zone=ZONE, grace_s=60)
    latest: dict[int, int] = {}
    at_s, amount = 0.0, 0
    for after_s, quanta, entered in steps:
        at_s += after_s
        amount += quanta
        if entered and totaliser.last:
            since_ns = totaliser.last.time_ns + 1800 * S
            until_ns = since_ns + 3600 * S
            said = Declaration("bricks", until_ns, None, quanta / 1e6, "list", "Wang")
            book.add(totaliser.enter(since_ns, until_ns, quanta, said))
            at_s = (until_ns - START) / S
        else:
            for delta in totaliser.book(told(at_s, quanta / 1e6, boot="")):
                book.add(delta)
        latest |= {each.start_ns: each.quanta for each in book.close_due(START + round(at_s * S))}

    assert sum(latest.values()) + book.pending_quanta == amount
