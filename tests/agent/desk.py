"""A recorder, a bookkeeper and an alarm desk, with a store that only remembers how it was called."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson

from agent.alarms.desk import AlarmDesk
from agent.board import Board
from agent.books.bookkeeper import Bookkeeper
from agent.books.ledger import Ledger
from agent.carbon.library import load_library
from agent.config import SiteConfig
from agent.polling.polled import Cadence, DeviceState, PolledDevice
from agent.record import Record
from agent.recorder import Recorder
from agent.scribe import Scribe
from agent.timekeeping import Clocks, Timekeeper
from tests.agent.frames import frame, frame_at, lost_frame

S = 10**9
START = int(datetime(2026, 11, 20, 8, tzinfo=UTC).timestamp()) * S
LIBRARY = load_library()
MQTT = '\n[mqtt]\nurl = "mqtt://127.0.0.1:1"\ntelemetry_every = "10s"\n'


@dataclass
class Notebook:
    """Stands where the store stands: a list of transactions, each with what was appended and saved in it."""

    transactions: list[list[tuple[str, dict[str, Any] | None]]] = field(default_factory=list)
    states: dict[str, bytes] = field(default_factory=dict)
    rows: dict[int, bytes] = field(default_factory=dict)
    depth: int = 0
    seq: int = 0
    room: int = 16 << 20

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        if not self.depth:
            self.transactions.append([])
        self.depth += 1
        try:
            yield
        finally:
            self.depth -= 1

    def append(self, kind: str, key: str, time_ns: int, body: Mapping[str, object]) -> Record:
        with self.transaction():
            self.seq += 1
            self.transactions[-1].append((kind, {**body, "key": key, "time_ns": time_ns}))
        return Record(self.seq, kind, key, time_ns, orjson.dumps({**body, "seq": self.seq}))

    def save_state(self, name: str, value: bytes) -> None:
        with self.transaction():
            self.transactions[-1].append((name, None))
        self.states[name] = value

    def load_states(self, prefix: str) -> dict[str, bytes]:
        return {name: value for name, value in self.states.items() if name.startswith(prefix)}

    def save_row(self, time_ns: int, row: bytes) -> None:
        with self.transaction():
            self.transactions[-1].append(("row", None))
        self.rows[time_ns] = row

    def bodies(self, kind: str) -> list[dict[str, Any]]:
        return [body for steps in self.transactions for name, body in steps if name == kind and body is not None]


class Desk:
    """A recorder with its ledger, store and board, and the fan whose polls it is given."""

    def __init__(
        self, config: SiteConfig, store: Notebook | None = None, *, synchronised: bool = True, wrong_ns: int = 0
    ) -> None:
        """Begin with a wall clock that is `wrong_ns` ahead; unsynchronised, the time is not known."""
        self.config = config
        self.store = store or Notebook()
        self.board = Board()
        self.ledger = Ledger(config, LIBRARY, start_ns=START)
        self.now_ns = START
        self.synchronised, self.wrong_ns = synchronised, wrong_ns
        self.keeper = Timekeeper(lambda: Clocks(self.now_ns + self.wrong_ns, self.now_ns, 0, self.synchronised))
        self.keeper.look()
        self.scribe = Scribe(self.store, site=config.site.name, keeper=self.keeper)  # type: ignore[arg-type]  # stands in for a Store
        self.alarms = AlarmDesk(self.scribe, self.board)
        self.bookkeeper = Bookkeeper(self.ledger, self.scribe)
        self.recorder = Recorder(
            config,
            self.ledger,
            scribe=self.scribe,
            alarms=self.alarms,
            board=self.board,
        )
        if self.keeper.believed:
            self.recorder.begin()
        self.profile = config.profiles["fan-1"]
        self.fan = PolledDevice("fan-1", 1, self.profile, 1.0)
        self.fast, self.slow = (Cadence(self.fan, 1.0, index) for index in (0, 1))

    def polled(self, after_s: float, counts: int = 1000, cadence: Cadence | None = None) -> None:
        read_ns = START + round(after_s * S)
        shown = frame_at("fan-1", self.profile, {0x0010: f"{counts:08x}"}, read_ns + self.wrong_ns, read_ns)
        self.recorder.frame(self.fan, cadence or self.fast, shown)

    def learn_the_time(self, after_s: float) -> None:
        """Have the clock set right and synchronised, and book what has waited for that."""
        self.now_ns, self.wrong_ns, self.synchronised = START + round(after_s * S), 0, True
        self.keeper.look()
        self.keeper.look()
        self.alarms.begin()
        self.recorder.begin()
        while len(self.recorder.waiting):
            self.recorder.release()

    def boiler(self, after_s: float, counts: int) -> None:
        """Book what the boiler shows: its steam and its gas."""
        registers = {0x0012: f"{counts:08x}", 0x0010: f"{counts:08x}"}
        self.ledger.take(frame("boiler-1", self.config.profiles["boiler-1"], registers, START + round(after_s * S)))

    def unanswered(self, after_s: float, cadence: Cadence | None = None) -> None:
        shown = lost_frame("fan-1", self.profile, START + round(after_s * S))
        self.recorder.frame(self.fan, cadence or self.fast, shown)

    def becomes(self, state: DeviceState, reason: str = "", *, after_s: float = 0.0) -> None:
        self.fan.state, self.fan.reason = state, reason
        self.fan.since_ns = START + round(after_s * S) + self.wrong_ns
        self.recorder.device_state(self.fan)

    def posted(self, topic: str) -> dict[str, Any]:
        payload = self.board.get(topic)
        assert payload is not None
        found: dict[str, Any] = orjson.loads(payload)
        return found
