"""What the store has to tell of itself: held until the time is known, so that no record of its own has a wrong one."""

import time
from collections.abc import Callable, Mapping
from dataclasses import field

from agent.store.losses import Losses
from drivers.value import frozen, mutable

Stamp = Callable[[int], tuple[int, Mapping[str, object]] | None]
"""Gives for a monotonic time [ns] of this boot the time (Unix, ns), and what a record made then says of the clocks.

None while the time is not known. Asked in the store's thread as well.
"""


def wall(monotonic_ns: int) -> tuple[int, Mapping[str, object]]:
    """Return the time as the wall clock says, which is right unless proven otherwise."""
    return time.time_ns() - time.monotonic_ns() + monotonic_ns, {}


@frozen
class Told:
    """Something that has come to pass, at `monotonic_ns` of this boot or, told by a file, before this start."""

    monotonic_ns: int
    name: str
    text: str


@mutable
class Untold:
    """What was lost, and what came to pass, since the last records that told of such."""

    losses: Losses = field(default_factory=Losses)
    events: list[Told] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.losses or self.events)

    def merge(self, other: "Untold") -> None:
        """Take over what `other` holds."""
        self.losses.merge(other.losses)
        self.events += other.events

    def copy(self) -> "Untold":
        """Return the same, to be changed by itself."""
        found = Untold(events=[*self.events])
        found.losses.merge(self.losses)
        return found
