"""What the store's file knows about itself without counting rows."""

import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import field, replace

from agent.record import Record
from agent.store.batch import Batch
from agent.store.chain import GENESIS
from agent.store.losses import Losses
from agent.store.told import Told, Untold
from drivers.value import frozen

_NOT_CLOSED = "the agent or its machine ended without a last commit; so many records at most"


@frozen
class Inventory:
    """The last number and the head of the chain, and what is kept and was dropped, as of a commit."""

    epoch: str
    seq: int = 0
    promised: int = 0
    """Numbers behind `seq` up to this one may have gone to receivers, whose records no commit has followed."""
    chain: str = GENESIS
    records: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    """Dropped records by "kind: reason"."""
    losses: Losses = field(default_factory=Losses)
    """What was dropped by the last commit, and no batch knew of."""
    earlier: Untold = field(default_factory=Untold)
    """What batches up to the last one knew of, and no record tells yet."""
    commits: int = 0
    version: int = 0
    """Version of the schema, once more beside the header's: that has no checksum."""

    def drop(self, records: Iterable[Record], reason: str) -> None:
        """Count records that leave the file undelivered, for the figures and for the next gap record."""
        gone = list(records)
        self.let_go(gone, reason)
        self.losses.add_records(gone, reason)

    def let_go(self, records: Iterable[Record], reason: str) -> None:
        """Count records that leave the file and that no receiver misses."""
        kinds = Counter(record.kind for record in records)
        self.records.subtract(kinds)
        self.dropped.update({f"{kind}: {reason}": count for kind, count in kinds.items()})

    @property
    def untold(self) -> Untold:
        """What records are still to tell."""
        untold = self.earlier.copy()
        untold.losses.merge(self.losses)
        return untold

    @property
    def in_doubt(self) -> Losses:
        """Numbers that receivers may have seen and that no commit has followed."""
        losses = Losses()
        if self.promised > self.seq:
            losses.add(self.seq + 1, self.promised, {}, _NOT_CLOSED)
        return losses

    def following(self, batch: Batch) -> "Inventory":
        """Return the inventory that the commit of a batch begins with."""
        seq = max(batch.seq, self.seq)
        return replace(
            self,
            seq=seq,
            promised=max(batch.promised, seq),
            epoch=batch.epoch,
            chain=batch.chain,
            records=Counter(self.records),
            dropped=Counter(self.dropped),
            losses=Losses(),
            earlier=batch.untold,
            commits=self.commits + 1,
        )

    def text(self) -> str:
        """Return the inventory as stored."""
        content = {
            name: getattr(self, name)
            for name in ("epoch", "seq", "promised", "chain", "records", "dropped", "commits", "version")
        }
        untold = self.untold
        events = [[told.name, told.text] for told in untold.events]
        return json.dumps({**content, "losses": untold.losses.state(), "events": events})

    @classmethod
    def parse(cls, text: str) -> "Inventory":
        """Return an inventory as it was stored."""
        found, now_ns = json.loads(text), time.monotonic_ns()
        return cls(
            epoch=found["epoch"],
            seq=found["seq"],
            promised=max(found["seq"], found.get("promised", 0)),
            chain=found["chain"],
            records=Counter(found["records"]),
            dropped=Counter(found["dropped"]),
            earlier=Untold(Losses.restored(found["losses"]), [Told(now_ns, *told) for told in found.get("events", ())]),
            commits=found["commits"],
            version=found["version"],
        )


def dropped_by(dropped: Mapping[str, int], part: int) -> dict[str, int]:
    """Return dropped records by kind (`part` 0) or by reason (1)."""
    found: Counter[str] = Counter()
    for name, count in dropped.items():
        found[name.split(": ", 1)[part]] += count
    return dict(found)
