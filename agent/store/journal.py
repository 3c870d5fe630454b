"""The store as the agent's loop sees it: append without waiting, read what was committed."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import orjson

from agent.record import INTERVAL, TELEMETRY, Record
from agent.store.backlog import unheard
from agent.store.chain import Sign
from agent.store.settled import Lane
from agent.store.status import StoreStatus
from agent.store.told import Stamp, wall
from agent.store.writer import Writer

_ROWS_AT_ONCE = 32


class Store:
    """One SQLite file of records, with a cursor for each sink.

    `max_size` bounds the file with its log [bytes]; what was appended within the last `commit_every_s` may be lost
    with the power. `stamp` knows the time for the store's own records. All methods belong to the loop in which `open`
    was called.
    """

    def __init__(
        self,
        path: Path,
        *,
        max_size: int,
        commit_every_s: float,
        sinks: Sequence[str],
        site: str = "",
        stamp: Stamp = wall,
    ) -> None:
        self.path = path
        self._writer = Writer(
            path, max_size=max_size, commit_every_s=commit_every_s, sinks=sinks, site=site, stamp=stamp
        )
        self._offers: list[Callable[[Record, bool], None]] = []
        self._pulse = 0
        self._pulsed = asyncio.Event()

    async def open(self) -> None:
        """Open or create the file; raise StoreError (path, cause, remedy) for one that is not to be used.

        That is a folder, another program's or a newer agent's file, and one in use. A disk that fails is no reason
        not to start: see `degraded` in the status. A damaged file is renamed and a new one started: see `set_aside`
        there, and the event record.
        """
        loop = asyncio.get_running_loop()

        def pulse() -> None:
            # The last commit may come while the loop is already closing.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._beat)

        self._writer.on_pulse = pulse
        await asyncio.to_thread(self._writer.start)

    async def close(self) -> None:
        """Commit what waits and close the file."""
        await asyncio.to_thread(self._writer.stop)

    @property
    def epoch(self) -> str:
        """Name of this file's life: with site and `seq` it identifies a record."""
        return self._writer.backlog.epoch

    def append(self, kind: str, key: str, time_ns: int, body: Mapping[str, object]) -> Record:
        """Give a record its number, encode it and queue it; never wait.

        Adds `seq` and `epoch` to the body, to those of the chain `previous` and `hash`, and to seals `signature`.
        Raises ValueError naming the key of a value that is not finite or no JSON, and for a seal without a signer.
        """
        backlog = self._writer.backlog
        record = backlog.append(kind, key, time_ns, body)
        if kind == TELEMETRY:
            for offer in self._offers:
                offer(record, record.seq <= backlog.promised)
        return record

    def ahead(self, offer: Callable[[Record, bool], None]) -> Callable[[], None]:
        """Let `offer` be called with each record of values at once, and whether its number is promised.

        Where it is, a value may reach its receiver before it is committed; `given` then tells who has it. `offer` must
        neither raise nor wait. Returns what ends it.
        """
        self._offers.append(offer)
        self._writer.backlog.promising = True

        def end() -> None:
            self._offers.remove(offer)
            self._writer.backlog.promising = bool(self._offers)

        return end

    def given(self, sink: str, numbers: Sequence[int]) -> None:
        """Note that a sink has acknowledged the records of these numbers, ascending and committed, given it ahead."""
        self._writer.submit(lambda: self._writer.deliveries.given(sink, numbers))

    def sign_with(self, sign: Sign) -> None:
        """Let seals be signed from now on."""
        self._writer.backlog.sign = sign

    def commit_behind(self, ready: Callable[[], None]) -> None:
        """Let each commit wait for `ready`, which is called in another thread when it is known what is committed.

        It must neither raise nor wait for ever: meanwhile nothing is committed, and nothing read.
        """
        self._writer.on_taken = ready

    async def chained(self, after: int, limit: int) -> list[Record]:
        """Return the oldest committed records of the chain behind number `after`, at most so many.

        Raises StoreError when the file cannot be read.
        """
        return await asyncio.wrap_future(self._writer.submit(lambda: self._writer.chained(after, limit)))

    def transaction(self) -> AbstractContextManager[object]:
        """Return a block whose records and states are committed together; it must not wait for anything."""
        return self._writer.backlog.changed

    def save_state(self, name: str, value: bytes) -> None:
        """Keep a state, committed together with everything appended before it."""
        self._writer.backlog.save(name, value)

    def load_state(self, name: str) -> bytes | None:
        """Return the state saved last, of this run or the one before."""
        return self._writer.backlog.states.get(name)

    def load_states(self, prefix: str) -> dict[str, bytes]:
        """Return the states saved last whose names begin so, by name."""
        return {name: value for name, value in self._writer.backlog.states.items() if name.startswith(prefix)}

    def save_row(self, time_ns: int, row: bytes) -> None:
        """Keep a row of the ring of windows at its time (Unix, ns), committed with what was appended before it.

        Rows older than 25 h before the newest are forgotten, and the oldest of those that together take more than a
        quarter of the file.
        """
        self._writer.backlog.save_row(time_ns, row)

    def rows(self) -> Iterator[tuple[int, bytes]]:
        """Yield the committed rows of the ring (time, row), oldest first; a few are in memory at a time.

        For the start of the agent: each step waits for the disk. Raises StoreError when they cannot be read.
        """
        after_ns = -(1 << 63)
        while found := self._writer.submit(partial(self._writer.rows, after_ns, _ROWS_AT_ONCE)).result():
            yield from found
            after_ns = found[-1][0]

    async def flush(self) -> None:
        """Return when everything appended so far is committed; raise StoreError when it cannot be."""
        await asyncio.wrap_future(self._writer.submit(self._writer.flush))

    async def peek(
        self, sink: str, limit: int, *, lane: Lane = Lane.NORMAL, after: int = 0, through: int | None = None
    ) -> list[Record]:
        """Return the oldest records of a lane with a `seq` above `after` that the sink has not acknowledged.

        They are committed ones, while the file can be written, up to `through` if that is given. While it cannot even
        be read they are those in memory, which must reach receivers all the same.
        """
        status = self.status()
        if not status.degraded and self._writer.deliveries.has_all(sink, lane, status.committed_seq):
            return []  # without a way to the other thread: whatever it does next ends with a pulse
        peek = self._writer.submit(lambda: self._writer.peek(sink, lane, after, limit, through))
        return await asyncio.wrap_future(peek)

    async def acknowledge(self, sink: str, seq: int) -> None:
        """Note that the sink has everything of its last `peek` up to `seq`."""
        await asyncio.wrap_future(self._writer.submit(lambda: self._writer.deliveries.acknowledge(sink, seq)))

    async def set_aside(self, sink: str, record: Record, reason: str) -> None:
        """Keep a record the sink refused for good among a bounded number of dead letters."""
        await asyncio.wrap_future(self._writer.submit(lambda: self._writer.deliveries.set_aside(sink, record, reason)))

    async def news(self, seen: int) -> int:
        """Wait until there was a commit, or an attempt at one, after pulse `seen`; return the latest pulse."""
        while self._pulse == seen:
            await self._pulsed.wait()
        return self._pulse

    async def intervals(
        self, start_ns: int, end_ns: int, account: str | None = None, *, kind: str = INTERVAL
    ) -> list[Record]:
        """Return committed intervals or roll-ups that start in [start_ns, end_ns) (Unix, ns), as they were booked.

        Raises StoreError when the file cannot be read.
        """
        found = await asyncio.wrap_future(self._writer.submit(lambda: self._writer.intervals(kind, start_ns, end_ns)))
        return of_account(found, account)

    async def first_intervals(self, start_ns: int, end_ns: int, limit: int, *, kind: str = INTERVAL) -> list[Record]:
        """Return the first `limit` committed records of a kind that start in [start_ns, end_ns), by start and number.

        Fewer mean that there are no more. Raises StoreError when the file cannot be read.
        """
        found = self._writer.submit(lambda: self._writer.first_intervals(kind, start_ns, end_ns, limit))
        return await asyncio.wrap_future(found)

    def listen(self, listener: Callable[[Record], None]) -> Callable[[], None]:
        """Let the loop call `listener` with each record from now on, in the order of their numbers.

        That is before they are committed. A listener that fails costs the store nothing. There is one at
        a time: a new one takes the place of the former. Return what ends it.
        """
        loop, backlog = asyncio.get_running_loop(), self._writer.backlog

        def tell(record: Record) -> None:
            # The last record may come while the loop is already closing.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(listener, record)

        def end() -> None:
            if backlog.on_record is tell:
                backlog.on_record = unheard

        backlog.on_record = tell
        return end

    def now_ns(self) -> int | None:
        """Return the time now (Unix, ns) by which records of the store are stamped; None while it is not known."""
        return self._writer.backlog.now_ns()

    @property
    def found_seq(self) -> int:
        """Number of the last record that was there when the store was opened."""
        return self._writer.found_seq

    @property
    def last_seq(self) -> int:
        """Number of the record appended last, committed or not."""
        return self._writer.backlog.seq

    @property
    def room(self) -> int:
        """How many bytes of records may still be appended before the next commit takes them; beyond, the oldest go."""
        return self._writer.backlog.room

    @property
    def committed_seq(self) -> int:
        """Number of the record committed last."""
        return self._writer.status.committed_seq

    def unsettled(self, sink: str) -> int:
        """Return how many records the sink still needs, at most; exact once it has all."""
        return self._writer.deliveries.unsettled(sink, self.last_seq)

    @property
    def stuck_s(self) -> float:
        """How long the thread that owns the file has been at one thing [s]: a disk that hangs raises no error."""
        return self._writer.stuck_s

    def status(self) -> StoreStatus:
        """Return the figures of the last commit."""
        return self._writer.status

    def _beat(self) -> None:
        self._pulse += 1
        self._pulsed.set()
        self._pulsed = asyncio.Event()


def of_account(records: list[Record], account: str | None) -> list[Record]:
    """Return the interval records of one account, or all."""
    if account is None:
        return records
    return [record for record in records if orjson.loads(record.payload).get("account") == account]
