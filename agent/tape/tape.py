"""Where the agent tells what its accounts depend on, so that they can be replayed from a capture.

Invariants:

- What is told is told before it takes effect, so that books asked for meanwhile are those before it.
- An agent without a capture tells everything to a tape that takes no notice.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import orjson

from agent.config import SiteConfig
from agent.polling.polled import Cadence
from agent.tape.notes import Begun, Books, Clock, Interval, Noted, Polled, Released, body_of
from drivers.capture import CaptureWriter, Note
from drivers.errors import LineError
from drivers.reading import Block, Exchange

_log = logging.getLogger(__name__)

Results = Mapping[Block, Exchange | LineError]

_Gave = tuple[str, Cadence, list[list[object]] | None, bool]
"""Line and cadence of a poll that gave a frame, what was asked where exchanges cannot say it, and `stranger`."""


class Tape:
    """Takes no notice."""

    def exchange(self, exchange: Exchange) -> None:
        """Take an exchange of a line, as it was."""

    def polled(self, line: str, cadence: Cadence, results: Results) -> None:
        """Take note of what a poll gave, of which a frame is made that is booked next."""

    def refused(self, line: str, cadence: Cadence) -> None:
        """Take note that another device than the one expected answered, of which the next frame tells."""

    def booked(self, time_ns: int | None) -> None:
        """Take note that the frame told of is booked, or waits; with its own time (None) or another one [ns]."""

    def clock(self, *, right: bool, vouched: bool) -> None:
        """Take note of what is known of the clock."""

    def begun(self) -> None:
        """Take note that the time is known, and frames are booked."""
        self.note(Begun())

    def released(self, time_ns: int | None) -> None:
        """Take note that the frame that has waited for longest is booked, with its own time (None) or another [ns]."""
        self.note(Released(time_ns))

    def note(self, noted: Noted) -> None:
        """Take note of anything else."""

    def interval(self, payload: bytes, now_ns: int | None) -> None:
        """Take note of an interval record as appended, due at a time or (None) corrected."""


NO_TAPE = Tape()


class Capture(Protocol):
    """What a tape needs of a capture."""

    writer: CaptureWriter | None
    """None while nothing is captured."""
    on_opened: Callable[[], Iterable[Note]]
    """Asked for what a file begins with."""

    def configure(self, config: SiteConfig) -> None:
        """Go on in a new file with another configuration."""
        ...


def _now() -> tuple[int, int]:
    return time.time_ns(), time.monotonic_ns()


class WritingTape(Tape):
    """Writes what it is told into a capture, each of whose files begins with the books as they stand."""

    def __init__(
        self, capture: Capture, books: Callable[[str, int], Books], now: Callable[[], tuple[int, int]] = _now
    ) -> None:
        """`books` gives them for a reason, as the note of this kind with a number; `now` both clocks [ns]."""
        self._capture, self._books, self._now = capture, books, now
        capture.on_opened = self._opened
        self._polls: dict[str, tuple[int, int, int]] = {}
        self._gave: _Gave | None = None
        self._clock: Clock | None = None
        self._failed = False
        self._reason, self._part = "start", 0

    def reload(self, config: SiteConfig) -> None:
        """Go on with a configuration that is in force from now on, in a file of its own."""
        self._reason, self._clock = "reload", None
        self._capture.configure(config)
        if self._capture.writer is None:
            self._part += 1  # one that nobody can replay: the next file does not go on from the last

    def _opened(self) -> Iterable[Note]:
        reason, self._reason = self._reason, "file"
        self._part += 1
        return [self._made(self._books(reason, self._part))]

    def exchange(self, exchange: Exchange) -> None:
        """Capture an exchange, and count it within its poll."""
        writer = self._capture.writer
        if writer is None:
            return
        try:
            writer.exchange(exchange)
        except Exception:  # noqa: BLE001  # see _fail
            self._fail()
        line, unit, poll, before = exchange.line, exchange.unit, exchange.poll, self._polls.get(exchange.line)
        same = before is not None and before[0] == unit and before[1] == poll
        self._polls[line] = (unit, poll, before[2] + 1 if before is not None and same else 1)

    def _fail(self) -> None:
        """Tell once of a mistake of ours: it must cost no line its poll, and a replay shows what is missing."""
        if not self._failed:
            self._failed = True
            _log.exception("the capture is not complete: something cannot be written")

    def polled(self, line: str, cadence: Cadence, results: Results) -> None:
        """Keep what a poll gave until it is booked; what the exchanges alone cannot say is written out."""
        if self._capture.writer is None:
            return
        device = cadence.device
        plain = self._polls.get(line) == (device.unit, device.polls, _exchanges(results))
        self._gave = (line, cadence, None if plain else _asked(results), False)

    def refused(self, line: str, cadence: Cadence) -> None:
        """Keep that another device answered."""
        self._gave = (line, cadence, None, True)

    def booked(self, time_ns: int | None) -> None:
        """Write of the poll kept last that it gave a frame: by a mark where that says all."""
        gave, self._gave = self._gave, None
        writer = self._capture.writer
        if gave is None or writer is None:
            return
        line, cadence, asked, stranger = gave
        if time_ns is None and asked is None and not stranger:
            try:
                writer.booked(line, cadence.index)
            except Exception:  # noqa: BLE001  # see _fail
                self._fail()
        else:
            self.note(Polled(line, cadence.device.unit, cadence.index, time_ns, asked, stranger))

    def clock(self, *, right: bool, vouched: bool) -> None:
        """Write what is known of the clock where that has changed."""
        if (known := Clock(right, vouched)) != self._clock:
            self._clock = known
            self.note(known)

    def note(self, noted: Noted) -> None:
        """Write a note."""
        writer = self._capture.writer
        if writer is None:
            return
        try:
            writer.note(self._made(noted))
            if isinstance(noted, Interval):
                writer.hasten()  # the store waits for it before the interval is committed
        except Exception:  # noqa: BLE001  # see _fail
            self._fail()

    def _made(self, noted: Noted) -> Note:
        return Note(noted.kind, *self._now(), body_of(noted))

    def interval(self, payload: bytes, now_ns: int | None) -> None:
        """Write an interval record."""
        if self._capture.writer is not None:
            self.note(Interval(orjson.loads(payload), now_ns))


def _exchanges(results: Results) -> int:
    """Return how many exchanges stand behind what a poll gave."""
    for result in results.values():
        if not isinstance(result, Exchange):
            found = [each if isinstance(each, Exchange) else each.exchange for each in results.values()]
            return len({id(exchange) for exchange in found if exchange is not None})
    return len(results)


def _asked(results: Results) -> list[list[object]]:
    found: list[list[object]] = []
    for block, result in results.items():
        accepted = isinstance(result, Exchange)
        exchange = result if isinstance(result, Exchange) else result.exchange
        of = exchange and [*_place(exchange.block), exchange.attempt, accepted]
        found.append([*_place(block), of])
    return found


def _place(block: Block) -> tuple[int, int, int]:
    return block.function, block.address, block.count
