"""Whether the last reading is of a boot whose clock was ahead, which readings since have known better for long."""

from agent.metering.amount import Reading
from agent.metering.jump import AHEAD_NS


class Behind:
    """Notes since when readings have been far behind the last accepted one of another boot."""

    def __init__(self) -> None:
        self.since_ns: int | None = None
        """Monotonic time [ns] of the first such reading; None while there is none."""

    def for_long(self, last: Reading | None, reading: Reading) -> bool:
        """Whether a reading, whose time is right, is behind the last accepted one, as others before it were."""
        if last is None or last.boot == reading.boot or last.time_ns - reading.time_ns <= AHEAD_NS:
            self.since_ns = None
            return False
        if self.since_ns is None:
            self.since_ns = reading.monotonic_ns
        return reading.monotonic_ns - self.since_ns >= AHEAD_NS
