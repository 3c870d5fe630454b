"""What each sink has and what it is lent next; belongs to the writer's thread.

Invariants:
- A sink is lent records of one lane at a time, oldest first from the place it asks for; an acknowledgement speaks of
  what was lent last and of nothing else.
- A number is settled only when its record was acknowledged, or the file holds none of that lane at it any more. Only
  committed numbers are settled: nothing can appear later at a number once passed.
- What a sink was given ahead of the commit settles its number once that is committed, and not before.
- Records lent from memory, while the file cannot be written, settle nothing in the file; they are remembered one by
  one until every sink has them or the file has taken them.
"""

import time
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Protocol

from agent.record import Record
from agent.store.backlog import Backlog
from agent.store.dead_letter import MOST, DeadLetter
from agent.store.schema import lane_of
from agent.store.settled import Lane, Lanes, Settled, common
from drivers.value import mutable

_FEW = 10_000
"""Numbers delivered from memory that are remembered before it is asked which of their records still wait."""


class Source(Protocol):
    """What is committed."""

    @property
    def committed_seq(self) -> int:
        """Number of the record committed last."""

    def after(self, lane: Lane, low: int, high: int | None, limit: int) -> list[Record] | None:
        """Return the oldest records of a lane in (low, high]; None when the file cannot be read."""


class Latest:
    """What is committed, with the records of the last commit at hand: those of a lane that nobody has yet."""

    def __init__(self, source: Source, before: int, records: Sequence[Record]) -> None:
        """Take as `records` all that lie behind number `before`."""
        self._source = source
        self._before = before
        self._records = records

    @property
    def committed_seq(self) -> int:
        """Number of the record committed last."""
        return self._source.committed_seq

    def after(self, lane: Lane, low: int, high: int | None, limit: int) -> list[Record] | None:
        """Return the oldest records of a lane in (low, high]; None when the file cannot be read."""
        if low < self._before:
            return self._source.after(lane, low, high, limit)
        first = bisect_right(self._records, low, key=_seq)
        behind = len(self._records) if high is None else bisect_right(self._records, high, key=_seq)
        found = (record for record in self._records[first:behind] if lane_of(record.kind) is lane)
        return list(islice(found, limit))


@mutable
class _Lent:
    lane: Lane
    low: int
    through: int
    memory: Sequence[int] = ()


class Deliveries:
    """The sinks' accounts with the store."""

    def __init__(self, sinks: Sequence[str], backlog: Backlog) -> None:
        self.settled: dict[str, Lanes] = {sink: {lane: Settled() for lane in Lane} for sink in sinks}
        self.refused: list[DeadLetter] = []
        self.touched_ns = 0
        """Monotonic time of the first change that is not committed, 0 when there is none."""
        self._backlog = backlog
        self._lent: dict[str, _Lent] = {}
        self._from_memory: dict[str, set[int]] = {sink: set() for sink in sinks}
        self._most = dict.fromkeys(sinks, _FEW)

    def restore(self, settled: dict[str, Lanes]) -> None:
        """Take up what a file says of the sinks that are still there."""
        self.settled |= {sink: lanes for sink, lanes in settled.items() if sink in self.settled}

    def begin_with(self, settled: dict[str, Lanes]) -> None:
        """Take up what a file says of the sinks, and that it knows nothing of the others."""
        self.settled = {sink: {lane: Settled() for lane in Lane} for sink in self.settled}
        self.restore(settled)

    def settle(self, after: int, through: int) -> None:
        """Note that there is no record in (after, through], and never will be."""
        for lanes in self.settled.values():
            for settled in lanes.values():
                settled.add(after, through)

    def forget_memory(self) -> None:
        """Forget who was lent what from memory."""
        self._lent.clear()
        self._from_memory = {sink: set() for sink in self._from_memory}

    def touch(self) -> None:
        """Ask for a commit in due time."""
        self.touched_ns = self.touched_ns or time.monotonic_ns()

    def committed(self, before: int, through: int, kinds: Iterable[str]) -> None:
        """Note that everything so far is in the file, and that it has these kinds of records in (before, through]."""
        self.refused, self.touched_ns = [], 0
        for lane in {*Lane} - {*map(lane_of, kinds)}:
            for lanes in self.settled.values():
                lanes[lane].add(before, through)

    def has_all(self, sink: str, lane: Lane, committed_seq: int) -> bool:
        """Whether a sink needs nothing of a lane up to a number; may be asked in any thread."""
        return self.settled[sink][lane].cursor >= committed_seq

    def given(self, sink: str, numbers: Sequence[int]) -> None:
        """Note that a sink has the records of some numbers, ascending and committed, which it was given ahead."""
        settled = self.settled[sink][Lane.NORMAL]
        first = last = 0
        for number in (*(number for number in numbers if number > self._backlog.renumbered), 0):
            if number == last + 1:
                last = number
                continue
            if last:
                settled.add(first - 1, last)
            first = last = number
        self.touch()

    def peek(
        self, sink: str, lane: Lane, *, after: int, limit: int, through: int | None, source: Source
    ) -> list[Record]:
        """Return the oldest records of a lane in (after, through] that the sink has not acknowledged."""
        low, records = self._seek(sink, lane, after, limit, source, through)
        if records:
            self._lent[sink] = _Lent(lane, low, records[-1].seq)
            return records
        records = self._backlog.live(lane, self._from_memory[sink], limit)
        self._lent[sink] = _Lent(lane, 0, 0, [record.seq for record in records])
        return records

    def oldest(self, sink: str, source: Source) -> Record | None:
        """Return the record of any lane that the sink has waited for longest; None when it has all in the file."""
        found = [record for lane in Lane for record in self._seek(sink, lane, 0, 1, source)[1]]
        return min(found, key=lambda record: record.seq, default=None)

    def acknowledge(self, sink: str, seq: int) -> None:
        """Note that the sink has what it was lent last, up to `seq`."""
        lent = self._lent.get(sink)
        if lent is None:
            return
        if lent.memory:
            self._from_memory[sink].update(number for number in lent.memory if number <= seq)
            self._forget()
        elif lent.low < (through := min(seq, lent.through)):
            self.settled[sink][lent.lane].add(lent.low, through)
            self._from_memory[sink] -= {number for number in self._from_memory[sink] if lent.low < number <= through}
            self.touch()

    def set_aside(self, sink: str, record: Record, reason: str) -> None:
        """Keep a record that a sink refused for good."""
        refused_ns = self._backlog.now_ns() or 0
        self.refused = [*self.refused, DeadLetter(sink, reason, record, refused_ns)][-MOST:]
        self.touch()

    def unsettled(self, sink: str, through: int) -> int:
        """Return how many numbers up to `through` the sink has not settled in every lane."""
        spans = common(self.settled[sink].values())
        return through - sum(min(high, through) - low for low, high in spans if low < through)

    def _forget(self) -> None:
        """Forget records that reached every receiver without the file."""
        everywhere = set.intersection(*self._from_memory.values())
        self._backlog.discard(everywhere)
        for sink, numbers in self._from_memory.items():
            numbers.difference_update(everywhere)
            if len(numbers) > self._most[sink]:
                # The oldest records were dropped meanwhile, for want of memory.
                numbers.difference_update(self._backlog.gone(numbers))
                self._most[sink] = 2 * len(numbers) + _FEW

    def _seek(
        self, sink: str, lane: Lane, after: int, limit: int, source: Source, through: int | None = None
    ) -> tuple[int, list[Record]]:
        """Return the first records in the file the sink needs, and the number they lie behind; pass over holes."""
        settled, delivered = self.settled[sink][lane], self._from_memory[sink]
        behind, place, lent = after, after, list[Record]()
        while len(lent) < limit:
            low, high = settled.hole(place)
            if low >= source.committed_seq:
                break
            if through is not None and (high is None or high > through):
                # What lies behind may have been given ahead; nothing there is settled for want of a record.
                if low >= through:
                    break
                high = through
            found = source.after(lane, low, high, limit - len(lent))
            if found is None:
                break
            end = found[-1].seq if found else high  # fewer than asked for do not mean that there are no more
            records = [record for record in found if record.seq not in delivered]
            if records:
                behind = behind if lent else low
                lent += records
            else:
                settled.add(low, end or source.committed_seq)
                if found:
                    self.touch()
            if end is None:
                break
            place = end
        return behind, lent


def _seq(record: Record) -> int:
    return record.seq
