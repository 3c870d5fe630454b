"""The points of blocks that are read together: where their bytes stand, and how they become numbers all at once.

The bytes of the blocks are laid end to end. One gather brings the bytes of every point into little-endian
order, points of one type side by side ("slots"), so that numpy reads each type with one view.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from drivers.plan import PlannedBlock
from drivers.point import Point
from drivers.profile import Profile
from drivers.quantity import Kind
from drivers.rawtype import RAW_TYPES, wire_positions
from drivers.reading import Block, Quality
from drivers.scaling import POWERS, Floats, Positions, Qualities, Scaling
from drivers.value import frozen

_OF_BITS = (1, 2)
"""Functions that read single bits."""
_SIGNED = ("int16", "int32", "int64")
_INTEGERS = ("uint16", "uint32", "bit", *_SIGNED)
_ZERO, _HIT = b"\0", b"\1"


class Table:
    """Reads the numbers of some planned blocks of a profile."""

    def __init__(self, profile: Profile, planned: Sequence[PlannedBlock]) -> None:
        """Prepare the arrays; a point whose helper is in none of the blocks is left out."""
        placed = _place(profile, planned)
        self.blanks = [(item.block, bytes(_data_bytes(item.block))) for item in planned]
        """Each block, with what stands for its bytes while they are not known."""
        self.texts = [place for place in placed if place.point.type == "string"]
        self.counters = [
            place for place in placed if place.point.quantity and place.point.quantity.kind is Kind.COUNTER
        ]

        names = {None, *(place.point.name for place in placed)}
        numeric = [place for place in placed if place.point.type != "string" and place.point.scale_from in names]
        numeric.sort(key=lambda place: (-np.dtype(_form(place.point)[1]).itemsize, _form(place.point)))
        self._gather, self._groups = _group(numeric, sum(len(blank) for _, blank in self.blanks))
        self._scaling = Scaling([place.point for place in numeric])
        self.positions: Positions = np.array([place.position for place in numeric], dtype=np.intp)
        """Of which point of the profile each number is."""
        self._slots: list[Positions] = [
            np.array([slot for slot, place in enumerate(numeric) if place.block == number], dtype=np.intp)
            for number in range(len(planned))
        ]
        # Where each point's slot is, if each has one; and whether it is there already.
        everywhere = np.arange(len(profile.points))
        self.whole = np.array_equal(np.sort(self.positions), everywhere)
        """Whether every point of the profile has a slot."""
        self._order: Positions | None = None
        if self.whole and not np.array_equal(self.positions, everywhere):
            self._order, self.positions = np.argsort(self.positions), everywhere

    def numbers(self, data: bytes, failed: Sequence[Quality | None]) -> tuple[Floats, Qualities]:
        """Return canonical values and qualities, in the order of `positions`.

        `failed` says of each block with which quality it was not read, None where it was.
        """
        octets = np.frombuffer(data + _ZERO, np.uint8).take(self._gather)
        raw = np.empty(self.positions.size)
        quality = np.zeros(self.positions.size, np.uint8)
        for group in self._groups:
            group.read(octets, raw)
        if any(failed):
            for slots, failure in zip(self._slots, failed, strict=True):
                if failure is not None:
                    raw[slots] = np.nan
                    quality[slots] = failure
        values = self._scaling.apply(raw, quality)
        if self._order is None:
            return values, quality
        return values.take(self._order), quality.take(self._order)


@frozen
class Place:
    """Where a point's bytes stand in the blocks laid end to end."""

    position: int
    point: Point
    block: int
    start: int
    stop: int
    bit: int | None
    """Bit of the word at `start`, or of the byte at `start` for functions 1 and 2."""


@frozen
class _Group:
    """Neighbouring slots that are read alike, and how their gathered bytes become raw numbers."""

    form: str
    dtype: np.dtype[Any]
    slots: slice
    octets: slice
    shifts: npt.NDArray[np.int64] | None
    """By how much each integer is to be shifted down; None where none is."""
    masks: npt.NDArray[np.int64] | None
    """Which bits of each then belong to it; None where all do."""
    missing_at: Positions
    """Position in the group of each raw value that means "not available"."""
    missing: npt.NDArray[Any]

    def read(self, octets: npt.NDArray[np.uint8], raw: Floats) -> None:
        """Fill this group's slots of `raw`: NaN where not available, infinity for no number."""
        words = octets[self.octets].view(self.dtype)
        raw[self.slots] = self._numbers(words)
        if self.missing.size:
            missing = words[self.missing_at] == self.missing
            if _HIT in missing.tobytes():
                raw[self.slots][self.missing_at[missing]] = np.nan

    def _numbers(self, words: npt.NDArray[Any]) -> npt.NDArray[Any]:
        if self.shifts is not None:
            words = words >> self.shifts
        if self.masks is not None:
            words = words & self.masks
        if self.form == "bool":
            words = words != 0
        elif self.form == "bcd":
            words = _bcd(words)
        return words


def _bcd(words: npt.NDArray[Any]) -> Floats:
    """Return packed decimals as numbers, infinity where a digit is above nine."""
    count = words.dtype.itemsize * 2
    digits = (words[:, np.newaxis] >> (4 * np.arange(count)).astype(words.dtype)) & 0xF
    numbers: Floats = digits.astype(np.float64) @ POWERS[:count]
    numbers[(digits > 9).any(axis=1)] = np.inf  # noqa: PLR2004  # the largest decimal digit
    return numbers


def _form(point: Point) -> tuple[str, str]:
    """Return how a point is read, and the numpy type for it.

    Integers and bits all count as 64 bits: to read a group takes longer than to shift its numbers.
    """
    if point.function in _OF_BITS or point.type in _INTEGERS:
        return "integer", "<i8"
    return "bcd" if point.type.startswith("bcd") else point.type, RAW_TYPES[point.type].dtype


def _raised(point: Point) -> int | None:
    """Return by how many bits a signed integer stands above its place in 64, for its sign; None for what is none."""
    signed = point.function not in _OF_BITS and point.type in _SIGNED
    return 64 - RAW_TYPES[point.type].bits if signed else None


def _data_bytes(block: Block) -> int:
    return block.count * 2 if block.function in {3, 4} else (block.count + 7) // 8


def _place(profile: Profile, planned: Sequence[PlannedBlock]) -> list[Place]:
    placed = []
    base = 0
    for number, item in enumerate(planned):
        for position in item.points:
            point = profile.points[position]
            offset = point.address - item.block.address
            if point.function in {3, 4}:
                start, stop, bit = base + 2 * offset, base + 2 * (offset + point.length), point.bit
            else:
                start, stop, bit = base + offset // 8, base + offset // 8 + 1, offset % 8
            placed.append(Place(position, point, number, start, stop, bit))
        base += _data_bytes(item.block)
    return placed


def _group(places: Sequence[Place], end: int) -> tuple[Positions, list[_Group]]:
    """Return the gather index and the groups of places that are already sorted by form; a zero stands at `end`."""
    gather: list[int] = []
    groups = []
    first = 0
    while first < len(places):
        form, dtype = _form(places[first].point)
        members = [place for place in places[first:] if _form(place.point) == (form, dtype)]
        begin = len(gather)
        for place in members:
            gather += _positions(place, end)
        integer = form == "integer"
        shifts = np.array([_raised(place.point) or (place.bit or 0) * integer for place in members], np.int64)
        masks = np.array([-1 if place.bit is None or not integer else 1 for place in members], np.int64)
        missing = [
            (at, value if (raised := _raised(place.point)) is None else int(value) << raised)
            for at, place in enumerate(members)
            for value in place.point.missing
        ]
        groups.append(
            _Group(
                form=form,
                dtype=np.dtype(dtype),
                slots=slice(first, first + len(members)),
                octets=slice(begin, len(gather)),
                shifts=shifts if shifts.any() else None,
                masks=masks if (masks != -1).any() else None,
                missing_at=np.array([at for at, _ in missing], dtype=np.intp),
                missing=np.array([value for _, value in missing], dtype=dtype),
            )
        )
        first += len(members)
    return np.array(gather, dtype=np.intp), groups


def _positions(place: Place, end: int) -> list[int]:
    """Return where in the joined data the bytes of a number stand, the least significant first; zeros fill it up."""
    point = place.point
    if point.function in _OF_BITS:
        own = [place.start]
    else:
        own = [place.start + at for at in wire_positions(point.length, point.word_order, point.byte_order)]
    filling = [end] * (np.dtype(_form(point)[1]).itemsize - len(own))
    return own + filling if _raised(point) is None else filling + own
