"""Which registers of its profile a device does not have, found by halving what it refuses.

The search knows no line: it asks through a function and works on the spans of points, for only these decide which
requests are planned. What lies between two points is a hole as a whole or not at all.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace

import orjson

from agent.record import as_json
from drivers.plan import PlannedBlock, plan
from drivers.profile import Profile
from drivers.reading import Block
from drivers.value import frozen

Ask = Callable[[Block], Awaitable[bool]]
"""Asks for a block; True when it was read, False when the device says that it cannot be."""


@frozen
class Learned:
    """What a device refused, although its profile has it.

    A hole of count 0 is a border: no request may reach from below its address to it or beyond.
    """

    holes: tuple[Block, ...] = ()
    max_registers: int | None = None
    """Most registers in one request; None when the profile's figure was never refused."""

    def __bool__(self) -> bool:
        return bool(self.holes or self.max_registers)

    def __str__(self) -> str:
        """Return what was refused, for the log."""
        holes = [
            f"function {hole.function} address {hole.address:#06x} count {hole.count}"
            if hole.count
            else f"function {hole.function} across {hole.address:#06x}"
            for hole in self.holes
        ]
        limit = [f"more than {self.max_registers} registers at once"] if self.max_registers else []
        return ", ".join(holes + limit)

    def joined(self, other: "Learned") -> "Learned":
        """Return both together."""
        limits = [limit for limit in (self.max_registers, other.max_registers) if limit]
        return Learned(tuple(dict.fromkeys(self.holes + other.holes)), min(limits, default=None))

    def without(self, hole: Block) -> "Learned":
        """Return the rest, when a hole has turned out to be none."""
        return replace(self, holes=tuple(other for other in self.holes if other != hole))

    def plan(self, profile: Profile, every_s: float) -> tuple[PlannedBlock, ...]:
        """Return the requests that are left, at a device's cadence [s]."""
        if self.max_registers:
            profile = replace(profile, max_registers=min(self.max_registers, profile.max_registers))
        return plan(profile, every_s=every_s, holes=self.holes)

    def missing(self, profile: Profile) -> list[str]:
        """Return the names of the points that cannot be read."""
        return [
            point.name
            for point in profile.points
            if any(_meet(hole, Block(point.function, point.address, point.length)) for hole in self.holes)
        ]

    def told(self, profile: Profile) -> str:
        """Return what is to be told of a device of which this was learned."""
        if not self:
            return "has all that its profile asks for"
        missing = ", ".join(self.missing(profile))
        return f"refuses {self}: not asked for any more{f'; without values: {missing}' if missing else ''}"

    def to_json(self, profile: Profile) -> bytes:
        """Return this as bytes for the store, bound to the profile it was learned with."""
        holes = [(hole.function, hole.address, hole.count) for hole in self.holes]
        return as_json({"profile": profile.digest, "holes": holes, "max_registers": self.max_registers})

    @classmethod
    def from_json(cls, state: bytes | None, profile: Profile) -> "Learned":
        """Return what was stored; nothing when the profile is another one by now, or the state is damaged."""
        try:
            stored = orjson.loads(state or b"{}")
            if stored.get("profile") != profile.digest:
                return cls()
            return cls(tuple(Block(*hole) for hole in stored["holes"]), stored["max_registers"])
        except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError):
            return cls()  # the device tells it again


async def search(refused: Block, points: Iterable[Block], ask: Ask) -> Learned:
    """Find why a block is refused whose points these are; what `ask` raises ends the search.

    A device may lack registers, refuse requests across a border between two of its tables, or refuse long ones.
    """
    return await _Search(_joined(points), refused.function, ask).among(refused)


class _Search:
    def __init__(self, spans: Sequence[tuple[Block, ...]], function: int, ask: Ask) -> None:
        self._spans = spans
        self._function = function
        self._ask = ask

    async def among(self, refused: Block) -> Learned:
        spans = range(len(self._spans))
        needed = self._block(spans)
        if needed != refused and await self._ask(needed):
            # A plan may read a little more than the points need.
            edges = ((refused.address, needed.address), (needed.end, refused.end))
            return Learned(tuple(Block(self._function, start, end - start) for start, end in edges if end > start))
        return await self._within(spans)

    async def _within(self, spans: range) -> Learned:
        """Return what is wrong with neighbouring spans that were refused together."""
        if len(spans) == 1:
            return Learned(tuple(await self._lacking(self._spans[spans[0]])))
        middle = len(spans) // 2
        parts = spans[:middle], spans[middle:]
        refused = [part for part in parts if not await self._ask(self._block(part))]
        if not refused:
            return await self._together(*parts)
        found = Learned()
        for part in refused:
            found = found.joined(await self._within(part))
        return found

    async def _lacking(self, points: tuple[Block, ...]) -> list[Block]:
        """Return the addresses of overlapping points that no readable one covers."""
        if len(points) == 1:
            return [*points]
        readable = [point for point in points if await self._ask(point)]
        lost = {at for point in points if point not in readable for at in range(point.address, point.end)}
        lost -= {at for point in readable for at in range(point.address, point.end)}
        return [Block(self._function, at, 1) for at in sorted(lost)]

    async def _together(self, left: range, right: range) -> Learned:
        """Return why two parts are refused together that are read one by one."""
        below, above = self._block(left[-1:]), self._block(right[:1])
        if not await self._ask(Block(self._function, below.address, above.end - below.address)):
            return Learned((Block(self._function, below.end, above.address - below.end),))
        # Everything is there, so the request is too long: find the longest that is not.
        whole = self._block(range(left.start, right.stop))
        step = 1 if any(point.count % 2 for spans in self._spans for point in spans) else 2
        longest, too_long = max(self._block(part).count for part in (left, right)), whole.count
        while too_long - longest > step:
            middle = longest + (too_long - longest) // (2 * step) * step
            if await self._ask(Block(self._function, whole.address, middle)):
                longest = middle
            else:
                too_long = middle
        return Learned(max_registers=longest)

    def _block(self, spans: range) -> Block:
        start, end = self._spans[spans[0]][0].address, max(point.end for point in self._spans[spans[-1]])
        return Block(self._function, start, end - start)


def _joined(points: Iterable[Block]) -> list[tuple[Block, ...]]:
    """Return points in groups that overlap, by address."""
    groups: list[tuple[Block, ...]] = []
    for point in sorted(set(points), key=lambda block: (block.address, block.count)):
        if groups and point.address < max(other.end for other in groups[-1]):
            groups[-1] += (point,)
        else:
            groups.append((point,))
    return groups


def _meet(one: Block, other: Block) -> bool:
    return one.function == other.function and one.address < other.end and other.address < one.end
