"""How many records go at once: as many as the link carries in half a second.

Pure but for the clock: it is told how long answers took.
"""

import time

_TURN_S = 0.5
"""How long records that go together should be under way."""


class Pace:
    """The size of batches, from `least` to `most`."""

    def __init__(self, least: int, size: int, most: int) -> None:
        self.size = size
        self._least = least
        self._most = most
        self._fitted_at = 0.0

    def slower(self) -> None:
        """Go on with half as many."""
        self._fit(max(self._least, self.size // 2))

    def answered(self, count: int, sent_at: float) -> None:
        """Note that one of `count` records under way, sent at `sent_at` [monotonic, s], is answered now."""
        if sent_at < self._fitted_at:
            return  # the size it was sent with has been judged
        took_s = time.monotonic() - sent_at
        if took_s > 2 * _TURN_S:
            self.slower()
        elif took_s < _TURN_S and count == self.size:
            self._fit(min(self._most, self.size * 2))

    def _fit(self, size: int) -> None:
        if size != self.size:
            self.size, self._fitted_at = size, time.monotonic()
