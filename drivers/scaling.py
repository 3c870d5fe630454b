"""Raw numbers to canonical ones, all points of a device at once."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from drivers.point import Point
from drivers.reading import Quality

Floats = npt.NDArray[np.float64]
Qualities = npt.NDArray[np.uint8]
Positions = npt.NDArray[np.intp]

_POWERS = [float(10**exponent) for exponent in range(23)]
POWERS = np.array(_POWERS)
"""The powers of ten that float64 holds exactly: the limit for exponents of helper points."""
_LARGEST = float(np.finfo(np.float64).max)
_ONE_REFUSED = b"\0"
_GOOD, _NOT_AVAILABLE, _INVALID, _OUT_OF_RANGE = (
    np.uint8(quality) for quality in (Quality.GOOD, Quality.NOT_AVAILABLE, Quality.INVALID, Quality.OUT_OF_RANGE)
)


class Scaling:
    """From raw numbers to canonical ones, and their judgement; all arrays by slot."""

    def __init__(self, points: Sequence[Point]) -> None:
        def column(values: Sequence[float]) -> Floats:
            return np.array(values, dtype=np.float64)

        self._numerator = column([point.numerator for point in points])
        self._denominator = column([point.denominator for point in points])
        self._offset = column([point.offset for point in points])
        self._low = column([-_LARGEST if point.low is None else point.low for point in points])
        self._high = column([_LARGEST if point.high is None else point.high for point in points])
        # What changes nothing is not done: most points are what they are, and few have limits.
        self._multiplied = bool(np.any(self._numerator != 1))
        self._divided = bool(np.any(self._denominator != 1))
        self._unlimited = bool(np.all(self._low == -_LARGEST) and np.all(self._high == _LARGEST))
        slots = {point.name: slot for slot, point in enumerate(points)}
        scaled = [slot for slot, point in enumerate(points) if point.scale_from is not None]
        known = [slots[point.scale_from] for point in points if point.scale_from is not None]
        self._scaled: Positions = np.array(scaled, dtype=np.intp)
        self._helpers = sorted({*known})
        self._exponents = [points[slot].scales == "exponent" for slot in self._helpers]
        self._by: Positions = np.array([self._helpers.index(slot) for slot in known], dtype=np.intp)
        """By which of the helpers each is scaled."""

    def apply(self, raw: Floats, quality: Qualities) -> Floats:
        """Return canonical values, and mark in `quality` what is not acceptable."""
        values = raw * self._numerator + self._offset if self._multiplied else raw + self._offset
        if self._divided:
            values /= self._denominator
        if self._scaled.size:
            self._scale(raw, values, quality)
        accepted = np.isfinite(values) if self._unlimited else (values >= self._low) & (values <= self._high)
        if _ONE_REFUSED in accepted.tobytes():
            _judge(values, quality, accepted)
        return values

    def _scale(self, raw: Floats, values: Floats, quality: Qualities) -> None:
        """Scale the points that name a helper by the power of ten, or the factor, that it holds."""
        # One by one, for there are few of them, and many that they scale.
        times, parts, standing = zip(*self._held(values, quality), strict=True)
        slots, by = self._scaled, self._by
        divisors = np.array(parts)[by]
        values[slots] = (raw[slots] * self._numerator[slots] * np.array(times)[by] + self._offset[slots] * divisors) / (
            self._denominator[slots] * divisors
        )
        if any(standing):
            reasons = np.array(standing, np.uint8)[by]
            lost = slots[reasons != Quality.GOOD]
            values[lost] = np.nan
            own = quality[lost]
            quality[lost] = np.where(own == Quality.GOOD, reasons[reasons != Quality.GOOD], own)

    def _held(self, values: Floats, quality: Qualities) -> Iterator[tuple[float, float, int]]:
        """Yield by what each helper multiplies and divides, and with which quality."""
        for slot, exponent in zip(self._helpers, self._exponents, strict=True):
            held, standing = values.item(slot), quality.item(slot)
            if not self._low.item(slot) <= held <= self._high.item(slot):
                standing = standing or _reason(held)
                held = math.nan
            power = 0
            if exponent:
                usable = held.is_integer() and abs(held) < len(_POWERS)
                power = int(held) if usable else 0
            else:
                usable = held != 0
            if not usable:
                standing = standing or int(Quality.INVALID)
            yield (_POWERS[max(power, 0)] if exponent else held), _POWERS[max(-power, 0)], standing


def _reason(value: float) -> int:
    """Return why a number is not accepted that is none or out of range."""
    if math.isnan(value):
        return int(Quality.NOT_AVAILABLE)
    return int(Quality.INVALID if math.isinf(value) else Quality.OUT_OF_RANGE)


def _judge(values: Floats, quality: Qualities, accepted: npt.NDArray[np.bool_]) -> None:
    """Make NaN of what is no number or out of range, and say why where nothing is said yet."""
    refused = np.flatnonzero(~accepted)
    found = values[refused]
    reason = np.where(np.isnan(found), _NOT_AVAILABLE, np.where(np.isinf(found), _INVALID, _OUT_OF_RANGE))
    said = quality[refused]
    quality[refused] = np.where(said == _GOOD, reason, said)
    values[refused] = np.nan
