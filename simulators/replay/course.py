"""The course of a capture: read once to know what is in it, then again as its time goes by.

Invariants:
- A line's exchanges take effect in the order of their requests, each when its request went out.
- Time runs from where the capture begins (or is told to begin), `speed` times as fast as the monotonic clock.
- Whatever lies before the beginning has taken effect when it is reached.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from drivers.capture import Captured, Damage, Section, read_capture
from drivers.reading import Exchange
from simulators.replay.past import PastLine

_NS = 1_000_000_000
_AHEAD_NS = 10 * _NS
"""How far is read ahead: an exchange stands in the file when it has ended, which may be so long after it began."""
_AT_ONCE = 2000


@dataclass(slots=True)
class CapturedLine:
    """A line of the capture: its URL then, what its devices do now, and what is to come."""

    name: str
    url: str
    past: PastLine = field(default_factory=PastLine)
    coming: list[tuple[int, Exchange]] = field(default_factory=list)

    @property
    def serial(self) -> bool:
        """Whether frames were RTU."""
        return self.url.startswith("rtu")


class Course:
    """All lines of a capture, at a time of it."""

    def __init__(self, paths: Sequence[Path], *, speed: float, on_damage: Callable[[Damage], None]) -> None:
        """Read through all files; raises CaptureError for one that cannot be read."""
        self._paths = paths
        self._speed = speed
        self.lines: dict[str, CapturedLine] = {}
        self.first_ns = self.last_ns = self.exchanges = 0
        """Time of the first and of the last request (Unix, ns), and how many there are."""
        urls: dict[str, str] = {}
        for item in read_capture(paths):
            if isinstance(item, Section):
                urls |= item.lines
            elif isinstance(item, Damage):
                on_damage(item)
            elif isinstance(item, Captured) and not item.again:
                self._foresee(item.exchange, urls)
        self.began_ns = self.first_ns
        """Time of the capture (Unix, ns) at which it begins to be served."""
        self.started_ns = 0
        """When that was, by the monotonic clock [ns]."""
        self._items = self._exchanges()
        self._read_ns = 0
        self.ended = False
        """Whether everything in the capture has taken effect."""

    def _foresee(self, exchange: Exchange, urls: dict[str, str]) -> None:
        name = exchange.line
        line = self.lines.get(name)
        if line is None:
            line = self.lines[name] = CapturedLine(name, urls.get(name, name))
        line.past.foresee(exchange)
        sent_ns = _sent_ns(exchange)
        self.first_ns = min(self.first_ns or sent_ns, sent_ns)
        self.last_ns = max(self.last_ns, sent_ns)
        self.exchanges += 1

    def _exchanges(self) -> Iterator[Exchange]:
        for item in read_capture(self._paths):
            if isinstance(item, Captured) and not item.again:
                yield item.exchange

    def begin(self, at_ns: int | None) -> None:
        """Let time run from a time of the capture on, from its first request if none is given."""
        self.began_ns = self.first_ns if at_ns is None else at_ns
        while not self._advance(self.began_ns, _AT_ONCE):
            pass
        self.started_ns = time.monotonic_ns()

    @property
    def now_ns(self) -> int:
        """Time in the capture (Unix, ns)."""
        return self.began_ns + round((time.monotonic_ns() - self.started_ns) * self._speed)

    def scaled_s(self, seconds: float) -> float:
        """Return how long a time of the capture takes now [s]."""
        return seconds / self._speed

    def advance(self) -> bool:
        """Let take effect what is due, in part where that is very much; return whether all of it is done."""
        return self._advance(self.now_ns, _AT_ONCE)

    def _advance(self, until_ns: int, most: int) -> bool:
        done = self._read_until(until_ns + _AHEAD_NS, most)
        for line in self.lines.values():
            due = 0
            for sent_ns, exchange in line.coming:
                if sent_ns > until_ns:
                    break
                line.past.take(exchange)
                due += 1
            del line.coming[:due]
        self.ended = self._read_ns < 0 and until_ns > self.last_ns
        return done

    def _read_until(self, until_ns: int, most: int) -> bool:
        for _ in range(most):
            if self._read_ns < 0 or self._read_ns > until_ns:
                return True
            exchange = next(self._items, None)
            if exchange is None:
                self._read_ns = -1
                return True
            self._read_ns = exchange.time_ns
            self.lines[exchange.line].coming.append((_sent_ns(exchange), exchange))
        return False


def _sent_ns(exchange: Exchange) -> int:
    return exchange.time_ns - exchange.received_ns + exchange.sent_ns
