"""How soon after its last answer a device can take the next request: learned from what it does. Pure.

A device that answers *busy*, or stays silent when asked right after it has answered, is given more time, twice as
much on each occasion. What proves too much is taken back slowly, and each time that was a mistake more slowly.
"""

import contextlib

from drivers.value import mutable

_FIRST_S = 0.02
_LONGEST_S = 0.64
_SOON_S = 0.25
"""A silence so soon after an answer may have been for want of rest."""
_SHRINK = 0.75
_FIRST_PROOF, _LONGEST_PROOF = 200, 51_200
"""Answers in a row that a pause must give before a shorter one is tried."""


@mutable
class Pacing:
    """The rest that one device needs between an answer and the next request."""

    pause_s: float = 0.0
    answered_at: float = 0.0
    """Monotonic time [s] of its last answer of any kind."""
    told: bool = False
    """Whether it was told that the device needs it, in this run or an earlier one."""
    _answers: int = 0
    _proof: int = _FIRST_PROOF
    _shrunk: bool = False

    def state(self) -> bytes:
        """Return what is kept over a restart."""
        return repr(self.pause_s).encode()

    def recall(self, state: bytes | None) -> None:
        """Begin with the pause that was kept, if any was; a damaged one is learned anew."""
        with contextlib.suppress(ValueError):
            self.pause_s = min(max(0.0, float(state or b"0")), _LONGEST_S)
        self.told = state is not None

    def wait_s(self, now: float) -> float:
        """Return how long the device must still be left alone [s]."""
        return self.answered_at + self.pause_s - now

    def hurried(self, asked_at: float) -> bool:
        """Return whether a request at this time followed so soon on an answer that a longer rest may help."""
        return asked_at - self.answered_at < _SOON_S and self.pause_s < _LONGEST_S

    def answered(self, now: float) -> None:
        """Note an answer; after many in a row a shorter rest is tried."""
        self.answered_at = now
        self._answers += 1
        if self.pause_s and self._answers >= self._proof:
            shorter_s = self.pause_s * _SHRINK
            self.pause_s = shorter_s if shorter_s >= _FIRST_S else 0.0
            self._answers, self._shrunk = 0, True

    def slow_down(self) -> bool:
        """Give the device a longer rest; return whether it is the first."""
        first = not self.pause_s and not self._shrunk
        if self._shrunk:
            self._proof = min(2 * self._proof, _LONGEST_PROOF)
        self.pause_s = min(max(_FIRST_S, 2 * self.pause_s), _LONGEST_S)
        self._answers, self._shrunk = 0, False
        return first
