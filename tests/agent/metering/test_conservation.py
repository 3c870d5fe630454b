"""Conservation from end to end: whatever happens, all intervals together are what the meters counted, exactly.

A meter that always knows what it truly counted is read by a counter and cut into intervals; both are restarted from
their saved states. Its readings are disturbed, it is replaced with and without a declaration, and the clock is set.
"""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.metering.amount import NS_PER_S, Reading
from tests.agent.metering.meters import COUNT, COUNT_QUANTA, EVENTS, START_NS, Books, Meter


@given(events=st.lists(EVENTS, max_size=25))
@settings(max_examples=300, deadline=None)
def test_all_intervals_are_what_was_counted_through_everything_that_happens_to_meters(
    events: list[tuple[Any, ...]],
) -> None:
    meter = Meter()
    meter.read(1, 0)
    for name, *how in events:
        getattr(meter, name)(*how)
    meter.books.restart()
    meter.books.close(START_NS + (meter.newest_s + 10_000) * NS_PER_S)

    assert meter.books.total == meter.booked * COUNT_QUANTA
    assert meter.books.intervals.pending_quanta == 0, "what is due is closed"
    assert not meter.books.counter.explained()


FIELD_CASES = {
    "one sample of 0.0, which once booked 40 483 kWh twice": [404_830, 0, 404_831, 404_832],
    "a dip of 0.1, once taken for a reset that booked 215 kWh": [2150, 2149, 2150, 2151, 2152],
    "-1 read as uint32, once 429 496 729 kWh at midnight": [8000, 4_294_967_295, 8001, 8002],
    "-1 three times in a row": [8000, 4_294_967_295, 4_294_967_295, 4_294_967_295, 8001, 8002],
    "a drop and its rebound, once counted again in full": [30_000, 12, 30_001, 30_002],
    "a long drop and its rebound": [30_000, 12, 12, 12, 12, 30_001, 30_002],
}
"""From the field notes: what readings [counts] came, and which fault they once led to."""


@pytest.mark.parametrize("case", FIELD_CASES)
@pytest.mark.parametrize("restarted", [False, True])
def test_what_cost_others_dearly_books_the_right_energy(case: str, *, restarted: bool) -> None:
    counts = FIELD_CASES[case]
    books = Books()
    for second, shown in enumerate([counts[0] - 3, counts[0] - 2, counts[0] - 1, *counts]):
        time_ns = START_NS + 20 * second * NS_PER_S // 4
        books.take(Reading(time_ns, time_ns, shown * COUNT, b"", "boot"))
        if restarted:
            books.restart()
    books.close(START_NS + 1000 * NS_PER_S)

    assert books.total == (counts[-1] - counts[0] + 3) * COUNT_QUANTA
