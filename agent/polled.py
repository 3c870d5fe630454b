"""What a line's task knows of its devices: their condition, and when each of their cadences is due."""

from dataclasses import dataclass, field
from enum import StrEnum

from drivers.codec import Codec
from drivers.plan import PlannedBlock
from drivers.profile import Profile
from drivers.reading import Block, Frame

_NS = 1_000_000_000


class Condition(StrEnum):
    """How a device is doing, as its `state` topic says."""

    UNKNOWN = "unknown"
    ONLINE = "online"
    DEGRADED = "degraded"
    OFFLINE = "offline"


@dataclass(slots=True)
class Lateness:
    """How long after their due times polls began [s]: count, sum, maximum and a histogram by powers of two ms."""

    count: int = 0
    total_s: float = 0.0
    maximum_s: float = 0.0
    buckets: list[int] = field(default_factory=lambda: [0] * 16)

    def add(self, late_s: float) -> None:
        """Count one poll."""
        self.count += 1
        self.total_s += late_s
        self.maximum_s = max(self.maximum_s, late_s)
        self.buckets[min(int(late_s * 1000).bit_length(), len(self.buckets) - 1)] += 1

    def quantile_ms(self, share: float) -> float:
        """Return an upper bound [ms] of the given share of all polls, to a power of two; 0 before the first."""
        seen = 0
        for exponent, polls in enumerate(self.buckets[:-1]):
            seen += polls
            if seen and seen >= share * self.count:
                return float(2**exponent)
        return self.maximum_s * 1000


@dataclass(slots=True)
class PolledDevice:
    """A device as its line's task sees it."""

    name: str
    unit: int
    profile: Profile
    planned: tuple[PlannedBlock, ...]
    condition: Condition = Condition.UNKNOWN
    since_ns: int = 0
    reason: str = ""
    polls: int = 0
    failures: int = 0
    skipped: int = 0
    failures_in_row: int = 0
    retry_at: float = 0.0
    """Monotonic time [s] before which no attempt is made."""
    frames: dict[int, Frame] = field(default_factory=dict)
    """The latest frame of each of its cadences, by their index."""
    identified: bool = False
    """Whether this is still the device it was: checked on every connect and after every silence."""
    identity: str = ""
    """Its identity registers as first seen in this run, in hex."""


@dataclass(slots=True)
class Cadence:
    """The blocks of one device that are read together, every `every_s` seconds."""

    device: PolledDevice
    every_s: float
    blocks: tuple[Block, ...]
    codec: Codec
    index: int
    due_ns: int = 0

    def align(self, now_ns: int) -> None:
        """Make the next multiple of the cadence after `now_ns` (wall clock) due."""
        every_ns = round(self.every_s * _NS)
        self.due_ns = (now_ns // every_ns + 1) * every_ns

    def advance(self, now_ns: int) -> int:
        """Make the next poll due; return how many had to be skipped because their time is over."""
        every_ns = round(self.every_s * _NS)
        self.due_ns += every_ns
        # Beginning one poll late is better than leaving it out; only those whose successor is due too are skipped.
        skipped = max(0, (now_ns - self.due_ns) // every_ns)
        self.due_ns += skipped * every_ns
        return skipped


def cadences(device: PolledDevice) -> list[Cadence]:
    """Return the cadences of a device, fastest first."""
    periods = sorted({planned.every_s for planned in device.planned})
    codec = Codec(device.profile, device.planned)
    return [
        Cadence(
            device,
            period,
            tuple(planned.block for planned in device.planned if planned.every_s == period),
            codec,
            index,
        )
        for index, period in enumerate(periods)
    ]
