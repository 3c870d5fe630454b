"""The records of one site on their way into the store, counted by kind."""

from typing import Any

from agent.store import Store


class Scribe:
    """Writes records to the store."""

    def __init__(self, store: Store, *, site: str) -> None:
        self.site = site
        self.store = store
        self.counts = dict.fromkeys(("frames", "values", "telemetry", "window", "interval", "alarm", "event"), 0)
        """Frames and values taken, and records written of each kind."""

    def record(self, kind: str, key: str, time_ns: int, body: dict[str, Any]) -> bytes:
        """Write a record; return it as receivers will see it."""
        self.counts[kind] = self.counts.get(kind, 0) + 1
        return self.store.append(kind, key, time_ns, body).payload
