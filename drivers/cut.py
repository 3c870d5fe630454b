"""Requests that follow each other differ in length: where to cut a row of points, in which order to ask. Pure.

An RTU reply names neither its address nor its request: unit, function and byte count are all there is to tell a
late one by.
"""

from collections import deque
from collections.abc import Callable, Hashable, Sequence
from itertools import pairwise
from typing import TypeVar

from drivers.value import frozen

_CHOICES = 6
"""Lengths considered for each block, the longest first."""
_LOOK_BACK = 64
"""Points by which a cut may lie before its furthest place."""
_KEPT = 250
"""Ways to cut the row so far that are followed further, the best first."""

Item = TypeVar("Item")
Reach = Callable[[int], int]
"""The position behind the last point that one request from this point on can take."""
Size = Callable[[int, int], int]
"""The data bytes of a request for the points from the first position up to the second."""


Cost = tuple[int, int, int, int]


@frozen
class _Way:
    """A way to cut the row so far, and what is wrong with it.

    That is, in order of weight: neighbours of one length in a poll; the same of its last block and the first of the
    next poll; points left to a later block; bytes.
    """

    cuts: tuple[int, ...]
    cost: Cost

    @property
    def key(self) -> tuple[int, ...]:
        """What the cost of the rest depends on: the first block, to which the last is a neighbour, and the last."""
        return (*self.cuts[1:2], *self.cuts[-2:])


def cuts(count: int, reach: Reach, size: Size) -> tuple[int, ...]:
    """Return the positions at which to cut a row of `count` points, 0 and `count` among them.

    Taking as much as fits from the first point on needs the fewest requests: a block that starts later never ends
    earlier. Blocks are shortened only where it makes neighbours differ and costs no request.
    """
    furthest = [0]
    while furthest[-1] < count:
        furthest.append(reach(furthest[-1]))
    lengths = [size(first, last) for first, last in pairwise(furthest)]
    if all(one != another for one, another in pairwise([*lengths, *lengths[:1]])):
        return tuple(furthest)
    ways = [_Way((0,), (0, 0, 0, 0))]
    for least in _nearest(furthest, reach)[1:]:
        found: dict[tuple[int, ...], _Way] = {}
        for way in ways:
            most = reach(way.cuts[-1])
            for cut in _places(way.cuts[-1], max(least, way.cuts[-1] + 1), most, size):
                longer = _extended(way, cut, most - cut, size)
                found[longer.key] = min(found.get(longer.key, longer), longer, key=_cost)
        ways = sorted(found.values(), key=_cost)[:_KEPT]
        if not ways:  # of points that overlap, one that begins later may reach less far
            return tuple(furthest)
    return min((_closed(way, size) for way in ways), key=_cost).cuts


def _nearest(furthest: list[int], reach: Reach) -> list[int]:
    """Return how early each cut may lie so that as few requests as before still reach the end."""
    nearest = [furthest[-1]]
    for cut in reversed(furthest[:-1]):
        places = range(max(0, cut - _LOOK_BACK), cut)
        nearest.append(next((place for place in places if reach(place) >= nearest[-1]), cut))
    return nearest[::-1]


def _cost(way: _Way) -> Cost:
    return way.cost


def _places(start: int, least: int, most: int, size: Size) -> list[int]:
    """Return where a block from `start` on may end: of places that give one length the furthest and the nearest."""
    places: dict[int, tuple[int, int]] = {}
    for place in range(most, least - 1, -1):
        length = size(start, place)
        if len(places) == _CHOICES and length not in places:
            break
        places[length] = places.get(length, (place, place))[0], place
    return [place for both in places.values() for place in set(both)]


def _extended(way: _Way, cut: int, moved: int, size: Size) -> _Way:
    equal, again, moves, bytes_read = way.cost
    length = size(way.cuts[-1], cut)
    equal += len(way.cuts) > 1 and length == size(*way.cuts[-2:])
    return _Way((*way.cuts, cut), (equal, again, moves + moved, bytes_read + length))


def _closed(way: _Way, size: Size) -> _Way:
    """Compare the last block with the first; of two blocks they are compared already."""
    equal, _, moves, bytes_read = way.cost
    again = len(way.cuts) > 3 and size(*way.cuts[-2:]) == size(*way.cuts[:2])  # noqa: PLR2004 - three blocks
    return _Way(way.cuts, (equal, int(again), moves, bytes_read))


def apart(items: Sequence[Item], shape: Callable[[Item], Hashable]) -> list[Item]:
    """Return the items in an order in which as few as possible of one shape follow each other.

    The given order is kept if it is as good. Else the shape that is left most often comes next, unless it was last:
    so no more stand together than outnumber all others.
    """
    shapes = [shape(item) for item in items]
    if all(one != another for one, another in pairwise(shapes)):
        return list(items)
    left: dict[Hashable, deque[Item]] = {}
    for item in items:
        left.setdefault(shape(item), deque()).append(item)
    found: list[Item] = []
    last: Hashable = None
    while left:
        last = max(left, key=lambda kind: (kind != last, len(left[kind])))
        found.append(left[last].popleft())
        if not left[last]:
            del left[last]
    return found
