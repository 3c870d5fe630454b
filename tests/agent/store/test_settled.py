import sqlite3
from contextlib import closing

from hypothesis import given
from hypothesis import strategies as st

from agent.store.schema import create, read_settled, write_settled
from agent.store.settled import MOST_KEPT, MOST_RANGES, Lane, Settled, common

SPANS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 12)).map(lambda pair: (pair[0], sum(pair))), max_size=25)


def numbers(spans: list[tuple[int, int]]) -> set[int]:
    return {number for low, high in spans for number in range(low + 1, high + 1)}


def of(spans: list[tuple[int, int]]) -> Settled:
    return Settled(0, spans)


@given(SPANS, st.integers(0, 75), st.integers(0, 75))
def test_it_holds_what_was_added_and_nothing_else(spans: list[tuple[int, int]], low: int, high: int) -> None:
    settled, expected = of(spans), numbers(spans)

    assert {number for number in range(1, 80) if number in settled} == expected
    assert settled.missing(80) == 80 - len(expected)
    assert settled.within(low, high) == len(expected & set(range(low + 1, high + 1)))


@given(SPANS)
def test_ranges_stand_apart_in_order_and_the_cursor_takes_in_what_it_reaches(spans: list[tuple[int, int]]) -> None:
    settled = of(spans)
    edges = [settled.cursor, *(edge for one in settled.ranges for edge in one)]

    assert edges == sorted(set(edges))
    assert settled.cursor + 1 not in numbers(spans)


@given(SPANS, st.integers(0, 70))
def test_the_next_hole_is_what_is_not_settled(spans: list[tuple[int, int]], after: int) -> None:
    settled, expected = of(spans), numbers(spans)
    low, high = settled.hole(after)

    assert all(number in expected for number in range(after + 1, low + 1))
    assert low + 1 not in expected
    if high is None:
        assert not any(number > low for number in expected)
    else:
        assert high + 1 in expected
        assert not any(number in expected for number in range(low + 1, high + 1))


@given(st.lists(SPANS, min_size=1, max_size=3))
def test_common_is_what_all_have(many: list[list[tuple[int, int]]]) -> None:
    assert numbers(common(map(of, many))) == set.intersection(*(numbers(spans) for spans in many))


def test_without_any_sink_nothing_is_common() -> None:
    assert common([]) == []


@given(SPANS, SPANS)
def test_it_survives_being_stored(urgent: list[tuple[int, int]], normal: list[tuple[int, int]]) -> None:
    lanes = {Lane.URGENT: of(urgent), Lane.NORMAL: of(normal)}
    with closing(sqlite3.connect(":memory:")) as connection:
        create(connection)
        write_settled(connection, {"mqtt": lanes})
        restored = read_settled(connection)["mqtt"]

    for lane, settled in lanes.items():
        assert (restored[lane].cursor, restored[lane].ranges) == (settled.cursor, settled.ranges)


def test_one_range_too_many_and_the_shortest_is_forgotten_but_never_the_newest() -> None:
    settled = Settled()
    for number in range(MOST_RANGES):
        settled.add(1000 + number * 10, 1005 + number * 10)
    settled.add(1500, 1503)  # the end of it is there already: nothing to forget
    settled.add(10, 11)

    assert len(settled.ranges) == MOST_RANGES
    assert 11 in settled
    assert sum(1000 + number * 10 + 1 in settled for number in range(MOST_RANGES)) == MOST_RANGES - 1

    settled.add(20, 29)
    assert 11 not in settled
    assert 29 in settled


def test_the_file_keeps_the_longest_ranges_in_their_order() -> None:
    settled = Settled()
    for number in range(MOST_KEPT + 10):
        settled.add(1000 + number * 10, 1001 + number * 10 + number % 2)

    assert len(settled.kept) == MOST_KEPT
    assert settled.kept == sorted(settled.kept)
    assert set(settled.kept) <= set(settled.ranges)
    assert sum(high - low == 2 for low, high in settled.kept) == (MOST_KEPT + 10) // 2
