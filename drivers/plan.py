"""Which requests read a device's points: as few as its limits allow."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from drivers.point import Point
from drivers.profile import Profile
from drivers.reading import Block

_MAX_BITS = 2000
"""Bits in one request, by the Modbus application protocol specification V1.1b3, 6.1 and 6.2."""


@dataclass(frozen=True, slots=True)
class PlannedBlock:
    """A request to repeat every `every_s` seconds; `points` are positions in the profile, by address."""

    block: Block
    every_s: float
    points: tuple[int, ...]


def plan(profile: Profile, *, every_s: float, holes: Iterable[Block] = ()) -> tuple[PlannedBlock, ...]:
    """Return the fewest requests that cover every point once, ordered by function and address.

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
    planned = [
        PlannedBlock(block, cadence, points)
        for (function, cadence), positions in groups.items()
        for block, points in _blocks(profile, function, positions, closed)
    ]
    return tuple(sorted(planned, key=lambda item: (item.block.function, item.block.address, item.every_s)))


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
    # Taking as much as fits from the lowest address on is optimal: a block that starts later never ends earlier.
    limit = profile.max_registers if function in {3, 4} else _MAX_BITS

    def start_and_end(position: int) -> tuple[int, int, int]:
        point: Point = profile.points[position]
        return point.address, point.end, position

    members: list[int] = []
    block = Block(function, 0, 0)
    for start, end, position in sorted(map(start_and_end, positions)):
        grown = Block(function, block.address, max(block.end, end) - block.address)
        fits = grown.count <= limit and start - block.end <= profile.max_gap and not _touches(grown, closed)
        if members and not fits:
            yield block, tuple(members)
            members = []
        block = grown if members else Block(function, start, end - start)
        members.append(position)
    if members:
        yield block, tuple(members)


def _touches(block: Block, others: Iterable[Block]) -> bool:
    return any(
        other.function == block.function and other.address < block.end and block.address < other.end for other in others
    )
