"""The latest of each retained message, for whoever publishes them: on connecting all, then what changes."""

import asyncio
import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

import orjson

from agent.record import as_json

HELD = "retained"
"""Name under which the store keeps the topics that a receiver may hold a message of."""

_LARGE = 1024
"""Messages from so many bytes on are kept compressed: what a device is takes 1 kB then instead of 3."""


class _Entry(NamedTuple):
    """A message as it is kept."""

    posted: int
    """The version of the board that began with it."""
    kept: bytes
    compressed: bool

    @staticmethod
    def of(posted: int, payload: bytes) -> "_Entry":
        large = len(payload) >= _LARGE
        return _Entry(posted, zlib.compress(payload) if large else payload, large)

    @property
    def payload(self) -> bytes:
        return zlib.decompress(self.kept) if self.compressed else self.kept


class Memory(Protocol):
    """What outlives a run."""

    def load_state(self, name: str) -> bytes | None:
        """Return the state saved last."""

    def save_state(self, name: str, value: bytes) -> None:
        """Keep a state."""


class Board:
    """Retained messages by topic below the site, such as `boiler-house/boiler-1/state` or `agent/status`.

    An empty payload removes the message at the receiver; it stands until the receiver has acknowledged that, over
    restarts if need be. All methods belong to one event loop.
    """

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}
        self._version = 0
        self._changed = asyncio.Event()
        self._held: set[str] = set()
        self._saved = b"[]"
        """The same as it is saved, in the order in which they came."""
        self._memory: Memory | None = None

    def remember(self, memory: Memory, *, known: Callable[[str], bool]) -> None:
        """Remove what receivers hold of earlier runs and nobody posts any more; keep what they hold from now on.

        To be called when everything is posted but the states of devices, which come with their first polls: of places
        (`area/device`) that are not `known` none will come.
        """
        held = orjson.loads(memory.load_state(HELD) or b"[]")
        awaited = {topic for topic in held if topic.endswith("/state") and known(topic.removesuffix("/state"))}
        self._held = {*held, *self._entries}
        self._memory = memory
        for topic in self._held - awaited - self._entries.keys():
            self.put(topic, b"")
        self._save()

    def put(self, topic: str, payload: bytes) -> None:
        """Post a message in place of the one before it."""
        if self.get(topic) == payload:
            return
        self._version += 1
        self._entries[topic] = _Entry.of(self._version, payload)
        if topic not in self._held:
            self._hold(topic)
        self._changed.set()
        self._changed = asyncio.Event()

    def removed(self, topic: str) -> None:
        """Forget a topic whose removal the receiver has acknowledged, unless there is a new message."""
        if self.get(topic) == b"":
            del self._entries[topic]
            self._held.discard(topic)
            self._save()

    def get(self, topic: str) -> bytes | None:
        """Return the latest message of a topic."""
        entry = self._entries.get(topic)
        return entry.payload if entry else None

    def since(self, version: int) -> tuple[int, Iterator[tuple[str, bytes]]]:
        """Return the present version and the (topic, payload) posted after `version`, oldest first; 0 gives all."""
        entries = ((entry, topic) for topic, entry in self._entries.items() if entry.posted > version)
        newer = sorted(entries, key=lambda each: each[0].posted)
        return self._version, ((topic, entry.payload) for entry, topic in newer)

    async def changes(self, version: int) -> tuple[int, Iterator[tuple[str, bytes]]]:
        """Wait until something was posted after `version`, then return what `since` does."""
        while self._version <= version:
            await self._changed.wait()
        return self.since(version)

    def _hold(self, topic: str) -> None:
        """Keep one more topic: of thousands of devices, thousands come one by one."""
        self._held.add(topic)
        if self._memory is not None:
            first = b"" if self._saved == b"[]" else b","
            self._saved = self._saved[:-1] + first + as_json(topic) + b"]"
            self._memory.save_state(HELD, self._saved)

    def _save(self) -> None:
        if self._memory is not None:
            self._saved = as_json(sorted(self._held))
            self._memory.save_state(HELD, self._saved)
