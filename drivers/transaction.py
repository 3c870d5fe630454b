"""Transaction numbers of Modbus/TCP that nobody can guess, so that only the reply to a request carries its number.

Counted up, the number of the next request is also what a confused device or gateway makes of the last one.
"""

import secrets
from collections import deque

_BITS = 16
_NEAR_BITS = 6
_NEIGHBOURHOODS = 1 << (_BITS - _NEAR_BITS)
_REMEMBERED = 64


class Transactions:
    """Draws numbers at random: none within 64 of the last 64, and never 0, which devices send that know no number."""

    def __init__(self) -> None:
        self._recent: deque[int] = deque()
        self._taken: set[int] = set()
        """The same, to look up."""

    def draw(self) -> int:
        """Return the number of the next request."""
        while True:
            number = secrets.randbits(_BITS)
            here = number >> _NEAR_BITS
            around = {here, (here + 1) % _NEIGHBOURHOODS, (here - 1) % _NEIGHBOURHOODS}
            if number and self._taken.isdisjoint(around):
                self._remember(here)
                return number

    def _remember(self, here: int) -> None:
        if len(self._recent) == _REMEMBERED:
            self._taken.remove(self._recent.popleft())
        self._recent.append(here)
        self._taken.add(here)
