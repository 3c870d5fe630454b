"""One damaged copy of a store after the other, opened and read; a process of its own, for whatever may happen to it.

Arguments: folder with `original/`, seed, first number, number after the last. Prints one JSON object per trial.
"""

import asyncio
import contextlib
import json
import logging
import random
import shutil
import sqlite3
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import orjson

from agent.store import Store, StoreError
from tests.torture.oracle import record_tables

SIZE = 64 << 20
SINK = "mqtt"
LONGEST_S = 10.0
PAGE = 4096
_TELLING_S = 0.12
_KINDS = ("telemetry", "window", "interval", "event")


@dataclass(slots=True)
class Outcome:
    """What one trial showed; counts are of records."""

    where: str
    in_log: bool
    took_s: float = 0.0
    lost: int = 0
    untold: int = 0
    altered: int = 0
    readable: int = 0
    kept: int = 0
    """Of the readable ones."""
    problems: list[str] = field(default_factory=list)


class _Said(logging.Handler):
    """Takes what the agent says instead of printing it."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@contextlib.contextmanager
def _listening() -> Iterator[_Said]:
    logger, said = logging.getLogger("agent"), _Said()
    logger.addHandler(said)
    logger.propagate = False
    try:
        yield said
    finally:
        logger.removeHandler(said)


def trial(folder: Path, seed: int, number: int, wanted: dict[int, bytes]) -> Outcome:
    """Damage a fresh copy of the store as `seed` and `number` say, open it, read it, write to it."""
    copy = folder / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir()
    for suffix in ("", "-wal"):
        shutil.copyfile(folder / "original" / f"store.db{suffix}", copy / f"store.db{suffix}")
    chance = random.Random(f"{seed}/{number}")  # noqa: S311 -- places, not secrets
    what, in_log = _hurt(copy / "store.db", chance)
    outcome = Outcome(f"place {number} ({what})", in_log)
    readable = _readable(copy / "store.db", wanted)
    found: dict[int, bytes] = {}
    told: set[int] = set()
    with _listening() as said:
        began = time.monotonic()
        asyncio.run(_use(copy / "store.db", found, told, outcome))
        outcome.took_s = time.monotonic() - began
    told.update(wanted if said.lines else ())
    kept = {seq for seq, payload in found.items() if wanted.get(seq) == payload}
    lost = wanted.keys() - kept
    outcome.altered = len(found.keys() - kept)
    outcome.lost, outcome.untold = len(lost), len(lost - told)
    outcome.readable, outcome.kept = len(readable), len(readable & kept)
    return outcome


def _hurt(file: Path, chance: random.Random) -> tuple[str, bool]:
    """Damage the file, or now and then its log; return how, and whether it was the log."""
    in_log = chance.random() < 0.2
    target = file.with_name(file.name + "-wal") if in_log else file
    size = target.stat().st_size
    at, kind = chance.randrange(size), chance.choice(("cut", "zeroed", "flipped"))
    with target.open("r+b") as stream:
        if kind == "cut":
            stream.truncate(at)
        else:
            length = chance.choice((1, 16, 512, PAGE, 4 * PAGE) if kind == "zeroed" else (1, 1, 8))
            stream.seek(at)
            content = stream.read(length)
            stream.seek(at)
            flipped = bytes(byte ^ 1 << chance.randrange(8) for byte in content)
            stream.write(bytes(len(content)) if kind == "zeroed" else flipped)
    return f"{kind} at {at} of {size}{' of the log' if in_log else ''}", in_log


async def _use(file: Path, found: dict[int, bytes], told: set[int], outcome: Outcome) -> None:
    store = Store(file, max_size=SIZE, commit_every_s=0.05, sinks=(SINK,), site="torture")
    try:
        await store.open()
        try:
            await _read_all(store, found, told)
            await store.flush()
            await _read_all(store, found, told)
            mark = store.append("event", "agent", time.time_ns(), {"name": "after"})
            await store.flush()
            # What was found damaged while reading is told by the commit after the next.
            await asyncio.sleep(_TELLING_S)
            await store.flush()
            await _read_all(store, found, told)
            if store.status().committed_seq < mark.seq:
                outcome.problems.append(f"{outcome.where}: nothing new is stored: {store.status().degraded}")
        finally:
            await store.close()
    except StoreError as error:
        outcome.problems.append(f"{outcome.where}: the store cannot be used: {error}")
    except Exception as error:  # noqa: BLE001 -- whatever escapes is what the trial looks for
        outcome.problems.append(f"{outcome.where}: {error!r}")


async def _read_all(store: Store, found: dict[int, bytes], told: set[int]) -> None:
    """Take everything a sink and the intervals' readers are given; what the agent itself adds is not counted."""
    while records := await store.peek(SINK, 500):
        for record in records:
            if record.kind == "gap":
                gap = orjson.loads(record.payload)
                told.update(range(gap["from_seq"], gap["to_seq"] + 1))
            elif record.kind in _KINDS and b'"values"' in record.payload:
                found[record.seq] = record.payload
        await store.acknowledge(SINK, records[-1].seq)
    for record in await store.intervals(0, 1 << 62):
        found.setdefault(record.seq, record.payload)


def _readable(file: Path, wanted: dict[int, bytes]) -> set[int]:
    """Return the records that SQLite still reads unchanged, from either end of each table, in a copy of the file."""
    copy = file.with_name("readable.db")
    for suffix in ("", "-wal"):
        shutil.copyfile(file.with_name(file.name + suffix), copy.with_name(copy.name + suffix))
    found: set[int] = set()
    connection = sqlite3.connect(copy)
    with contextlib.closing(connection), contextlib.suppress(sqlite3.Error, UnicodeDecodeError):
        for table in record_tables(connection):
            for order in ("", " DESC"):
                with contextlib.suppress(sqlite3.Error):
                    rows = connection.execute(f"SELECT seq, payload FROM {table} ORDER BY seq{order}")  # noqa: S608 -- the file's own names
                    found.update(seq for seq, payload in rows if wanted.get(seq) == payload)
    for suffix in ("", "-wal", "-shm"):
        copy.with_name(copy.name + suffix).unlink(missing_ok=True)
    return found


def _main() -> None:
    folder, seed = Path(sys.argv[1]), int(sys.argv[2])
    wanted = {int(seq): bytes.fromhex(text) for seq, text in json.loads((folder / "wanted.json").read_text()).items()}
    for number in range(int(sys.argv[3]), int(sys.argv[4])):
        sys.stdout.write(json.dumps(asdict(trial(folder, seed, number, wanted))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _main()
