"""Which time is lost with records that a gap record tells of without their kinds: a store that forgot its end."""

from collections.abc import Mapping
from typing import Any

Body = Mapping[str, Any]


class LostTime:
    """Takes the records of a chain in their order; says of a gap record whether its time overlaps [start, end).

    Both are times as records write them. What a disk lost, or an older copy of the store that was put back does not
    have, lies between the last record of the epoch before and the gap record. What the bounded store dropped has
    kinds, and is of any time.
    """

    def __init__(self, start: str, end: str) -> None:
        self._start, self._end = start, end
        self._epoch, self._latest, self._before = "", "", ""

    def overlaps(self, body: Body) -> bool:
        """Take the next record, and return whether it is such a gap record whose time overlaps the period."""
        lost = body.get("schema") == "energy-agent/gap/1" and not body.get("kinds")
        time, epoch = str(body.get("end") or body.get("time") or ""), str(body.get("epoch"))
        if epoch != self._epoch:
            self._epoch, self._before = epoch, self._latest
        self._latest = time
        return lost and self._before < self._end and time >= self._start
