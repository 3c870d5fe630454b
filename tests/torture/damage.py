"""A store's file cut, zeroed or with flipped bits at random places: the agent runs, says so, and keeps what it can."""

import asyncio
import json
import random
import selectors
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import orjson

from agent.store import Store
from tests.soak.finding import Finding, quantile
from tests.torture.damaged import LONGEST_S, PAGE, SINK, SIZE, Outcome
from tests.torture.rig import rig, until

_DEVICES = 20


def damage(folder: Path, *, places: int, processes: int, records: int, seed: int = 5) -> Finding:
    """Damage a store's file at so many places, each in a fresh copy; start the agent's process on some of them."""
    finding = Finding("a store's file cut, zeroed or with flipped bits")
    (folder / "original").mkdir()
    wanted = asyncio.run(_fill(folder / "original", records))
    (folder / "wanted.json").write_text(json.dumps({seq: payload.hex() for seq, payload in wanted.items()}))
    outcomes = list(_trials(finding, folder, seed, places))
    for outcome in outcomes:
        finding.problems += outcome.problems
        finding.expect(outcome.took_s <= LONGEST_S, f"{outcome.where}: took {outcome.took_s:.1f} s")
        finding.expect(
            not outcome.altered, f"{outcome.where}: {outcome.altered} records handed on with another content"
        )
        # The end of a log without its frames looks like one that was never written.
        if not outcome.in_log:
            finding.expect(not outcome.untold, f"{outcome.where}: {outcome.untold} records gone and nothing was said")
    _figures(finding, outcomes, places)
    _as_processes(finding, folder, random.Random(seed), processes)  # noqa: S311 -- places, not secrets
    return finding


def _figures(finding: Finding, outcomes: list[Outcome], places: int) -> None:
    readable, kept = sum(o.readable for o in outcomes), sum(o.kept for o in outcomes)
    took = [outcome.took_s for outcome in outcomes]
    share = kept / max(readable, 1)
    finding.expect(share > 0.999, f"kept {share:.1%} of the records that can still be read")
    harmless = sum(not outcome.lost for outcome in outcomes)
    told = sum(bool(outcome.lost and not outcome.untold) for outcome in outcomes)
    in_log = sum(bool(outcome.untold and outcome.in_log) for outcome in outcomes)
    finding.figures["places"] = (
        f"{places}: harmless at {harmless}, said what happened at {told}, the end of the log lost at {in_log}"
    )
    finding.figures["kept of the records that can still be read"] = f"{kept:,} of {readable:,} ({share:.1%})"
    finding.figures["records handed on with another content"] = f"{sum(outcome.altered for outcome in outcomes)}"
    finding.figures["opened and read in"] = f"median {quantile(took, 0.5):.2f} s, max {max(took, default=0):.2f} s"


async def _fill(folder: Path, records: int) -> dict[int, bytes]:
    """Make a store as a kill leaves it, part of it in the log; return its records by number."""
    store = Store(folder / "live.db", max_size=SIZE, commit_every_s=0.05, sinks=(SINK,), site="torture")
    await store.open()
    wanted: dict[int, bytes] = {}
    for number in range(records):
        device = f"motor-{number % _DEVICES}"
        values = {f"v{n}": number / (n + 3) for n in range(20)}
        body: dict[str, object] = {"site": "torture", "device": device, "values": values}
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


def _trials(finding: Finding, folder: Path, seed: int, places: int) -> Iterator[Outcome]:
    """Yield the outcome of each trial; one that hangs or takes its process along is a problem, and passed over."""
    number = 0
    while number < places:
        command = [sys.executable, "-m", "tests.torture.damaged", str(folder), str(seed), str(number), str(places)]
        with (
            (folder / "damaged.log").open("ab") as log,
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log) as worker,
            selectors.DefaultSelector() as selector,
        ):
            assert worker.stdout is not None
            selector.register(worker.stdout, selectors.EVENT_READ)
            while number < places and selector.select(2 * LONGEST_S) and (line := worker.stdout.readline()):
                yield Outcome(**json.loads(line))
                number += 1
            if number < places:
                hangs = worker.poll() is None and not selector.select(0)
                text = "it hangs" if hangs else "its process has ended"
                shutil.copytree(folder / "copy", folder / f"bad-{number}", dirs_exist_ok=True)
                finding.problems.append(f"place {number}: {text}; the file: {folder / f'bad-{number}'}")
                number += 1
            worker.kill()


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
                stream.seek(chance.choice((0, 100, PAGE + 1)) if number % 2 else 0)
                stream.write(bytes(64 if number % 2 else PAGE))
            parts.store.with_name("store.db-wal").unlink(missing_ok=True)
            before = len(agent.log)
            with parts.agent() as agent:
                began = time.monotonic()
                runs = until(agent.online, "", timeout_s=LONGEST_S)
                took.append(time.monotonic() - began)
                finding.expect(runs, f"process {number}: not every device was read within {LONGEST_S:g} s")
                finding.expect("damaged" in agent.log[before:], f"process {number}: it does not say what happened")
                code, _ = agent.stop()
                finding.expect(code == 0, f"process {number}: exit code {code}")
    finding.figures["the agent's process on a damaged file, every device read"] = (
        f"{processes} times, max {max(took):.2f} s"
    )
