"""Which time it is, although the machine's clock may be wrong at first, be set, or jump.

Invariants:

- While the time is not *believed*, nothing has a final time. Once it is, it stays so: it goes on with the monotonic
  clock, follows the wall clock as that is slewed, and a step of it only by the rules below.
- A clock that the kernel calls synchronised is believed. One that nobody synchronises is believed when the machine
  has been up for long enough that there is probably nobody to do so.
- A clock earlier than what earlier runs have recorded has probably lost its time: unsynchronised, it is believed
  only much later.
- A step is followed when the clock is synchronised after it, or has stood there for as long as a clock is waited for
  after the start. Until then times go on by the monotonic clock. What a clock says is taken up only when two looks
  in a row agree, so no clock is caught in the middle of being set.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from agent.metering.amount import NS_PER_S
from drivers.value import frozen

_TOLERANCE_NS = NS_PER_S // 2
"""Between two looks a clock is slewed by less; more is a step."""
EARLIEST_NS = int(datetime(2025, 1, 1, tzinfo=UTC).timestamp()) * NS_PER_S
"""No agent ran before: what is earlier is wrong, whoever says else. Lost clocks begin in 1970, 2000 or the like."""
WAIT_S = 600.0
_BEHIND_WAIT_S = 3600.0
"""Uptime after which an unsynchronised clock is believed even when it is behind what was recorded."""


@frozen
class Clocks:
    """The machine's clocks at one moment [ns], and whether the kernel calls its wall clock synchronised."""

    wall_ns: int
    monotonic_ns: int
    uptime_ns: int
    synchronised: bool | None
    """None when the kernel does not say."""

    @property
    def offset_ns(self) -> int:
        """Wall time of the monotonic clock's zero (Unix, ns)."""
        return self.wall_ns - self.monotonic_ns


@frozen
class Step:
    """The wall clock was set: `followed` when times move with it, by `by_ns`, from `time_ns` (Unix, ns) on."""

    time_ns: int
    by_ns: int
    followed: bool


class Timekeeper:
    """Knows the time from looks at the clocks, about one a second."""

    def __init__(
        self,
        look: Callable[[], Clocks],
        *,
        monotonic_ns: Callable[[], int] | None = None,
        boot: str = "",
        wait_s: float = WAIT_S,
    ) -> None:
        """Believe a clock that nobody synchronises from an uptime of `wait_s` on.

        `monotonic_ns` is what a look says of the monotonic clock, where there is a shorter way to it.
        """
        self._look = look
        self._monotonic_ns = monotonic_ns or (lambda: look().monotonic_ns)
        self._boot = boot
        self._wait_ns = round(wait_s * NS_PER_S)
        self.not_before_ns = 0
        """The newest time (Unix, ns) that earlier runs knew."""
        self.clocks = look()
        """As of the last look."""
        self.started = self.clocks
        self.steps = 0
        """How often the wall clock was set."""
        self._offset_ns: int | None = None
        self._noted_ns = 0
        self._noted_at_ns = self.clocks.monotonic_ns

    @property
    def believed(self) -> bool:
        """Whether the time is known."""
        return self._offset_ns is not None

    @property
    def vouched(self) -> bool:
        """Whether somebody stands for the wall clock: the kernel, or who has set that it need not be waited for.

        A kernel that does not say is taken at its word.
        """
        return self.clocks.synchronised is not False or not self._wait_ns

    @property
    def behind(self) -> bool:
        """Whether the time is known and earlier than what earlier runs have recorded."""
        return self.believed and self.now_ns() < self.not_before_ns

    @property
    def astray_ns(self) -> int:
        """How far the wall clock is ahead of the time that is believed; 0 while none is."""
        return 0 if self._offset_ns is None else self.clocks.offset_ns - self._offset_ns

    @property
    def started_ns(self) -> int:
        """When all began (Unix, ns): as the wall clock said, until the time is known."""
        return self.started.wall_ns if self._offset_ns is None else self.at(self.started.monotonic_ns)

    def now_ns(self) -> int:
        """Return the time now (Unix, ns); raise ValueError while it is not known."""
        return self.at(self._monotonic_ns())

    def wall_ns(self) -> int:
        """Return what the wall clock says now (Unix, ns), right or wrong: a stamp that `resolve` makes a time of."""
        return self._look().wall_ns

    def at(self, monotonic_ns: int) -> int:
        """Return the time (Unix, ns) at a monotonic time of this boot; raise ValueError while it is not known."""
        if self._offset_ns is None:
            raise ValueError("the time is not known yet")
        return monotonic_ns + self._offset_ns

    def resolve(self, monotonic_ns: int, stamped_ns: int) -> int:
        """Return the final time (Unix, ns) of what the wall clock stamped; raise ValueError while it is not known.

        The stamp stands when it agrees with what is known.
        """
        known_ns = self.at(monotonic_ns)
        return stamped_ns if abs(stamped_ns - known_ns) < _TOLERANCE_NS else known_ns

    def monotonic_of(self, stamped_ns: int) -> int:
        """Return the monotonic time of what the wall clock has stamped since it was set last."""
        return stamped_ns - self._look().offset_ns

    def mark(self, monotonic_ns: int) -> dict[str, Any]:
        """Return what a record made at a monotonic time says of the clocks it goes by: see `Clock` in the schemas."""
        said: dict[str, Any] = {"monotonic_us": monotonic_ns // 1000}
        if self._boot:
            said["boot"] = self._boot[:8]
        if self.clocks.synchronised is not None:
            said["synchronised"] = self.clocks.synchronised
        return said

    def stamp(self, monotonic_ns: int) -> tuple[int, dict[str, Any]] | None:
        """Return the time (Unix, ns) and the mark of a record made at a monotonic time; None while it is not known."""
        return (self.at(monotonic_ns), self.mark(monotonic_ns)) if self.believed else None

    def look(self) -> list[Step]:
        """Look at the clocks; return the steps they have made."""
        before, now = self.clocks, self._look()
        self.clocks = now
        agreed = abs(now.offset_ns - before.offset_ns) < _TOLERANCE_NS
        if self._offset_ns is None:
            return self._begin(now) if agreed and self._credible(before, now) else []
        astray_ns = now.offset_ns - self._offset_ns
        if abs(astray_ns) < _TOLERANCE_NS:
            self._offset_ns = now.offset_ns
        return self._note(before, now, astray_ns) if agreed else []

    def _credible(self, before: Clocks, now: Clocks) -> bool:
        if now.wall_ns < EARLIEST_NS:
            return False
        if now.synchronised:
            return bool(before.synchronised)
        wait_ns = (
            self._wait_ns if now.wall_ns > self.not_before_ns else max(self._wait_ns, round(_BEHIND_WAIT_S * NS_PER_S))
        )
        return now.uptime_ns >= wait_ns

    def _begin(self, now: Clocks) -> list[Step]:
        self._offset_ns = now.offset_ns
        moved_ns = now.offset_ns - self.started.offset_ns
        return [self._step(now, moved_ns, followed=True)] if abs(moved_ns) >= _TOLERANCE_NS else []

    def _note(self, before: Clocks, now: Clocks, astray_ns: int) -> list[Step]:
        """Note where the wall clock stands, which may be another place than before, and follow it when that is due."""
        off = abs(astray_ns) >= _TOLERANCE_NS
        if off and self._followable(before, now, astray_ns):
            self._offset_ns = now.offset_ns
            self._noted_ns, self._noted_at_ns = 0, now.monotonic_ns
            return [self._step(now, astray_ns, followed=True)]
        moved_ns = astray_ns - self._noted_ns
        if abs(moved_ns) < _TOLERANCE_NS:
            return []
        self._noted_ns, self._noted_at_ns = (astray_ns if off else 0), now.monotonic_ns
        return [self._step(now, moved_ns, followed=False)]

    def _followable(self, before: Clocks, now: Clocks, astray_ns: int) -> bool:
        if now.wall_ns < EARLIEST_NS:
            return False
        if now.synchronised:
            return bool(before.synchronised)
        stands = abs(astray_ns - self._noted_ns) < _TOLERANCE_NS
        return stands and now.monotonic_ns - self._noted_at_ns >= round(WAIT_S * NS_PER_S)

    def _step(self, now: Clocks, by_ns: int, *, followed: bool) -> Step:
        self.steps += 1
        return Step(self.at(now.monotonic_ns), by_ns, followed)
