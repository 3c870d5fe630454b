"""What fails for one account is kept from the others, and what follows from readings from their being booked.

Each is told once until it works again: of a reading that is not booked by log and event, of the rest by log.
"""

import logging
from types import TracebackType
from typing import Self

from agent.books.book import AccountBook
from agent.metering.amount import Noticed, Rule

_log = logging.getLogger(__name__)


class Troubles:
    """Guards what is booked, one account at a time; `found` says of accounts what was wrong with them last."""

    def __init__(self) -> None:
        self.found: dict[str, str] = {}
        self._failing: set[str] = set()

    def guard(self, book: AccountBook, time_ns: int) -> Self:
        """Return the block in which a reading of a time (wall clock, ns) is booked for an account."""
        self._book, self._time_ns, self._last = book, time_ns, book.last
        return self

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> bool:
        """Take note of what was wrong, whatever it was; it is that of one account."""
        if error is None:
            if self._failing and self._book.last is not self._last:  # not every frame has a reading of each account
                self._failing.discard(self._book.account.name)
            return False
        if not isinstance(error, Exception):
            return False
        name = self._book.account.name
        if name not in self._failing:
            self._failing.add(name)
            text = f"a reading cannot be booked: {error}: nothing is booked until one can: see the agent's log"
            self.found[name] = text
            self._book.events.append(Noticed(self._time_ns, Rule.UNBOOKED, text))
            _log.error("%s: %s", name, text, exc_info=error)
        return True


class Apart:
    """Guards what follows from readings besides their being booked, one thing at a time."""

    def __init__(self) -> None:
        self._failing: set[str] = set()

    def guard(self, what: str) -> Self:
        """Return the block in which something is done that goes by this name; blocks do not lie in each other."""
        self._what = what
        return self

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> bool:
        """Take note of what was wrong, whatever it was."""
        if error is None:
            if self._failing:
                self._failing.discard(self._what)
            return False
        if not isinstance(error, Exception):
            return False
        if self._what not in self._failing:
            self._failing.add(self._what)
            _log.error("%s failed, and is left out until it works again: what is booked is not concerned", self._what,
                       exc_info=error)  # fmt: skip
        return True
