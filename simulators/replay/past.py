"""What the devices of one line would answer at a time of the past: pure.

Invariants:
- What was captured last holds until the next is: registers, refusals, silence, broken connections.
- Registers that the capture never has do not exist (exception 2). Those that it has only later stay silent until then:
  a client would take a refusal for the last word.
- A device that gave no reply is silent as a whole until it answers something; a block that it leaves unanswered while
  it answers others stays silent by itself.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from drivers.reading import Block, Exchange, Outcome

ILLEGAL_ADDRESS, ILLEGAL_VALUE, TARGET_SILENT = 2, 3, 11
_BITS = (1, 2)
_IDENTIFY = 43
_MOST = {1: 2000, 2: 2000, 3: 125, 4: 125}
_ADDRESSES = 1 << 16


@dataclass(frozen=True, slots=True)
class Answer:
    """What a device does with a request; `outcome` tells which of the others count.

    `data` is the payload of a reply (registers or packed bits, or what stands behind function and MEI type), `wrong`
    the bytes of one that belongs to no request, with the request it came for; `delay_s` how long it took [s].
    """

    outcome: Outcome
    data: bytes = b""
    exception: int = 0
    wrong: tuple[bytes, bytes] = (b"", b"")
    delay_s: float = 0.0


_SILENT = Answer(Outcome.NO_REPLY)
_BROKEN = Answer(Outcome.LINE_DOWN)


class PastUnit:
    """One device."""

    def __init__(self) -> None:
        self._known: dict[int, set[Block]] = {}
        self._last: dict[int, dict[Block, Exchange]] = {}
        self._silent = False

    def foresee(self, block: Block) -> None:
        """Take note that the capture has this block, now or later."""
        self._known.setdefault(block.function, set()).add(block)

    def take(self, exchange: Exchange) -> None:
        """Go on to an exchange."""
        self._silent = exchange.outcome is Outcome.NO_REPLY
        of_function = self._last.setdefault(exchange.block.function, {})
        of_function.pop(exchange.block, None)  # the last one taken stands last
        of_function[exchange.block] = exchange

    def answer(self, block: Block) -> Answer:
        """Return what a request for a block gets."""
        known = self._known.get(block.function, set())
        identity = block.function == _IDENTIFY
        if not identity and (refusal := _impossible(block)):
            return Answer(Outcome.EXCEPTION, exception=refusal)
        if identity and block not in known:
            return Answer(Outcome.EXCEPTION, exception=1)
        if not identity and not _covered(block, known):
            return Answer(Outcome.EXCEPTION, exception=ILLEGAL_ADDRESS)
        if self._silent:
            return _SILENT
        found = self._last.get(block.function, {})
        exact = found.get(block)
        if exact is not None and (identity or not _touched(block, found)):
            return _as_it_was(exact)
        return _SILENT if identity else _pieced(block, found.values())


class PastLine:
    """All devices of a line."""

    def __init__(self) -> None:
        self.units: dict[int, PastUnit] = {}
        self._broken = False

    def foresee(self, exchange: Exchange) -> None:
        """Take note of what the capture will have."""
        self.units.setdefault(exchange.unit, PastUnit()).foresee(exchange.block)

    def take(self, exchange: Exchange) -> None:
        """Go on to an exchange."""
        self._broken = exchange.outcome is Outcome.LINE_DOWN
        if not self._broken:
            self.units[exchange.unit].take(exchange)

    def answer(self, unit: int, block: Block) -> Answer:
        """Return what a request gets."""
        if unit not in self.units:
            return Answer(Outcome.EXCEPTION, exception=TARGET_SILENT)
        return _BROKEN if self._broken else self.units[unit].answer(block)


def _impossible(block: Block) -> int:
    if not 1 <= block.count <= _MOST[block.function]:
        return ILLEGAL_VALUE
    return ILLEGAL_ADDRESS if block.end > _ADDRESSES else 0


def _covered(block: Block, known: Iterable[Block]) -> bool:
    """Whether every address of a block is in one of the known ones."""
    at = block.address
    for other in sorted(known, key=lambda other: other.address):
        if other.address <= at < other.end:
            at = other.end
    return at >= block.end


def _touched(block: Block, found: dict[Block, Exchange]) -> bool:
    """Whether something that overlaps a block was taken after it."""
    behind = False
    for other in found:
        if behind and other.address < block.end and block.address < other.end:
            return True
        behind = behind or other == block
    return False


def _as_it_was(exchange: Exchange) -> Answer:
    delay_s = (exchange.received_ns - exchange.sent_ns) / 1e9
    if exchange.outcome is Outcome.BAD_REPLY:
        return Answer(exchange.outcome, wrong=(exchange.request, exchange.reply), delay_s=delay_s)
    return Answer(exchange.outcome, exchange.data, exchange.exception, delay_s=delay_s)


def _pieced(block: Block, found: Iterable[Exchange]) -> Answer:
    """Return the answer for a block of which parts were read in other blocks, the newest on top."""
    items: list[int | Exchange | None] = [None] * block.count
    delay_s = 0.0
    for exchange in found:
        other = exchange.block
        first, last = max(block.address, other.address), min(block.end, other.end)
        if first >= last:
            continue
        if exchange.outcome is Outcome.OK:
            delay_s = (exchange.received_ns - exchange.sent_ns) / 1e9
        for address in range(first, last):
            good = exchange.outcome is Outcome.OK
            items[address - block.address] = _item(exchange, address - other.address) if good else exchange
    values = [item for item in items if isinstance(item, int)]
    if len(values) == block.count:
        return Answer(Outcome.OK, _packed(block.function, values), delay_s=delay_s)
    refused = next((item for item in items if isinstance(item, Exchange) and item.exception), None)
    if refused and None not in items:
        return _as_it_was(refused)
    return _SILENT


def _item(exchange: Exchange, offset: int) -> int:
    if exchange.block.function in _BITS:
        return exchange.data[offset // 8] >> offset % 8 & 1
    return int.from_bytes(exchange.data[2 * offset : 2 * offset + 2], "big")


def _packed(function: int, values: list[int]) -> bytes:
    if function in _BITS:
        packed = sum(bit << offset for offset, bit in enumerate(values))
        return packed.to_bytes((len(values) + 7) // 8, "little")
    return b"".join(value.to_bytes(2, "big") for value in values)
