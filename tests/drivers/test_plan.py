from collections.abc import Sequence
from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.cut import apart
from drivers.plan import PlannedBlock, plan
from drivers.profile import Point, Profile
from drivers.reading import Block


def point(name: str, address: int, length: int = 1, **changes: object) -> Point:
    fields: dict[str, object] = {
        "name": name,
        "quantity": None,
        "function": 3,
        "address": address,
        "length": length,
        "type": "string",
        "bit": None,
        "word_order": "big",
        "byte_order": "big",
        "numerator": 1.0,
        "denominator": 1.0,
        "offset": 0.0,
        "scale_from": None,
        "missing": (),
        "low": None,
        "high": None,
        "modulus": None,
        "resolution": 1.0,
        "every_s": None,
    }
    return Point(**(fields | changes))  # type: ignore[arg-type]  # a table of defaults


def profile(
    points: Sequence[Point], *, max_registers: int = 125, max_gap: int = 0, holes: Sequence[Block] = ()
) -> Profile:
    return Profile("p", "M", "plc", "s", b"", "sha256:", tuple(points), (), None, max_registers, max_gap, tuple(holes))


def blocks(planned: Sequence[PlannedBlock]) -> list[tuple[int, int, int]]:
    return [(item.block.function, item.block.address, item.block.count) for item in planned]


def test_neighbours_are_read_at_once_in_the_order_of_their_addresses() -> None:
    planned = plan(profile([point("b", 12, 2), point("a", 10, 2), point("c", 14)]), every_s=1)

    assert planned == (PlannedBlock(Block(3, 10, 5), 1, (1, 0, 2)),)


@pytest.mark.parametrize(("max_gap", "expected"), [(2, [(3, 0, 1), (3, 4, 1)]), (3, [(3, 0, 5)])])
def test_a_gap_is_read_through_up_to_its_limit(max_gap: int, expected: list[tuple[int, int, int]]) -> None:
    points = [point("a", 0), point("b", 4)]

    assert blocks(plan(profile(points, max_gap=max_gap), every_s=1)) == expected


@pytest.mark.parametrize(("limit", "expected"), [(6, [(3, 0, 6)]), (5, [(3, 0, 4), (3, 4, 2)])])
def test_a_request_never_exceeds_the_devices_limit(limit: int, expected: list[tuple[int, int, int]]) -> None:
    points = [point("a", 0, 2), point("b", 2, 2), point("c", 4, 2)]

    assert blocks(plan(profile(points, max_registers=limit), every_s=1)) == expected


def test_a_point_inside_another_does_not_shorten_the_request() -> None:
    points = [point("a", 0, 4), point("b", 1), point("c", 4)]

    assert plan(profile(points), every_s=1) == (PlannedBlock(Block(3, 0, 5), 1, (0, 1, 2)),)


def test_single_bits_have_a_limit_of_their_own() -> None:
    points = [point(f"p{at}", at, function=1) for at in range(2001)]

    assert blocks(plan(profile(points, max_registers=10), every_s=1)) == [(1, 0, 2000), (1, 2000, 1)]


def test_functions_are_read_apart() -> None:
    points = [point("a", 0, function=4), point("b", 1), point("c", 1, function=4), point("d", 0, function=2)]

    assert blocks(plan(profile(points), every_s=1)) == [(2, 0, 1), (3, 1, 1), (4, 0, 2)]


def test_a_request_never_crosses_a_hole() -> None:
    points = [point("a", 0), point("b", 4)]
    hole = Block(3, 2, 1)

    assert blocks(plan(profile(points, max_gap=9, holes=[hole]), every_s=1)) == [(3, 0, 1), (3, 4, 1)]
    assert blocks(plan(profile(points, max_gap=9), every_s=1, holes=[hole])) == [(3, 0, 1), (3, 4, 1)]
    assert blocks(plan(profile(points, max_gap=9), every_s=1, holes=[Block(4, 2, 1)])) == [(3, 0, 5)]


def test_points_in_a_learned_hole_are_left_out() -> None:
    points = [point("a", 0), point("b", 1), point("c", 2)]

    assert plan(profile(points), every_s=1, holes=[Block(3, 1, 1)]) == (
        PlannedBlock(Block(3, 0, 1), 1, (0,)),
        PlannedBlock(Block(3, 2, 1), 1, (2,)),
    )


def test_a_slower_point_is_read_apart_and_never_faster_than_the_device() -> None:
    points = [point("a", 0), point("b", 1, every_s=60.0), point("c", 2, every_s=2.0)]

    assert plan(profile(points, max_gap=9), every_s=5) == (
        PlannedBlock(Block(3, 0, 3), 5, (0, 2)),
        PlannedBlock(Block(3, 1, 1), 60, (1,)),
    )


def test_a_helper_point_is_read_as_often_as_the_fastest_point_that_it_scales() -> None:
    slow: dict[str, object] = {"every_s": 60.0, "scale_from": "_sf"}
    fast: dict[str, object] = {"every_s": 10.0, "scale_from": "_sf"}
    points = [point("_sf", 0, scales="exponent"), point("a", 1, 1, **slow), point("b", 9, 1, **fast)]

    assert [(item.every_s, item.points) for item in plan(profile(points), every_s=1)] == [
        (10, (0,)),
        (10, (2,)),
        (60, (1,)),
    ]


@st.composite
def cases(draw: st.DrawFn) -> tuple[Profile, list[Block]]:
    limit = draw(st.integers(5, 9))
    places = draw(st.lists(st.tuples(st.integers(0, 16), st.integers(1, 5)), min_size=1, max_size=6))
    holes = draw(st.lists(st.builds(Block, st.just(3), st.integers(0, 26), st.integers(1, 2)), max_size=2))
    points = [point(f"p{at}", address, length) for at, (address, length) in enumerate(places)]
    return profile(points, max_registers=limit, max_gap=draw(st.integers(0, 4))), holes


def partitions(items: Sequence[int]) -> list[list[list[int]]]:
    """Return every way to put items into groups."""
    if not items:
        return [[]]
    first, rest = items[0], items[1:]
    found = []
    for groups in partitions(rest):
        found.append([[first], *groups])
        found += [[*groups[:at], [first, *groups[at]], *groups[at + 1 :]] for at in range(len(groups))]
    return found


def allowed(group: Sequence[int], known: Profile, holes: Sequence[Block]) -> bool:
    """Return whether one request may read a group: decided register by register."""
    used = {at for position in group for at in range(known.points[position].address, known.points[position].end)}
    span = range(min(used), max(used) + 1)
    gap = longest = 0
    for at in span:
        gap = 0 if at in used else gap + 1
        longest = max(longest, gap)
    closed = any(hole.address <= at < hole.end for hole in holes for at in span)
    return len(span) <= known.max_registers and longest <= known.max_gap and not closed


@settings(max_examples=150, deadline=None)
@given(cases())
def test_no_plan_needs_fewer_requests(case: tuple[Profile, list[Block]]) -> None:
    known, holes = case
    planned = plan(known, every_s=1, holes=holes)
    readable = [position for position in range(len(known.points)) if allowed([position], known, holes)]

    assert sorted(position for item in planned for position in item.points) == readable
    for item in planned:
        assert allowed(item.points, known, holes)
        ends = [known.points[position] for position in item.points]
        assert (item.block.address, item.block.end) == (min(p.address for p in ends), max(p.end for p in ends))
    best = min(len(groups) for groups in partitions(readable) if all(allowed(group, known, holes) for group in groups))
    assert len(planned) == best
    in_order = sorted(planned, key=lambda item: item.block.address)
    assert list(planned) == in_order or equal_neighbours([item.block.count for item in in_order])[0]


def test_a_plan_does_not_depend_on_the_order_of_the_file() -> None:
    points = [point(f"p{at}", at * 3, 2) for at in range(20)]

    forward = plan(profile(points, max_registers=10, max_gap=1), every_s=1)
    backward = plan(profile(points[::-1], max_registers=10, max_gap=1), every_s=1)

    assert blocks(forward) == blocks(backward)


def test_neighbours_differ_in_length_where_that_costs_no_request() -> None:
    points = [point(f"p{at}", 2 * at, 2) for at in range(11)]

    # 8, 8 and 6 registers would fit as well
    assert [count for _, _, count in blocks(plan(profile(points, max_registers=8), every_s=1))] == [8, 6, 8]


def test_two_halves_of_one_length_are_told_apart_if_there_is_room() -> None:
    points = [point(f"p{at}", at) for at in range(12)]

    assert blocks(plan(profile(points, max_registers=6), every_s=1)) == [(3, 0, 6), (3, 6, 6)]
    assert blocks(plan(profile(points, max_registers=7), every_s=1)) == [(3, 0, 7), (3, 7, 5)]


def test_bits_count_by_the_byte() -> None:
    points = [point(f"p{at}", at, function=1) for at in range(3992)]

    first, second = blocks(plan(profile(points), every_s=1))
    assert (first[2] + second[2], (first[2] + 7) // 8 != (second[2] + 7) // 8) == (3992, True)


def equal_neighbours(sizes: Sequence[int]) -> tuple[int, int]:
    """Return how many in a poll, and whether its last block and the first of the next poll."""
    return sum(one == another for one, another in pairwise(sizes)), int(len(sizes) > 2 and sizes[0] == sizes[-1])


@settings(max_examples=150, deadline=None)
@given(cases())
def test_no_plan_of_as_few_requests_has_fewer_equal_neighbours(case: tuple[Profile, list[Block]]) -> None:
    known, holes = case
    readable = [position for position in range(len(known.points)) if allowed([position], known, holes)]
    if not readable:
        return
    planned = plan(known, every_s=1, holes=holes)
    planned = tuple(sorted(planned, key=lambda item: item.block.address))
    row = sorted(readable, key=lambda position: (known.points[position].address, known.points[position].end))
    found = []
    for at in combinations(range(1, len(row)), len(planned) - 1):
        groups = [row[first:last] for first, last in pairwise((0, *at, len(row)))]
        if all(allowed(group, known, holes) for group in groups):
            spans = [[known.points[position] for position in group] for group in groups]
            found.append([max(p.end for p in span) - min(p.address for p in span) for span in spans])

    assert equal_neighbours([item.block.count for item in planned]) == min(map(equal_neighbours, found))


def test_a_cut_before_a_point_that_lies_within_another_one_is_found() -> None:
    places = [(0, 2), (9, 1), (11, 3), (12, 1), (15, 2)]
    points = [point(f"p{address}", address, length) for address, length in places]

    planned = blocks(plan(profile(points, max_registers=6, max_gap=1), every_s=1))

    assert planned == [(3, 0, 2), (3, 9, 1), (3, 11, 6)]


def test_a_large_device_of_blocks_that_are_nearly_full_is_planned_too() -> None:
    points = [point(f"p{at}", at) for at in range(2400)]
    planned = plan(profile(points, max_registers=121), every_s=1)

    assert len(planned) == 20
    assert equal_neighbours([item.block.count for item in planned]) == (0, 0)


def test_requests_of_one_length_are_asked_apart_if_they_cannot_be_cut_differently() -> None:
    places = [(0, 4), (100, 4), (200, 2), (300, 1)]
    points = [point(f"p{address}", address, length) for address, length in places]

    assert blocks(plan(profile(points), every_s=1)) == [(3, 0, 4), (3, 200, 2), (3, 100, 4), (3, 300, 1)]


@given(st.lists(st.sampled_from("abcd"), max_size=12))
def test_the_order_has_as_few_equal_neighbours_as_there_can_be(shapes: list[str]) -> None:
    found = apart(list(enumerate(shapes)), lambda item: item[1])
    most = max(map(shapes.count, shapes), default=0)

    assert sorted(found) == list(enumerate(shapes))
    assert equal_neighbours([ord(shape) for _, shape in found])[0] == max(0, most - (len(shapes) - most) - 1)
    if all(one != another for one, another in pairwise(shapes)):
        assert [at for at, _ in found] == list(range(len(shapes)))
