"""Values on their way to a receiver before they are committed: each is sent the moment it has its number.

Whoever watches a plant sees a value milliseconds after its reading, while the disk is still at work. What is sent so
is not yet settled: only what the receiver has acknowledged *and* a commit has made safe needs not be sent again.

Invariants:
- A value is handed over without waiting, so that no receiver holds up the poll that brought it. For want of room in
  the connection, or for an older one of their device, some wait here, in bounds and until they are committed; what is
  too much goes the way of all records.
- No more is under way than the link carries in half a second, so that no alarm and no lane waits long for it.
- What the receiver refused, or had not acknowledged when the connection ended, goes that way, too.
- No value overtakes an older one of its device: where one is left to the lanes, or refused, those after it wait until
  the lane that newer values go by has passed it. What is under way already cannot be called back; and where the oldest
  that wait are no longer fresh, all that wait are overtaken, there as here.
- The lanes look no further than what is committed and answered: what is under way here does not go twice.
"""

import asyncio
import contextlib
import logging
import time
from bisect import bisect_right, insort
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from agent.delivery.outbox import Outbox
from agent.delivery.pace import Pace
from agent.record import Record
from agent.sinks import PromptSession, Session

_LOG = logging.getLogger(__name__)
_MOST = 1000
"""Values that wait for room, at most."""


class Ahead:
    """What one sink is given ahead of the commits."""

    def __init__(
        self,
        store: Outbox,
        sink: str,
        *,
        on_answered: Callable[[Sequence[Record], int], None],
        careful: Callable[[], bool],
    ) -> None:
        """`on_answered` is told what was taken, and how many not; while `careful` says so, nothing is given."""
        self.sent_at = 0.0
        """Monotonic time [s] at which the latest was sent."""
        self._store = store
        self._sink = sink
        self._on_answered = on_answered
        self._careful = careful
        self._pace = Pace(least=2, size=32, most=128)
        self._session: PromptSession | None = None
        self._failed = False
        self._out: dict[int, tuple[Record, asyncio.Future[int]]] = {}
        self._under_way: deque[tuple[Record, asyncio.Future[int], int, float]] = deque()
        """What was not answered when it was looked at last: how many were under way with it, and when it was sent."""
        self._waiting: list[Record] = []
        """What there was no room for yet, by number."""
        self._held: list[Record] = []
        """What waits for an older one of its device that was left to the lanes, by number."""
        self._unanswered: list[Record] = []
        self._taken: list[int] = []
        """Numbers the receiver has, and that are not settled, for they are not committed."""
        self._before = 0
        """Last number given out before this connection: what the lanes still have of those nobody here knows."""
        self._left: dict[str, tuple[int, int]] = {}
        """First and last number of what was left to the lanes of each device, since they had passed all of it."""
        self._passed = 0

    @contextlib.contextmanager
    def on(self, session: Session) -> Iterator[None]:
        """Give a connection each value at once for the length of a block, if it takes single records."""
        if not isinstance(session, PromptSession):
            yield
            return
        self._session, self._failed = session, False
        self._before, self._passed = self._store.last_seq, 0
        self._left.clear()
        session.on_room = self._pour
        end = self._store.ahead(self._offer)
        try:
            yield
        finally:
            end()
            self._unanswered = [record for record, answer in self._out.values() if not _answered(answer)]
            self._take([each for each in self._out.values() if _answered(each[1])])
            self._out.clear()
            self._waiting, self._held = [], []
            self._under_way.clear()
            self._session = None

    def unanswered(self) -> list[Record]:
        """Return, once, what was not answered when the last connection ended."""
        unanswered, self._unanswered = self._unanswered, []
        return unanswered

    async def settled(self) -> int | None:
        """Settle what is committed by now, once it is answered; return up to where lanes may look, None for no end."""
        if self._session is None:
            return None
        committed = self._store.committed_seq
        for waiting in (self._waiting, self._held):
            count = bisect_right(waiting, committed, key=_seq)
            for record in waiting[:count]:
                self._leave(record)  # the lanes have it now
            del waiting[:count]
        due = [each for each in self._out.values() if each[0].seq <= committed]
        for _, answer in due:
            await answer
        self._take(due)
        for record, _ in due:
            del self._out[record.seq]
        numbers = sorted(number for number in self._taken if number <= committed)
        if numbers:
            self._taken = [number for number in self._taken if number > committed]
            self._store.given(self._sink, numbers)
        return committed

    def passed(self, number: int) -> None:
        """Note that the lane which newer values go by has passed a number; send what waited for that."""
        if number > self._passed:
            self._passed = number
            held, self._held = self._held, []
            for record in held:
                insort(self._held if self._behind(record) else self._waiting, record, key=_seq)
            self._pour()

    def _leave(self, record: Record) -> None:
        """Leave a value to the lanes."""
        first, last = self._left.get(record.key, (0, self._before))
        passed = last <= self._passed
        self._left[record.key] = record.seq if passed else min(first, record.seq), max(last, record.seq)

    def _behind(self, record: Record) -> bool:
        """Whether the lanes still have an older value of its device, for all that is known here."""
        first, last = self._left.get(record.key, (0, self._before))
        return first < record.seq and last > self._passed

    def _offer(self, record: Record, promised: bool) -> None:  # noqa: FBT001  # the outbox's signature
        """Send a record if there is room, or let it wait for some; neither raise nor wait."""
        if not promised or self._failed or self._careful() or len(self._waiting) + len(self._held) == _MOST:
            self._leave(record)
        elif self._behind(record):
            self._held.append(record)
        else:
            self._waiting.append(record)
            self._pour()

    def _pour(self) -> None:
        """Send what waits, as far as there is room for it and nothing older of its device was left meanwhile."""
        try:
            while self._session and self._has_room(self._session) and self._waiting:
                record = self._waiting[0]
                if self._behind(record):
                    insort(self._held, self._waiting.pop(0), key=_seq)
                    continue
                answer = self._session.offer(record)
                if answer is None:
                    break
                del self._waiting[0]
                self._out[record.seq] = record, answer
                self.sent_at = time.monotonic()
                self._under_way.append((record, answer, len(self._under_way) + 1, self.sent_at))
        except Exception:  # noqa: BLE001  # whatever it is
            self._failed = True  # a sink's bug must cost no poll; the lanes meet the record again
            self._waiting, self._held = [], []
            _LOG.exception("%s: nothing is sent ahead of its commit on this connection any more", self._sink)

    def _has_room(self, session: PromptSession) -> bool:
        """Note what answers say that have come, which they do in order; return whether more may be under way."""
        while self._under_way and self._under_way[0][1].done():
            record, answer, crowd, sent_at = self._under_way.popleft()
            if not answer.cancelled():
                self._pace.answered(crowd, sent_at)
                if not session.took(answer.result()):
                    self._leave(record)
        return len(self._under_way) < self._pace.size

    def _take(self, answered: Sequence[tuple[Record, asyncio.Future[int]]]) -> None:
        if answered and self._session:
            taken = [record for record, answer in answered if self._session.took(answer.result())]
            self._taken += [record.seq for record in taken]
            self._on_answered(taken, len(answered) - len(taken))


def _seq(record: Record) -> int:
    return record.seq


def _answered(answer: asyncio.Future[int]) -> bool:
    return answer.done() and not answer.cancelled()
