"""Which requests read a device's points: as few as its limits allow, neighbours of different lengths if they can."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import pairwise

from drivers.cut import apart, cuts
from drivers.guard import data_bytes
from drivers.point import Point
from drivers.profile import Profile
from drivers.reading import Block
from drivers.value import frozen

_MAX_BITS = 2000
"""Bits in one request, by the Modbus application protocol specification V1.1b3, 6.1 and 6.2."""


@frozen
class PlannedBlock:
    """A request to repeat every `every_s` seconds; `points` are positions in the profile, by address."""

    block: Block
    every_s: float
    points: tuple[int, ...]


def plan(profile: Profile, *, every_s: float, holes: Iterable[Block] = ()) -> tuple[PlannedBlock, ...]:
    """Return the fewest requests that cover every point once, by cadence, function and address.

    Where it costs no request, those of one cadence that follow each other differ in length or function; they stand
    in another order if only that helps.

    `every_s` is the cadence of the device [s]; a point may ask for a slower one, and a helper point follows
    the fastest point that it scales. No request touches a hole, of the profile or of `holes`, and points that
    lie in one are left out. `max_gap` counts unused addresses: registers, or bits for functions 1 and 2.
    """
    closed = (*profile.holes, *holes)
    groups: dict[tuple[int, float], list[int]] = defaultdict(list)
    for position, cadence in enumerate(_cadences(profile, every_s)):
        point = profile.points[position]
        if not _touches(Block(point.function, point.address, point.length), closed):
            groups[point.function, cadence].append(position)
    planned: dict[float, list[PlannedBlock]] = defaultdict(list)
    for (function, cadence), positions in sorted(groups.items()):
        planned[cadence] += (
            PlannedBlock(block, cadence, points) for block, points in _blocks(profile, function, positions, closed)
        )
    return tuple(item for _, items in sorted(planned.items()) for item in apart(items, _shape))


def _shape(item: PlannedBlock) -> tuple[int, int]:
    """Return what of a reply tells it from others of its unit."""
    return item.block.function, data_bytes(item.block)


def _cadences(profile: Profile, every_s: float) -> list[float]:
    cadences = [max(point.every_s or every_s, every_s) for point in profile.points]
    scaled: dict[str, float] = {}
    for point, cadence in zip(profile.points, cadences, strict=True):
        if point.scale_from is not None:
            scaled[point.scale_from] = min(cadence, scaled.get(point.scale_from, cadence))
    return [scaled.get(point.name, cadence) for point, cadence in zip(profile.points, cadences, strict=True)]


def _blocks(
    profile: Profile, function: int, positions: list[int], closed: Sequence[Block]
) -> Iterator[tuple[Block, tuple[int, ...]]]:
    limit = profile.max_registers if function in {3, 4} else _MAX_BITS

    def start_and_end(position: int) -> tuple[int, int, int]:
        point: Point = profile.points[position]
        return point.address, point.end, position

    row = sorted(map(start_and_end, positions))

    @cache
    def ends(first: int) -> Sequence[int]:
        """Return the ends of the blocks from `first` up to the next point, the one after that, and so on."""
        begin, end, _ = row[first]
        found = [end]
        for start, stop, _ in row[first + 1 :]:
            gap, end = start - end, max(end, stop)
            if gap > profile.max_gap or end - begin > limit or _touches(Block(function, begin, end - begin), closed):
                break
            found.append(end)
        return found

    def reach(first: int) -> int:
        return first + len(ends(first))

    def span(first: int, last: int) -> Block:
        start = row[first][0]
        return Block(function, start, ends(first)[last - first - 1] - start)

    def size(first: int, last: int) -> int:
        return data_bytes(span(first, last))

    for first, last in pairwise(cuts(len(row), reach, size)):
        yield span(first, last), tuple(position for _, _, position in row[first:last])


def _touches(block: Block, others: Iterable[Block]) -> bool:
    return any(
        other.function == block.function and other.address < block.end and block.address < other.end for other in others
    )
