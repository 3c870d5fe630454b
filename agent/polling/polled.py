"""What a line's task knows of its devices: their state, and when each of their cadences is due."""

import time
from dataclasses import field
from enum import StrEnum

from agent.polling.alike import codec_of
from agent.polling.breaker import Breaker
from agent.polling.learning import Learned
from agent.polling.pacing import Pacing
from drivers.codec import Codec
from drivers.frame import Frame
from drivers.plan import PlannedBlock
from drivers.profile import Profile
from drivers.reading import Block
from drivers.value import mutable

_NS = 1_000_000_000
_NAMED = 6
"""Points that a sentence names before it counts the rest."""


class DeviceState(StrEnum):
    """How a device is doing, as its `state` topic says."""

    UNKNOWN = "unknown"
    ONLINE = "online"
    DEGRADED = "degraded"
    OFFLINE = "offline"


@mutable
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


@mutable(eq=False)
class PolledDevice:
    """A device as its line's task sees it; read every `every_s` [s], or less often where its points say so."""

    name: str
    unit: int
    profile: Profile
    every_s: float
    planned: tuple[PlannedBlock, ...] = ()
    cadences: list["Cadence"] = field(default_factory=list, repr=False)
    state: DeviceState = DeviceState.UNKNOWN
    since_ns: int = 0
    reason: str = ""
    polls: int = 0
    failures: int = 0
    skipped: int = 0
    breaker: Breaker = field(default_factory=Breaker)
    pacing: Pacing = field(default_factory=Pacing)
    learned: Learned = field(default_factory=Learned)
    note: str = ""
    """What is to be said of it even when all is well."""
    frames: dict[int, Frame] = field(default_factory=dict)
    """The latest frame of each of its cadences, by their index."""
    answered: set[Block] = field(default_factory=set)
    """Blocks that were read in this run."""
    muted: dict[Block, Breaker] = field(default_factory=dict)
    """Blocks that it does not answer, although it answers others."""
    probed_at: float = 0.0
    """Monotonic time [s] at which it last answered after a silence."""
    refused: dict[Block, float] = field(default_factory=dict)
    """Since which monotonic time [s] it says that it does not have a block."""
    learn_at: float = 0.0
    """Monotonic time [s] before which a refusal is taken as it is."""
    recheck_at: float = 0.0
    """Monotonic time [s] from which on it is tried whether what it lacked is there by now."""
    identify_at: float = 0.0
    """Monotonic time [s] from which on it must say again that it is still the device it was."""
    identity: str = ""
    """Its identity registers as first seen in this run, in hex."""

    def __post_init__(self) -> None:
        """Plan its requests as if it had all that its profile has."""
        whole = codec_of(self.profile, self.every_s, Learned())
        periods = sorted({planned.every_s for planned in whole.planned})
        self.cadences = [Cadence(self, period, index) for index, period in enumerate(periods)]
        self.learn(self.learned)

    def learn(self, learned: Learned) -> None:
        """Ask from now on only for what it has."""
        self.learned = learned
        missing = learned.missing(self.profile)
        self.note = f"refuses {_listed(missing)}: not asked for any more, tried again once a day" if missing else ""
        codec = codec_of(self.profile, self.every_s, learned)
        self.planned = codec.planned
        for cadence in self.cadences:
            cadence.codec = codec
            cadence.blocks = tuple(planned.block for planned in self.planned if planned.every_s == cadence.every_s)

    def turn(self) -> tuple[bool, float]:
        """Return what puts devices in doubt in the order of their next attempts."""
        # Whoever most likely lost but one reply does not wait behind the dead.
        return not (self.breaker.forgiven and self.answered), self.breaker.retry_at


@mutable(eq=False)
class Cadence:
    """The blocks of one device that are read together, every `every_s` seconds."""

    device: PolledDevice
    every_s: float
    index: int
    blocks: tuple[Block, ...] = ()
    codec: Codec = field(init=False, repr=False)
    due_ns: int = 0

    def left_s(self) -> float:
        """Return the time until it is due [s], below 0 once it is."""
        return (self.due_ns - time.time_ns()) / _NS

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


def _listed(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
