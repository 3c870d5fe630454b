"""What one commit writes."""

from collections import Counter
from dataclasses import field

from agent.record import Record
from agent.store.told import Untold
from drivers.value import mutable


@mutable
class Batch:
    """Everything that waited; `seq` and `chain` are the last number and the head of the chain after it."""

    seq: int
    epoch: str
    chain: str
    records: list[Record] = field(default_factory=list)
    states: dict[str, bytes] = field(default_factory=dict)
    dropped: Counter[str] = field(default_factory=Counter)
    """Records that never reached the file, by "kind: reason"."""
    rows: dict[int, bytes] = field(default_factory=dict)
    """Rows of the ring of windows, by their time [Unix, ns]."""
    untold: Untold = field(default_factory=Untold)
    """What no record tells yet."""
    promised: int = 0
    """Numbers behind `seq` up to this one may go to receivers before the next commit."""
