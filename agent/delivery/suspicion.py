"""Which record it is that ends every connection it is sent on, where the receiver does not say so.

MQTT 3.1.1 has no other answer to a message a broker will never take: it closes the connection, and everything behind
that message would wait for ever. A bad link closes connections as well, and no record may be given up for that.

Pure: it is told what became of each connection, and says what the next one is for.

Invariants:
- Two connections in a row that end with the same oldest record under way put the records of that batch in doubt: they
  go one by one, until one is under way alone as its connection ends, twice.
- That one is tried. A fresh connection stays idle first, and is seen to be stable; then the record is all that is sent.
- Three trials in a row that end so convict it. A connection that ends while it is idle acquits it, for then it is
  the link; so does an acknowledgement. What ends for a reason that is known says nothing.
"""

from collections.abc import Sequence

from agent.record import Record

_TRIALS = 3
_SUSPICIOUS = 2
_CALM_S = 5.0
_LONGEST_CALM_S = 600.0
_CALMER = 30
"""A connection must stay idle for so many times as long as the record before took to end one."""


class Suspicion:
    """What is known against the records of one sink."""

    def __init__(self) -> None:
        self.suspect: Record | None = None
        """The record the next connection is for."""
        self.calm_s = _CALM_S
        """How long that connection is to stay idle before the suspect is sent."""
        self.careful = 0
        """So many records are to go one by one."""
        self._trials = 0
        self._oldest = 0
        self._ends = 0

    def acknowledged(self, records: Sequence[Record]) -> None:
        """Note records the receiver has."""
        self.careful = max(0, self.careful - len(records))
        if self.suspect and any(record.seq == self.suspect.seq for record in records):
            self.acquit()

    def acquit(self) -> None:
        """Forget what is held against the suspect."""
        self.suspect, self.calm_s, self._trials, self._oldest, self._ends = None, _CALM_S, 0, 0, 0

    def ended(self, under_way: Sequence[Record], *, after_s: float) -> Record | None:
        """Note a connection that ended without a word; return the record that is convicted by it.

        `under_way` are the records sent last and not acknowledged, `after_s` is for how long they had been.
        """
        if self.suspect:
            return self._tried(self.suspect, under_way, after_s)
        if under_way:
            same = under_way[0].seq == self._oldest
            self._oldest, self._ends = under_way[0].seq, self._ends + 1 if same else 1
            if self._ends >= _SUSPICIOUS:
                self.careful = max(self.careful, len(under_way))
                if len(under_way) == 1:
                    self.suspect = under_way[0]
                    self._calm_after(after_s)
        return None

    def _calm_after(self, after_s: float) -> None:
        self.calm_s = min(max(self.calm_s, _CALMER * after_s), _LONGEST_CALM_S)

    def _tried(self, suspect: Record, under_way: Sequence[Record], after_s: float) -> Record | None:
        if not under_way:
            self.acquit()
            return None
        self._trials += 1
        self._calm_after(after_s)
        if self._trials < _TRIALS:
            return None
        self.acquit()
        return suspect
