"""The newest value of each quantity of each device, whatever cadence it is read at; and the newest windows."""

import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import orjson

from agent.books.troubles import Apart
from drivers.frame import Frame
from drivers.profile import Profile
from drivers.reading import Quality

Reading = tuple[float, Quality, int]
"""Value in the canonical unit (NaN where the quality is bad), its quality, and when it was read (wall clock, ns)."""
LatestOf = Callable[[str], Mapping[str, Reading]]
"""The newest readings of a device by the word of their quantity; none of a device that was not read yet."""


class Latest:
    """Keeps the newest frame of each cadence; what they say is put together when somebody asks."""

    def __init__(self) -> None:
        self._profiles: Mapping[str, Profile] = {}
        self._frames: dict[str, dict[int, Frame]] = {}
        self._apart = Apart()

    def configure(self, profiles: Mapping[str, Profile], kept: Collection[str]) -> None:
        """Go on with the profile of each device; only `kept` devices are read as before."""
        self._profiles = profiles
        self._frames = {device: frames for device, frames in self._frames.items() if device in kept}

    def take(self, frame: Frame, cadence: int) -> None:
        """Keep a frame in place of the one of this cadence before it."""
        with self._apart.guard("what is shown of readings"):
            frames = self._frames.get(frame.device)
            if frames is None:
                frames = self._frames[frame.device] = {}
            frames[cadence] = frame

    def of(self, device: str) -> Mapping[str, Reading]:
        """Return the newest readings of a device; what failed last time stands there with the quality that says so."""
        found: dict[str, Reading] = {}
        for frame in sorted(self._frames.get(device, {}).values(), key=lambda frame: frame.monotonic_ns):
            values, quality = frame.values.tolist(), frame.quality.tolist()
            for index, point in enumerate(self._profiles[device].points):
                if quality[index] != Quality.NOT_READ:
                    found[point.name] = (values[index], Quality(quality[index]), frame.time_ns)
        return found


class ManyBodies:
    """Bodies that are much alike, kept compressed: a twentieth of their size, for 3 µs each."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def add(self, bodies: Sequence[dict[str, Any]]) -> None:
        """Keep some more; raise TypeError where JSON has no form for one."""
        if bodies:
            self._parts.append(zlib.compress(orjson.dumps(bodies)[1:-1], 1))

    def json(self) -> bytes:
        """Return all of them as one JSON list."""
        return b"[%s]" % b",".join(map(zlib.decompress, self._parts))
