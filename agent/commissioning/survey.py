"""Reading registers of a device that no profile describes yet: piece by piece, around what it refuses."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from drivers.entry import MAX_REGISTERS
from drivers.errors import BadReply, ExceptionCode, LineError, NoReply, Refused
from drivers.reading import Block, Exchange

_LAST = 0xFFFF
_UNREADABLE = frozenset(
    {ExceptionCode.ILLEGAL_DATA_ADDRESS, ExceptionCode.ILLEGAL_DATA_VALUE, ExceptionCode.DEVICE_FAILURE}
)
"""Exceptions by which devices say that something of a block does not exist: most say 2, some 3 or 4."""
_TRIES = 2
_PROBE = 2
_LONGEST_RUN = 256
_FULL = 1024
_SILENCES = 3
_AHEAD = 80
_STARTS = (
    *range(0x0000, 0x0400, 0x0010),
    *range(0x0400, 0x2000, 0x0020),
    *range(0x2000, 0x6000, 0x0100),
    *range(0x6000, 0x10000, 0x0400),
    *(2699, 2999, 3027, 3059, 3203, 3909, 0x5B00),  # where known makes begin
)
"""Addresses at which tables of registers usually begin, or pass by."""


class Reads(Protocol):
    """What a line offers."""

    async def read(self, unit: int, block: Block) -> Exchange:
        """Read one block; raise LineError."""


@dataclass(slots=True)
class Registers:
    """What a unit answered: registers by address, and why anything of it is missing."""

    words: dict[int, int] = field(default_factory=dict)
    exchanges: list[Exchange] = field(default_factory=list)
    refusal: LineError | None = None
    """The last reason why something could not be read."""

    def take(self, exchange: Exchange) -> None:
        """Keep the registers of an accepted reply."""
        self.exchanges.append(exchange)
        data = exchange.data
        for at in range(exchange.block.count):
            self.words[exchange.block.address + at] = int.from_bytes(data[2 * at : 2 * at + 2], "big")


async def fetch(reads: Reads, unit: int, wanted: Block) -> Registers:
    """Read registers with as few requests as the device takes; what it refuses is halved and left out.

    Raises LineError when the line or the device stays silent: then nothing can be said.
    """
    found = Registers()
    waiting = [
        Block(wanted.function, at, min(MAX_REGISTERS, wanted.end - at))
        for at in range(wanted.address, wanted.end, MAX_REGISTERS)
    ]
    while waiting:
        block = waiting.pop(0)
        try:
            found.take(await _steady(reads, unit, block))
        except Refused as refusal:
            found.refusal = refusal
            if refusal.code not in _UNREADABLE:
                raise
            waiting[:0] = _halves(block)
    return found


async def _steady(reads: Reads, unit: int, block: Block) -> Exchange:
    """Read a block; once more where the first reply was lost or damaged."""
    for _ in range(_TRIES - 1):
        try:
            return await reads.read(unit, block)
        except (NoReply, BadReply):
            await asyncio.sleep(0)
    return await reads.read(unit, block)


def _halves(block: Block) -> list[Block]:
    """Return the two halves; the first of an even count, because some devices hold only pairs of registers."""
    if block.count == 1:
        return []
    first = max(1, block.count // 4 * 2)
    return [
        Block(block.function, block.address, first),
        Block(block.function, block.address + first, block.count - first),
    ]


async def survey(reads: Reads, unit: int, function: int, progress: Callable[[int, int], None]) -> Registers:
    """Look where a unit holds registers; `progress` is told the probes done and all there are.

    Silence counts as a refusal here: some devices do not answer for addresses they do not have.
    """
    found = Registers()
    probes, silences = list(_STARTS), 0
    for number, start in enumerate(probes):  # which grows on the way
        progress(number, len(probes))
        if start in found.words or len(found.words) > _FULL:
            continue
        heard = await _probe(reads, unit, Block(function, start, _PROBE), found)
        if heard:
            end = await _grow(reads, unit, Block(function, start, _PROBE), found)
            # Tables go on behind a short hole more often than anywhere else.
            ahead = [*range(end + 1, end + 16), *range((end // 16 + 2) * 16, end + _AHEAD, 16)]
            probes[number + 1 : number + 1] = ahead
        if isinstance(found.refusal, Refused) and found.refusal.code == ExceptionCode.ILLEGAL_FUNCTION:
            break
        silences = silences + 1 if not heard and isinstance(found.refusal, NoReply) else 0
        if silences == _SILENCES:
            break
    progress(len(probes), len(probes))
    return found


async def _probe(reads: Reads, unit: int, block: Block, found: Registers) -> bool:
    if block.address < 0 or block.end - 1 > _LAST or any(at in found.words for at in range(block.address, block.end)):
        return False
    try:
        found.take(await reads.read(unit, block))
    except (Refused, NoReply, BadReply) as refusal:
        found.refusal = refusal
        return False
    return True


async def _grow(reads: Reads, unit: int, seed: Block, found: Registers) -> int:
    """Follow a run of registers to its ends; return the address behind it."""
    end = seed.end
    step = 32
    while step and end - seed.address < _LONGEST_RUN:
        if await _probe(reads, unit, Block(seed.function, end, step), found):
            end += step
        else:
            step //= 2
    begin, step = seed.address, 8
    while step and seed.address - begin < _PROBE * 8:
        if await _probe(reads, unit, Block(seed.function, begin - step, step), found):
            begin -= step
        else:
            step //= 2
    return end


def runs(words: Mapping[int, int]) -> Iterator[tuple[int, int]]:
    """Return address and count of each run of neighbouring registers."""
    begin = before = None
    for address in sorted(words):
        if begin is None or before is None or address != before + 1:
            if begin is not None and before is not None:
                yield begin, before - begin + 1
            begin = address
        before = address
    if begin is not None and before is not None:
        yield begin, before - begin + 1
