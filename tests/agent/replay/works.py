"""The demo's plant and an agent beside it whose time is the test's: what is captured of it, and what it records.

Polls, clocks and the turns of the books are made here; all that books and records is the agent's own, with a real
store. So a day takes a minute, and whatever can go wrong goes wrong at the second it is told to.
"""

import asyncio
import shutil
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson

from agent.alarms.desk import AlarmDesk
from agent.board import Board
from agent.books.bookkeeper import Bookkeeper
from agent.books.ledger import Ledger
from agent.config import SiteConfig
from agent.config.load import load_config
from agent.corrections.desk import Corrections
from agent.corrections.request import Request, answered, ask
from agent.metering.amount import Reading
from agent.polling import doubt
from agent.polling.learning import Learned
from agent.polling.polled import Cadence, PolledDevice
from agent.recorder import Recorder
from agent.scribe import Scribe
from agent.store import Store
from agent.tape import WritingTape
from agent.tape.notes import Received, learned_note
from agent.tape.opening import books_of
from agent.timekeeping import Clocks, Timekeeper
from drivers.capture import Captured, CaptureWriter, Note, Section
from drivers.errors import LineError, NoReply, Refused
from drivers.guard import crc16
from drivers.reading import Block, Exchange, Outcome
from simulators.plant import SimulatedPlant, load_plant
from simulators.registers import Refusal, Registers

NS = 1_000_000_000
MORNING_NS = int(datetime(2026, 3, 2, 0, tzinfo=UTC).timestamp()) * NS
"""08:00 in Shanghai."""
PLANT = Path(__file__).parents[3] / "simulators" / "plants" / "demo.toml"
SITE = """[site]
name = "demo"
timezone = "Asia/Shanghai"
electricity_region = "CN-AH"

[store]
path = "store.db"

[[line]]
name = "boiler-house"
url = "tcp://10.20.0.5:502"

[[line]]
name = "substation"
url = "rtu+tcp://10.20.0.6:4001"

[[device]]
name = "boiler-1"
area = "boiler-house"
line = "boiler-house"
unit = 1
profile = "generic/steam-boiler"
every = "{every}"
rated_power = "2.8 MW"

[[device]]
name = "motor-1"
area = "boiler-house"
line = "boiler-house"
unit = 2
profile = "generic/vfd-motor"
every = "{every}"
rated_power = "15 kW"

[[device]]
name = "motor-2"
area = "boiler-house"
line = "boiler-house"
unit = 3
profile = "generic/vfd-motor"
every = "{every}"

[[device]]
name = "main-meter"
area = "substation"
line = "substation"
unit = 4
profile = "eastron/sdm630"
every = "{every}"
rated_power = "100 kW"

[[output]]
name = "steam"
device = "boiler-1"
from = "steam_mass"

[windows]
spans = ["15min"]

[interval]
length = "{interval}"

[mqtt]
url = "mqtt://127.0.0.1:1"
"""


MORE = """
[[account]]
name = "boiler-1/steam"
device = "boiler-1"
carrier = "steam"
from = "steam_mass"
pressure = "steam_pressure"
temperature = "steam_temperature"

[[account]]
name = "motor-1/drive"
device = "motor-1"
carrier = "electricity"
from = "active_power"

[[output]]
name = "pieces"
area = "hall"
topic = "mes/pieces"
unit = "count"
counts = "increment"

[[output]]
name = "bricks"
area = "hall"
entered = true
unit = "count"

[[green_power]]
certificate = "GEC-2026-1"
contract = "17"
accounts = ["main-meter/electricity"]
share = 0.25
from = 2026-01-01
to = 2026-12-31
"""
"""Accounts that are weighed, integrated, green by contract, told over MQTT or entered."""


class Reel:
    """Stands where the writer of a capture stands: what it was given, as a reader would give it back."""

    def __init__(self, path: Path, on_opened: Callable[[], Iterable[Note]]) -> None:
        self.items: list[Section | Captured | Note] = []
        self._path, self._on_opened = path, on_opened
        self._marked: dict[str, int] = {}
        self._opened = False
        self._count = 0

    def exchange(self, exchange: Exchange) -> None:
        self._open()
        self._count += 1
        self._marked[exchange.line] = len(self.items)
        self.items.append(Captured(exchange, self._count))

    def booked(self, line: str, cadence: int) -> None:
        self._open()
        at = self._marked[line]
        last = self.items[at]
        assert isinstance(last, Captured)
        # Behind whatever came meanwhile, as in a file, where it waits for its mark.
        del self.items[at]
        self._marked = {name: place - (place > at) for name, place in self._marked.items()}
        self.items.append(Captured(last.exchange, last.number, cadence))

    def note(self, note: Note) -> None:
        self._open()
        self.items.append(_written(note))

    def begin_file(self) -> None:
        """Go on in another file."""
        self._opened = False

    def _open(self) -> None:
        if not self._opened:
            self._opened, self._count = True, 0
            self.items.append(Section(self._path, ours=True))
            self.items += map(_written, self._on_opened())


@dataclass
class Moment:
    """Both clocks [ns] and what is known of them."""

    wall_ns: int = MORNING_NS
    monotonic_ns: int = 100 * NS
    synchronised: bool = True


@dataclass
class Faults:
    """What goes wrong now: silent devices, registers that show something else, blocks that are refused."""

    silent: set[str] = field(default_factory=set)
    shows: dict[tuple[str, int], bytes] = field(default_factory=dict)
    refused: dict[str, set[Block]] = field(default_factory=dict)


class Works:
    """A plant and its agent; `capture` is a folder for real files, None for a reel in memory."""

    def __init__(
        self,
        folder: Path,
        *,
        interval: str = "1min",
        every: str = "5s",
        capture: Path | None = None,
        plain: bool = False,
    ) -> None:
        self.folder, self.boot = folder, "boot-1"
        self.now, self.faults = Moment(), Faults()
        self.plant = SimulatedPlant(load_plant(PLANT), seed=7)
        self.plant.replace_meter("main-meter", 50_000.0)  # one that has counted for long
        self.reels: list[Reel] = []
        self._capture, self._more = capture, "" if plain else MORE
        self.committing = True
        self.writer: Reel | CaptureWriter | None = None
        self.on_opened: Callable[[], Iterable[Note]] = tuple
        self.write_config(interval=interval, every=every)

    def write_config(self, *, interval: str = "1min", every: str = "5s", more: str = "") -> Path:
        path = self.folder / "site.toml"
        path.write_text(SITE.format(interval=interval, every=every) + self._more + more, encoding="utf-8")
        return path

    # What a tape needs of a capture.

    def configure(self, config: SiteConfig) -> None:
        if isinstance(self.writer, CaptureWriter):
            self.writer.configure(config.digest, {line.name: line.endpoint for line in config.lines})
        elif self.writer:
            self.writer.begin_file()

    def _opened(self) -> Iterable[Note]:
        return self.on_opened()

    # The agent.

    async def start(self) -> None:
        """Begin a run with what the store holds."""
        self.config = load_config(self.folder / "site.toml")
        if self._capture:
            writer = CaptureWriter(
                self._capture, site="demo", version="1", boot_id=self.boot, max_size=1 << 30,
                on_opened=self._opened,
            )  # fmt: skip
            writer.start()
            self.writer = writer
        else:
            reel = Reel(self.folder / f"file-{len(self.reels)}", self._opened)
            self.reels.append(reel)
            self.writer = reel
        self.configure(self.config)
        now = self.now
        self.keeper = Timekeeper(lambda: Clocks(now.wall_ns, now.monotonic_ns, 0, now.synchronised), boot=self.boot)
        self.store = Store(
            self.folder / "store.db", max_size=1 << 28, commit_every_s=3600.0, site="demo", sinks=[],
            stamp=self.keeper.stamp,
        )  # fmt: skip
        await self.store.open()
        self.tape = WritingTape(
            self,  # type: ignore[arg-type]  # stands in for a Capturing
            lambda reason, part: books_of(self, reason, part),
            lambda: (now.wall_ns, now.monotonic_ns),
        )
        self.scribe = Scribe(self.store, site="demo", keeper=self.keeper, tape=self.tape)
        self.ledger = self._ledger(self.config)
        self.bookkeeper = Bookkeeper(self.ledger, self.scribe)
        self.recorder = Recorder(
            self.config, self.ledger, scribe=self.scribe, alarms=AlarmDesk(self.scribe, Board()), board=Board()
        )
        self.corrections = Corrections(self.folder / "store.db", self.scribe, self.bookkeeper)
        self.corrections.keep(self.config, self.ledger)
        self.corrections.restore()
        self.ledger.restore(self.store.load_state)
        self._build_devices()
        self.look()

    def _ledger(self, config: SiteConfig) -> Ledger:
        start_ns = self.keeper.started.wall_ns
        return Ledger(config, config.library, start_ns=start_ns, boot_id=self.boot)

    def _build_devices(self) -> None:
        self.devices: dict[str, PolledDevice] = {}
        self.registers: dict[str, Registers] = {}
        for device in self.config.devices:
            profile = self.config.profiles[device.name]
            self.devices[device.name] = PolledDevice(device.name, device.unit, profile, device.every)
            self.registers[device.name] = Registers(profile, lambda name=device.name: self.plant.values(name))  # type: ignore[misc]
        self.lines = {device.name: device.line for device in self.config.devices}
        self.pollers: Any = [SimpleNamespace(devices=tuple(self.devices.values()))]

    def look(self) -> None:
        """Look at the clocks, and begin to book when the time is known."""
        self.keeper.look()
        right = bool(self.keeper.clocks.synchronised)
        self.tape.clock(right=right, vouched=self.keeper.vouched)
        self.ledger.clock_right = right
        if self.keeper.believed:
            if not self.recorder.begun:
                self.recorder.begin()
            while self.recorder.waiting:
                self.recorder.release()

    async def run(self, seconds: int) -> None:
        """Let time pass, second by second."""
        for _ in range(seconds):
            self.pass_time(1)
            self.look()
            for device in self.devices.values():
                for cadence in device.cadences:
                    if self.now.monotonic_ns // NS % round(cadence.every_s) == 0:
                        self.poll(device, cadence)
            if self.recorder.settled:
                while self.bookkeeper.close_due(self.keeper.now_ns()):
                    await self._commit()
                if self.now.monotonic_ns // NS % 10 == 0:
                    self.bookkeeper.save()
                    await self._commit()

    async def _commit(self) -> None:
        if self.committing:
            await self.store.flush()

    def pass_time(self, seconds: float) -> None:
        """Let time pass in which nothing is read."""
        self.plant.advance(seconds)
        self.now.wall_ns += round(seconds * NS)
        self.now.monotonic_ns += round(seconds * NS)

    def poll(self, device: PolledDevice, cadence: Cadence, *, twice: Iterable[Block] = ()) -> None:
        """Read a device; blocks named `twice` are asked for again before, as a search for holes does."""
        device.polls += 1
        self.registers[device.name].refresh()
        line = self.lines[device.name]
        asked: list[Block] = []
        results: dict[Block, Exchange | LineError] = {}
        for block in (*twice, *cadence.blocks):
            asked.append(block)
            exchange = self._exchange(device, line, block, asked.count(block))
            self.tape.exchange(exchange)
            if exchange.outcome is Outcome.NO_REPLY:
                results |= dict.fromkeys(cadence.blocks, NoReply("no reply", exchange)) | results
                break
            if block in cadence.blocks:
                refused = exchange.outcome is Outcome.EXCEPTION
                results[block] = Refused(exchange.exception, exchange) if refused else exchange
        frame = cadence.codec.decode(device.name, results)
        frame = doubt.aged(frame, device.planned, results, cadence.every_s)
        self.tape.polled(line, cadence, results)
        self.recorder.frame(device, cadence, frame)

    def _exchange(self, device: PolledDevice, line: str, block: Block, attempt: int) -> Exchange:
        self.now.monotonic_ns += 3_000_001
        self.now.wall_ns += 3_000_001
        serial = line == "substation"
        place = block.address.to_bytes(2, "big") + block.count.to_bytes(2, "big")
        request = _framed(bytes((device.unit, block.function)) + place, serial=serial)
        data, outcome, code = b"", Outcome.OK, 0
        if device.name in self.faults.silent:
            outcome = Outcome.NO_REPLY
        elif block in self.faults.refused.get(device.name, ()):
            outcome, code = Outcome.EXCEPTION, 2
        else:
            try:
                shown_now = bytearray(self.registers[device.name].read(block))
                for (name, address), shown in self.faults.shows.items():
                    if name == device.name and block.address <= address < block.end:
                        at = 2 * (address - block.address)
                        shown_now[at : at + len(shown)] = shown
                data = bytes(shown_now)
            except Refusal as refusal:
                outcome, code = Outcome.EXCEPTION, refusal.code
        body = bytes((device.unit, block.function, len(data))) + data
        if code:
            body = bytes((device.unit, block.function | 0x80, code))
        reply = _framed(body, serial=serial) if outcome is not Outcome.NO_REPLY else b""
        return Exchange(
            line=line, unit=device.unit, block=block, request=request, reply=reply, data=data,
            sent_ns=self.now.monotonic_ns - 2_000_000, received_ns=self.now.monotonic_ns, time_ns=self.now.wall_ns,
            outcome=outcome, exception=code, poll=device.polls, attempt=attempt,
        )  # fmt: skip

    def learn(self, name: str, learned: Learned) -> None:
        """Have an agent find out that a device refuses something."""
        device = self.devices[name]
        device.learn(learned)
        self.tape.note(learned_note(name, learned))

    def another_answers(self, name: str) -> None:
        """Have another device answer in the place of one, as its identity shows."""
        device = self.devices[name]
        device.polls += 1
        exchange = self._exchange(device, self.lines[name], device.cadences[0].blocks[0], 1)
        self.tape.exchange(exchange)
        self.tape.refused(self.lines[name], device.cadences[0])
        frame = doubt.stranger(name, device.profile, exchange)
        self.recorder.frame(device, device.cadences[0], frame)

    def made(self, pieces: float) -> None:
        """Have another system tell of pieces."""
        now_ns = self.keeper.at(self.now.monotonic_ns) // 1000 * 1000
        reading = Reading(now_ns, self.now.monotonic_ns, pieces, boot=self.boot)
        self.tape.note(Received("pieces", reading.state()))
        self.ledger.receive("pieces", reading)

    async def asked(self, request: Request) -> str:
        """Ask something of the agent by command; return its answer."""
        name = ask(self.folder / "store.db", request)
        await self.corrections.turn()
        found = answered(self.folder / "store.db", name)
        assert found is not None
        assert found["done"], found["text"]
        return str(found["text"])

    async def reload(self, **changed: str) -> None:
        """Take over another configuration."""
        self.write_config(**changed)
        config = load_config(self.folder / "site.toml")
        self.bookkeeper.close_due(self.keeper.now_ns())
        self.bookkeeper.save()
        ledger = self._ledger(config)
        ledger.take_over(self.ledger, self.store.load_state)
        self.ledger, self.config = ledger, config
        self.tape.reload(config)
        self.recorder.configure(config, ledger)
        self.bookkeeper.keep(ledger)
        self.corrections.keep(config, ledger)
        self.bookkeeper.save()
        self._build_devices()

    async def stop(self) -> None:
        """End the agent in good order."""
        if self.recorder.settled:
            self.bookkeeper.close_due(self.keeper.now_ns())
        self.bookkeeper.save()
        await self._end()

    async def _end(self) -> None:
        await self.store.close()
        if isinstance(self.writer, CaptureWriter):
            await asyncio.to_thread(self.writer.close)

    async def kill(self, lost: Callable[[], Any]) -> None:
        """Let `lost` happen after a last commit, and end as a power cut would: nothing of it reaches the store."""
        await self.store.flush()
        self.committing = False
        kept = self.folder / "kept"
        kept.mkdir()
        await asyncio.to_thread(_copy, self.folder / "store.db", kept)
        await lost()
        self.committing = True
        await self._end()
        for file in self.folder.glob("store.db*"):
            file.unlink()
        for file in kept.iterdir():
            shutil.move(file, self.folder / file.name)
        kept.rmdir()

    async def published(self) -> list[dict[str, Any]]:
        """Return all interval records that the store has, as published."""
        await self.store.flush()
        found = [orjson.loads(each.payload) for each in await self.store.intervals(0, 1 << 62)]
        return sorted(found, key=lambda record: int(record["seq"]))


def _written(note: Note) -> Note:
    """Return a note as it is read back."""
    return Note(note.kind, note.time_ns, note.monotonic_ns, orjson.loads(orjson.dumps(note.body)))


def _copy(store: Path, folder: Path) -> None:
    """Copy a store that is in use, with what stands beside it."""
    with closing(sqlite3.connect(store)) as one, closing(sqlite3.connect(folder / store.name)) as other:
        one.backup(other)
    for file in store.parent.glob(f"{store.name}*"):
        if file.is_file() and file.suffix not in {".db", ".db-wal", ".db-shm"}:
            shutil.copyfile(file, folder / file.name)


def _framed(body: bytes, *, serial: bool) -> bytes:
    if serial:
        return body + crc16(body).to_bytes(2, "little")
    return bytes(5) + bytes((len(body),)) + body
