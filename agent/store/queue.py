"""Records and rows that wait in memory, bounded in bytes: the oldest go first, those of the chain last.

What goes is returned to whoever has to count it; nothing here knows of numbers, chains or locks.
"""

from collections.abc import Collection, Iterator

from agent.record import CHAINED, KINDS, Record

_OVERHEAD = 200
"""Memory of one queued record beside its payload, roughly [bytes]."""
_ROWS_SHARE = 8
"""Rows of the ring may take this part of the bound, beside it: they come one a minute."""


class Queue:
    """Records in the order of their numbers, and rows of the ring of windows by their time [Unix, ns]."""

    def __init__(self, max_bytes: int) -> None:
        self.bytes = 0
        """What the records take of memory."""
        self.rows: dict[int, bytes] = {}
        self._max_bytes = max_bytes
        self._records: list[Record] = []

    def __iter__(self) -> Iterator[Record]:
        return iter(self._records)

    @property
    def empty(self) -> bool:
        """Whether nothing waits."""
        return not (self._records or self.rows)

    @property
    def crowded(self) -> bool:
        """Whether so much waits that the commit should not wait for its time."""
        return self.bytes * 4 > self._max_bytes

    @property
    def overfull(self) -> bool:
        """Whether more waits than may."""
        return self.bytes > self._max_bytes

    @property
    def room(self) -> int:
        """How many bytes of records may still be added before the oldest have to go."""
        return max(0, self._max_bytes - self.bytes)

    def add(self, record: Record) -> None:
        """Put a record behind the others, whatever the bound."""
        self._records.append(record)
        self.bytes += len(record.payload) + _OVERHEAD

    def add_rows(self, rows: dict[int, bytes]) -> None:
        """Put rows behind the others; the oldest go while all take more than their share, the newest stays."""
        self.rows |= rows
        surplus = sum(map(len, self.rows.values())) - self._max_bytes // _ROWS_SHARE
        while surplus > 0 and len(self.rows) > 1:
            surplus -= len(self.rows.pop(next(iter(self.rows))))

    def take(self) -> tuple[list[Record], dict[int, bytes]]:
        """Remove and return everything."""
        taken = self._records, self.rows
        self._records, self.rows, self.bytes = [], {}, 0
        return taken

    def put_back(self, records: list[Record], rows: dict[int, bytes]) -> None:
        """Put what was taken before what has come since, whatever the bound of records."""
        self.hold(records + self._records)
        later, self.rows = self.rows, dict(rows)
        self.add_rows(later)

    def hold(self, records: list[Record]) -> None:
        """Have these records wait in place of those that do."""
        self._records, self.bytes = records, sum(map(_weight, records))

    def discard(self, seqs: Collection[int]) -> None:
        """Forget the records of some numbers."""
        self.hold([record for record in self._records if record.seq not in seqs])

    def bound(self) -> list[Record]:
        """Remove and return what is too much, and a tenth of the bound with it, if anything is."""
        if not self.overfull:
            return []
        surplus = self.bytes - self._max_bytes * 9 // 10
        lost: set[int] = set()
        for kinds in (set(KINDS) - CHAINED, CHAINED):
            for record in self._records:
                if surplus <= 0:
                    break
                if record.kind in kinds:
                    lost.add(record.seq)
                    surplus -= _weight(record)
        dropped = [record for record in self._records if record.seq in lost]
        self.discard(lost)
        return dropped


def _weight(record: Record) -> int:
    return len(record.payload) + _OVERHEAD
