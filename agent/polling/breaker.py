"""How often a device that fails is asked, and when: pure, times are monotonic seconds.

Invariants:

- Each failure is a debt, and a longest pause of time pays one back; the pauses grow with the debt. So however a
  device fails, always or now and then, in the long run it fails at most once per longest pause.
- A failure now and then, less often than that, costs no pause.
- While other polls are due, the devices in doubt together may take but a share of their line's time: a small one, or
  some of what those who answer leave.
"""

import math
import random

from drivers.value import mutable

FIRST_PAUSE_S = 2.0
LONGEST_PAUSE_S = 60.0
_MINUTE_S = 60.0
_FAILURES_TO_OFFLINE = 2
_SPREAD = 0.75
_FREE = 1.0
"""Debt that costs no pause: one failure."""
SHARE = 0.04
"""Share of a line's time for devices in doubt while others are due, if these can spare no more."""
_TOO_HOPEFUL = 0.01
"""Share of polls left out that shows that there is no room."""
_PATIENCE = 2
"""So many failed attempts are remembered at most: when many devices fail at once, the rest is forgiven."""


@mutable
class Breaker:
    """What one device has coming for its failures."""

    failures_in_row: int = 0
    retry_at: float = 0.0
    """Before this no attempt is made."""
    _debt: float = 0.0
    _owed_at: float = 0.0

    @property
    def doubtful(self) -> bool:
        """Whether the last attempt failed: the next one may cost a time-out again."""
        return self.failures_in_row > 0

    @property
    def open(self) -> bool:
        """Whether the device is taken for dead: one cheap read must be answered before it is polled."""
        return self.failures_in_row >= _FAILURES_TO_OFFLINE

    @property
    def forgiven(self) -> bool:
        """Whether it failed but once and seldom does: most likely a reply was lost."""
        return self.failures_in_row == 1 and self._debt <= _FREE

    def succeed(self) -> None:
        """Note an attempt that was answered; the debt stays, time alone pays it."""
        self.failures_in_row = 0
        self.retry_at = 0.0

    def fail(self, now: float, *, next_beat_s: float) -> None:
        """Note an attempt without an answer; after a first one the next beat, in `next_beat_s` [s], is waited for."""
        paid = (now - self._owed_at) / LONGEST_PAUSE_S
        self._debt = min(max(0.0, self._debt - paid) + 1, _most())
        self._owed_at = now
        self.failures_in_row += 1
        self.retry_at = now + max(pause_s(self._debt), min(next_beat_s, FIRST_PAUSE_S))

    def rest(self, now: float) -> None:
        """Take the device for dead for a longest pause, whatever it did before."""
        self.failures_in_row = _FAILURES_TO_OFFLINE
        self.retry_at = now + LONGEST_PAUSE_S


def pause_s(debt: float) -> float:
    """Return the pause that goes with a debt [s]: growing, capped and spread."""
    if debt <= _FREE:
        return 0.0
    longest: float = min(FIRST_PAUSE_S * 2.0 ** (min(debt, _most()) - _FREE - 1), LONGEST_PAUSE_S)
    return longest * random.uniform(_SPREAD, 1.0)  # noqa: S311 -- spreads retries, protects nothing


def _most() -> float:
    """Return the debt beyond which pauses grow no more, and a bit: what is left of it after one such pause."""
    return _FREE + 2 + math.log2(LONGEST_PAUSE_S / FIRST_PAUSE_S)


def spare(busy: float, *, silence_s: float, period_s: float, left_out: float) -> float:
    """Return the share of a line's time that devices in doubt may take while others are due.

    `busy` is the share that those take who answer, `period_s` [s] the shortest time between two polls of one of
    them, `left_out` the share of their polls that is left out. Half of what they leave lets them catch up.
    """
    if silence_s >= period_s or left_out > _TOO_HOPEFUL:
        return SHARE  # a silence longer than a period leaves polls out, whatever room there is
    return max(SHARE, (1 - busy) / 2)


class Budget:
    """What devices in doubt may take from the others' time on one line."""

    def __init__(self) -> None:
        self.free_at = 0.0
        """From then on [s] another attempt may be made while others are due."""

    def allows(self, now: float) -> bool:
        """Return whether an attempt may be made although others are due."""
        return now >= self.free_at

    def charge(self, now: float, taken_s: float, share: float = SHARE) -> None:
        """Note time that an attempt took from others [s], who can spare a share of all time."""
        if taken_s > 0:
            cost_s = taken_s / share
            self.free_at = min(max(self.free_at, now) + cost_s, now + _PATIENCE * cost_s)


class Work:
    """The share of a line's time that polls take which are answered, over the last whole minute."""

    def __init__(self, now: float) -> None:
        self.share = 0.0
        self._since = now
        self._busy_s = 0.0

    def add(self, began: float, ended: float) -> None:
        """Count a poll, with the pause before it; times are monotonic [s]."""
        self._busy_s += ended - began
        if ended - self._since >= _MINUTE_S:
            self.share = self._busy_s / (ended - self._since)
            self._since, self._busy_s = ended, 0.0
