"""Raw numbers to canonical ones, all points of a device at once."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from drivers.point import Point
from drivers.reading import Quality

Floats = npt.NDArray[np.float64]
Qualities = npt.NDArray[np.uint8]
Positions = npt.NDArray[np.intp]

POWERS = np.array([float(10**exponent) for exponent in range(23)])
"""The powers of ten that float64 holds exactly: the limit for exponents of helper points."""
_LARGEST = float(np.finfo(np.float64).max)
_ONE_REFUSED = b"\0"


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
        self._plain = bool(np.all(self._numerator == 1) and np.all(self._denominator == 1))
        self._unlimited = bool(np.all(self._low == -_LARGEST) and np.all(self._high == _LARGEST))
        slots = {point.name: slot for slot, point in enumerate(points)}
        scaled = [slot for slot, point in enumerate(points) if point.scale_from is not None]
        known = [slots[point.scale_from] for point in points if point.scale_from is not None]
        self._scaled: Positions = np.array(scaled, dtype=np.intp)
        self._helpers: Positions = np.array(known, dtype=np.intp)
        self._exponents = np.array([points[slot].scales == "exponent" for slot in known], dtype=np.bool_)

    def apply(self, raw: Floats, quality: Qualities) -> Floats:
        """Return canonical values, and mark in `quality` what is not acceptable."""
        if self._plain:
            values = raw + self._offset
        else:
            values = raw * self._numerator
            values += self._offset
            values /= self._denominator
        if self._scaled.size:
            self._scale(raw, values, quality)
        accepted = np.isfinite(values) if self._unlimited else (values >= self._low) & (values <= self._high)
        if _ONE_REFUSED in accepted.tobytes():
            _judge(values, quality, accepted)
        return values

    def _scale(self, raw: Floats, values: Floats, quality: Qualities) -> None:
        """Scale the points that name a helper by the power of ten, or the factor, that it holds."""
        held, standing = values[self._helpers], quality[self._helpers]
        _judge(held, standing, (held >= self._low[self._helpers]) & (held <= self._high[self._helpers]))
        usable = np.where(self._exponents, (np.abs(held) < POWERS.size) & (held == np.rint(held)), held != 0)
        standing[(standing == Quality.GOOD) & ~usable] = Quality.INVALID
        exponents = np.where(self._exponents & usable, held, 0).astype(np.intp)
        times = np.where(self._exponents, POWERS[np.maximum(exponents, 0)], held)
        parts = POWERS[np.maximum(-exponents, 0)]

        slots = self._scaled
        values[slots] = (raw[slots] * self._numerator[slots] * times + self._offset[slots] * parts) / (
            self._denominator[slots] * parts
        )
        lost = slots[standing != Quality.GOOD]
        values[lost] = np.nan
        own = quality[lost]
        quality[lost] = np.where(own == Quality.GOOD, standing[standing != Quality.GOOD], own)


def _judge(values: Floats, quality: Qualities, accepted: npt.NDArray[np.bool_]) -> None:
    """Make NaN of what is no number or out of range, and say why where nothing is said yet."""
    refused = np.flatnonzero(~accepted)
    found = values[refused]
    reason = np.where(
        np.isnan(found), Quality.NOT_AVAILABLE, np.where(np.isinf(found), Quality.INVALID, Quality.OUT_OF_RANGE)
    )
    said = quality[refused]
    quality[refused] = np.where(said == Quality.GOOD, reason, said)
    values[refused] = np.nan
