"""What waits in memory for the next commit.

Invariants:
- Sequence numbers, the chain and the order of the queue are made under one lock, so the order of the queue is the
  order of the numbers, and a commit of the whole queue never leaves a lower number for later.
- A batch is everything that waits: a state is never committed without the records appended before it, nor they
  without it.
- The queue is bounded; what it lets go is counted as lost.
- A gap record takes its number while the batch is taken, behind everything in it. It and the store's events wait
  for the time to be known; until then each batch carries what they are to tell.
- While the file cannot be written, records outside the chain carry an epoch of their own: they may reach receivers
  without ever reaching the file, whose numbers then continue from its last commit. Those of the chain wait for it.
- A record may go to receivers before it is committed, *ahead*, if its number is *promised*: a commit has told the file
  so, and no other record ever gets that number, not even when the power fails before the next commit.
"""

import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

import orjson

from agent.record import AGENT, CHAINED, EVENT, GAP, KINDS, SEAL, Record, encode, event_body
from agent.store.batch import Batch
from agent.store.chain import GENESIS, Sign, link
from agent.store.losses import Losses
from agent.store.queue import Queue
from agent.store.schema import lane_of
from agent.store.settled import Lane
from agent.store.told import Stamp, Told, Untold, wall

_OF_THE_STORE = {"seq", "epoch", "previous", "hash", "signature"}
"""What the store adds to a body."""
_OF_THE_LINK = _OF_THE_STORE - {"seq", "epoch"}
"""What of it depends on the records before."""
_QUEUE_FULL = "queue full before the disk took them"
_LEAST_PROMISED = 100
"""Numbers promised with a commit, at least; otherwise twice as many as the largest batch took."""


def unheard(_: Record) -> None:
    """Take a record that nobody listens for."""


class Backlog:
    """The queue between the agent's loop and the writer thread."""

    def __init__(self, *, max_bytes: int, site: str, stamp: Stamp = wall) -> None:
        self._lock = threading.RLock()
        self.changed = threading.Condition(self._lock)
        self.epoch = ""
        self.chain = GENESIS
        self.sign: Sign | None = None
        """Signs seals."""
        self.promising = False
        """Whether numbers are to be promised with the next commits."""
        self.promised = 0
        """The last number of which the file knows that it may have gone ahead."""
        self.seq = 0
        self.states: dict[str, bytes] = {}
        self.renumbered = 0
        """The last number given out before records got new ones; those up to it say nothing any more."""
        self.untold = Untold()
        self.dropped: Counter[str] = Counter()
        self.first_ns = 0
        self.on_record: Callable[[Record], None] = unheard
        """Called with each record that has got its number, in whichever thread gave it; must not raise or wait."""
        self._site = site
        self._queue = Queue(max_bytes)
        self._changed_states: dict[str, bytes] = {}
        self._live_epoch = ""
        self._live_from = 0
        self._stamp = stamp
        self._largest = 0
        self._to_be_kept = False
        """Whether there is more to tell than the file knows."""

    @property
    def crowded(self) -> bool:
        """Whether so much waits that the commit should not wait for its time."""
        return self._queue.crowded

    @property
    def room(self) -> int:
        """How many bytes of records may still be appended before the oldest have to go."""
        return self._queue.room

    @property
    def empty(self) -> bool:
        """Whether nothing waits."""
        return self._queue.empty and not (self._changed_states or self._to_be_kept or self.telling)

    @property
    def telling(self) -> bool:
        """Whether there is something to tell of the store, and the time for it is known."""
        return bool(self.untold) and self.now_ns() is not None

    def now_ns(self) -> int | None:
        """Return the time now (Unix, ns); None while it is not known."""
        stamp = self._stamp(time.monotonic_ns())
        return stamp[0] if stamp else None

    def append(self, kind: str, key: str, time_ns: int, body: Mapping[str, object]) -> Record:
        """Give `body` its number, encode it and queue it; raise ValueError when it is no record."""
        if kind not in KINDS:
            raise ValueError(f"no kind of record: {kind}")
        with self._lock:  # that of `changed`, without its ceremony: this is done for every record
            queue = self._queue
            was_crowded = queue.crowded
            was_empty = not queue.bytes and self.empty
            if self.untold.events:
                self._tell_events()
            record = self._number(kind, key, time_ns, body)
            if queue.overfull:
                self._bound()
            if was_empty:
                self.first_ns = time.monotonic_ns()
            if was_empty or (queue.crowded and not was_crowded):
                self.changed.notify()
        return record

    def save(self, name: str, value: bytes) -> None:
        """Queue a state behind the records appended so far."""
        with self.changed:
            if self.empty:
                self.first_ns = time.monotonic_ns()
                self.changed.notify()
            self.states[name] = self._changed_states[name] = value

    def save_row(self, time_ns: int, row: bytes) -> None:
        """Queue a row of the ring behind the records appended so far."""
        with self.changed:
            if self.empty:
                self.first_ns = time.monotonic_ns()
                self.changed.notify()
            self._queue.add_rows({time_ns: row})

    def take(self) -> Batch:
        """Remove and return everything that waits, with a gap record when records were lost."""
        with self.changed:
            self._tell_events()
            self._tell_losses()
            records, rows = self._queue.take()
            states, self._changed_states = self._changed_states, {}
            dropped, self.dropped = self.dropped, Counter()
            self._to_be_kept = False
            self._largest = max(self._largest, len(records))
            promised = self.seq + max(_LEAST_PROMISED, 2 * self._largest) if self.promising else self.seq
            self.promised = min(self.promised, promised)  # less counts from now on, more once it is committed
            return Batch(self.seq, self.epoch, self.chain, records, states, dropped, rows, self.untold.copy(), promised)

    def put_back(self, batch: Batch) -> None:
        """Queue a batch again that could not be committed."""
        with self.changed:
            self._queue.put_back(batch.records, batch.rows)
            self.dropped.update(batch.dropped)
            self._to_be_kept = bool(self.untold)
            self._changed_states = {**batch.states, **self._changed_states}
            self.first_ns = time.monotonic_ns()
            self._bound()

    def lose(self, losses: Losses) -> None:
        """Note what the file had to drop, for the gap record of the next batch."""
        with self.changed:
            self.untold.losses.merge(losses)

    def keep_untold(self, untold: Untold) -> None:
        """Note what is still to be told, and that no file knows of it that will be written."""
        with self.changed:
            self.untold.merge(untold)
            self._to_be_kept = self._to_be_kept or bool(untold)

    def report(self, name: str, text: str) -> None:
        """Tell of something that came to pass now, by an event record as soon as the time is known."""
        with self.changed:
            self.untold.events.append(Told(time.monotonic_ns(), name, text))
            self._to_be_kept = True
            self._tell_events()

    def degrade(self) -> None:
        """Mark what is appended from now on as live: it may be delivered before it is committed."""
        with self.changed:
            self.promised = 0
            if not self._live_epoch:
                self._live_epoch = f"{self.epoch}-{secrets.token_hex(3)}"
                self._live_from = self.seq + 1

    def recover(self) -> None:
        """Return to records that are committed first."""
        with self.changed:
            self._live_epoch = ""

    def relink(self, chain: str) -> None:
        """Link what waits behind the head of another chain: that of the file it will be written to."""
        with self.changed:
            self.chain = chain
            self._queue.hold([self._linked_anew(record) for record in self._queue])

    def _linked_anew(self, record: Record) -> Record:
        if record.kind not in CHAINED:
            return record
        body = orjson.loads(record.payload)
        payload = self._link(record.kind, {key: body[key] for key in body if key not in _OF_THE_LINK})
        return replace(record, payload=payload)

    def renumber(self, seq: int, chain: str) -> None:
        """Give everything that waits a new number behind `seq`, for a file that has used up theirs, and link it."""
        with self.changed:
            self.chain = chain
            waiting = [*self._queue]
            self._queue.hold([])
            self.seq = self.renumbered = max(self.seq, seq)
            self._live_from = self.seq + 1
            for record in waiting:
                body = orjson.loads(record.payload)
                content = {name: value for name, value in body.items() if name not in _OF_THE_STORE}
                self._number(record.kind, record.key, record.time_ns, content)

    def gone(self, numbers: Collection[int]) -> set[int]:
        """Return those of the numbers lent since the file cannot be written whose records no longer wait."""
        with self.changed:
            waiting = {record.seq for record in self._queue}
            return {number for number in numbers if number >= self._live_from and number not in waiting}

    def live(self, lane: Lane, delivered: Collection[int], limit: int) -> list[Record]:
        """Return the oldest records of a lane that may be delivered uncommitted and are not in `delivered`."""
        with self.changed:
            found = []
            for record in self._queue if self._live_epoch else ():
                wanted = record.kind not in CHAINED and lane_of(record.kind) is lane
                if wanted and record.seq >= self._live_from and record.seq not in delivered:
                    found.append(record)
                    if len(found) == limit:
                        break
            return found

    def discard(self, seqs: Collection[int]) -> None:
        """Forget records that reached every receiver without the file."""
        with self.changed:
            self._queue.discard(seqs)

    def _tell_events(self) -> None:
        while self.untold.events and (stamp := self._stamp(self.untold.events[0].monotonic_ns)):
            told = self.untold.events.pop(0)
            self._tell(EVENT, event_body(self._site, stamp[0], name=told.name, text=told.text), *stamp)

    def _tell_losses(self) -> None:
        losses = self.untold.losses
        if losses and (stamp := self._stamp(time.monotonic_ns())):
            self.untold.losses = Losses()
            self._tell(GAP, losses.body(stamp[0]), *stamp)

    def _tell(self, kind: str, body: Mapping[str, object], time_ns: int, clock: Mapping[str, object]) -> None:
        site = {"site": self._site} if self._site else {}
        self._number(kind, AGENT, time_ns, {**site, **body, **({"clock": clock} if clock else {})})

    def _number(self, kind: str, key: str, time_ns: int, body: Mapping[str, object]) -> Record:
        seq = self.seq + 1
        if kind in CHAINED:
            payload = self._link(kind, {**body, "seq": seq, "epoch": self.epoch})
        else:
            payload = encode({**body, "seq": seq, "epoch": self._live_epoch or self.epoch})
        self.seq = seq
        record = Record(seq, kind, key, time_ns, payload)
        self._queue.add(record)
        self.on_record(record)
        return record

    def _link(self, kind: str, body: Mapping[str, object]) -> bytes:
        if kind == SEAL and self.sign is None:
            raise ValueError("there is no key to sign a seal with")
        payload, self.chain = link(body, self.chain, self.sign if kind == SEAL else None)
        return payload

    def _bound(self) -> None:
        dropped = self._queue.bound()
        if not dropped:
            return
        self.untold.losses.add_records(dropped, _QUEUE_FULL)
        self.dropped.update(f"{record.kind}: {_QUEUE_FULL}" for record in dropped)
