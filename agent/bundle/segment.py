"""Which part of the chain of records proves a period, found in one pass through it."""

from collections.abc import Iterable
from typing import Any

from agent.bundle.form import BundleError
from agent.bundle.lost import LostTime
from agent.record import rfc3339

Body = dict[str, Any]


class Segment:
    """Records from `first` to `last` (numbers, both included), which prove [start_ns, end_ns) (Unix, ns).

    It begins behind what a seal covers, so that the next seal can be checked, and before the period with the evidence
    of what was in use then; it ends with the seal over the last record that concerns the period, if there is one.
    """

    def __init__(self, start_ns: int, end_ns: int) -> None:
        self.first = self.last = 0
        self.intervals = 0
        """Records of account of the period, all revisions."""
        self._from, self._to = rfc3339(start_ns), rfc3339(end_ns)
        self._lost = LostTime(self._from, self._to)
        self._sealed = 0
        self._evidence = 0
        self._covered = True

    def take(self, seq: int, body: Body) -> None:
        """Take the next record of the chain."""
        kind = str(body.get("schema", "")).split("/")[1:2]
        if kind == ["seal"]:
            self._sealed = int(body["to_seq"])
            if not self._covered and self._sealed >= self.last:
                self.last, self._covered = seq, True
        elif kind == ["evidence"] and body["what"] == "software" and body["time"] <= self._from and not self.intervals:
            self._evidence = self._sealed + 1
        lost = self._lost.overlaps(body)
        if self._concerns(kind, body) or lost:
            if not self.first:
                self.first = self._evidence or self._sealed + 1
            self.last, self._covered = seq, False

    def _concerns(self, kind: list[str], body: Body) -> bool:
        if kind == ["interval"]:
            of_period = bool(self._from <= body["start"] < self._to)
            self.intervals += of_period
            return of_period
        if kind == ["evidence"] and body["what"] == "capture":
            return bool(body.get("first", self._to) < self._to and body.get("last", "") >= self._from)
        return kind != ["seal"] and bool(self._from <= str(body.get("time", "")) < self._to)


def segment_of(records: Iterable[tuple[int, Body]], start_ns: int, end_ns: int) -> Segment:
    """Return the part of the chain that proves a period; raise BundleError when nothing was recorded in it."""
    segment = Segment(start_ns, end_ns)
    for seq, body in records:
        segment.take(seq, body)
    if not segment.intervals:
        raise BundleError(
            f"no interval of the store starts between {rfc3339(start_ns)} and {rfc3339(end_ns)}: choose another period"
        )
    return segment
