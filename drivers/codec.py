"""Registers to numbers: all points of one raw type of a device at once.

Invariants:

* A value is a number only if its block was read, its bytes are a number of the declared type, the device did
  not say "not available" and the number lies in the declared range; otherwise it is NaN with a bad quality.
* A raw integer is turned into its canonical value with one rounding while raw * numerator stays below 2**53.
* Decoding never raises for what a device sends.

The bytes of all blocks are laid end to end. One gather brings the bytes of every point into little-endian
order, points of one type side by side ("slots"), so that numpy reads each type with one view.
"""

from collections.abc import Callable, Mapping, Sequence
from contextvars import Context
from typing import Any, ParamSpec, TypeVar

import numpy as np
import numpy.typing as npt

from drivers.encoding import encode
from drivers.errors import GATEWAY_CODES, ExceptionCode, LineError, Refused
from drivers.frame import Frame
from drivers.plan import PlannedBlock
from drivers.point import Point
from drivers.profile import Profile
from drivers.quantity import Kind
from drivers.rawtype import RAW_TYPES, wire_positions
from drivers.reading import Block, Exchange, Outcome, Quality
from drivers.scaling import POWERS, Floats, Positions, Qualities, Scaling
from drivers.value import frozen

__all__ = ["Codec", "encode"]

_Given = ParamSpec("_Given")
_Found = TypeVar("_Found")

_OK = Outcome.OK
_QUIET = Context()
_QUIET.run(np.seterr, all="ignore")


class Codec:
    """Decodes what the planned blocks of a profile bring; without state, so devices of one type may share it."""

    def __init__(self, profile: Profile, planned: Sequence[PlannedBlock]) -> None:
        """Prepare the tables; points in no planned block count as addresses that the device does not have."""
        self.profile = profile
        self.planned = tuple(planned)
        placed = _place(profile, planned)
        self._blanks = [(item, bytes(_data_bytes(item.block))) for item in planned]
        self._texts = [place for place in placed if place.point.type == "string"]
        self._counters = [
            place for place in placed if place.point.quantity and place.point.quantity.kind is Kind.COUNTER
        ]

        names = {None, *(place.point.name for place in placed)}
        numeric = [place for place in placed if place.point.type != "string" and place.point.scale_from in names]
        numeric.sort(key=lambda place: (-RAW_TYPES[place.point.type].registers, _family(place.point)))
        self._gather, self._groups = _group(numeric)
        self._scaling = Scaling([place.point for place in numeric])
        self._positions: Positions = np.array([place.position for place in numeric], dtype=np.intp)
        self._slots: list[Positions] = [
            np.array([slot for slot, place in enumerate(numeric) if place.block == number], dtype=np.intp)
            for number in range(len(planned))
        ]
        # Where each point's slot is, if each has one; and whether it is there already.
        everywhere = np.arange(len(profile.points))
        whole = np.array_equal(np.sort(self._positions), everywhere)
        self._order: Positions | None = np.argsort(self._positions) if whole else None
        self._ordered = np.array_equal(self._positions, everywhere)
        self._nothing: Floats = np.full(len(profile.points), np.nan)
        self._unplanned: Qualities = np.full(len(profile.points), Quality.NO_SUCH_ADDRESS, dtype=np.uint8)

    def decode(self, device: str, exchanges: Mapping[Block, Exchange | LineError]) -> Frame:
        """Return what the exchanges of one poll say, in the order of the profile's points.

        A failed block leaves its points COMM_LOST or NO_SUCH_ADDRESS, one that is absent NOT_READ. Raises
        ValueError when there is no exchange at all, and so no time of the reading.
        """
        last = _last(exchanges)
        failed, parts = [], []
        for item, blank in self._blanks:
            answer = exchanges.get(item.block)
            failure = _failure(answer, len(blank))
            failed.append(failure)
            parts.append(answer.data if failure is None else blank)  # type: ignore[union-attr]  # then it is an Exchange
        data = b"".join(parts)
        values, quality = self._in_order(*_quietly(self._numbers, data, failed))
        texts = self._read_texts(data, failed, quality) if self._texts else {}
        raw = {
            place.position: data[place.start : place.stop] for place in self._counters if failed[place.block] is None
        }
        return Frame(device, last.time_ns, last.received_ns, values, quality, raw, texts)

    def _numbers(self, data: bytes, failed: Sequence[Quality | None]) -> tuple[Floats, Qualities]:
        """Return canonical values and qualities by slot."""
        octets = np.frombuffer(data, np.uint8).take(self._gather)
        raw = np.empty(self._positions.size)
        quality = np.zeros(self._positions.size, np.uint8)
        for group in self._groups:
            group.read(octets, raw)
        if any(failed):
            for slots, failure in zip(self._slots, failed, strict=True):
                if failure is not None:
                    raw[slots] = np.nan
                    quality[slots] = failure
        return self._scaling.apply(raw, quality), quality

    def _in_order(self, numbers: Floats, judged: Qualities) -> tuple[Floats, Qualities]:
        """Return values and qualities by slot in the order of the points."""
        if self._ordered:
            return numbers, judged
        if self._order is not None:
            return numbers.take(self._order), judged.take(self._order)
        values, quality = self._nothing.copy(), self._unplanned.copy()
        values[self._positions] = numbers
        quality[self._positions] = judged
        return values, quality

    def _read_texts(self, data: bytes, failed: Sequence[Quality | None], quality: Qualities) -> dict[str, str]:
        """Return the texts by name, and fill in their qualities."""
        texts: dict[str, str] = {}
        for place in self._texts:
            failure = failed[place.block]
            text = "" if failure is not None else _text(data[place.start : place.stop], place.point)
            quality[place.position] = failure or (Quality.GOOD if text else Quality.NOT_AVAILABLE)
            if text:
                texts[place.point.name] = text
        return texts


def _quietly(numbers: Callable[_Given, _Found], *given: _Given.args, **more: _Given.kwargs) -> _Found:
    """Return what a function finds: signalling NaN and overflow are data here, they end as qualities, not as warnings.

    Each time in a context of its own, for a tenth of what `numpy.errstate` takes.
    """
    return _QUIET.copy().run(numbers, *given, **more)


@frozen
class _Place:
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
    """Neighbouring slots of one raw type, and how their gathered bytes become raw numbers."""

    family: str
    dtype: str
    slots: slice
    octets: slice
    bits: npt.NDArray[np.uint8]
    missing_at: Positions
    """Position in the group of each raw value that means "not available"."""
    missing: npt.NDArray[Any]

    def read(self, octets: npt.NDArray[np.uint8], raw: Floats) -> None:
        """Fill this group's slots of `raw`: NaN where not available, infinity for no number."""
        words = octets[self.octets].view(self.dtype)
        raw[self.slots] = self._numbers(words)
        if self.missing.size:
            hit = self.missing_at[words[self.missing_at] == self.missing]
            raw[self.slots][hit] = np.nan

    def _numbers(self, words: npt.NDArray[Any]) -> npt.NDArray[Any]:
        if self.family == "bit":
            words = (words >> self.bits) & 1
        elif self.family == "bool":
            words = words != 0
        elif self.family == "bcd":
            words = _bcd(words)
        return words


def _bcd(words: npt.NDArray[Any]) -> Floats:
    """Return packed decimals as numbers, infinity where a digit is above nine."""
    count = words.dtype.itemsize * 2
    digits = (words[:, np.newaxis] >> (4 * np.arange(count)).astype(words.dtype)) & 0xF
    numbers: Floats = digits.astype(np.float64) @ POWERS[:count]
    numbers[(digits > 9).any(axis=1)] = np.inf  # noqa: PLR2004  # the largest decimal digit
    return numbers


def _family(point: Point) -> str:
    if point.function in {1, 2}:
        return "coil"
    return "bcd" if point.type.startswith("bcd") else point.type


def _data_bytes(block: Block) -> int:
    return block.count * 2 if block.function in {3, 4} else (block.count + 7) // 8


def _place(profile: Profile, planned: Sequence[PlannedBlock]) -> list[_Place]:
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
            placed.append(_Place(position, point, number, start, stop, bit))
        base += _data_bytes(item.block)
    return placed


def _group(places: Sequence[_Place]) -> tuple[Positions, list[_Group]]:
    """Return the gather index and the groups of places that are already sorted by size and family."""
    gather: list[int] = []
    groups = []
    first = 0
    while first < len(places):
        point = places[first].point
        family, dtype = _family(point), RAW_TYPES[point.type].dtype
        members = [p for p in places[first:] if (_family(p.point), RAW_TYPES[p.point.type].dtype) == (family, dtype)]
        begin = len(gather)
        for place in members:
            gather += _positions(place)
        missing = [(at, value) for at, place in enumerate(members) for value in place.point.missing]
        dtype = "|u1" if family == "coil" else dtype
        groups.append(
            _Group(
                family="bit" if family == "coil" else family,
                dtype=dtype,
                slots=slice(first, first + len(members)),
                octets=slice(begin, len(gather)),
                bits=np.array([place.bit or 0 for place in members], dtype=np.uint8),
                missing_at=np.array([at for at, _ in missing], dtype=np.intp),
                missing=np.array([value for _, value in missing], dtype=dtype),
            )
        )
        first += len(members)
    return np.array(gather, dtype=np.intp), groups


def _positions(place: _Place) -> list[int]:
    """Return where in the joined data the bytes of a point stand, the least significant first."""
    point = place.point
    if point.function in {1, 2}:
        return [place.start]
    return [place.start + at for at in wire_positions(point.length, point.word_order, point.byte_order)]


def _failure(answer: Exchange | LineError | None, data_bytes: int) -> Quality | None:
    """Return the quality that an unread block gives its points, None when its data can be used."""
    if isinstance(answer, Exchange) and answer.outcome is _OK and len(answer.data) == data_bytes:
        return None
    if answer is None:
        return Quality.NOT_READ
    if isinstance(answer, Refused):
        return _refusal(answer.code)
    if isinstance(answer, LineError):
        return Quality.COMM_LOST
    if answer.outcome is Outcome.EXCEPTION:
        return _refusal(answer.exception)
    return Quality.COMM_LOST


def _refusal(code: int) -> Quality:
    if code == ExceptionCode.ILLEGAL_DATA_ADDRESS:
        return Quality.NO_SUCH_ADDRESS
    return Quality.COMM_LOST if code in GATEWAY_CODES else Quality.REFUSED


def _last(exchanges: Mapping[Block, Exchange | LineError]) -> Exchange:
    """Return the latest exchange, an accepted one if there is any."""
    last: Exchange | None = None
    for answer in exchanges.values():
        exchange = answer.exchange if isinstance(answer, LineError) else answer
        if exchange is not None and (last is None or _rank(exchange) > _rank(last)):
            last = exchange
    if last is None:
        raise ValueError("a frame needs at least one exchange, for its time")
    return last


def _rank(exchange: Exchange) -> tuple[bool, int]:
    return exchange.outcome is _OK, exchange.received_ns


def _text(data: bytes, point: Point) -> str:
    """Return the characters of a text; the order of words concerns numbers only."""
    if point.byte_order == "little":
        data = bytes(np.frombuffer(data, ">u2").byteswap().tobytes())
    return data.decode("ascii", "replace").strip("\0 ").partition("\0")[0].rstrip()
