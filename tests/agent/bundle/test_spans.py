"""Stretches of time that something is there for, and those that nothing is."""

from hypothesis import given
from hypothesis import strategies as st

from agent.bundle.spans import Spans

STRETCH = st.tuples(st.integers(0, 60), st.integers(1, 20)).map(lambda pair: (pair[0], pair[0] + pair[1]))


@given(st.lists(STRETCH, max_size=12))
def test_every_moment_is_in_a_stretch_or_in_a_hole(stretches: list[tuple[int, int]]) -> None:
    spans = Spans()
    for start, end in stretches:
        spans.add(start, end)
    there = {moment for start, end in stretches for moment in range(start, end)}
    holes = {moment for start, end in spans.holes(10, 50) for moment in range(start, end)}
    assert holes == set(range(10, 50)) - there


def test_holes_come_in_order_and_are_as_long_as_they_can_be() -> None:
    spans = Spans()
    for start, end in ((30, 40), (10, 20), (20, 25)):
        spans.add(start, end)
    assert list(spans.holes(0, 50)) == [(0, 10), (25, 30), (40, 50)]
