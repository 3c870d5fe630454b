"""What the agent itself holds against what a device has given, as qualities of its values. Pure.

| Quality             | Set when                                                                                 |
|---------------------|------------------------------------------------------------------------------------------|
| `stale`             | the value was read over three of its cadences ago, or that long before its poll was over |
| `clock_unsynced`    | the time of the reading is that of a clock for which nobody vouches                      |
| `identity_mismatch` | another device answered: what it gave is not taken                                       |

The other reasons are the codec's (`drivers.codec`), of what came over the line.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from drivers.errors import LineError
from drivers.frame import Frame
from drivers.plan import PlannedBlock
from drivers.profile import Profile
from drivers.reading import Block, Exchange, Quality

_RESERVED: dict[Quality, bytes] = {}
"""What becomes of each quality under a reservation: all but the good ones stay."""
FRESH_CADENCES = 3
"""A value that was not renewed for so many of its cadences is stale."""


def reserved(frame: Frame, doubt: Quality) -> Frame:
    """Return a frame whose good values carry a reservation; what is known to be worse stays as it is."""
    if doubt not in _RESERVED:
        _RESERVED[doubt] = bytes((doubt, *range(1, 256)))
    quality = np.frombuffer(bytearray(frame.quality.tobytes().translate(_RESERVED[doubt])), np.uint8)
    return Frame(frame.device, frame.time_ns, frame.monotonic_ns, frame.values, quality, frame.raw, frame.texts)


def unvouched(frame: Frame) -> Frame:
    """Return a frame read at the time of a clock for which nobody vouches."""
    return reserved(frame, Quality.CLOCK_UNSYNCED)


def aged(
    frame: Frame,
    planned: Iterable[PlannedBlock],
    results: Mapping[Block, Exchange | LineError],
    every_s: float,
    began: float = -math.inf,
) -> Frame:
    """Return a frame whose values are stale that were read long before the last of its poll, which took so long.

    The poll `began` at a monotonic time [s]: nothing of it is older.
    """
    oldest_ns = frame.monotonic_ns - round(FRESH_CADENCES * every_s * 1e9)
    if began * 1e9 > oldest_ns:
        return frame
    old = [
        at
        for item in planned
        if isinstance(read := results.get(item.block), Exchange) and read.received_ns < oldest_ns
        for at in item.points
    ]
    if not old:
        return frame
    quality = frame.quality.copy()
    quality[old] = np.where(quality[old] == Quality.GOOD, np.uint8(Quality.STALE), quality[old])
    return replace(frame, quality=quality)


def stranger(device: str, profile: Profile, identity: Exchange) -> Frame:
    """Return the frame of a device in whose place another one has given its identity: no value, and why."""
    size = len(profile.points)
    quality = np.full(size, Quality.IDENTITY_MISMATCH, np.uint8)
    return Frame(device, identity.time_ns, identity.received_ns, np.full(size, np.nan), quality)
