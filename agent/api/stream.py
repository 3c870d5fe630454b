"""What happens, as server-sent events: each record as it is written, and each change of a retained topic.

Invariants:

- One ring holds the latest events, each encoded once; a reader is only a place in it. Nobody is waited for: whoever
  has fallen out of the ring is told so and let go.
- Taking an event in never waits and never fails, whatever the readers do.
- The numbers of the records are those of the store, without holes, so a reader that comes back with the last one it
  has can be given what follows, or be told that it cannot.
"""

import asyncio
import itertools
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus

import orjson

from agent.api.request import Answer, Parts, Request, error
from agent.board import Board
from agent.record import KINDS, Record
from agent.store import Store
from drivers.value import frozen

RETAINED = ("state", "status", "meta")
"""Classes of retained topics whose changes are events; an alarm is a record already."""
EVENTS = (*KINDS, *RETAINED)
MOST_READERS = 16
RING = 1000
"""Events kept for readers who come back."""

_AT_ONCE = 64
"""Events written together; between two writes it is seen whether the reader keeps up."""
_HEARTBEAT_S = 15.0
_RETRY_MS = 2000
"""How long a browser should wait before it comes back."""
_GOODBYE_S = 0.5
_TOO_SLOW = "too slow: what followed is no longer kept; come back with Last-Event-ID for what still is"
_ENDS = "the agent ends"
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


@frozen
class ServerSentEvent:
    """One event: `kind` is its name, `seq` the number of its record, None where it is none."""

    kind: str
    seq: int | None
    text: bytes


@frozen
class Wish:
    """What a reader asks for: kinds of events, and the number of the last record it has."""

    kinds: frozenset[str]
    last_seq: int | None


class Ring:
    """The latest events. A place counts all events there ever were."""

    def __init__(self, last_seq: int) -> None:
        self._events: deque[ServerSentEvent] = deque()
        self._start = 0
        self._changed = asyncio.Event()
        self.first_seq = last_seq + 1
        """From this number on all records are here."""
        self.last_seq = last_seq
        self.closed = False

    @property
    def end(self) -> int:
        """The place behind the newest event."""
        return self._start + len(self._events)

    def post(self, kind: str, payload: bytes, seq: int | None = None) -> None:
        """Take in an event, in place of the oldest when the ring is full."""
        number = f"id: {seq}\n" if seq is not None else ""
        self._events.append(ServerSentEvent(kind, seq, f"event: {kind}\n{number}data: ".encode() + payload + b"\n\n"))
        if seq is not None:
            self.last_seq = seq
        if len(self._events) > RING:
            gone = self._events.popleft()
            self._start += 1
            if gone.seq is not None:
                self.first_seq = gone.seq + 1
        self._wake()

    def close(self) -> None:
        """Let readers know that nothing follows."""
        self.closed = True
        self._wake()

    def place_after(self, seq: int) -> int | None:
        """Return the place behind a record; None when what follows it is not all here."""
        if not self.first_seq - 1 <= seq <= self.last_seq:
            return None
        places = (place for place, event in enumerate(self._events, 1) if event.seq is not None and event.seq <= seq)
        return self._start + max(places, default=0)

    def since(self, place: int) -> list[ServerSentEvent] | None:
        """Return the next events from a place on, none when there are none yet; None when they are gone."""
        skipped = place - self._start
        return None if skipped < 0 else list(itertools.islice(self._events, skipped, skipped + _AT_ONCE))

    @property
    def start(self) -> int:
        """The place of the oldest event."""
        return self._start

    async def news(self, place: int) -> None:
        """Wait until there is an event at a place, or none will ever be."""
        while self.end <= place and not self.closed:
            await self._changed.wait()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


class Stream:
    """Gives every reader what happens, for as long as the agent runs and the reader keeps up."""

    def __init__(self, store: Store, board: Board) -> None:
        self._store = store
        self._board = board
        self._ring = Ring(0)
        self._readers: set[asyncio.Future[None]] = set()
        """What tells of each reader that it has gone."""
        self._watch: asyncio.Task[None] | None = None
        self._unlisten: Callable[[], None] | None = None

    def start(self) -> None:
        """Begin to take in what happens; the store must be open."""
        self._ring = Ring(self._store.last_seq)
        self._unlisten = self._store.listen(self._take)
        self._watch = asyncio.create_task(self._watch_board(self._board.since(0)[0]), name="stream of the board")

    async def stop(self) -> None:
        """Say goodbye to every reader; those that do not read are not waited for."""
        if self._unlisten:
            self._unlisten()
        if self._watch:
            self._watch.cancel()
        self._ring.close()
        if self._readers:
            await asyncio.wait(self._readers, timeout=_GOODBYE_S)

    def answer(self, request: Request, wish: Wish) -> Answer:
        """Return the events for one reader, for as long as it stays."""
        body: bytes | Parts = b""
        if request.method != "HEAD":
            if len(self._readers) >= MOST_READERS:
                text = f"{MOST_READERS} readers are all that are served: come back later"
                return error(HTTPStatus.SERVICE_UNAVAILABLE, text)
            body = self._told(wish)
        return Answer(body, content_type="text/event-stream", headers=_HEADERS)

    async def _told(self, wish: Wish) -> Parts:
        """Yield events until the reader goes, which it can ask for again, or falls behind, or the agent ends."""
        gone = asyncio.get_running_loop().create_future()
        self._readers.add(gone)
        try:
            async for text in self._events(wish):
                yield text
        finally:
            self._readers.discard(gone)
            gone.set_result(None)

    async def _events(self, wish: Wish) -> Parts:
        """Yield events until the reader falls behind, or the agent ends."""
        ring, loop = self._ring, asyncio.get_running_loop()
        place, greeting = self._begin(wish.last_seq)
        yield greeting
        due = loop.time() + _HEARTBEAT_S
        while True:
            events = ring.since(place)
            if events is None:
                yield _control("end", reason=_TOO_SLOW)
                return
            place += len(events)
            text = b"".join(event.text for event in events if event.kind in wish.kinds)
            if not text and loop.time() >= due:
                # The number spares a reader of rare kinds to be told later that it may have missed some.
                text = b": still here\n" + (b"id: %d\n\n" % ring.last_seq if place == ring.end else b"\n")
            if text:
                yield text
                due = loop.time() + _HEARTBEAT_S
            elif not events and ring.closed:
                yield _control("end", reason=_ENDS)
                return
            elif not events:
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(due):
                        await ring.news(place)

    def _begin(self, last_seq: int | None) -> tuple[int, bytes]:
        """Return the place a reader begins at, and the words it is greeted with."""
        ring, greeting = self._ring, b"retry: %d\n\n" % _RETRY_MS
        if last_seq is None:
            return ring.end, greeting
        place = ring.place_after(last_seq)
        if place is not None:
            return place, greeting
        reason = "newer than all records: the store is another one" if last_seq > ring.last_seq else "no longer kept"
        missed = _control("missed", last_event_id=last_seq, first_seq=ring.first_seq, reason=reason)
        return ring.start, greeting + missed

    def _take(self, record: Record) -> None:
        self._ring.post(record.kind, record.payload, record.seq)

    async def _watch_board(self, version: int) -> None:
        while True:
            version, changed = await self._board.changes(version)
            for topic, payload in changed:
                kind = _retained(topic)
                if kind and payload:
                    self._ring.post(kind, payload)


def _control(name: str, **content: object) -> bytes:
    """Return an event about the stream itself."""
    return f"event: {name}\ndata: ".encode() + orjson.dumps(content) + b"\n\n"


def _retained(topic: str) -> str | None:
    """Return the class of a retained topic, None where its changes are no events."""
    place, _, name = topic.rpartition("/")
    levels = 0 if place == "agent" else 1
    return name if name in RETAINED and place.count("/") == levels else None
