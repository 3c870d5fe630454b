"""The latest exchanges of a line, from which its trouble is judged."""

from collections.abc import Iterator

from drivers.reading import Exchange, Outcome

_OK = Outcome.OK
_REMEMBERED = 32


class Recent:
    """The latest exchanges; of those that were accepted only how many they are: a line that is well keeps nothing."""

    __slots__ = ("_count", "_failed")

    def __init__(self) -> None:
        self._count = 0
        self._failed: list[tuple[int, Exchange]] = []
        """Each with its number."""

    def add(self, exchange: Exchange) -> None:
        """Take note of an exchange."""
        self._count += 1
        if exchange.outcome is not _OK:
            self._failed = [*self._latest(), (self._count, exchange)]

    def __iter__(self) -> Iterator[Exchange | None]:
        """Yield None for each that was accepted, then the others, oldest first."""
        failed = self._latest()
        yield from [None] * (min(self._count, _REMEMBERED) - len(failed))
        yield from (exchange for _, exchange in failed)

    def _latest(self) -> list[tuple[int, Exchange]]:
        return [each for each in self._failed if each[0] > self._count - _REMEMBERED]
