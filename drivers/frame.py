"""What one poll of a device gave, as it travels from a line to the accounts."""

from collections.abc import Mapping
from dataclasses import field
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from drivers.reading import Quality
from drivers.value import frozen, travelling

_NO_VALUE = bytes(range(Quality.COMM_LOST, 256))


@travelling
@frozen
class Frame:
    """What one poll of one device gave, in the order of its profile's points.

    `values` are in canonical units, NaN where `quality` is bad; `time_ns` is the wall clock and
    `monotonic_ns` the monotonic one at the reception of the last exchange. `raw` holds the register bytes
    of each counter that was read, by point index: the evidence in interval records.
    """

    device: str
    time_ns: int
    monotonic_ns: int
    values: npt.NDArray[np.float64]
    quality: npt.NDArray[np.uint8]
    raw: Mapping[int, bytes] = field(default_factory=lambda: MappingProxyType({}))
    texts: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def valued(self) -> int:
        """How many values it has."""
        return len(self.quality.tobytes().translate(None, _NO_VALUE))
