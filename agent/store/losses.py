"""What the bounded store had to drop, until a gap record says so."""

import contextlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import field

import orjson

from agent.record import GAP, Record, rfc3339
from drivers.value import mutable


@mutable
class Losses:
    """Dropped records: their range of sequence numbers, how many of each kind, and why."""

    from_seq: int = 0
    to_seq: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    reasons: set[str] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.to_seq)

    def add(self, from_seq: int, to_seq: int, kinds: Mapping[str, int], *reasons: str) -> None:
        """Count dropped records."""
        self.from_seq = min(self.from_seq, from_seq) if self else from_seq
        self.to_seq = max(self.to_seq, to_seq)
        self.kinds.update(kinds)
        self.reasons.update(reasons)

    def add_records(self, records: Iterable[Record], reason: str) -> None:
        """Count dropped records; a dropped gap record hands over what it told."""
        for record in records:
            self.add(record.seq, record.seq, {record.kind: 1}, reason)
            if record.kind == GAP:
                # What a damaged gap record told, nobody knows any more.
                with contextlib.suppress(ValueError, KeyError, TypeError):
                    told = orjson.loads(record.payload)
                    self.add(told["from_seq"], told["to_seq"], told["kinds"], *told["reason"].split("; "))

    def merge(self, other: "Losses") -> None:
        """Take over what `other` counted."""
        if other:
            self.add(other.from_seq, other.to_seq, other.kinds, *other.reasons)

    def body(self, time_ns: int) -> dict[str, object]:
        """Return the body of the gap record."""
        return {
            "schema": "energy-agent/gap/1",
            "time": rfc3339(time_ns),
            "from_seq": self.from_seq,
            "to_seq": self.to_seq,
            "kinds": dict(self.kinds),
            "reason": "; ".join(sorted(self.reasons)),
        }

    def state(self) -> dict[str, object]:
        """Return the counts as JSON values."""
        return {
            "from_seq": self.from_seq,
            "to_seq": self.to_seq,
            "kinds": dict(self.kinds),
            "reasons": sorted(self.reasons),
        }

    @classmethod
    def restored(cls, state: Mapping[str, object]) -> "Losses":
        """Return the counts `state` was taken from."""
        from_seq, to_seq, kinds, reasons = (state[name] for name in ("from_seq", "to_seq", "kinds", "reasons"))
        if not (isinstance(from_seq, int) and isinstance(to_seq, int)):
            raise TypeError("losses without their range")
        if not (isinstance(kinds, dict) and isinstance(reasons, list)):
            raise TypeError("losses without their kinds")
        return cls(from_seq, to_seq, Counter(kinds), set(reasons))
