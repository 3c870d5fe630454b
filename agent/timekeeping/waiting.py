"""Frames that wait for the time to be known: bounded, and the last to go is what energy is counted from.

Invariants:

- Of each cadence of a device the first frame stays, so that no energy since the start is missed: counters are
  cumulative, and whatever comes later only says when.
- Full, every second of the others is given up, and of those that follow too: what stays covers the whole time
  evenly, in less detail.
"""

from collections import Counter, deque
from collections.abc import Container

from agent.polling.polled import Cadence, PolledDevice
from drivers.frame import Frame
from drivers.value import frozen, travelling

_MOST = 10_000
"""A frame of 100 values takes about 1.5 KiB."""


@travelling
@frozen
class Held:
    """What a poll gave."""

    device: PolledDevice
    cadence: Cadence
    frame: Frame


class Waiting:
    """Frames in the order in which they came."""

    def __init__(self, most: int = _MOST) -> None:
        self.given_up = 0
        """Frames that were not kept, for want of room or because their device was changed."""
        self._most = most
        self._held: deque[Held] = deque()
        self._stride = 1
        self._came: Counter[tuple[str, int]] = Counter()

    def __len__(self) -> int:
        return len(self._held)

    def add(self, held: Held) -> None:
        """Keep a frame behind the others, or give it up where not every one is kept any more."""
        place = (held.device.name, held.cadence.index)
        if len(self._held) >= self._most:
            self._thin()
        if self._came[place] % self._stride:
            self.given_up += 1
        else:
            self._held.append(held)
        self._came[place] += 1

    def take(self) -> Held:
        """Remove and return the oldest; raise IndexError when there is none."""
        return self._held.popleft()

    def keep_only(self, devices: Container[str]) -> None:
        """Give up the frames of devices other than these."""
        self._came = Counter({place: came for place, came in self._came.items() if place[0] in devices})
        self._replace([held for held in self._held if held.device.name in devices])

    def _thin(self) -> None:
        self._stride *= 2  # what is kept of a place came at multiples of the stride
        seen: Counter[tuple[str, int]] = Counter()
        kept = []
        for held in self._held:
            place = (held.device.name, held.cadence.index)
            if seen[place] % 2 == 0:
                kept.append(held)
            seen[place] += 1
        self._replace(kept)

    def _replace(self, kept: list[Held]) -> None:
        self.given_up += len(self._held) - len(kept)
        self._held = deque(kept)
