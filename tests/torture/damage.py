"""A store's file cut, zeroed or with flipped bits at random places: the agent runs, says so, and keeps what it can."""

import asyncio
import contextlib
import logging
import random
import shutil
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from agent.store import Store, StoreError
from tests.soak.finding import Finding, quantile
from tests.torture.oracle import record_tables
from tests.torture.rig import rig, until

_LONGEST_S = 10.0
_SIZE = 64 << 20
_DEVICES = 20
_SINK = "mqtt"
_PAGE = 4096
_KINDS = ("telemetry", "window", "interval", "event")


@dataclass(slots=True)
class Trials:
    """What the trials showed."""

    harmless: int = 0
    told: int = 0
    kept: int = 0
    readable: int = 0
    took_s: list[float] = field(default_factory=list)
    altered: Counter[str] = field(default_factory=Counter)
    silent: Counter[str] = field(default_factory=Counter)
    log_cut: int = 0


class _Said(logging.Handler):
    """Takes what the agent says instead of printing it."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def damage(folder: Path, *, places: int, processes: int, records: int, seed: int = 5) -> Finding:
    """Damage a store's file at so many places, each in a fresh copy; start the agent's process on some of them."""
    finding = Finding("a store's file cut, zeroed or with flipped bits")
    original = folder / "original"
    wanted = asyncio.run(_fill(original, records))
    chance, trials = random.Random(seed), Trials()  # noqa: S311 -- places, not secrets
    for number in range(places):
        copy = folder / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir()
        for suffix in ("", "-wal"):
            shutil.copyfile(original / f"store.db{suffix}", copy / f"store.db{suffix}")
        what, in_log = _hurt(copy / "store.db", chance)
        asyncio.run(_trial(finding, trials, copy / "store.db", wanted, f"place {number} ({what})", in_log=in_log))
    share = trials.kept / max(trials.readable, 1)
    finding.expect(share > 0.999, f"kept {share:.1%} of the records that can still be read")
    finding.expect(not trials.altered, f"altered records were handed on: {dict(trials.altered)}")
    finding.figures["places"] = f"{places}, harmless at {trials.harmless}, said what happened at {trials.told}"
    finding.figures["kept of the records that can still be read"] = (
        f"{trials.kept:,} of {trials.readable:,} ({share:.1%})"
    )
    finding.figures["records handed on with another content"] = f"{trials.altered.total()}"
    finding.figures["end of the log lost, as after a power cut"] = f"{trials.log_cut} places"
    finding.figures["opened and read in"] = (
        f"median {quantile(trials.took_s, 0.5):.2f} s, max {max(trials.took_s):.2f} s"
    )
    _as_processes(finding, folder, chance, processes)
    return finding


async def _fill(folder: Path, records: int) -> dict[int, bytes]:
    """Make a store as a kill leaves it, part of it in the log; return its records by number."""
    store = Store(folder / "live.db", max_size=_SIZE, commit_every_s=0.05, sinks=(_SINK,), site="torture")
    await store.open()
    wanted: dict[int, bytes] = {}
    for number in range(records):
        device = f"motor-{number % _DEVICES}"
        body: dict[str, object] = {
            "site": "torture",
            "device": device,
            "values": {f"v{n}": number / (n + 3) for n in range(20)},
        }
        kind = ("telemetry", "telemetry", "telemetry", "window", "interval", "event")[number % 6]
        record = store.append(kind, f"hall/{device}", 1_700_000_000_000_000_000 + number * 10**9, body)
        wanted[record.seq] = record.payload
        store.save_state(f"account/{device}", orjson.dumps({"number": number, "filling": "x" * 600}))
        if number % 50 == 49:
            await store.flush()
    await store.flush()
    for suffix in ("", "-wal"):
        shutil.copyfile(folder / f"live.db{suffix}", folder / f"store.db{suffix}")
    await store.close()
    return wanted


def _hurt(file: Path, chance: random.Random) -> tuple[str, bool]:
    """Damage the file, or now and then its log; return how, and whether it was the log."""
    in_log = chance.random() < 0.2
    target = file.with_name(file.name + "-wal") if in_log else file
    size = target.stat().st_size
    at, kind = chance.randrange(size), chance.choice(("cut", "zeroed", "flipped"))
    if kind == "cut":
        with target.open("r+b") as stream:
            stream.truncate(at)
    else:
        length = chance.choice((1, 16, 512, _PAGE, 4 * _PAGE)) if kind == "zeroed" else chance.choice((1, 1, 8))
        with target.open("r+b") as stream:
            stream.seek(at)
            content = stream.read(length)
            stream.seek(at)
            stream.write(
                bytes(len(content)) if kind == "zeroed" else bytes(b ^ 1 << chance.randrange(8) for b in content)
            )
    return f"{kind} at {at} of {size}{' of the log' if in_log else ''}", in_log


async def _trial(
    finding: Finding, trials: Trials, file: Path, wanted: dict[int, bytes], where: str, *, in_log: bool
) -> None:
    readable = _readable(file, wanted)
    with _listening() as said:
        began = time.monotonic()
        found: dict[int, bytes] = {}
        told: set[int] = set()
        store = Store(file, max_size=_SIZE, commit_every_s=0.05, sinks=(_SINK,), site="torture")
        try:
            async with asyncio.timeout(2 * _LONGEST_S):
                await store.open()
                try:
                    await _read_all(store, found, told)
                    await store.flush()
                    await _read_all(store, found, told)
                    mark = store.append("event", "agent", time.time_ns(), {"name": "after"})
                    await store.flush()
                    _expect_going_on(finding, store, mark.seq, where)
                finally:
                    await store.close()
        except TimeoutError:
            finding.problems.append(f"{where}: not read within {2 * _LONGEST_S:g} s")
        except StoreError as error:
            finding.problems.append(f"{where}: the store cannot be used: {error}")
        except Exception as error:  # noqa: BLE001 -- whatever escapes is what the trial looks for
            finding.problems.append(f"{where}: {error!r}")
    took = time.monotonic() - began
    finding.expect(took <= _LONGEST_S, f"{where}: took {took:.1f} s")
    trials.took_s.append(took)
    told.update(wanted if said.lines else ())
    _count(finding, trials, wanted, readable, found, told, where, in_log=in_log)


async def _read_all(store: Store, found: dict[int, bytes], told: set[int]) -> None:
    """Take everything a sink and the intervals' readers are given; what the agent itself adds is not counted."""
    while records := await store.peek(_SINK, 500):
        for record in records:
            if record.kind == "gap":
                gap = orjson.loads(record.payload)
                told.update(range(gap["from_seq"], gap["to_seq"] + 1))
            elif record.kind in _KINDS and b'"values"' in record.payload:
                found[record.seq] = record.payload
        await store.acknowledge(_SINK, records[-1].seq)
    for record in await store.intervals(0, 1 << 62):
        found.setdefault(record.seq, record.payload)


def _expect_going_on(finding: Finding, store: Store, seq: int, where: str) -> None:
    finding.expect(store.status().committed_seq >= seq, f"{where}: nothing new is stored: {store.status().degraded}")


def _count(
    finding: Finding, trials: Trials, wanted: dict[int, bytes], readable: set[int], found: dict[int, bytes],
    told: set[int], where: str, *, in_log: bool,
) -> None:  # fmt: skip
    kept = {seq for seq, payload in found.items() if wanted.get(seq) == payload}
    trials.altered.update([where] * len(found.keys() - kept))
    trials.readable += len(readable)
    trials.kept += len(kept & readable)
    lost = wanted.keys() - kept
    if not lost:
        trials.harmless += 1
    elif lost <= told:
        trials.told += 1
    elif in_log:
        trials.log_cut += 1  # the end of a log without its frames looks like one that was never written
    else:
        finding.problems.append(f"{where}: {len(lost - told)} records are gone and nothing was said")


def _readable(file: Path, wanted: dict[int, bytes]) -> set[int]:
    """Return the records that SQLite still reads unchanged, from either end of each table, in a copy of the file."""
    copy = file.with_name("readable.db")
    for suffix in ("", "-wal"):
        shutil.copyfile(file.with_name(file.name + suffix), copy.with_name(copy.name + suffix))
    found: set[int] = set()
    connection = sqlite3.connect(copy)
    connection.text_factory = bytes
    with contextlib.closing(connection), contextlib.suppress(sqlite3.Error, UnicodeDecodeError):
        connection.execute("PRAGMA cell_size_check = ON")
        connection.text_factory = str
        for table in record_tables(connection):
            for order in ("", " DESC"):
                with contextlib.suppress(sqlite3.Error):
                    rows = connection.execute(f"SELECT seq, payload FROM {table} ORDER BY seq{order}")  # noqa: S608 -- the file's own names
                    found.update(seq for seq, payload in rows if wanted.get(seq) == payload)
    for suffix in ("", "-wal", "-shm"):
        copy.with_name(copy.name + suffix).unlink(missing_ok=True)
    return found


@contextlib.contextmanager
def _listening() -> Iterator[_Said]:
    logger, said = logging.getLogger("agent"), _Said()
    logger.addHandler(said)
    logger.propagate = False
    try:
        yield said
    finally:
        logger.removeHandler(said)
        logger.propagate = True


def _as_processes(finding: Finding, folder: Path, chance: random.Random, processes: int) -> None:
    """Kill the real agent, damage its file, start it again: every device is read within ten seconds, and it is told."""
    took: list[float] = []
    place = folder / "processes"
    place.mkdir()
    with rig(place, motors=5) as parts:
        for number in range(processes):
            with parts.agent() as agent:
                until(agent.online, "the agent does not start")
                time.sleep(1)
                agent.kill()
            with parts.store.open("r+b") as stream:
                stream.seek(chance.choice((0, 100, _PAGE + 1)) if number % 2 else 0)
                stream.write(bytes(64 if number % 2 else _PAGE))
            parts.store.with_name("store.db-wal").unlink(missing_ok=True)
            before = len(agent.log)
            with parts.agent() as agent:
                began = time.monotonic()
                runs = until(agent.online, "", timeout_s=_LONGEST_S)
                took.append(time.monotonic() - began)
                finding.expect(runs, f"process {number}: not every device was read within {_LONGEST_S:g} s")
                finding.expect("damaged" in agent.log[before:], f"process {number}: it does not say what happened")
                code, _ = agent.stop()
                finding.expect(code == 0, f"process {number}: exit code {code}")
    finding.figures["the agent's process on a damaged file, every device read"] = (
        f"{processes} times, max {max(took):.2f} s"
    )
