"""Transaction numbers of Modbus/TCP that nobody can guess, so that only the reply to a request carries its number.

Counted up, the number of the next request is also what a confused device or gateway makes of the last one.
"""

import os
from array import array

_BITS = 16
_DRAWN = 512
"""Numbers drawn from the system at once, for all lines: each call of it costs as much as all that follows."""
_NEAR_BITS = 6
_NEIGHBOURHOODS = 1 << (_BITS - _NEAR_BITS)
_REMEMBERED = 64


_drawn = array("H")


def _at_random() -> int:
    """Return 16 bits that nobody can guess."""
    if not _drawn:
        _drawn.frombytes(os.urandom(_DRAWN * _drawn.itemsize))
    return _drawn.pop()


class Transactions:
    """Draws numbers at random: none within 64 of the last 64, and never 0, which devices send that know no number."""

    __slots__ = ("_recent", "_taken")

    def __init__(self) -> None:
        self._recent = array("H")
        self._taken = 0
        """The same, to look up: `_bits` of each."""

    def draw(self) -> int:
        """Return the number of the next request."""
        while True:
            number = _at_random()
            here = number >> _NEAR_BITS
            if number and not self._taken >> here & 0b111:
                self._remember(here)
                return number

    def _remember(self, here: int) -> None:
        if len(self._recent) == _REMEMBERED:
            self._taken ^= _bits(self._recent.pop(0))
        self._recent.append(here)
        self._taken ^= _bits(here)


def _bits(here: int) -> int:
    """Return the bit of a neighbourhood, one up, so that its own and those of both neighbours stand side by side.

    The first and the last are neighbours too, and stand at both ends.
    """
    if here == 0:
        return 2 | 2 << _NEIGHBOURHOODS
    return 2 << here | (here == _NEIGHBOURHOODS - 1)
