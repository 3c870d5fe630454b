"""Registers to numbers: what the exchanges of a poll say of a device's points.

Invariants:

* A value is a number only if its block was read, its bytes are a number of the declared type, the device did
  not say "not available" and the number lies in the declared range; otherwise it is NaN with a bad quality.
* A raw integer is turned into its canonical value with one rounding while raw * numerator stays below 2**53.
* Decoding never raises for what a device sends.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextvars import Context

import numpy as np

from drivers.encoding import encode
from drivers.errors import GATEWAY_CODES, ExceptionCode, LineError, Refused
from drivers.frame import Frame
from drivers.plan import PlannedBlock
from drivers.point import Point
from drivers.profile import Profile
from drivers.reading import Block, Exchange, Outcome, Quality
from drivers.scaling import Floats, Qualities
from drivers.table import Table

__all__ = ["Codec", "encode"]

_OK, _NOT_READ = Outcome.OK, Quality.NOT_READ
_QUIET = Context()
_QUIET.run(np.seterr, all="ignore")
"""In which signalling NaN and overflow are data: they end as qualities, not as warnings."""


class Codec:
    """Decodes what the planned blocks of a profile bring; without state, so devices of one type may share it."""

    def __init__(self, profile: Profile, planned: Sequence[PlannedBlock]) -> None:
        """Prepare the tables; points in no planned block count as addresses that the device does not have."""
        self.profile = profile
        self.planned = tuple(planned)
        self._tables = [Table(profile, together) for together in _together(profile, planned)]
        self._whole = len(self._tables) == 1 and self._tables[0].whole
        self._nothing: Floats = np.full(len(profile.points), np.nan)
        self._unread: Qualities = np.full(len(profile.points), Quality.NO_SUCH_ADDRESS, dtype=np.uint8)
        for table in self._tables:
            self._unread[table.positions] = Quality.NOT_READ
            self._unread[[place.position for place in table.texts]] = Quality.NOT_READ

    def decode(self, device: str, exchanges: Mapping[Block, Exchange | LineError]) -> Frame:
        """Return what the exchanges of one poll say, in the order of the profile's points.

        A failed block leaves its points COMM_LOST or NO_SUCH_ADDRESS, one that is absent NOT_READ. Raises
        ValueError when there is no exchange at all, and so no time of the reading.
        """
        last = _last(exchanges)
        raw: dict[int, bytes] = {}
        texts: dict[str, str] = {}
        values, quality = self._nothing, self._unread
        if not self._whole:
            values, quality = values.copy(), quality.copy()
        for table in self._tables:
            failed, parts = [], []
            for block, blank in table.blanks:
                answer = exchanges.get(block)
                failure = _failure(answer, len(blank))
                failed.append(failure)
                parts.append(answer.data if failure is None else blank)  # type: ignore[union-attr]  # an Exchange then
            if not self._whole and failed.count(_NOT_READ) == len(failed):
                continue
            data = b"".join(parts)
            # In a context of its own each time, for a tenth of what `numpy.errstate` takes.
            found, judged = _QUIET.copy().run(table.numbers, data, failed)
            if self._whole:
                values, quality = found, judged
            else:
                values[table.positions], quality[table.positions] = found, judged
            for place in table.texts:
                failure = failed[place.block]
                text = "" if failure is not None else _text(data[place.start : place.stop], place.point)
                quality[place.position] = failure or (Quality.GOOD if text else Quality.NOT_AVAILABLE)
                if text:
                    texts[place.point.name] = text
            for place in table.counters:
                if failed[place.block] is None:
                    raw[place.position] = data[place.start : place.stop]
        return Frame(device, last.time_ns, last.received_ns, values, quality, raw, texts)


def _together(profile: Profile, planned: Sequence[PlannedBlock]) -> Iterable[Sequence[PlannedBlock]]:
    """Return the blocks by cadence, for those of one are read together; all of them if points need each other's."""
    cadences: dict[float, list[PlannedBlock]] = {}
    for item in planned:
        cadences.setdefault(item.every_s, []).append(item)
    read = {profile.points[at].name: item.every_s for item in planned for at in item.points}
    needed = ((point.name, point.scale_from) for point in profile.points if point.scale_from is not None)
    if any(name in read and read[name] != read.get(helper, read[name]) for name, helper in needed):
        return [planned]
    return cadences.values()


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
    rank = (False, 0)
    for answer in exchanges.values():
        exchange = answer.exchange if isinstance(answer, LineError) else answer
        if exchange is not None:
            own = (exchange.outcome is _OK, exchange.received_ns)
            if last is None or own > rank:
                last, rank = exchange, own
    if last is None:
        raise ValueError("a frame needs at least one exchange, for its time")
    return last


def _text(data: bytes, point: Point) -> str:
    """Return the characters of a text; the order of words concerns numbers only."""
    if point.byte_order == "little":
        data = bytes(np.frombuffer(data, ">u2").byteswap().tobytes())
    return data.decode("ascii", "replace").strip("\0 ").partition("\0")[0].rstrip()
