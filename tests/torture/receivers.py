"""What the receivers got, judged by (epoch, seq) alone; nothing here asks the agent.

A record is recognised by `epoch` and `seq`. A repeat must be the same bytes; else it could not be told from news.
"""

import hashlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from agent.record import TELEMETRY
from tests.servers import Database
from tests.soak.delivery import time_ns
from tests.torture.works import SITE

IN_DATABASE = ("telemetry", "window", "interval", "alarm", "gap")
"""Classes that the database is given."""
Identity = tuple[str, int]
"""Epoch and number of a record."""


def written_since(file: Path, offset: int) -> Iterator[tuple[bytes, int]]:
    """Yield each message that a subscriber wrote whole behind a place in its file, and the place behind it."""
    with file.open("rb") as stream:
        stream.seek(offset)
        for line in stream:
            if not line.endswith(b"\n"):
                return
            offset += len(line)
            if line.startswith(b"> "):
                yield line, offset


@dataclass(frozen=True, slots=True)
class Arrival:
    """A record as it came the first time; times are Unix [ns]."""

    kind: str
    key: str
    time_ns: int
    received_ns: int
    digest: bytes


@dataclass(slots=True)
class Received:
    """Everything a subscriber was given; read on with `read_on`."""

    file: Path
    arrivals: dict[Identity, Arrival] = field(default_factory=dict)
    repeats: int = 0
    altered: list[Identity] = field(default_factory=list)
    """Numbers that came a second time with another content."""
    intervals: list[dict[str, Any]] = field(default_factory=list)
    gaps: list[dict[str, Any]] = field(default_factory=list)
    windows: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=10_000))
    events: list[dict[str, Any]] = field(default_factory=list)
    first_ns: int = 0
    """When the first message came (Unix, ns)."""
    alarms: dict[str, bytes] = field(default_factory=dict)
    """The last of each alarm's topic."""
    others: dict[str, bytes] = field(default_factory=dict)
    """The last of each topic that is not a record."""
    _offset: int = 0

    def read_on(self) -> "Received":
        """Take what has come since."""
        for line, place in written_since(self.file, self._offset):
            self._offset = place
            self._take(line)
        return self

    def _take(self, line: bytes) -> None:
        _, moment, topic, payload = line.rstrip(b"\n").split(b" ", 3)
        name = topic.decode()
        if "/alarm/" in name:
            self.alarms[name] = payload
        if not payload or b'"seq":' not in payload:
            self.others[name] = payload
            return
        body = orjson.loads(payload)
        identity = (body.get("epoch", ""), body["seq"])
        digest = hashlib.blake2b(payload, digest_size=8).digest()
        known = self.arrivals.get(identity)
        if known:
            self.repeats += 1
            if known.digest != digest:
                self.altered.append(identity)
            return
        parts = name.split("/")
        kind = "alarm" if parts[-2] == "alarm" else parts[-1]
        seconds, _, fraction = moment.decode().partition(".")
        received_ns = int(seconds) * 1_000_000_000 + int(fraction.ljust(9, "0")[:9])
        self.first_ns = self.first_ns or received_ns
        of_ns = time_ns(body.get("start") or body.get("since") or body["time"])
        self.arrivals[identity] = Arrival(kind, "/".join(parts[2:4]), of_ns, received_ns, digest)
        if kind == "interval":
            self.intervals.append(body)
        elif kind == "gap":
            self.gaps.append(body)
        elif kind == "event":
            self.events.append(body)
        elif kind == "window":
            self.windows.append(body)

    def in_doubt(self) -> set[Identity]:
        """Return the numbers that gap records name because the agent ended without a last commit."""
        told = [gap for gap in self.gaps if "without a last commit" in gap["reason"]]
        return {(gap["epoch"], seq) for gap in told for seq in range(gap["from_seq"], gap["to_seq"] + 1)}

    def of(self, kind: str) -> dict[Identity, Arrival]:
        """Return the records of one class, in the order they came first."""
        return {identity: arrival for identity, arrival in self.arrivals.items() if arrival.kind == kind}

    def out_of_order(self) -> list[Identity]:
        """Return the records that came, for the first time, after a younger one of the same device and class.

        Fresh records may pass a backlog, and values ahead of their commit both: so there are two rows, of values
        three, each in order, and a record is late only when it fits behind the last of none.
        """
        rows: dict[tuple[str, str, str], list[int]] = {}
        late = []
        for (epoch, seq), arrival in self.arrivals.items():
            ends = rows.setdefault((epoch, arrival.kind, arrival.key), [0] * (3 if arrival.kind == TELEMETRY else 2))
            fitting = [end for end in ends if end < seq]
            if fitting:
                ends[ends.index(max(fitting))] = seq
            else:
                late.append((epoch, seq))
        return late


def database_numbers(database: Database) -> set[int]:
    """Return the numbers of all records the database has, of whatever class."""
    found: set[int] = set()
    for kind in IN_DATABASE:
        for series in database.series(f'{{__name__=~"{kind}(_.*)?_seq",site="{SITE}"}}'):
            found.update(int(value) for value in series["values"])
    return found
