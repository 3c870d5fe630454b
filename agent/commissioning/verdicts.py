"""What may be written into a profile: a reading whose format and address nothing else explains as well.

The format of a reading (type and orders) is settled by one value of three digits that fits it exactly and no
other format. Its address is settled when no other address holds nearly the same in the same format: values move
between a look at the display and the reading, so nearly the same cannot be told apart. Three phases that are
near each other are taken in the order of their addresses, when all three are given and stand at equal distances.
"""

from collections.abc import Mapping, Sequence

from agent.commissioning.layout import Match
from drivers.value import frozen

_CERTAIN_DIGITS = 3
_CLEAR_BITS = 2.0
_PHASES = ("_l1", "_l2", "_l3")

Format = tuple[str, str, str]
Options = Mapping[str, Sequence[Match]]
"""All readings that fit a shown value, by its name."""


@frozen
class Verdict:
    """What is said of a match: whether a profile may hold it, and which other readings fit as well."""

    match: Match
    sure: bool
    rivals: tuple[Match, ...] = ()
    """Readings of another format that fit as exactly."""
    twins: tuple[Match, ...] = ()
    """Other addresses that hold the same, or nearly, in the same format."""
    parts: tuple[Match, ...] = ()
    """Longer or shorter integers at the same place that hold the same number for now."""
    by_order: bool = False
    """Whether the address was taken from the order of the phases."""


def verdicts(chosen: Sequence[Match], found: Sequence[Sequence[Match]]) -> list[Verdict]:
    """Judge matches that agree with each other, given all options for each shown value."""
    options = {listed[0].shown.name: listed for listed in found if listed}
    firm = {
        _format(match)
        for match in chosen
        if match.exact and match.shown.digits >= _CERTAIN_DIGITS and not _others(match, options)
    }
    phases = _phases(chosen, options, firm)
    matches = [phases.get(match.shown.name, match) for match in chosen]
    settled = {match.reading.address for match in phases.values()}
    settled |= {
        match.reading.address
        for match in matches
        if match.exact and _format(match) in firm and not _twins(match, options, set())
    }
    return [_verdict(match, options, firm, settled, by_order=match.shown.name in phases) for match in matches]


def _verdict(match: Match, options: Options, firm: set[Format], settled: set[int], *, by_order: bool) -> Verdict:
    twins = [] if by_order else _twins(match, options, settled)
    rivals = [] if _format(match) in firm else _others(match, options)
    parts = [
        other
        for other in options[match.shown.name]
        if other.exact and _part(match, other) and (other.reading.raw < 0) == other.reading.type.startswith("int")
    ]
    sure = _format(match) in firm and not twins
    return Verdict(match, sure, tuple(rivals), tuple(twins), tuple(parts), by_order)


def _phases(chosen: Sequence[Match], options: Options, firm: set[Format]) -> dict[str, Match]:
    """Return matches for phases that are too near each other to be told apart, in the order of their addresses."""
    by_name = {match.shown.name: match for match in chosen}
    settled: dict[str, Match] = {}
    for name, first in by_name.items():
        names = [name.removesuffix(_PHASES[0]) + phase for phase in _PHASES]
        if not name.endswith(_PHASES[0]) or any(other not in by_name for other in names):
            continue
        if _format(first) not in firm or not any(_twins(by_name[other], options, set()) for other in names):
            continue
        alike = [
            {
                match.reading.address: match
                for match in options[other]
                if _format(match) == _format(first) and match.reading.scale == first.reading.scale
            }
            for other in names
        ]
        rows = _rows(alike, first.reading.registers)
        if len(rows) == 1:
            settled |= dict(zip(names, rows[0], strict=True))
    return settled


def _rows(alike: Sequence[Mapping[int, Match]], registers: int) -> list[tuple[Match, ...]]:
    """Return the threes that stand in ascending order at equal distances, the closest distance only."""
    rows: dict[int, list[tuple[Match, ...]]] = {}
    for start in alike[0]:
        for second in alike[1]:
            step = second - start
            if step >= registers and start + 2 * step in alike[2]:
                rows.setdefault(step, []).append((alike[0][start], alike[1][second], alike[2][start + 2 * step]))
    return rows[min(rows)] if rows else []


def _format(match: Match) -> Format:
    """Return type and orders; signed and unsigned count as one, as far as the value is the same."""
    reading = match.reading
    word_order = reading.word_order if reading.registers > 1 else ""
    return reading.type.removeprefix("u"), word_order, reading.byte_order


def _twins(match: Match, options: Options, settled: set[int]) -> list[Match]:
    return [
        other
        for other in options[match.shown.name]
        if _format(other) == _format(match)
        and other.reading.scale == match.reading.scale
        and other.reading.address != match.reading.address
        and other.reading.address not in settled
        and other.reading.type == match.reading.type
    ]


def _others(match: Match, options: Options) -> list[Match]:
    """Return readings of another format or scale that fit as exactly and are about as plausible."""
    return [
        other
        for other in options[match.shown.name]
        if other.exact
        and (_format(other), other.reading.scale) != (_format(match), match.reading.scale)
        and other.bits > match.bits - _CLEAR_BITS
        and not _part(match, other)
    ]


def _part(match: Match, other: Match) -> bool:
    """Whether one of two integers is the lower part of the other, whose upper words are zero."""
    one, two = match.reading, other.reading
    overlap = one.address < two.end and two.address < one.end
    return overlap and one.raw == two.raw and one.registers != two.registers
