"""The records of one site on their way into the store, counted by kind, each with the clocks it goes by."""

import time
from typing import Any

from agent.store import Store
from agent.tape import NO_TAPE, Tape
from agent.timekeeping import Timekeeper


class Scribe:
    """Writes records to the store."""

    def __init__(self, store: Store, *, site: str, keeper: Timekeeper, tape: Tape = NO_TAPE) -> None:
        self.site = site
        self.store = store
        self.keeper = keeper
        self.tape = tape
        """Told what the records of account depend on."""
        self.counts = dict.fromkeys(("frames", "values", "telemetry", "window", "interval", "alarm", "event"), 0)
        """Frames and values taken, and records written of each kind."""

    def record(
        self, kind: str, key: str, time_ns: int, body: dict[str, Any], *, monotonic_ns: int | None = None
    ) -> bytes:
        """Write a record; return it as receivers will see it.

        `monotonic_ns` is when it came to be, now by default. Nothing is to be recorded while the time is not known.
        """
        self.counts[kind] = self.counts.get(kind, 0) + 1
        mark = self.keeper.mark(time.monotonic_ns() if monotonic_ns is None else monotonic_ns)
        return self.store.append(kind, key, time_ns, body | {"clock": mark}).payload
