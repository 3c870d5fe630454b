"""The latest of each retained message, for whoever publishes them: on connecting all, then what changes."""

import asyncio


class Board:
    """Retained messages by topic below the site, such as `boiler-house/boiler-1/state` or `agent/status`.

    An empty payload removes the message at the receiver. All methods belong to one event loop.
    """

    def __init__(self) -> None:
        self._entries: dict[str, tuple[int, bytes]] = {}
        self._version = 0
        self._changed = asyncio.Event()

    def put(self, topic: str, payload: bytes) -> None:
        """Post a message in place of the one before it."""
        if self.get(topic) == payload:
            return
        self._version += 1
        self._entries[topic] = (self._version, payload)
        self._changed.set()
        self._changed = asyncio.Event()

    def get(self, topic: str) -> bytes | None:
        """Return the latest message of a topic."""
        entry = self._entries.get(topic)
        return entry[1] if entry else None

    def since(self, version: int) -> tuple[int, list[tuple[str, bytes]]]:
        """Return the present version and the (topic, payload) posted after `version`, oldest first; 0 gives all."""
        newer = sorted(
            (posted, topic, payload) for topic, (posted, payload) in self._entries.items() if posted > version
        )
        return self._version, [(topic, payload) for _, topic, payload in newer]

    async def changes(self, version: int) -> tuple[int, list[tuple[str, bytes]]]:
        """Wait until something was posted after `version`, then return what `since` does."""
        while self._version <= version:
            await self._changed.wait()
        return self.since(version)
