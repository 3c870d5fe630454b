"""Which readings belong together: a whole block at once, or values that somebody reads off a display."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from agent.commissioning.candidates import ORDERS, Candidate, candidates, order_bits
from drivers.quantity import VOCABULARY, Kind
from drivers.value import frozen

_CHANGE_BITS = 0.4
"""Tables of registers keep to one type: a change of type costs."""
_ODD_BITS = 0.5
"""Values of several registers mostly begin at even addresses."""
_NEAR = 0.02
"""A display and a register read a moment apart may differ by this much."""
_EXACT_BITS, _NEAR_BITS, _POWER_BITS = 8.0, 1.0, 0.4
_HALF = 0.5001
_COUNTED_DIGITS, _COUNTED_ON = 5, 20.5
"""A counter goes on between the look at its display and the reading: of many digits the last may have moved."""
_MOST_POWER = 6
_KILO = 3
_ORDER_WEIGHT = 4.0
"""A device has one order for all of its values, so it is judged once, and not for each of them."""
_SIGNED = frozenset({"power", "reactive power", "ratio", "temperature", "angle", "pressure"})
_LAYOUT_WEIGHT = 0.25
_SIGN_BITS = 1.0
"""More than what a reading without sign has before any register is read."""
_FALLBACK = Candidate(address=0, registers=1, type="uint16", word_order="big", byte_order="big", octets=b"", raw=0.0)


@frozen
class Layout:
    """A reading of all registers in one word and byte order, without overlaps; `bits` says how plausible."""

    word_order: str
    byte_order: str
    bits: float
    readings: tuple[Candidate, ...]


@frozen
class Shown:
    """A value on a display: `decimals` are the places behind the point that it shows; `name` is a quantity's."""

    name: str
    value: float
    decimals: int
    unit: str = ""

    @property
    def digits(self) -> int:
        """How many digits it tells."""
        whole = len(str(abs(int(self.value)))) if abs(self.value) >= 1 else 0
        return whole + self.decimals


@frozen
class Match:
    """A reading, with its scale, that gives what is shown: exactly, or within what may change in a moment."""

    shown: Shown
    reading: Candidate
    exact: bool
    bits: float

    @property
    def placing(self) -> tuple[int, str, str, str, float]:
        """What makes it the same point of a profile."""
        reading = self.reading
        return reading.address, reading.type, reading.word_order, reading.byte_order, reading.scale


def layouts(words: Mapping[int, int], later: Mapping[int, int] | None = None) -> list[Layout]:
    """Return the best reading of the registers for each order of words and bytes, the most plausible first."""
    found = []
    for order in ORDERS:
        by_address: dict[int, list[Candidate]] = {}
        for candidate in candidates(words, later, orders=[order]):
            by_address.setdefault(candidate.address, []).append(candidate)
        bits, readings = _best_cover(by_address, words)
        bits += _ORDER_WEIGHT * order_bits(*order)
        found.append(Layout(*order, round(bits, 2), tuple(readings)))
    return sorted(found, key=lambda layout: -layout.bits)


def _best_cover(
    by_address: Mapping[int, Sequence[Candidate]], words: Mapping[int, int]
) -> tuple[float, list[Candidate]]:
    """Return the readings that cover the registers side by side with the most bits, by dynamic programming."""
    # State: the first address still open and the type before it. Later addresses are settled first.
    best: dict[tuple[int, str], tuple[float, Candidate | None]] = {}
    kinds = {candidate.type for found in by_address.values() for candidate in found} | {""}

    def rest(address: int, kind: str) -> float:
        return best.get((address, kind), (0.0, None))[0]

    for address in sorted(words, reverse=True):
        choices = by_address.get(address) or [replace(_FALLBACK, address=address, raw=float(words[address]))]
        worth = [
            choice.bits
            - (order_bits(choice.word_order, choice.byte_order) if choice.registers > 1 else 0.0)
            - (_ODD_BITS if choice.registers > 1 and address % 2 else 0.0)
            + rest(choice.end, choice.type)
            for choice in choices
        ]
        for kind in kinds:
            costs = [0.0 if not kind or choice.type == kind else _CHANGE_BITS for choice in choices]
            number = max(range(len(choices)), key=lambda at: worth[at] - costs[at])
            best[address, kind] = worth[number] - costs[number], choices[number]
    total, behind = 0.0, -1
    chosen: list[Candidate] = []
    for address in sorted(words):
        if address < behind:
            continue
        fresh = address != behind
        kind = "" if fresh else chosen[-1].type
        value, choice = best[address, kind]
        total += value if fresh else 0.0
        assert choice is not None  # noqa: S101 -- every address has a choice
        chosen.append(choice)
        behind = choice.end
    return total, chosen


def matches(shown: Shown, words: Mapping[int, int], later: Mapping[int, int] | None = None) -> list[Match]:
    """Return the readings that some power of ten turns into the shown value, the most plausible first.

    With a second sample a reading fits exactly when it does so in either: displays lag and lead.
    """
    found = {match.placing: match for match in _found(shown, words, later)}
    for match in _found(shown, later, words) if later else ():
        if match.exact and not (match.placing in found and found[match.placing].exact):
            found[match.placing] = match
    return sorted(found.values(), key=lambda match: (-match.bits, match.reading.address))


def _found(shown: Shown, words: Mapping[int, int], later: Mapping[int, int] | None) -> Iterator[Match]:
    for candidate in candidates(words, later):
        match = _match(shown, candidate)
        if match is not None:
            yield match


def _match(shown: Shown, candidate: Candidate) -> Match | None:
    if candidate.type == "string" or not math.isfinite(candidate.raw) or candidate.raw == 0.0 or shown.value == 0.0:
        return None
    if (candidate.raw < 0) != (shown.value < 0):
        return None
    power = round(math.log10(abs(shown.value)) - math.log10(abs(candidate.raw)))
    if abs(power) > _MOST_POWER:
        return None
    scale = float(f"1e{power}")
    quantity = VOCABULARY.get(shown.name)
    ahead = candidate.raw * scale - shown.value
    last_digit = 10.0**-shown.decimals
    exact = abs(ahead) <= _HALF * last_digit
    if quantity and quantity.kind is Kind.COUNTER and shown.digits >= _COUNTED_DIGITS:
        exact = -_HALF * last_digit <= ahead <= _COUNTED_ON * last_digit
    if not exact and abs(ahead) > _NEAR * abs(shown.value):
        return None
    plain = candidate.bits - sum(2.0 for why in candidate.why if why.startswith("mains") and candidate.scale != scale)
    cost = _scale_cost(candidate.type, power)
    bits = plain + (_EXACT_BITS + shown.digits if exact else _NEAR_BITS) - cost
    if quantity and quantity.unit.dimension in _SIGNED and candidate.type.startswith("int"):
        bits += _SIGN_BITS
    return Match(shown, replace(candidate, scale=scale), exact, round(bits, 2))


def _scale_cost(kind: str, power: int) -> float:
    """Return what a power of ten speaks against a reading [bit]: devices count in 0.1 to 0.001, or in thousands."""
    if kind.startswith("float"):
        return 1.0 if abs(power) == _KILO else 1.5 * abs(power)
    usual = _POWER_BITS * abs(power)
    return usual if -_KILO <= power <= 0 else usual + 1.5


def agree(found: Sequence[Sequence[Match]], layout_bits: Mapping[tuple[str, str], float]) -> list[Match]:
    """Return one match for each shown value, all in one word and byte order, at addresses that do not overlap.

    The order that explains the values best wins; `layout_bits` (by word and byte order) is what the
    whole block says.
    """
    best: tuple[float, list[Match]] = (-math.inf, [])
    for order in ORDERS:
        chosen: list[Match] = []
        total = _LAYOUT_WEIGHT * layout_bits.get(order, 0.0)
        for options in found:
            match = _free(options, chosen, order)
            total += match.bits if match else -_EXACT_BITS
            chosen += [match] if match else []
        best = max(best, (total, chosen), key=lambda item: item[0])
    return best[1]


def _free(options: Sequence[Match], chosen: Sequence[Match], order: tuple[str, str]) -> Match | None:
    types = {match.reading.type for match in chosen}
    allowed = [
        match
        for match in options
        if (
            match.reading.byte_order == order[1]
            and (match.reading.registers == 1 or match.reading.word_order == order[0])
        )
        and all(
            match.reading.end <= other.reading.address or other.reading.end <= match.reading.address for other in chosen
        )
    ]
    return max(allowed, key=lambda match: match.bits + (0.5 if match.reading.type in types else 0.0), default=None)
